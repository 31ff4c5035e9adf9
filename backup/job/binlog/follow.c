#include "backup/job/binlog/follow.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "backup/archive/medium.h"
#include "backup/job/binlog/activity.h"
#include "backup/job/binlog/base.h"
#include "backup/job/binlog/open_file.h"
#include "backup/job/binlog/source.h"
#include "backup/job/binlog/writer.h"
#include "backup/server/binlog_client.h"
#include "common/clock.h"
#include "common/error_phrase.h"
#include "common/exit_codes.h"
#include "common/file.h"
#include "common/hex.h"
#include "common/utf8.h"

#define HEARTBEAT_MS  1000
#define FLUSH_US      200000
#define AGAIN_MS      2000
#define TELL_MS       1000
#define SEGMENT_BYTES (UINT64_C(32) << 20)
#define SEGMENT_MS    (UINT64_C(15) * 60 * 1000)

struct stream {
    struct run *run;
    struct binlog_watch *watch;
    struct binlog_writer *writer; /* changed under the mutex */
    pthread_mutex_t mutex;
    pthread_t flusher;
    atomic_bool flushing;
    struct err failed;           /* of the flusher; code 0 = none */
    struct binlog_segment last;  /* the segment before the writer's, or the one that it resumed */
    char digest[SHA256_HEX_LEN]; /* of its index */
    uint64_t began_ms;           /* monotonic: when the writer's segment was begun */
    bool compare;                /* the first event must be last's last one */
    char gap_file[BINLOG_NAME_MAX + 1];
    bool restored;    /* a marker is to be removed once the new timeline is on the disk */
    int64_t saved_ms; /* everything up to then is safe; 0 = not known yet */
    int64_t idle_ms;  /* the server had nothing more then */
    uint64_t told_ms;
};

static void tell_saved(struct stream *s, bool now)
{
    char saved[CLOCK_ISO_LEN], gtid[BINLOG_GTIDS_TEXT];
    struct binlog_segment at;
    uint64_t mono = clock_mono_ms();
    if (!s->saved_ms || (!now && mono - s->told_ms < TELL_MS))
        return;
    binlog_writer_state(s->writer, &at);
    s->told_ms = mono;
    run_event(json_pack("{s:s, s:s, s:s, s:i, s:s, s:I, s:s}", "event", "binlog", "state",
        "following", "saved", clock_iso(s->saved_ms, saved), "timeline", (int)at.timeline, "file",
        at.file, "position", (json_int_t)at.to, "gtid", binlog_gtids_text(&at.after, gtid)));
}

/* --- the disk --- */

/* With the mutex. What was safe before the server's silence was noted is safe up to it. */
static int flush(struct stream *s, struct err *e)
{
    struct binlog_segment at;
    int64_t idle = s->idle_ms;
    int r = binlog_writer_flush(s->writer, e);
    if (r < 0)
        return r;
    binlog_writer_state(s->writer, &at);
    if (s->restored && at.to > at.from) { /* the new timeline is on the disk */
        binlog_source_settled(s->run);
        s->restored = false;
    }
    int64_t event_ms = (int64_t)at.ends * 1000, now = clock_wall_ms();
    event_ms = event_ms < now ? event_ms : now; /* SET timestamp says anything */
    int64_t safe = idle ? idle : event_ms;
    s->idle_ms = 0;
    if (safe > s->saved_ms)
        s->saved_ms = safe;
    return 0;
}

static void *flusher_main(void *arg)
{
    struct stream *s = arg;
    while (atomic_load(&s->flushing)) {
        usleep(FLUSH_US);
        pthread_mutex_lock(&s->mutex);
        if (s->writer && s->failed.code == 0 && flush(s, &s->failed) == 0)
            tell_saved(s, false);
        pthread_mutex_unlock(&s->mutex);
    }
    return NULL;
}

