#include "backup/job/binlog/loss.h"

#include <string.h>
#include "backup/job/binlog/transactions.h"
#include "backup/server/writers.h"
#include "common/clock.h"
#include "common/json_lines.h"

#define OUT_OF_ORDER_S 60
#define CHANGES_MAX    500  /* lines for people */
#define LONGEST        3600 /* seconds: a transaction stands behind others that began later */

struct change {
    uint32_t minute;
    char *what;
    uint64_t transactions;
    struct writers_found who; /* of all of them */
};

struct looking {
    struct run *run;
    const struct binlog_point *point;
    struct binlog_transactions *transactions;
    struct writers *writers; /* asked once there is something to ask about */
    bool passed;
    uint64_t replayed, lost, earlier;
    uint32_t first, last;
    struct binlog_gtid at; /* the first one behind the point */
    struct change changes[CHANGES_MAX];
    size_t n;
    uint64_t more; /* changes that found no line */
};

static struct change *change_of(struct looking *l, const char *what, uint32_t minute)
{
    for (size_t i = l->n; i > 0 && l->changes[i - 1].minute == minute; i--)
        if (strcmp(l->changes[i - 1].what, what) == 0)
            return &l->changes[i - 1];
    if (l->n == CHANGES_MAX) {
        l->more++;
        return NULL;
    }
    l->changes[l->n] = (struct change){.minute = minute, .what = xstrdup(what)};
    return &l->changes[l->n++];
}

static int count(void *ctx, const struct binlog_transaction *t, struct err *e)
{
    struct looking *l = ctx;
    (void)e;
    if (l->lost++ == 0) {
        l->first = t->when;
        l->writers = writers_ask(
            l->run->s.proxy_socket, (int64_t)t->when - LONGEST, clock_wall_ms() / 1000);
    }
    l->last = t->when;
    /* the log is in the order of commits: a statement that took long is no clock that was set back
     */
    l->earlier += l->point->kind == BINLOG_TIME && t->when < l->point->time &&
                  t->when + OUT_OF_ORDER_S < l->first;
    struct writers_found who = writers_find(l->writers, t->thread, t->when);
    for (size_t i = 0; i < t->n; i++) {
        struct change *c = change_of(l, t->touched[i].what, t->when / 60);
        if (!c)
            continue;
        c->transactions++;
        for (size_t k = 0; k < who.n; k++)
            writers_add(&c->who, who.names[k]);
        c->who.more |= who.more;
    }
    return 0;
}

static int look(void *ctx, const struct binlog_event *ev, struct err *e)
{
    struct looking *l = ctx;
    struct binlog_group g;
    if (!run_go_on(l->run))
        return run_pack_result(PACK_STOPPED, e);
    if (ev->h.type == BINLOG_GTID && !l->passed) {
        int r = binlog_group_parse(ev->data, ev->n, &g, e);
        if (r < 0)
            return r;
        l->passed = binlog_point_passed(l->point, &g, ev->h.when);
        l->replayed += !l->passed;
        l->at = g.gtid;
    }
    return l->passed ? binlog_transactions_event(l->transactions, ev, e) : 0;
}

static json_t *result(const struct looking *l)
{
    char first[CLOCK_ISO_LEN], last[CLOCK_ISO_LEN], minute[CLOCK_ISO_LEN];
    json_t *changes = json_array();
    for (size_t i = 0; i < l->n; i++)
        json_array_append_new(changes, json_pack("{s:s, s:o, s:I, s:o}", "minute",
                                           clock_iso((int64_t)l->changes[i].minute * 60000, minute),
                                           "what", json_text(l->changes[i].what), "transactions",
                                           (json_int_t)l->changes[i].transactions, "workstations",
                                           writers_found_json(&l->changes[i].who)));
    char at[BINLOG_GTID_LEN];
    return json_pack("{s:I, s:I, s:I, s:s?, s:s?, s:s?, s:o, s:I}", "replayed",
        (json_int_t)l->replayed, "lost", (json_int_t)l->lost, "earlier", (json_int_t)l->earlier,
        "at", l->lost ? binlog_gtid_text(&l->at, at) : NULL, "first",
        l->lost ? clock_iso((int64_t)l->first * 1000, first) : NULL, "last",
        l->lost ? clock_iso((int64_t)l->last * 1000, last) : NULL, "changes", changes, "more",
        (json_int_t)l->more);
}

int binlog_loss(struct run *r, const struct binlog_way *w, json_t **out, struct err *e)
{
    _cleanup_free_ struct looking *l = xcalloc(1, sizeof *l);
    l->run = r;
    l->point = &w->point;
    l->transactions = binlog_transactions_new(count, l, NULL, false);
    int code = binlog_events(r, &w->catalog, &w->spans[w->n - 1], look, l, e);
    if (code == 0)
        code = binlog_transactions_end(l->transactions, e);
    if (code == 0)
        *out = result(l);
    binlog_transactions_drop(l->transactions);
    writers_drop(l->writers);
    for (size_t i = 0; i < l->n; i++)
        free(l->changes[i].what);
    return code;
}
