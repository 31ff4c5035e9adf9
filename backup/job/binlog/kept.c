#include "backup/job/binlog/kept.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "backup/job/binlog/closing.h"
#include "backup/job/binlog/point.h"
#include "backup/rules/retention.h"
#include "common/clock.h"

/* --- retention --- */

/* What may go by the backups that are there, and why nothing may. */
struct keeping {
    const struct binlog_catalog *c;
    int64_t now_ms;
    bool known; /* base is where the oldest backup stands that anybody could begin with */
    struct binlog_place base;
    bool lost;    /* one of ours stands in log that is not there as it should be */
    bool nothing; /* what is there cannot be judged */
};

/* Its log was never archived or has gone already, or the stream does not have it yet. */
static bool lies_outside(const struct keeping *k, const struct manifest *m)
{
    struct binlog_place end, at = {.position = m->server.binlog.position};
    uint32_t first = UINT32_MAX;
    for (size_t i = 0; i < k->c->n; i++)
        first = k->c->items[i].s.created < first ? k->c->items[i].s.created : first;
    if (m->started_ms / 1000 < first)
        return true;
    snprintf(at.file, sizeof at.file, "%s", m->server.binlog.file);
    return binlog_timeline_end(k->c, k->c->newest, &end) && binlog_place_compare(&at, &end) > 0;
}

/* find_base (point.c) begins with the same ones. */
static void take_base(struct keeping *k, const struct store_item *it)
{
    const struct manifest *m = &it->manifest;
    struct binlog_place at;
    bool placed = false;
    if (!binlog_can_begin(it))
        return;
    if (m->started_ms > k->now_ms + RETENTION_FUTURE_MS) {
        run_note("the backup of %s says that it was made in the future", it->run);
        k->nothing = true;
    }
    for (uint32_t t = 0; (t = binlog_catalog_after(k->c, t)) != 0;) {
        if (!binlog_place_in(k->c, m, t, &at))
            continue;
        bool older = at.timeline != k->base.timeline ? at.timeline < k->base.timeline
                                                     : binlog_place_compare(&at, &k->base) < 0;
        if (!k->known || older)
            k->base = at;
        k->known = true;
        placed = true;
    }
    if (placed || !m->server.binlog.file[0] || !standing_ours(it->standing) || lies_outside(k, m))
        return;
    run_note(
        "the backup of %s stands in a part of the binary log that is not archived as it should be",
        it->run);
    k->lost = true;
}

static int judge(struct run *r, struct keeping *k, struct err *e)
{
    CLEANUP(store_list_clear) struct store_list all = {0};
    if (k->c->refused) {
        run_note("%s", err_words(&k->c->problem));
        k->nothing = true;
    }
    for (size_t i = 0; i < k->c->n; i++) { /* not its transactions: SET timestamp says anything */
        const struct binlog_segment *s = &k->c->items[i].s;
        if ((int64_t)s->created * 1000 <= k->now_ms + RETENTION_FUTURE_MS)
            continue;
        run_note("%s of timeline %u says that it was begun in the future", s->file, s->timeline);
        k->nothing = true;
        break;
    }
    int code = store_read(r->s.folder, r->s.physical_type, &r->trust, &all, e);
    if (code < 0)
        return code;
    for (size_t i = 0; i < all.count; i++)
        take_base(k, &all.items[i]);
    return 0;
}

static bool same_file(const struct binlog_segment *a, const struct binlog_segment *b)
{
    return a->timeline == b->timeline && a->number == b->number;
}

/* A file goes as a whole: its beginning says how to read the rest. */
static bool file_is_old(
    const struct binlog_catalog *c, const struct binlog_segment *s, int64_t before_s)
{
    for (size_t i = 0; i < c->n; i++) {
        const struct binlog_segment *o = &c->items[i].s;
        uint32_t ends = o->ends > o->created ? o->ends : o->created;
        if (same_file(o, s) && (o->open || ends >= before_s))
            return false;
    }
    return true;
}

static bool lies_before(const struct binlog_segment *s, const struct binlog_place *base)
{
    struct binlog_place begin = {.timeline = s->timeline};
    memcpy(begin.file, s->file, sizeof begin.file);
    if (s->timeline != base->timeline)
        return s->timeline < base->timeline;
    return strcmp(s->file, base->file) != 0 && binlog_place_compare(&begin, base) < 0;
}