/* The writer's segment is closed, if it has anything, and the next one begins behind it. */
static int next_segment(struct stream *s, const char *file, struct err *e)
{
    struct binlog_segment seed;
    int r = 0;
    binlog_writer_state(s->writer, &seed);
    if (seed.to > seed.from) {
        struct binlog_writer *w = s->writer;
        s->writer = NULL;
        r = binlog_writer_close(w, file != NULL, &s->last, s->digest, e);
        seed = s->last;
    } else {
        binlog_writer_drop(s->writer);
        s->writer = NULL;
    }
    if (r < 0)
        return r;
    seed.before = seed.after;
    seed.from = file ? 0 : seed.to;
    if (file) {
        snprintf(seed.file, sizeof seed.file, "%s", file);
        if (!binlog_name_valid(file, &seed.number))
            return err_set(e, ENOTSUP, "the server names a binary log in a way that is not known");
    }
    s->began_ms = clock_mono_ms();
    return binlog_writer_begin(s->run, &seed, s->digest, &s->writer, e);
}

static int locked_next_segment(struct stream *s, const char *file, struct err *e)
{
    pthread_mutex_lock(&s->mutex);
    int r = s->writer ? next_segment(s, file, e) : -EIO;
    pthread_mutex_unlock(&s->mutex);
    return r;
}

/* --- the server's events --- */

#define ANOTHER_LOG 1 /* what the server has is not what we have */
#define GAP_BEFORE  2 /* its file gap_file goes on behind what we do not have */

static int compare_first(struct stream *s, const uint8_t *event, size_t n, struct err *e)
{
    char digest[SHA256_HEX_LEN];
    hex_sha256(event, n, digest);
    s->compare = false;
    if (strcmp(digest, s->last.last_sha256) == 0)
        return 0;
    err_set(e, EBADMSG, "%s has other bytes at %llu than the archive", s->last.file,
        (unsigned long long)s->last.last);
    return ANOTHER_LOG;
}

static int check_event(const struct binlog_segment *at, const uint8_t *event, size_t n,
    const struct binlog_header *h, struct err *e)
{
    uint64_t begin = at->to ? at->to : BINLOG_MAGIC_SIZE;
    if (h->length != n)
        return err_set(e, EBADMSG, "an event has another length than it says");
    /* since MariaDB 11.7 only the last event of a transaction says where it ends */
    if (h->next != 0 && h->next != (uint32_t)(begin + n))
        return err_set(e, EBADMSG,
            "the binary log has a gap: an event at %llu of %s says that it ends at %u",
            (unsigned long long)begin, at->file, h->next);
    if ((at->checksums || h->type == BINLOG_FORMAT) && !binlog_checksum_good(event, n))
        return err_set(e, EBADMSG, "an event at %llu of %s has a wrong checksum",
            (unsigned long long)begin, at->file);
    if (h->type == BINLOG_START_ENCRYPTION)
        return err_set(e, ENOTSUP, "the server encrypts its binary log");
    return 0;
}

/* Names, numbers and times say that the file is the next one; what it says that was committed
 * before it must be what we have. */
static int check_beginning(struct stream *s, const struct binlog_segment *at, const uint8_t *event,
    size_t n, struct err *e)
{
    struct binlog_gtids list;
    char ours[BINLOG_GTIDS_TEXT], theirs[BINLOG_GTIDS_TEXT];
    int r = binlog_gtid_list_parse(event, n - (at->checksums ? BINLOG_CHECKSUM : 0), &list, e);
    if (r < 0 || binlog_gtids_continue(&at->before, &list))
        return r;
    snprintf(s->gap_file, sizeof s->gap_file, "%s", at->file);
    err_set(e, EBADMSG, "%s begins behind %s, and what is archived before it ends with %s",
        at->file, UTF8_SHORT(binlog_gtids_text(&list, theirs), 200),
        UTF8_SHORT(binlog_gtids_text(&at->before, ours), 200));
    return GAP_BEFORE;
}

static bool segment_full(const struct stream *s, const struct binlog_segment *at)
{
    return at->groups > 0 &&
           (at->to - at->from >= SEGMENT_BYTES || clock_mono_ms() - s->began_ms >= SEGMENT_MS);
}

