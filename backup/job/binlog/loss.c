#include "backup/job/binlog/loss.h"

#include <stdio.h>
#include <string.h>
#include "backup/rules/binlog_query.h"
#include "common/clock.h"
#include "common/json_lines.h"

#define CHANGES_MAX 500 /* lines for people */
#define WHAT_MAX    600

struct change {
    uint32_t minute;
    char *what;
    uint64_t transactions, last; /* last: the transaction that was counted last */
};

struct looking {
    struct run *run;
    const struct binlog_point *point;
    bool passed;
    uint64_t replayed, lost;
    uint32_t first, last, minute;
    struct change changes[CHANGES_MAX];
    size_t n;
    uint64_t more; /* changes that found no line */
};

static void count(struct looking *l, const char *what)
{
    for (size_t i = l->n; i > 0; i--) {
        struct change *c = &l->changes[i - 1];
        if (c->minute != l->minute)
            break;
        if (strcmp(c->what, what) != 0)
            continue;
        c->transactions += c->last != l->lost;
        c->last = l->lost;
        return;
    }
    if (l->n == CHANGES_MAX) {
        l->more++;
        return;
    }
    l->changes[l->n++] = (struct change){l->minute, xstrdup(what), 1, l->lost};
}

static int begin(struct looking *l, const struct binlog_event *ev, struct err *e)
{
    struct binlog_group g;
    int r = binlog_group_parse(ev->data, ev->n, &g, e);
    if (r < 0)
        return r;
    l->passed |= binlog_point_passed(l->point, &g, ev->h.when);
    if (!l->passed) {
        l->replayed++;
        return 0;
    }
    if (l->lost++ == 0)
        l->first = ev->h.when;
    l->last = ev->h.when;
    l->minute = ev->h.when / 60;
    return 0;
}

static int look(void *ctx, const struct binlog_event *ev, struct err *e)
{
    struct looking *l = ctx;
    struct binlog_table table;
    struct binlog_query q;
    char text[WHAT_MAX];
    if (!run_go_on(l->run))
        return run_pack_result(PACK_STOPPED, e);
    if (ev->h.type == BINLOG_GTID)
        return begin(l, ev, e);
    if (!l->passed)
        return 0;
    if (ev->h.type == BINLOG_TABLE_MAP) {
        int r = binlog_table_parse(ev->data, ev->n, &table, e);
        if (r < 0)
            return r;
        snprintf(text, sizeof text, "%.*s.%.*s", 259, table.schema, 259, table.name);
        count(l, text);
    } else if (ev->h.type == BINLOG_QUERY && binlog_query_parse(ev->data, ev->n, &q, NULL) == 0 &&
               binlog_query_bracket(&q) == BINLOG_NO_BRACKET) {
        char kind[BINLOG_KIND_LEN];
        count(l, binlog_query_kind(&q, kind));
    }
    return 0;
}

static json_t *result(const struct looking *l)
{
    char first[CLOCK_ISO_LEN], last[CLOCK_ISO_LEN], minute[CLOCK_ISO_LEN];
    json_t *changes = json_array();
    for (size_t i = 0; i < l->n; i++)
        json_array_append_new(changes, json_pack("{s:s, s:o, s:I}", "minute",
                                           clock_iso((int64_t)l->changes[i].minute * 60000, minute),
                                           "what", json_text(l->changes[i].what), "transactions",
                                           (json_int_t)l->changes[i].transactions));
    return json_pack("{s:I, s:I, s:s?, s:s?, s:o, s:I}", "replayed", (json_int_t)l->replayed,
        "lost", (json_int_t)l->lost, "first",
        l->lost ? clock_iso((int64_t)l->first * 1000, first) : NULL, "last",
        l->lost ? clock_iso((int64_t)l->last * 1000, last) : NULL, "changes", changes, "more",
        (json_int_t)l->more);
}

int binlog_loss(struct run *r, const struct binlog_way *w, json_t **out, struct err *e)
{
    struct looking *l = xcalloc(1, sizeof *l);
    l->run = r;
    l->point = &w->point;
    int code = binlog_events(r, &w->catalog, &w->spans[w->n - 1], look, l, e);
    if (code == 0)
        *out = result(l);
    for (size_t i = 0; i < l->n; i++)
        free(l->changes[i].what);
    free(l);
    return code;
}