/* The index first: what is left by a crash is never counted. */
static int remove_segment(
    const struct binlog_catalog *c, const struct binlog_segment *s, struct err *e)
{
    char name[BINLOG_PATH_MAX];
    _cleanup_free_ char *index = binlog_catalog_path(c, s, binlog_segment_name(s, ".json", name));
    _cleanup_free_ char *stored = binlog_catalog_path(c, s, s->stored);
    if (unlink(index) < 0 && errno != ENOENT)
        return err_sys(e, errno, "cannot remove %s", index);
    if (unlink(stored) < 0 && errno != ENOENT)
        return err_sys(e, errno, "cannot remove %s", stored);
    return 0;
}

static int remove_old(struct run *r, const struct keeping *k, struct err *e)
{
    const struct binlog_catalog *c = k->c;
    int64_t keep_ms = config_int(r->s.config, "retention", NULL, "keep_binlog");
    int64_t before_s = keep_ms ? (k->now_ms - keep_ms) / 1000 : 0;
    const struct binlog_segment *last = &c->items[c->n - 1].s;
    unsigned removed = 0;
    int code = 0;
    for (size_t i = 0; code == 0 && i < c->n; i++) {
        const struct binlog_segment *s = &c->items[i].s;
        bool old = (k->known && !k->lost && lies_before(s, &k->base)) ||
                   file_is_old(c, s, before_s);
        if (!old || s->open || same_file(s, last))
            continue;
        code = remove_segment(c, s, e);
        removed += code == 0;
    }
    if (removed)
        run_note(
            "%u segments of the binary log that no backup needs any more were removed", removed);
    return code;
}

int binlog_retain(struct run *r, struct err *e)
{
    CLEANUP(binlog_catalog_clear) struct binlog_catalog c = {0};
    struct keeping k = {.c = &c, .now_ms = clock_wall_ms()};
    int code = binlog_catalog_read(r->s.folder, &r->trust, &c, e);
    if (code == 0 && c.n > 0) {
        code = judge(r, &k, e);
        if (code == 0 && k.nothing)
            run_note("nothing of the archived binary log is removed until that is put right");
        else if (code == 0)
            code = remove_old(r, &k, e);
    }
    return code;
}

/* --- list --- */

static json_t *time_or_null(uint32_t s)
{
    char stamp[CLOCK_ISO_LEN];
    return s ? json_string(clock_iso((int64_t)s * 1000, stamp)) : json_null();
}

struct tally {
    const struct binlog_segment *first;
    uint32_t begins, ends;
    uint64_t segments, groups, bytes, stored;
    unsigned gaps;
    bool encrypted;
};

static void count(struct tally *t, const struct binlog_item *it, const struct binlog_item *before)
{
    const struct binlog_segment *s = &it->s;
    t->segments++;
    t->groups += s->groups;
    t->bytes += s->to - s->from;
    t->stored += s->stored_bytes;
    t->encrypted |= s->encrypted;
    if (!t->begins)
        t->begins = s->begins ? s->begins : s->created;
    t->ends = s->ends ? s->ends : t->ends;
    t->gaps += before &&
               (!binlog_segment_follows(&before->s, s) || strcmp(s->previous, before->digest) != 0);
}

static json_t *tally_json(const struct tally *t)
{
    return json_pack("{s:i, s:s, s:o, s:o, s:I, s:I, s:I, s:I, s:b, s:i}", "timeline",
        (int)t->first->timeline, "reason", binlog_reason_name(t->first->reason), "begins",
        time_or_null(t->begins), "ends", time_or_null(t->ends), "segments", (json_int_t)t->segments,
        "transactions", (json_int_t)t->groups, "bytes", (json_int_t)t->bytes, "stored_bytes",
        (json_int_t)t->stored, "encrypted", t->encrypted, "gaps", (int)t->gaps);
}

