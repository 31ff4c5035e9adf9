#include "backup/job/binlog/point.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/lang.h"
#include "common/utf8.h"
#include "common/lang.h"

int binlog_point_parse(
    const char *text, bool before, const char *timeline, struct binlog_point *out, struct err *e)
{
    struct binlog_point p = {.kind = before ? BINLOG_BEFORE : BINLOG_UPTO};
    int64_t ms = 0;
    char *end = NULL;
    int timed = !before && strchr(text, ':') ? clock_parse_exact(text, &ms, e) : -EINVAL;
    if (timed == -EDOM)
        return timed;
    if (timeline) {
        unsigned long n = strtoul(timeline, &end, 10);
        if (*end || n == 0 || n > UINT32_MAX)
            return err_set(
                e, EINVAL, N_("\"%s\" is no number of a timeline"), UTF8_SHORT(timeline, 40));
        p.timeline = (uint32_t)n;
    }
    if (!before && strcmp(text, "latest") == 0)
        p.kind = BINLOG_LATEST;
    else if (timed == 0 && ms > 0) {
        p.kind = BINLOG_TIME;
        p.time = (uint32_t)((ms + 999) / 1000);
    } else if (binlog_gtid_parse(text, &p.gtid, NULL) < 0)
        return err_set(e, EINVAL,
            before
                ? N_("\"%s\" is no transaction; one is written DOMAIN-SERVER-NUMBER, such as 0-1-4711")
                : N_("\"%s\" is no point in time: a moment such as \"2026-11-30 14:32:07\", a transaction such as 0-1-4711, or latest"),
            UTF8_SHORT(text, 60));
    *out = p;
    return 0;
}

bool binlog_point_passed(const struct binlog_point *p, const struct binlog_group *g, uint32_t when)
{
    bool same = g->gtid.domain == p->gtid.domain;
    switch (p->kind) {
    case BINLOG_TIME:
        return when >= p->time;
    case BINLOG_UPTO:
        return same && g->gtid.number > p->gtid.number;
    case BINLOG_BEFORE:
        return same && g->gtid.number >= p->gtid.number;
    default:
        return false;
    }
}

/* --- the timeline --- */

static const struct binlog_segment *first_of(const struct binlog_catalog *c, uint32_t timeline)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->items[i].s.timeline == timeline)
            return &c->items[i].s;
    return NULL;
}

static bool holds(const struct binlog_segment *s, const struct binlog_point *p)
{
    if (p->kind == BINLOG_LATEST)
        return true;
    if (p->kind == BINLOG_TIME)
        return !s->previous[0] && s->created <= p->time;
    return binlog_gtids_has(&s->after, &p->gtid) && !binlog_gtids_has(&s->before, &p->gtid);
}

static int find_timeline(
    const struct binlog_catalog *c, const struct binlog_point *p, uint32_t *out, struct err *e)
{
    *out = p->place.timeline;
    for (size_t i = 0; i < c->n && p->kind != BINLOG_PLACE; i++) {
        const struct binlog_segment *s = &c->items[i].s;
        if ((p->timeline == 0 || p->timeline == s->timeline) && holds(s, p))
            *out = s->timeline;
    }
    if (*out)
        return 0;
    if (c->n == 0)
        return err_outcome(e, EXIT_REFUSED, ENODATA, N_("no binary log is archived%s%s"),
            c->refused ? ": " : "", err_words(&c->problem));
    if (c->refused)
        err_set(e, ENODATA,
            N_("the archived binary logs do not go back to that point, and some cannot be used: %s"),
            err_words(&c->problem));
    else
        err_set(e, ENODATA, N_("the archived binary logs do not go back to that point"));
    return EXIT_REFUSED;
}

/* --- the backup --- */

bool binlog_place_in(const struct binlog_catalog *c, const struct manifest *m, uint32_t timeline,
    struct binlog_place *out)
{
    for (size_t i = 0; i < c->n && m->server.binlog.file[0]; i++) {
        const struct binlog_segment *s = &c->items[i].s;
        if (s->timeline != timeline || strcmp(s->file, m->server.binlog.file) != 0 ||
            s->from > m->server.binlog.position || s->to < m->server.binlog.position)
            continue;
        bool same = m->server.binlog.created ? m->server.binlog.created == s->created
                                             : m->started_ms / 1000 >= s->created;
        if (!same)
            return false;
        *out = (struct binlog_place){.timeline = timeline, .position = m->server.binlog.position};
        memcpy(out->file, s->file, sizeof out->file);
        return true;
    }
    return false;
}

