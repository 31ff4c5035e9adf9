#include "backup/job/restore/moment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "backup/job/restore/staging.h"
#include "backup/job/binlog/follow.h"
#include "backup/job/binlog/replay.h"
#include "backup/job/restore/accounts.h"
#include "backup/job/restore/holder.h"
#include "backup/job/trial/copy_check.h"
#include "backup/job/trial/owned.h"
#include "backup/server/binlog_client.h"
#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/error_phrase.h"

#define CAUGHT_UP_MS 10000
#define STAYS_MS     3000 /* a server that starts in vain lets go of its files sooner */
#define LOOK_US      20000
#define SMALL_TAIL   (UINT64_C(1) << 20) /* bytes that are caught up in a blink */
#define ROUNDS       8

int moment_find(struct run *run, struct restore_request *q, struct binlog_way *way, struct err *e)
{
    struct binlog_point p;
    int code = binlog_point_parse(q->moment, q->before, q->timeline, &p, e);
    if (code < 0)
        return EXIT_USAGE;
    code = binlog_way_find(run, &p, q->which, way, e);
    if (code != 0)
        return code;
    run_event(json_pack("{s:s, s:s, s:b, s:i, s:i}", "event", "way", "run", way->run, "proven",
        way->proven, "timeline", (int)way->spans[way->n - 1].from.timeline, "spans", (int)way->n));
    if (!way->proven)
        run_note(
            "no backup before that moment was proven by a drill yet: that of %s is tried out now",
            way->run);
    q->way = way;
    q->which = way->run;
    q->types[0] = run->s.physical_type;
    q->types[1] = NULL;
    return 0;
}

struct accounts {
    struct run *run;
    const struct site *site;
};

static int put_accounts(void *ctx, struct throwaway *t, struct err *e)
{
    struct accounts *a = ctx;
    return restore_accounts_put(a->run, &a->site->was, t, e);
}

static void tell_replayed(const struct binlog_way *w, const struct binlog_replayed *done)
{
    char last[CLOCK_ISO_LEN], gtid[BINLOG_GTID_LEN];
    run_event(json_pack("{s:s, s:I, s:I, s:I, s:s?, s:s?, s:i, s:s, s:I}", "event", "replayed",
        "transactions", (json_int_t)done->groups, "statements", (json_int_t)done->statements,
        "rows_events", (json_int_t)done->rows_events, "last",
        done->groups ? clock_iso((int64_t)done->last * 1000, last) : NULL, "gtid",
        done->groups ? binlog_gtid_text(&done->gtid, gtid) : NULL, "timeline",
        (int)w->reached.timeline, "file", w->reached.file, "position",
        (json_int_t)w->reached.position));
}

/* What the archive got since: the way is what is left of it. */
static int rest_of_way(struct run *run, struct binlog_way *w, const struct binlog_place *to,
    uint64_t *bytes, struct err *e)
{
    struct binlog_catalog now = {0};
    struct binlog_place end;
    int code = binlog_catalog_read(run->s.folder, &run->trust, &now, e);
    if (code < 0)
        return code;
    binlog_catalog_clear(&w->catalog);
    w->catalog = now;
    w->spans[0] = (struct binlog_span){.from = w->reached};
    if (to)
        w->spans[0].to = *to;
    w->n = 1;
    *bytes = 0;
    if (binlog_timeline_end(&now, w->reached.timeline, &end) &&
        strcmp(end.file, w->reached.file) == 0)
        *bytes = end.position > w->reached.position ? end.position - w->reached.position : 0;
    else
        *bytes = binlog_span_bytes(&now, &w->spans[0]);
    return 0;
}

int moment_replay(struct run *run, struct binlog_way *way, const struct store_item *it,
    const char *manifest, const char *datadir, const char *scratch, const struct site *site,
    struct err *e)
{
    struct accounts a = {run, site};
    struct binlog_replayed done = {0};
    _cleanup_manifest_file_ struct manifest_file *file = NULL;
    const struct manifest *m = NULL;
    uint64_t left = 0;
    int code = copy_check_manifest(run, it, manifest, &file, &m, e);
    struct binlog_copy copy = {.type = it->type,
        .datadir = datadir,
        .scratch = scratch,
        .done = site ? put_accounts : NULL,
        .ctx = &a};
    if (code == 0) {
        binlog_way_server(way, m);
        code = binlog_replay(run, way, &copy, &done, e);
    }
    if (code == 0)
        tell_replayed(way, &done);
    /* a long replay leaves a long tail: what people wrote meanwhile is run before they are kept out
     */
    for (int i = 0; code == 0 && way->point.kind == BINLOG_LATEST && i < ROUNDS; i++) {
        code = rest_of_way(run, way, NULL, &left, e);
        if (code < 0 || left < SMALL_TAIL)
            break;
        code = binlog_replay(run, way, &copy, &done, e);
        if (code == 0)
            tell_replayed(way, &done);
    }
    return code;
}

/* --- under the block --- */

static int not_of_this_log(const char *why, struct err *e)
{
    json_t *said = phrase(
        "the server runs, and %s: nothing tells what it has written since, so \"latest\" would lose it; the live data are untouched. See `elexgate status`; or name a moment or a transaction (--to \"2026-11-30 14:32:07\"), or stop the server first",
        "");
    phrase_set(said, 0, phrase_of(why));
    (void)error_phrase_set(e, EBUSY, said);
    return EXIT_REFUSED;
}

static int another_log(struct err *e)
{
    return not_of_this_log(
        N_("it writes another binary log than the archived one that this goes by"), e);
}