static int take_event(
    struct stream *s, const uint8_t *event, size_t n, const struct binlog_header *h, struct err *e)
{
    struct binlog_segment at;
    if (s->compare)
        return compare_first(s, event, n, e);
    binlog_writer_state(s->writer, &at);
    if (h->type == BINLOG_GTID && segment_full(s, &at)) { /* a transaction stays in one piece */
        int r = locked_next_segment(s, NULL, e);
        if (r < 0)
            return r;
        binlog_writer_state(s->writer, &at);
    }
    int r = check_event(&at, event, n, h, e);
    bool begins = h->type == BINLOG_GTID_LIST && at.from == 0 && s->digest[0]; /* not the first */
    if (r == 0 && begins && (r = check_beginning(s, &at, event, n, e)) == GAP_BEFORE)
        return r;
    if (r == 0)
        r = binlog_writer_append(s->writer, event, h, e);
    if (r == 1)
        binlog_watch_poke(s->watch);
    return r < 0 ? r : 0;
}

/* An artificial rotate event names the file that the following events are of. */
static int rotate(struct stream *s, const uint8_t *event, size_t n, struct err *e)
{
    char file[BINLOG_NAME_MAX + 1];
    struct binlog_segment at;
    binlog_writer_state(s->writer, &at);
    /* it comes before the format event that says whether there are checksums */
    size_t sum = binlog_checksum_good(event, n) ? BINLOG_CHECKSUM : 0;
    int r = binlog_rotate_parse(event, n - sum, file, e);
    if (r < 0 || strcmp(file, at.file) == 0)
        return r;
    return locked_next_segment(s, file, e);
}

static int handle(struct stream *s, const uint8_t *event, size_t n, struct err *e)
{
    struct binlog_header h;
    int r = binlog_header_parse(event, n, &h, e);
    if (r < 0)
        return r;
    if (h.type == BINLOG_HEARTBEAT) {
        pthread_mutex_lock(&s->mutex);
        s->idle_ms = clock_wall_ms();
        pthread_mutex_unlock(&s->mutex);
        return 0;
    }
    if (h.type == BINLOG_ROTATE && h.flags & BINLOG_F_ARTIFICIAL)
        return rotate(s, event, n, e);
    /* a format event that is sent because we began in the middle of a file */
    if (h.flags & BINLOG_F_ARTIFICIAL || (h.type == BINLOG_FORMAT && h.next == 0))
        return 0;
    return take_event(s, event, n, &h, e);
}

/* What a commit waits for is on the disk first. */
static int acknowledge(struct stream *s, struct binlog_client *c, struct err *e)
{
    struct binlog_segment at;
    pthread_mutex_lock(&s->mutex);
    int r = s->writer ? flush(s, e) : -EIO;
    if (r == 0)
        binlog_writer_state(s->writer, &at);
    pthread_mutex_unlock(&s->mutex);
    return r < 0 ? r : binlog_client_acknowledge(c, at.file, at.to, e);
}

/* Ends with the connection, an error, or ANOTHER_LOG. */
static int listen_to(struct stream *s, struct binlog_client *c, struct err *e)
{
    const uint8_t *event;
    size_t n;
    while (!run_stopped()) {
        int r = binlog_client_next(c, &event, &n, e);
        if (r == -ENOENT && s->compare) /* the place of our last event is none of the server's */
            return ANOTHER_LOG;
        if (r == 1)
            return err_set(e, EPIPE, "the server ended the binary log");
        if (r == 0)
            r = handle(s, event, n, e);
        if (r == 0 && binlog_client_awaited(c))
            r = acknowledge(s, c, e);
        if (r == 0 && s->failed.code) {
            *e = s->failed;
            r = -s->failed.code;
        }
        if (r != 0)
            return r;
    }
    return 0;
}

static int with_flusher(struct stream *s, struct binlog_client *c, struct err *e)
{
    struct err last = {0};
    atomic_store(&s->flushing, true);
    CHECK(pthread_create(&s->flusher, NULL, flusher_main, s) == 0);
    int r = listen_to(s, c, e);
    atomic_store(&s->flushing, false);
    pthread_join(s->flusher, NULL);
    if (s->writer && s->failed.code == 0 && flush(s, &last) < 0 && r >= 0)
        *e = last, r = -last.code;
    if (s->writer)
        tell_saved(s, true);
    return r;
}

/* --- where it goes on --- */