static struct binlog_place stop_place(const struct binlog_segment *s, uint64_t position)
{
    struct binlog_place at = {.timeline = s->timeline, .position = position};
    memcpy(at.file, s->file, sizeof at.file);
    return at;
}

const struct binlog_segment *binlog_stop_between(const struct binlog_catalog *c, uint32_t timeline,
    const struct binlog_place *from, const struct binlog_place *to)
{
    for (size_t i = 0; i < c->n; i++) {
        const struct binlog_segment *s = &c->items[i].s;
        if (s->timeline != timeline || !s->stop.first)
            continue;
        struct binlog_place first = stop_place(s, s->stop.first),
                            last = stop_place(s, s->stop.last);
        if ((!from || binlog_place_compare(&last, from) >= 0) &&
            (!to || binlog_place_compare(&first, to) < 0))
            return s;
    }
    return NULL;
}

/* Is it run, from there on (NULL = the beginning), before the point is reached? In doubt, as of one
 * behind the first, no: the replay itself says it. */
static bool stop_before(
    const struct binlog_segment *s, const struct binlog_place *from, const struct binlog_point *p)
{
    struct binlog_place first = stop_place(s, s->stop.first);
    switch (p->kind) {
    case BINLOG_TIME:
        return s->stop.when < p->time && (!from || binlog_place_compare(&first, from) >= 0);
    case BINLOG_LATEST:
    case BINLOG_PLACE:
        return true;
    default:
        return !binlog_gtids_has(&s->after, &p->gtid);
    }
}

struct search {
    struct run *run;
    const struct store_list *all;
    const char *which;
    const struct binlog_catalog *catalog;
    const struct binlog_segment *stop; /* why a backup was passed over; NULL = it was not */
};

/* The point lies behind the backup. upto: on an older timeline, the place that is gone to; NULL on
 * the point's own. */
static bool before_point(const struct store_item *it, const struct binlog_point *p,
    const struct binlog_place *at, const struct binlog_place *upto)
{
    struct binlog_gtids gtids;
    if (upto)
        return binlog_place_compare(at, upto) <= 0;
    if (p->kind == BINLOG_TIME)
        return it->manifest.finished_ms <= (int64_t)p->time * 1000;
    if (p->kind == BINLOG_LATEST)
        return true;
    const char *text = it->manifest.server.binlog.gtids;
    if (binlog_gtids_parse(text ? text : "", &gtids, NULL) < 0)
        return false;
    return !binlog_gtids_has(&gtids, &p->gtid);
}

bool binlog_can_begin(const struct store_item *it)
{
    return it->complete && it->manifest.method == MANIFEST_PHYSICAL && standing_good(it->standing);
}

static bool is_proven(const struct store_item *it)
{
    return it->status.proven_ms && it->status.proven_good;
}

/* The newest proven one, else the newest: it is tried out before anything is exchanged. */
static const struct store_item *find_base(struct search *s, const struct binlog_point *p,
    uint32_t timeline, const struct binlog_place *upto, struct binlog_place *at)
{
    const struct store_item *found = NULL;
    for (size_t i = 0; i < s->all->count; i++) { /* newest first */
        const struct store_item *it = &s->all->items[i];
        struct binlog_place place;
        if (!binlog_can_begin(it) || (s->which && strcmp(it->run, s->which) != 0) ||
            !binlog_place_in(s->catalog, &it->manifest, timeline, &place) ||
            !before_point(it, p, &place, upto))
            continue;
        if (found && (is_proven(found) || !is_proven(it)))
            continue;
        const struct binlog_segment *stop = binlog_stop_between(s->catalog, timeline, &place,
            upto                      ? upto
            : p->kind == BINLOG_PLACE ? &p->place
                                      : NULL);
        if (stop && (upto || stop_before(stop, &place, p))) {
            s->stop = stop;
            continue;
        }
        found = it;
        *at = place;
    }
    return found;
}

