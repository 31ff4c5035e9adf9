#include "backup/job/binlog/prove.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "backup/job/binlog/prove_live.h"
#include "backup/job/binlog/replay.h"
#include "backup/job/job.h"
#include "backup/job/trial/broken_tables.h"
#include "backup/job/trial/copy_check.h"
#include "backup/job/trial/scratch.h"
#include "backup/job/trial/trial.h"
#include "backup/rules/series.h"
#include "common/clock.h"
#include "common/error_phrase.h"
#include "common/exit_codes.h"
#include "common/utf8.h"

#define ARCHIVED_MS 30000 /* the stream has what was written before the backup */
#define LOOK_US     50000

struct proof {
    struct run *run;
    struct store_list all;         /* physical ones, newest first */
    const struct store_item *base; /* to begin with */
    struct store_item then;        /* what it has to come to: the newest backup, or the live data */
    struct manifest_file *file;
    struct manifest live;
    struct binlog_way way;
    struct scratch space;
    struct store_proof tables;
    bool live_too;
};

/* --- which ---------------------------------------------------------------------------------------
 */

static bool whole(const struct store_item *it)
{
    const struct store_status *s = &it->status;
    return it->complete && it->manifest.method == MANIFEST_PHYSICAL &&
           standing_ours(it->standing) && (!s->verified_ms || s->verified_good) &&
           (!s->proven_ms || s->proven_good);
}

static const struct store_item *newest_before(const struct store_list *all, const char *run)
{
    bool behind = run == NULL;
    for (size_t i = 0; i < all->count; i++) {
        const struct store_item *it = &all->items[i];
        if (behind && whole(it))
            return it;
        behind |= run && strcmp(it->run, run) == 0;
    }
    return NULL;
}

/* why: a phrase, which is taken over. */
static int nothing(struct run *r, json_t *why)
{
    json_t *event = json_pack("{ss}", "event", "note"),
           *said = phrase("there is no chain to prove yet: %s", "");
    r->nothing = true;
    phrase_set(said, 0, why);
    phrase_put(event, "text", said);
    run_event(event);
    return 0;
}

/* What it has to come to. */
static int find_end(struct proof *p, struct err *e)
{
    struct run *r = p->run;
    const struct store_item *newest = newest_before(&p->all, NULL);
    const struct manifest *m = NULL;
    if (!newest)
        return nothing(r, phrase("there is no physical backup of this installation"));
    p->then = *newest;
    if (p->live_too) {
        p->base = newest;
        p->then.manifest = p->live;
        p->then.run[0] = '\0';
        return 0;
    }
    _cleanup_free_ char *path = store_path(r->s.folder, newest, ARCHIVE_NAME_MANIFEST);
    snprintf(r->suffix, sizeof r->suffix, "%s", newest->run);
    p->base = newest_before(&p->all, newest->run);
    if (!p->base)
        return nothing(r, phrase("it needs two physical backups"));
    int code = copy_check_manifest(r, newest, path, &p->file, &m, e);
    if (code == 0)
        p->then.manifest = *m;
    return code;
}

/* Where that stands in the archived log. */
static int find_place(struct proof *p, struct binlog_point *out, struct err *e)
{
    const struct manifest *m = &p->then.manifest;
    uint64_t until = clock_mono_ms() + ARCHIVED_MS;
    *out = (struct binlog_point){.kind = BINLOG_PLACE};
    do {
        struct binlog_catalog c = {0};
        int code = binlog_catalog_read(p->run->s.folder, &p->run->trust, &c, e);
        if (code < 0)
            return code;
        for (uint32_t t = 0; (t = binlog_catalog_after(&c, t)) != 0;) {
            struct binlog_place at;
            if (binlog_place_in(&c, m, t, &at)) /* the newest that has it */
                out->place = at;
        }
        if (c.refused)
            code = err_copy(e, EBADMSG, &c.problem);
        binlog_catalog_clear(&c);
        if (out->place.timeline)
            return 0;
        if (code < 0)
            return EXIT_INCONSISTENT;
        usleep(LOOK_US);
    } while (clock_mono_ms() < until && run_go_on(p->run));
    return err_outcome(e, EXIT_REFUSED, ETIMEDOUT,
        "the archived binary log does not reach %s at %" PRIu64
        ", where the backup stands: is the stream standing still? See `elexgate status`",
        m->server.binlog.file, m->server.binlog.position);
}