static int begin_timeline(struct stream *s, const struct binlog_catalog *catalog,
    const struct binlog_decision *d, const struct binlog_place *parent, struct err *e)
{
    struct binlog_segment seed = {.reason = d->reason};
    int r = binlog_catalog_free(catalog, &seed.timeline, e);
    if (r < 0)
        return r;
    if (d->reason == BINLOG_RESTORED && parent)
        seed.parent = *parent;
    snprintf(seed.file, sizeof seed.file, "%s", d->file);
    CHECK(binlog_name_valid(seed.file, &seed.number)); /* source.c has checked them */
    s->compare = false;
    s->digest[0] = '\0';
    run_event(json_pack("{s:s, s:i, s:s, s:s}", "event", "timeline", "timeline", (int)seed.timeline,
        "reason", binlog_reason_name(d->reason), "file", seed.file));
    binlog_watch_poke(s->watch);
    return binlog_writer_begin(s->run, &seed, "", &s->writer, e);
}

/* An open one that is not written on: an enciphered one (open_file.h), or one in clear after
 * archives were set to be encrypted. Where its key is gone it stays open. */
static int close_behind(struct stream *s, const struct binlog_item *have, struct err *e)
{
    struct binlog_writer *w = NULL;
    struct err why = {0};
    int r = binlog_writer_resume(s->run, have, &w, &why);
    if (r == 0)
        return binlog_writer_close(w, false, &s->last, s->digest, e);
    if (r != EXIT_REFUSED) {
        *e = why;
        return r;
    }
    run_tell(&why);
    return 0;
}

/* 1: what we have is damaged. */
static int go_on(struct stream *s, const struct binlog_item *have, struct err *e)
{
    s->last = have->s;
    memcpy(s->digest, have->digest, sizeof s->digest);
    s->compare = have->s.last >= BINLOG_MAGIC_SIZE && have->s.last_sha256[0];
    if (have->s.open && !have->s.encrypted && !open_file_wanted_enciphered(&s->run->a)) {
        memcpy(s->digest, have->s.previous, sizeof s->digest);
        return binlog_writer_resume(s->run, have, &s->writer, e);
    }
    int r = have->s.open ? close_behind(s, have, e) : 0;
    if (r != 0)
        return r;
    struct binlog_segment seed = have->s;
    seed.before = seed.after;
    seed.from = have->s.to;
    return binlog_writer_begin(s->run, &seed, s->digest, &s->writer, e);
}

static int next_file(
    struct stream *s, const struct binlog_item *have, const char *file, struct err *e)
{
    s->last = have->s;
    memcpy(s->digest, have->digest, sizeof s->digest);
    struct binlog_segment seed = have->s;
    seed.before = seed.after;
    seed.from = 0;
    snprintf(seed.file, sizeof seed.file, "%s", file);
    CHECK(binlog_name_valid(seed.file, &seed.number));
    return binlog_writer_begin(s->run, &seed, s->digest, &s->writer, e);
}

static int prepare(struct stream *s, const struct binlog_catalog *catalog,
    const struct binlog_source *src, enum binlog_reason forced, struct err *e)
{
    const struct binlog_item *have = catalog->n ? &catalog->items[catalog->n - 1] : NULL;
    struct binlog_decision d = src->decision;
    s->began_ms = clock_mono_ms();
    s->failed.code = 0;
    if (forced != BINLOG_REASONS) {
        d.next = BINLOG_NEW;
        d.reason = forced;
    }
    if (forced == BINLOG_GAP)
        memcpy(d.file, s->gap_file, sizeof d.file);
    binlog_writer_tidy(s->run, catalog, d.next == BINLOG_NEW);
    if (d.next == BINLOG_NEXT_FILE)
        return next_file(s, have, d.file, e);
    if (d.next == BINLOG_GO_ON) {
        int r = go_on(s, have, e);
        if (r <= 0)
            return r;
        run_tell(e);
        d.reason = BINLOG_DAMAGED;
    }
    return begin_timeline(s, catalog, &d, src->has_parent ? &src->parent : NULL, e);
}

