#include "backup/job/job.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "backup/job/binlog/activity.h"
#include "backup/job/binlog/catalog.h"
#include "common/audit_read.h"
#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/json_get.h"
#include "common/utf8.h"

#define MINUTES_MAX (25 * 60) /* the day on which winter time begins */
#define MARKS_MAX   400
#define SPANS_MAX   1000 /* of each kind */

struct day {
    char name[16];
    int64_t from, to; /* milliseconds */
    json_t *minutes, *saved, *gaps, *marks;
};

/* Local midnight to local midnight. */
static int parse_day(const char *text, struct day *d, struct err *e)
{
    time_t now = (time_t)(clock_wall_ms() / 1000);
    struct tm tm;
    localtime_r(&now, &tm);
    int year = tm.tm_year + 1900, month = tm.tm_mon + 1, day = tm.tm_mday, end = 0;
    if (text && (sscanf(text, "%4d-%2d-%2d%n", &year, &month, &day, &end) != 3 || text[end] ||
                    year < 1970 || year > 2100 || month < 1 || month > 12 || day < 1 || day > 31))
        return err_outcome(
            e, EXIT_USAGE, EINVAL, "\"%s\" is no day such as 2026-11-30", UTF8_SHORT(text, 40));
    for (int i = 0; i < 2; i++) {
        struct tm at = {
            .tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day + i, .tm_isdst = -1};
        *(i ? &d->to : &d->from) = (int64_t)mktime(&at) * 1000;
    }
    snprintf(d->name, sizeof d->name, "%04u-%02u-%02u", (unsigned)year % 10000,
        (unsigned)month % 100, (unsigned)day % 100);
    return 0;
}

static bool within(const struct day *d, int64_t ms)
{
    return ms >= d->from && ms < d->to;
}

static void add_mark(struct day *d, int64_t ms, const char *kind, const char *text)
{
    char when[CLOCK_ISO_LEN];
    if (within(d, ms) && json_array_size(d->marks) < MARKS_MAX)
        (void)json_array_append_new(
            d->marks, json_pack("{s:s, s:s, s:o}", "time", clock_iso(ms, when), "kind", kind,
                          "text", json_text(text)));
}

static int add_minutes(struct day *d, const struct run *r, struct err *e)
{
    size_t n = (size_t)((d->to - d->from) / 60000);
    n = n > MINUTES_MAX ? MINUTES_MAX : n;
    _cleanup_free_ uint32_t *counts = xcalloc(MINUTES_MAX, sizeof *counts);
    int code = activity_read(r->s.state_dir, (uint32_t)(d->from / 60000), n, counts, e);
    for (size_t i = 0; code == 0 && i < n; i++)
        (void)json_array_append_new(d->minutes, json_integer(counts[i]));
    return code;
}

/* --- the log --- */

/* The part of it that lies in this day. */
static void add_span(const struct day *d, json_t *list, int64_t from, int64_t to, json_t *more)
{
    char a[CLOCK_ISO_LEN], b[CLOCK_ISO_LEN];
    from = from < d->from ? d->from : from;
    to = to > d->to ? d->to : to;
    json_t *last = json_array_get(list, SPANS_MAX - 1);
    if (from < to && last) { /* rather too much missing than too little */
        if (list == d->gaps)
            json_object_set_new(last, "to", json_string(clock_iso(to, b)));
    } else if (from < to) {
        json_t *span = json_pack("{s:s, s:s}", "from", clock_iso(from, a), "to", clock_iso(to, b));
        (void)json_object_update(span, more);
        (void)json_array_append_new(list, span);
    }
    json_decref(more);
}

struct stretch {
    uint32_t timeline;
    enum binlog_reason reason;
    int64_t from, to;
};

/* Where the log is lost between two timelines. What a restore or a reset left was not written in
 * between: there, nothing is missing. */
static bool loses(enum binlog_reason reason)
{
    return reason == BINLOG_GAP || reason == BINLOG_CHANGED || reason == BINLOG_DAMAGED;
}

static void add_stretch(struct day *d, const struct stretch *now, const struct stretch *before)
{
    if (before->timeline && loses(now->reason))
        add_span(d, d->gaps, before->to, now->from,
            json_pack("{s:s}", "reason", binlog_reason_name(now->reason)));
    add_span(d, d->saved, now->from, now->to, json_pack("{s:i}", "timeline", (int)now->timeline));
}