/* --- no way from the one to the other ------------------------------------------------------------
 */

static uint32_t timeline_of(const struct binlog_catalog *c, const struct manifest *m)
{
    struct binlog_place at = {.timeline = 0};
    for (uint32_t t = 0; (t = binlog_catalog_after(c, t)) != 0;)
        if (binlog_place_in(c, m, t, &at))
            return t;
    return 0;
}

static bool lost_something(enum binlog_reason why)
{
    return why == BINLOG_GAP || why == BINLOG_CHANGED || why == BINLOG_DAMAGED;
}

/* The first timeline behind the base's that began because something was missing. */
static const struct binlog_segment *first_gap(
    const struct binlog_catalog *c, uint32_t after, uint32_t upto)
{
    for (size_t i = 0; i < c->n; i++) {
        const struct binlog_segment *s = &c->items[i].s;
        if (s->timeline > after && s->timeline <= upto && !s->previous[0] &&
            lost_something(s->reason))
            return s;
    }
    return NULL;
}

/* A log that was begun anew on purpose (RESET MASTER, an undo), that keep_binlog has cut, or that
 * was not archived then, is no damage. */
static int judge_no_way(struct proof *p, const struct binlog_place *end, struct err *e)
{
    CLEANUP(binlog_catalog_clear) struct binlog_catalog c = {0};
    char when[CLOCK_ISO_LEN];
    struct err why = *e;
    int code = binlog_catalog_read(p->run->s.folder, &p->run->trust, &c, e);
    if (code < 0)
        return code;
    const struct manifest *m = &p->base->manifest;
    uint32_t at = timeline_of(&c, m);
    const struct binlog_segment *gap = first_gap(&c, at, end->timeline);
    bool older = c.n == 0 || m->started_ms / 1000 < c.items[0].s.created;
    if (at && gap) {
        code = err_outcome(e, EXIT_INCONSISTENT, ENODATA,
            "the archived binary log has a gap before %s, begun at %s (timeline %u: %s)", gap->file,
            clock_iso((int64_t)gap->created * 1000, when), gap->timeline,
            binlog_reason_name(gap->reason));
    } else if (!at && !older &&
               config_int(p->run->s.config, "retention", NULL, "keep_binlog") == 0) {
        (void)err_prefix(e, err_copy(e, ENODATA, &why),
            "the binary log from the backup of %s on (%s) is not archived as it should be",
            p->base->run, m->server.binlog.file);
        code = EXIT_INCONSISTENT;
    } else {
        code = nothing(p->run, error_phrase_json(&why));
    }
    return code;
}

/* --- the proof -----------------------------------------------------------------------------------
 */

/* Up to where any second can be brought back, when the log breaks off. */
static int say_until(struct proof *p, const struct binlog_replayed *done, struct err *e)
{
    char last[CLOCK_ISO_LEN];
    struct err why = *e;
    int64_t ms = done->groups ? (int64_t)done->last * 1000 : p->base->manifest.finished_ms;
    return err_outcome(e, EXIT_INCONSISTENT, EBADMSG,
        "%s; from the backup of %s it leads up to %s, and no further", err_words(&why),
        p->base->run, clock_iso(ms, last));
}

