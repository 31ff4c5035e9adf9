#include "backup/job/binlog/changes.h"

#include <errno.h>
#include <string.h>
#include "backup/job/binlog/transactions.h"
#include "backup/server/writers.h"
#include "common/clock.h"
#include "common/error_phrase.h"
#include "common/exit_codes.h"
#include "common/json_lines.h"
#include "common/lang.h"
#include "common/utf8.h"

/* A transaction stands where it ended, and its time is of before: what ran for longer than this is
 * not looked for beyond the end. */
#define LONGEST    3600
#define UNTIL_THEN 3600 /* that much of before, where nobody says from when */

struct asked {
    const char *table, *workstation, *timeline;
    int64_t from, to; /* seconds; to is exclusive */
    uint32_t number;  /* of the timeline; 0 = all that were going on then */
    bool rows;
};

struct listing {
    struct run *run;
    const struct asked *asked;
    struct writers *writers;
    struct binlog_transactions *transactions;
    uint64_t seen, shown;
};

static bool from_there(const struct writers_found *f, const char *asked)
{
    for (size_t i = 0; i < f->n; i++) {
        size_t n = strcspn(f->names[i], " ");
        if ((strncmp(f->names[i], asked, n) == 0 && !asked[n]) ||
            (f->names[i][n] && strcasestr(f->names[i] + n, asked)))
            return true;
    }
    return false;
}

static json_t *as_json(const struct binlog_transaction *t, const struct writers_found *who)
{
    char when[CLOCK_ISO_LEN], gtid[BINLOG_GTID_LEN];
    json_t *tables = json_array(), *statements = json_array();
    for (size_t i = 0; i < t->n; i++) {
        const struct binlog_touched *it = &t->touched[i];
        if (it->statement) {
            (void)json_array_append_new(statements, json_text(it->what));
            continue;
        }
        json_t *o = json_pack("{s:o, s:I, s:I, s:I}", "table", json_text(it->what), "inserted",
            (json_int_t)it->rows[BINLOG_INSERTED], "changed",
            (json_int_t)it->rows[BINLOG_CHANGED_ROW], "deleted",
            (json_int_t)it->rows[BINLOG_DELETED]);
        if (it->unsure)
            (void)json_object_set_new(o, "unsure", json_true());
        (void)json_array_append_new(tables, o);
    }
    json_t *o = json_pack("{s:s, s:i, s:s, s:s, s:o, s:o, s:I, s:o, s:s?, s:O*}", "event", "change",
        "timeline", (int)t->segment->timeline, "time", clock_iso((int64_t)t->when * 1000, when),
        "gtid", binlog_gtid_text(&t->gtid, gtid), "tables", tables, "statements", statements,
        "more", (json_int_t)t->more, "workstations", writers_found_json(who), "by",
        who->n == 0      ? NULL
        : who->by_thread ? "connection"
                         : "time",
        "rows", t->content);
    return o;
}

static int tell_transaction(void *ctx, const struct binlog_transaction *t, struct err *e)
{
    struct listing *l = ctx;
    const struct asked *a = l->asked;
    (void)e;
    if (t->when < a->from || t->when >= a->to)
        return 0;
    l->seen++;
    if (a->table && !t->named)
        return 0;
    struct writers_found who = writers_find(l->writers, t->thread, t->when);
    if (a->workstation && !from_there(&who, a->workstation))
        return 0;
    l->shown++;
    run_event(as_json(t, &who));
    return 0;
}

static int look(void *ctx, const struct binlog_event *ev, struct err *e)
{
    struct listing *l = ctx;
    if (!run_go_on(l->run))
        return run_pack_result(PACK_STOPPED, e);
    return binlog_transactions_event(l->transactions, ev, e);
}

static struct binlog_place place_of(const struct binlog_segment *s, uint64_t position)
{
    struct binlog_place p = {.timeline = s->timeline, .position = position};
    memcpy(p.file, s->file, sizeof p.file);
    return p;
}

/* From the beginning of the file in which that time comes, to the first segment that is all behind
 * it. false: nothing of this timeline. */