/* Of the file that the server writes to now, as far as it is archived in that timeline. */
static const struct binlog_segment *archived_end(
    const struct binlog_catalog *c, const struct binlog_place *end)
{
    for (size_t i = c->n; i > 0; i--) {
        const struct binlog_segment *s = &c->items[i - 1].s;
        if (s->timeline == end->timeline && strcmp(s->file, end->file) == 0)
            return s;
    }
    return NULL;
}

/* The stream has everything that the server wrote. Numbers and positions prove nothing: after RESET
 * MASTER the same ones come back. created: of the server's file. */
static int wait_for_archive(struct run *run, struct binlog_way *w, const struct binlog_place *end,
    uint32_t created, struct err *e)
{
    uint64_t until = clock_mono_ms() + CAUGHT_UP_MS, bytes;
    if (binlog_place_compare(&w->reached, end) > 0)
        return another_log(e);
    do {
        int code = rest_of_way(run, w, end, &bytes, e);
        if (code < 0)
            return code;
        const struct binlog_segment *have = archived_end(&w->catalog, end);
        if (have && have->created != created)
            return another_log(e);
        if (have && have->to >= end->position)
            return 0;
        usleep(LOOK_US);
    } while (clock_mono_ms() < until && run_go_on(run));
    return err_outcome(e, EXIT_INCONSISTENT, ETIMEDOUT,
        "the archived binary log does not reach the server's end (%s at %llu) after %d s: is the stream standing still? See `elexgate status`",
        end->file, (unsigned long long)end->position, CAUGHT_UP_MS / 1000);
}

static int take_back(const struct restore_part *p, struct err *e)
{
    _cleanup_fd_ int root = owned_open(p->root, e);
    _cleanup_fd_ int fresh = root < 0 ? -1
                                      : openat(root, "new",
                                            O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fresh < 0)
        return root < 0 ? root : err_sys(e, errno, "cannot open %s/new", p->root);
    return owned_take_back(fresh, e);
}

static int replay_rest(struct restore *r, const struct restore_request *q, struct err *e)
{
    const struct restore_part *p = restore_database(r);
    _cleanup_free_ char *fresh = xasprintf("%s/new", p->root), *try = xasprintf("%s/try", p->root);
    struct binlog_replayed done = {0};
    struct binlog_copy copy = {.type = p->type, .datadir = fresh, .scratch = try};
    int code = take_back(p, e);
    if (code == 0)
        code = binlog_replay(r->run, q->way, &copy, &done, e);
    if (code == 0)
        tell_replayed(q->way, &done);
    r->place = q->way->reached;
    return code == 0 ? restore_finish_staging(p, e) : code;
}

/* *end: where the log of the server ends that runs, and when that file was begun; file "": nothing
 * runs, and there is no more than what is archived. EXIT_REFUSED: it runs, and nobody knows. */
static int server_end(struct restore *r, struct binlog_place *end, uint32_t *created, struct err *e)
{
    struct server *s = NULL;
    _cleanup_free_ char *gtids = NULL;
    struct err why = {0};
    enum site_server is = site_ask(r->run, &s, &why);
    if (is == SITE_SILENT && holder_that_stays(restore_database(r)->live, STAYS_MS) == 0)
        return 0;
    if (is != SITE_ANSWERS)
        return not_of_this_log(N_("it does not let the keeper in (`elexgate doctor`)"), e);
    int code = server_binlog_place(s, end, &gtids, e);
    server_close(s);
    if (code == 1)
        return not_of_this_log(N_("it writes no binary log (log_bin)"), e);
    if (code == 0 && binlog_restore_pending(r->run))
        return not_of_this_log(
            N_("the stream has not begun a new timeline yet since the last restore"), e);
    if (code == 0) /* not as the stream: the server would end it */
        code = binlog_client_created(&r->run->s.target,
            (uint32_t)config_int(r->run->s.config, "binlog", NULL, "server_id") - 1, end->file,
            created, e);
    return code;
}

int moment_catch_up(struct restore *r, void *ctx, struct err *e)
{
    const struct restore_request *q = ctx;
    struct binlog_way *w = q->way;
    struct binlog_place end = {.timeline = 0};
    uint64_t bytes = 0;
    uint32_t created = 0;
    /* an older timeline that was asked for by its number ends where it ends */
    bool older = w->point.timeline != 0 && w->reached.timeline < w->catalog.newest;
    int code = older ? 0 : server_end(r, &end, &created, e);
    if (code != 0)
        return code;
    end.timeline = w->reached.timeline;
    if (end.file[0])
        code = wait_for_archive(r->run, w, &end, created, e);
    else
        code = rest_of_way(r->run, w, NULL, &bytes, e);
    if (code == 0 && end.file[0] && binlog_place_compare(&w->reached, &end) >= 0)
        return 0;
    return code == 0 ? replay_rest(r, q, e) : code;
}

/* --- timelines --- */

void moment_place_of(struct run *run, const struct manifest *m, struct binlog_place *out)
{
    struct binlog_catalog c = {0};
    struct binlog_place at;
    if (m->server.binlog.file[0] && binlog_catalog_read(run->s.folder, &run->trust, &c, NULL) == 0)
        for (uint32_t t = 0; (t = binlog_catalog_after(&c, t)) != 0;)
            if (binlog_place_in(&c, m, t, &at)) /* the newest that has it */
                *out = at;
    binlog_catalog_clear(&c);
}

int moment_mark(const struct restore *r, const struct binlog_place *place, struct err *e)
{
    /* whether or not it is archived now: the stream that begins one day must know */
    return restore_database(r) ? binlog_mark_restored(r->run, place, e) : 0;
}