static int unpack_base(struct proof *p, struct err *e)
{
    struct run *r = p->run;
    _cleanup_free_ char *archive = store_path(r->s.folder, p->base, ARCHIVE_NAME_ARCHIVE),
                        *manifest = store_path(r->s.folder, p->base, ARCHIVE_NAME_MANIFEST);
    uint64_t log = 0;
    for (size_t i = 0; i < p->way.n; i++)
        log += binlog_span_bytes(&p->way.catalog, &p->way.spans[i]);
    int code = scratch_open(&p->space, r, p->base->manifest.content.bytes + log, e);
    struct copy_check c = {.run = r,
        .item = p->base,
        .archive = archive,
        .manifest = manifest,
        .datadir = p->space.datadir,
        .scratch = p->space.scratch};
    _cleanup_manifest_file_ struct manifest_file *file = NULL;
    const struct manifest *m = NULL;
    if (code == 0)
        code = copy_check_extract(&c, e);
    if (code == 0)
        code = copy_check_manifest(r, p->base, manifest, &file, &m, e);
    if (code == 0) {
        binlog_way_server(&p->way, m);
        broken_tables_lack(&p->then.manifest, m);
    }
    return code;
}

static int replay_and_compare(struct proof *p, struct err *e)
{
    struct binlog_copy copy = {
        .type = p->then.type, .datadir = p->space.datadir, .scratch = p->space.scratch};
    struct binlog_replayed done = {0};
    struct copy_check c = {.run = p->run,
        .item = &p->then,
        .datadir = p->space.datadir,
        .scratch = p->space.scratch,
        .replayed = true};
    int code = binlog_replay(p->run, &p->way, &copy, &done, e);
    if (code == EXIT_INCONSISTENT)
        return say_until(p, &done, e);
    if (code == 0)
        code = copy_check_boot(&c, e);
    p->tables = c.proof;
    if (code == EXIT_INCONSISTENT)
        code = err_prefix(e, code,
            "the backup of %s with the binary log from there on is not what %s was", p->base->run,
            p->live_too ? "the server" : p->then.run);
    return code;
}

static int prove(struct proof *p, struct err *e)
{
    struct binlog_point point;
    const struct manifest *m = &p->then.manifest;
    if (!m->server.binlog.file[0] || !p->base->manifest.server.binlog.file[0])
        return nothing(
            p->run, phrase("the server wrote no binary log when one of the backups was made"));
    if (m->table_count == 0)
        return nothing(p->run, phrase("the backup has no checksums ([backup] checksums)"));
    if (series_compare(p->base->manifest.server.version, m->server.version) != SERIES_SAME)
        return nothing(
            p->run, phrase("the server was of another series when the backup before was made"));
    int code = find_place(p, &point, e);
    if (code == 0)
        code = binlog_way_find(p->run, &point, p->base->run, &p->way, e);
    else
        return code;
    if (code == EXIT_REFUSED)
        return judge_no_way(p, &point.place, e);
    if (code == 0)
        code = unpack_base(p, e);
    return code == 0 ? replay_and_compare(p, e) : code;
}

/* --- told ----------------------------------------------------------------------------------------
 */

/* Since when any second up to the i-th is proven, by one good proof after the other; 0 = not at
 * all. */
static int64_t proven_since(const struct store_list *l, size_t i)
{
    int64_t since = 0;
    while (i < l->count) {
        const struct store_status *s = &l->items[i].status;
        size_t base = i + 1;
        if (!s->chain_ms || !s->chain_good)
            return since;
        while (base < l->count && (strcmp(l->items[base].run, s->chain_base) != 0 ||
                                      strcmp(l->items[base].type, l->items[i].type) != 0))
            base++;
        if (base == l->count || !l->items[base].complete)
            return since;
        since = l->items[base].manifest.finished_ms;
        i = base;
    }
    return since;
}

json_t *binlog_proven_json(const struct store_list *l)
{
    char from[CLOCK_ISO_LEN], to[CLOCK_ISO_LEN];
    size_t i = 0;
    while (i < l->count && !l->items[i].status.chain_ms)
        i++;
    if (i == l->count)
        return json_null();
    int64_t since = proven_since(l, i);
    json_t *o = json_pack("{s:s?, s:s?}", "since", since ? clock_iso(since, from) : NULL, "until",
        since ? clock_iso(l->items[i].manifest.started_ms, to) : NULL);
    error_phrase_put_as(o, "words", &l->items[i].status.chain_words);
    return o;
}