static bool span_of(const struct binlog_catalog *c, uint32_t timeline, const struct asked *a,
    struct binlog_span *out)
{
    bool found = false;
    *out = (struct binlog_span){.from = {.timeline = timeline}};
    for (size_t i = 0; i < c->n; i++) {
        const struct binlog_segment *s = &c->items[i].s;
        if (s->timeline != timeline || !s->groups)
            continue;
        if (!found && s->ends >= a->from && s->begins < a->to + LONGEST) {
            out->from = place_of(s, 0);
            found = true;
        } else if (found && s->begins >= a->to + LONGEST) {
            out->to = place_of(s, s->from);
            break;
        }
    }
    return found;
}

static int list_all(struct listing *l, const struct binlog_catalog *c, struct err *e)
{
    int code = 0;
    for (uint32_t t = 0; code == 0 && (t = binlog_catalog_after(c, t)) != 0;) {
        struct binlog_span span;
        if ((l->asked->number && t != l->asked->number) || !span_of(c, t, l->asked, &span))
            continue;
        code = binlog_events(l->run, c, &span, look, l, e);
        if (code == 0)
            code = binlog_transactions_end(l->transactions, e);
    }
    return code;
}

static int wrong(const char *what, const char *value, struct err *e)
{
    return err_outcome(e, EXIT_USAGE, EINVAL, "%s \"%s\"", what, UTF8_SHORT(value, 60));
}

static int moment(const char *text, int64_t *out, struct err *e)
{
    int64_t ms = -1;
    if (clock_parse_exact(text, &ms, e) == -EDOM)
        return EXIT_USAGE;
    if (ms < 0)
        return wrong(N_("no moment such as \"2026-11-30 14:32:07\":"), text, e);
    *out = (ms + 999) / 1000;
    return 0;
}

static int parse(int argc, char **argv, struct asked *a, struct err *e)
{
    int code = 0;
    a->to = clock_wall_ms() / 1000 + 1;
    a->from = -1;
    for (int i = 1; code == 0 && i < argc; i++) {
        const char *next = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--rows") == 0) {
            a->rows = true;
            continue;
        }
        if (!next)
            return wrong(N_("unknown option, or one without its value:"), argv[i], e);
        if (strcmp(argv[i], "--from") == 0)
            code = moment(next, &a->from, e);
        else if (strcmp(argv[i], "--to") == 0)
            code = moment(next, &a->to, e);
        else if (strcmp(argv[i], "--table") == 0)
            a->table = next;
        else if (strcmp(argv[i], "--workstation") == 0)
            a->workstation = next;
        else if (strcmp(argv[i], "--timeline") == 0) {
            char *end;
            unsigned long n = strtoul(next, &end, 10);
            if (*end || n == 0 || n > BINLOG_TIMELINE_MAX)
                return wrong(N_("no number of a timeline:"), next, e);
            a->number = (uint32_t)n;
        } else
            return wrong("unknown option", argv[i], e);
        i++;
    }
    if (a->from < 0)
        a->from = a->to - UNTIL_THEN;
    if (code == 0 && a->from >= a->to)
        return wrong("--from must lie before --to, and it is", "later", e);
    return code;
}

static void tell_end(const struct listing *l)
{
    const struct err *unknown = writers_problem(l->writers);
    json_t *event = json_pack("{s:s, s:I, s:I, s:n}", "event", "changes", "transactions",
        (json_int_t)l->seen, "shown", (json_int_t)l->shown, "workstations_unknown");
    if (unknown)
        error_phrase_put_as(event, "workstations_unknown", unknown);
    run_event(event);
}

int job_changes(struct run *r, int argc, char **argv, struct err *e)
{
    struct asked a = {0};
    struct binlog_catalog c = {0};
    int code = parse(argc, argv, &a, e);
    if (code != 0)
        return code;
    run_be_modest(NULL);
    code = binlog_catalog_read(r->s.folder, &r->trust, &c, e);
    if (code == 0 && c.n == 0)
        code = err_outcome(e, EXIT_REFUSED, ENODATA, "no binary log is archived%s%s",
            c.refused ? ": " : "", err_words(&c.problem));
    if (code != 0) {
        binlog_catalog_clear(&c);
        return code;
    }
    struct listing l = {
        .run = r, .asked = &a, .writers = writers_ask(r->s.proxy_socket, a.from, a.to)};
    l.transactions = binlog_transactions_new(tell_transaction, &l, a.table, a.rows);
    code = list_all(&l, &c, e);
    if (code == 0)
        tell_end(&l);
    binlog_transactions_drop(l.transactions);
    writers_drop(l.writers);
    binlog_catalog_clear(&c);
    return code;
}