json_t *binlog_list(const char *folder, const struct trust *trust, struct err *refused)
{
    CLEANUP(binlog_catalog_clear) struct binlog_catalog c = {0};
    struct tally t = {.first = NULL};
    json_t *list = json_array();
    if (binlog_catalog_read(folder, trust, &c, refused) < 0)
        return list;
    for (size_t i = 0; i < c.n; i++) {
        const struct binlog_item *it = &c.items[i];
        bool fresh = !t.first || t.first->timeline != it->s.timeline;
        if (fresh && t.first)
            json_array_append_new(list, tally_json(&t));
        if (fresh)
            t = (struct tally){.first = &it->s};
        count(&t, it, fresh ? NULL : it - 1);
    }
    if (t.first)
        json_array_append_new(list, tally_json(&t));
    if (c.refused)
        *refused = c.problem;
    return list;
}

/* --- what stands on one backup alone --- */

/* Where anybody could begin; the newest place. */
static bool is_base(
    const struct binlog_catalog *c, const struct store_item *it, struct binlog_place *at)
{
    bool placed = false;
    if (!binlog_can_begin(it))
        return false;
    for (uint32_t t = 0; (t = binlog_catalog_after(c, t)) != 0;)
        placed |= binlog_place_in(c, &it->manifest, t, at);
    return placed;
}

/* Across restores, whose place on the older timeline is known, and across nothing that cannot be
 * run again. */
static bool leads_to(
    const struct binlog_catalog *c, const struct binlog_place *from, const struct binlog_place *to)
{
    struct binlog_place at = *to;
    for (size_t i = c->n; i > 0 && at.timeline > from->timeline; i--) {
        const struct binlog_segment *s = &c->items[i - 1].s;
        if (s->timeline != at.timeline || s->previous[0])
            continue;
        if (binlog_stop_between(c, at.timeline, NULL, &at))
            return false;
        at = s->parent;
    }
    return at.timeline == from->timeline && at.timeline != 0 &&
           !binlog_stop_between(c, at.timeline, from, &at);
}

json_t *binlog_stranded(const struct binlog_catalog *c, const struct store_list *l, size_t i)
{
    struct binlog_place at = {.timeline = 0}, other = {.timeline = 0};
    char from[CLOCK_ISO_LEN], until[CLOCK_ISO_LEN];
    int64_t ends = 0;
    if (!is_base(c, &l->items[i], &at))
        return json_null();
    for (size_t k = i + 1; k < l->count; k++) /* older ones */
        if (is_base(c, &l->items[k], &other) && leads_to(c, &other, &at))
            return json_null();
    for (size_t k = 0; k < c->n; k++)
        if (c->items[k].s.ends && (int64_t)c->items[k].s.ends * 1000 > ends)
            ends = (int64_t)c->items[k].s.ends * 1000;
    for (size_t k = i; k > 0; k--)
        if (is_base(c, &l->items[k - 1], &other)) {
            ends = l->items[k - 1].manifest.finished_ms;
            break;
        }
    int64_t begins = l->items[i].manifest.finished_ms;
    if (ends <= begins)
        return json_null();
    return json_pack(
        "{s:s, s:s}", "from", clock_iso(begins, from), "until", clock_iso(ends, until));
}

/* --- verify --- */

int binlog_verify(const struct archive_settings *a, const struct trust *trust,
    struct binlog_verified *out, struct err *e)
{
    struct binlog_catalog c = {0};
    struct binlog_verified v = {0};
    int code = binlog_catalog_read(a->pack.folder, trust, &c, e);
    if (code < 0)
        return code;
    v.refused = (unsigned)c.refused;
    if (c.refused)
        v.first = c.problem;
    for (size_t i = 0; i < c.n && code == 0; i++) {
        const struct binlog_segment *s = &c.items[i].s;
        struct err why = {0};
        if (run_stopped()) {
            code = err_set(e, ECANCELED, "stopped");
            break;
        }
        if (s->open) /* it grows */
            continue;
        int one = binlog_check_segment(a, &c, s, &why);
        v.checked++;
        if (one == 0)
            continue;
        if (v.damaged++ == 0 && !v.first.code)
            (void)err_set(
                &v.first, EBADMSG, "timeline %u, %s: %s", s->timeline, s->stored, err_words(&why));
    }
    binlog_catalog_clear(&c);
    if (code == 0)
        *out = v;
    return code;
}