static int record(struct proof *p, bool good, const struct err *words, struct err *e)
{
    struct store_item *newest = NULL;
    for (size_t i = 0; i < p->all.count && !newest; i++)
        if (strcmp(p->all.items[i].run, p->then.run) == 0)
            newest = &p->all.items[i];
    if (!newest) /* the live server's stands beside no archive */
        return 0;
    struct store_status *s = &newest->status;
    s->chain_ms = clock_wall_ms();
    s->chain_good = good;
    s->chain_words = *words;
    utf8_copy(s->chain_base, sizeof s->chain_base, p->base->run);
    return store_status_write(
        p->run->s.folder, newest->type, newest->run, newest->digest, &p->run->trust, s, e);
}

/* Through the proofs before, as far back as they go without a break. */
static int64_t since(const struct proof *p)
{
    for (size_t i = 0; i < p->all.count; i++)
        if (&p->all.items[i] == p->base && proven_since(&p->all, i))
            return proven_since(&p->all, i);
    return p->base->manifest.finished_ms;
}

static int tell_proof(struct proof *p, int code, uint64_t took, struct err *e)
{
    char from[CLOCK_ISO_LEN], to[CLOCK_ISO_LEN];
    struct err words = *e, unwritten = {0};
    bool good = code == 0;
    clock_iso(since(p), from);
    clock_iso(p->then.manifest.started_ms, to);
    if (good)
        (void)err_set(&words, EIO,
            "any second since %s is proven: %" PRId64 " tables, %" PRId64 " rows counted, %" PRId64
            " checksums compared",
            from, p->tables.tables, p->tables.rows, p->tables.checksums);
    if (record(p, good, &words, &unwritten) < 0 && good) {
        *e = unwritten;
        code = EXIT_FAILED;
    }
    json_t *told = json_pack("{s:s, s:s, s:s, s:b, s:I, s:s, s:s, s:s}", "type", p->then.type,
        "run", p->then.run, "method", "chain", "good", (int)good, "ms", (json_int_t)took, "base",
        p->base->run, "since", from, "until", to);
    error_phrase_put_as(told, "text", &words);
    json_t *event = json_pack("{s:s}", "event", "chain");
    json_object_update(event, told);
    json_array_append_new(p->run->proofs, told);
    run_event(event);
    return code;
}

int job_prove(struct run *r, int argc, char **argv, struct err *e)
{
    struct proof p = {.run = r, .space.folder = -1};
    uint64_t start = clock_mono_ms();
    p.live_too = argc > 1 && strcmp(argv[1], "--live") == 0;
    if (argc > 1 + p.live_too)
        return err_outcome(e, EXIT_USAGE, EINVAL, "prove takes --live, and nothing else");
    int code = job_lock(r, e);
    if (code == 0)
        code = trial_ready(r, e);
    if (code == 0 && p.live_too)
        code = prove_live_read(r, &p.live, e);
    if (code == 0)
        run_be_modest(r);
    if (code == 0)
        code = store_read(r->s.folder, r->s.physical_type, &r->trust, &p.all, e);
    if (code == 0)
        code = find_end(&p, e);
    if (code == 0 && !r->nothing)
        code = prove(&p, e);
    if (p.base && !r->nothing && (code == 0 || code == EXIT_INCONSISTENT))
        code = tell_proof(&p, code, clock_mono_ms() - start, e);
    if (code == EXIT_NOT_IDLE) /* people work: no failure */
        r->nothing = true;
    scratch_close(&p.space);
    binlog_way_clear(&p.way);
    manifest_file_close(p.file);
    manifest_clear(&p.live);
    store_list_clear(&p.all);
    return code;
}