static void add_log(struct day *d, const struct binlog_catalog *c)
{
    struct stretch now = {.timeline = 0}, before = {.timeline = 0};
    for (size_t i = 0; i < c->n; i++) {
        const struct binlog_segment *s = &c->items[i].s;
        if (s->timeline != now.timeline) {
            if (now.timeline)
                add_stretch(d, &now, &before);
            before = now;
            now = (struct stretch){s->timeline, s->reason, (int64_t)s->created * 1000, 0};
        }
        int64_t end = (int64_t)(s->ends ? s->ends : s->created) * 1000;
        now.to = end > now.to ? end : now.to;
    }
    if (now.timeline)
        add_stretch(d, &now, &before);
}

/* --- what happened --- */

static void add_backups(struct day *d, const struct store_list *all)
{
    for (size_t i = 0; i < all->count; i++) {
        const struct store_item *it = &all->items[i];
        if (!it->complete || !standing_good(it->standing))
            continue;
        _cleanup_free_ char *text = xasprintf("%s %s", it->type, it->run);
        add_mark(d, it->manifest.finished_ms, "backup", text);
        if (it->status.proven_ms)
            add_mark(
                d, it->status.proven_ms, it->status.proven_good ? "proof" : "drill-failed", text);
    }
}

static void add_audit(struct day *d, const char *path)
{
    json_t *limit = json_pack("{s:i}", "limit", AUDIT_READ_LINES), *line;
    _cleanup_json_ json_t *answer = audit_read_answer(path, limit);
    size_t i;
    json_array_foreach (json_object_get(answer, "lines"), i, line) {
        int64_t ms;
        const char *event = json_get_text(line, "event"), *kind = json_get_text(line, "kind"),
                   *action = json_get_text(line, "action");
        if (clock_parse(json_get_text(line, "time"), &ms) < 0)
            continue;
        if (!strcmp(event, "job") && (!strcmp(kind, "restore") || !strcmp(kind, "recover")))
            add_mark(d, ms, "restore", json_get_text(line, "run"));
        else if (!strcmp(event, "command") && (!strcmp(action, "block") || !strcmp(action, "open")))
            add_mark(d, ms, action, json_get_text(line, "who"));
    }
    json_decref(limit);
}

/* NULL: it is off. */
static const char *audit_path(const struct run *r, const char *key)
{
    const char *path = config_str(r->s.config, "audit", NULL, key);
    return path && strcmp(path, "off") != 0 ? path : NULL;
}

static int look(struct day *d, struct run *r, struct err *e)
{
    CLEANUP(binlog_catalog_clear) struct binlog_catalog c = {0};
    CLEANUP(store_list_clear) struct store_list all = {0};
    int code = add_minutes(d, r, e);
    if (code == 0)
        code = binlog_catalog_read(r->s.folder, &r->trust, &c, e);
    if (code == 0)
        code = store_read(r->s.folder, NULL, &r->trust, &all, e);
    if (code == 0) {
        add_log(d, &c);
        add_backups(d, &all);
        add_audit(d, audit_path(r, "file"));
        add_audit(d, audit_path(r, "proxy_file"));
    }
    return code;
}

int job_timeline(struct run *r, int argc, char **argv, struct err *e)
{
    struct day d = {.from = 0};
    char from[CLOCK_ISO_LEN], to[CLOCK_ISO_LEN];
    int code = argc > 2 ? EXIT_USAGE : parse_day(argc > 1 ? argv[1] : NULL, &d, e);
    if (argc > 2)
        err_set(e, EINVAL, "timeline [DAY]");
    if (code != 0)
        return code;
    d.minutes = json_array();
    d.saved = json_array();
    d.gaps = json_array();
    d.marks = json_array();
    code = look(&d, r, e);
    if (code == 0)
        run_event(json_pack("{s:s, s:s, s:s, s:s, s:b, s:O, s:O, s:O, s:O}", "event", "timeline",
            "day", d.name, "from", clock_iso(d.from, from), "to", clock_iso(d.to, to), "archived",
            config_bool(r->s.config, "binlog", NULL, "archive"), "minutes", d.minutes, "saved",
            d.saved, "gaps", d.gaps, "marks", d.marks));
    json_decref(d.minutes);
    json_decref(d.saved);
    json_decref(d.gaps);
    json_decref(d.marks);
    return code;
}