static int follow(struct stream *s, struct err *e)
{
    struct binlog_client *c = NULL;
    struct binlog_segment at;
    binlog_writer_state(s->writer, &at);
    uint64_t position = s->compare ? s->last.last : at.to;
    struct binlog_client_options o = {.target = &s->run->s.target,
        .file = at.file,
        .position = position < BINLOG_MAGIC_SIZE ? BINLOG_MAGIC_SIZE : position,
        .server_id = (uint32_t)config_int(s->run->s.config, "binlog", NULL, "server_id"),
        .semi_sync = strcmp(config_str(s->run->s.config, "binlog", NULL, "durability"),
                         "semi-sync") == 0,
        .heartbeat_ms = HEARTBEAT_MS};
    int r = binlog_client_open(&o, &c, e);
    if (r == 0)
        r = with_flusher(s, c, e);
    binlog_client_close(c);
    return r;
}

/* From the connection to its end. forced: a new timeline for that reason; BINLOG_REASONS = as is
 * found. */
static int once(struct stream *s, enum binlog_reason forced, struct err *e)
{
    CLEANUP(binlog_catalog_clear) struct binlog_catalog catalog = {0};
    CLEANUP(binlog_source_clear) struct binlog_source src = {.n = 0};
    bool fresh = false, made = false;
    char medium[MEDIUM_ID_LEN];
    int r = medium_ready(s->run->trust.folder, s->run->s.folder, medium, &fresh, e);
    if (r > 0 && r != MEDIUM_FRESH)
        return -ENODEV;
    if (r >= 0)
        r = trust_ready(&s->run->trust, &made, e);
    if (r == 0)
        r = binlog_catalog_read(s->run->s.folder, &s->run->trust, &catalog, e);
    if (r == 0 && catalog.refused)
        run_note("%s", err_words(&catalog.problem));
    if (r == 0)
        r = binlog_source_look(s->run, catalog.n ? &catalog.items[catalog.n - 1].s : NULL, &src, e);
    s->restored = src.restored;
    if (r == 0)
        r = prepare(s, &catalog, &src, forced, e);
    if (r == 0)
        r = follow(s, e);
    binlog_writer_drop(s->writer);
    s->writer = NULL;
    return r;
}

static void wait_again(const struct err *why)
{
    json_t *event = json_pack("{s:s, s:s, s:s?}", "event", "binlog", "state", "waiting", "code",
        why->code ? strerrorname_np(why->code) : NULL);
    error_phrase_put(event, why);
    run_event(event);
    for (uint64_t end = clock_mono_ms() + AGAIN_MS; clock_mono_ms() < end && !run_stopped();)
        usleep(50000);
}

int job_binlog(struct run *r, int argc, char **argv, struct err *e)
{
    (void)argv;
    struct stream s = {.run = r};
    pid_t holder = 0;
    int lock = -1;
    if (argc > 1)
        return err_outcome(e, EXIT_USAGE, EINVAL, "elexgate-job binlog takes no arguments");
    _cleanup_free_ char *path = xasprintf("%s/binlog.lock", r->s.state_dir);
    int code = file_mkdirs(r->s.state_dir, 0700, e);
    if (code == 0)
        code = file_lock(path, &lock, &holder, e);
    if (code == 1)
        return err_set(e, EBUSY, "the binary log is archived already (process %d)", (int)holder);
    pthread_mutex_init(&s.mutex, NULL);
    activity_tidy(r->s.state_dir);
    enum binlog_reason forced = BINLOG_REASONS;
    s.watch = code == 0 ? binlog_watch_start(r) : NULL;
    while (code == 0 && !run_stopped()) {
        struct err why = {0};
        s.saved_ms = 0;
        int one = once(&s, forced, &why);
        forced = one == ANOTHER_LOG  ? BINLOG_CHANGED
                 : one == GAP_BEFORE ? BINLOG_GAP
                                     : BINLOG_REASONS;
        if (one > 0)
            run_tell(&why);
        if (one < 0 && !run_stopped())
            wait_again(&why);
    }
    if (s.watch)
        binlog_watch_stop(s.watch);
    pthread_mutex_destroy(&s.mutex);
    cleanup_fd(&lock);
    return code;
}