static void add_first(struct binlog_way *w, const struct binlog_span *span)
{
    w->spans = xrealloc(w->spans, (w->n + 1) * sizeof *w->spans);
    memmove(w->spans + 1, w->spans, w->n * sizeof *w->spans);
    w->spans[0] = *span;
    w->n++;
}

/* Before it, or once there is a backup behind it. */
static int stopped(const struct search *s, struct err *e)
{
    char where[BINLOG_WHERE_LEN];
    const struct binlog_stop *stop = &s->stop->stop;
    binlog_where(s->stop->file, stop->first, stop->when, *stop->kind ? stop->kind : "other", where);
    return err_outcome(e, EXIT_REFUSED, ENOTSUP,
        N_("the way to that point leads across a statement that cannot be run again: %s; a moment before it can be had, and one behind the next physical backup"),
        where);
}

static int no_base(const struct search *s, uint32_t timeline, struct err *e)
{
    if (s->stop)
        return stopped(s, e);
    if (s->which)
        return err_outcome(e, EXIT_REFUSED, ENODATA,
            N_("the backup of %s does not lie before that point on timeline %u"), s->which,
            timeline);
    return err_outcome(e, EXIT_REFUSED, ENODATA,
        N_("there is no physical backup from before that point that notes a place in timeline %u of the binary log; a dump is none, as the log cannot be run for one database alone: with [backup] method = both any moment behind the next backup can be had"),
        timeline);
}

/* From the point back, across restores, to a backup. */
static int go_back(struct search *s, struct binlog_way *w, uint32_t timeline, struct err *e)
{
    struct binlog_place upto = w->point.place, at;
    for (;;) { /* a parent's number is smaller: it ends */
        struct binlog_span span = {.from = {.timeline = timeline}, .to = upto};
        const struct store_item *it = find_base(
            s, &w->point, timeline, upto.timeline ? &upto : NULL, &at);
        if (it) {
            span.from = at;
            add_first(w, &span);
            snprintf(w->run, sizeof w->run, "%s", it->run);
            w->proven = is_proven(it);
            w->reached = at;
            return 0;
        }
        const struct binlog_segment *first = first_of(s->catalog, timeline);
        if (!first || !first->parent.timeline || first->parent.timeline >= timeline)
            return no_base(s, timeline, e);
        const struct binlog_segment *stop = binlog_stop_between(
            s->catalog, timeline, NULL, upto.timeline ? &upto : NULL);
        if (stop && (upto.timeline || stop_before(stop, NULL, &w->point))) {
            s->stop = stop;
            return no_base(s, timeline, e);
        }
        add_first(w, &span);
        upto = first->parent;
        timeline = upto.timeline;
    }
}

int binlog_way_find(struct run *r, const struct binlog_point *p, const char *which,
    struct binlog_way *out, struct err *e)
{
    if (p->kind == BINLOG_TIME && p->time > clock_wall_ms() / 1000 + 1)
        return err_outcome(e, EXIT_REFUSED, EINVAL, N_("that moment lies in the future"));
    struct binlog_way w = {.point = *p};
    struct store_list all = {0};
    uint32_t timeline = 0;
    int code = binlog_catalog_read(r->s.folder, &r->trust, &w.catalog, e);
    if (code == 0)
        code = store_read(r->s.folder, r->s.physical_type, &r->trust, &all, e);
    if (code == 0)
        code = find_timeline(&w.catalog, p, &timeline, e);
    struct search s = {r, &all, which, &w.catalog, NULL};
    if (code == 0)
        code = go_back(&s, &w, timeline, e);
    store_list_clear(&all);
    if (code != 0) {
        binlog_way_clear(&w);
        return code;
    }
    *out = w;
    return 0;
}

void binlog_way_server(struct binlog_way *w, const struct manifest *m)
{
    w->page_size = m->server.page_size;
    w->lower_case_table_names = m->server.lower_case_table_names;
    json_decref(w->settings);
    w->settings = json_incref(json_object_get(m->info, "server_settings"));
    json_decref(w->missing);
    w->missing = json_incref(json_object_get(m->info, "missing"));
}

void binlog_way_clear(struct binlog_way *w)
{
    free(w->spans);
    json_decref(w->settings);
    json_decref(w->missing);
    binlog_catalog_clear(&w->catalog);
    memset(w, 0, sizeof *w);
}
