#include "backup/job/binlog/writer.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "backup/job/binlog/activity.h"
#include "backup/job/binlog/closing.h"
#include "backup/job/binlog/open_file.h"
#include "backup/job/binlog/playable.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/hex.h"

#define LATE_S 60 /* between a commit and us */

struct binlog_writer {
    struct run *run;
    char *dir, *path;      /* the timeline's folder; the open file's name in it */
    struct open_file file; /* fd -1 until the first event */
    struct binlog_segment s;
    EVP_MD_CTX *sha;
    bool dirty;
    struct activity activity;
    pthread_mutex_t mutex;
};

static void hex_of(EVP_MD_CTX *ctx, char out[static SHA256_HEX_LEN])
{
    uint8_t sum[32];
    EVP_MD_CTX *copy = EVP_MD_CTX_new();
    CHECK(copy && EVP_MD_CTX_copy_ex(copy, ctx) && EVP_DigestFinal_ex(copy, sum, NULL));
    EVP_MD_CTX_free(copy);
    hex_text(sum, sizeof sum, out);
}

static struct binlog_writer *make(struct run *r, const struct binlog_segment *s)
{
    struct binlog_writer *w = xcalloc(1, sizeof *w);
    _cleanup_free_ char *folder = xasprintf("%s/" BINLOG_FOLDER, r->s.folder);
    w->run = r;
    w->s = *s;
    w->file.fd = -1;
    w->dir = binlog_catalog_dir(folder, s->timeline);
    w->sha = EVP_MD_CTX_new();
    CHECK(w->sha && EVP_DigestInit_ex(w->sha, EVP_sha256(), NULL));
    pthread_mutex_init(&w->mutex, NULL);
    return w;
}

int binlog_writer_begin(struct run *r, const struct binlog_segment *seed, const char *previous,
    struct binlog_writer **out, struct err *e)
{
    struct binlog_writer *w = make(r, seed);
    w->s.open = true;
    w->s.file_ends = false;
    w->s.encrypted = open_file_wanted_enciphered(&r->a);
    w->s.to = w->s.last = w->s.from;
    w->s.groups = 0;
    w->s.begins = w->s.ends = 0;
    w->s.stop = (struct binlog_stop){.first = 0};
    w->s.after = w->s.before;
    w->s.last_sha256[0] = w->s.stored_sha256[0] = '\0';
    snprintf(w->s.previous, sizeof w->s.previous, "%s", previous);
    binlog_segment_name(&w->s, ".open", w->s.stored);
    w->path = xasprintf("%s/%s", w->dir, w->s.stored);
    int code = file_mkdirs(w->dir, 0700, e);
    if (code < 0) {
        binlog_writer_drop(w);
        return code;
    }
    *out = w;
    return 0;
}

/* The bytes of its index, read and hashed again. */
static int read_again(struct binlog_writer *w, struct err *e)
{
    uint64_t bytes = w->s.to - w->s.from;
    _cleanup_free_ uint8_t *buf = xmalloc(1 << 20);
    char sum[SHA256_HEX_LEN];
    for (uint64_t at = 0; at < bytes;) {
        uint64_t left = bytes - at;
        ssize_t n = open_file_read(&w->file, buf, left < 1 << 20 ? (size_t)left : 1 << 20, at, e);
        if (n < 0)
            return (int)n;
        if (n == 0)
            return err_set(e, EBADMSG, "%s is shorter than its index says", w->path);
        CHECK(EVP_DigestUpdate(w->sha, buf, (size_t)n));
        at += (uint64_t)n;
    }
    hex_of(w->sha, sum);
    if (strcmp(sum, w->s.sha256) != 0)
        return err_set(e, EBADMSG, "%s is not what was written (SHA-256 differs)", w->path);
    return 0;
}

int binlog_writer_resume(
    struct run *r, const struct binlog_item *item, struct binlog_writer **out, struct err *e)
{
    struct binlog_writer *w = make(r, &item->s);
    w->path = xasprintf("%s/%s", w->dir, w->s.stored);
    int code = open_file_resume(r, w->path, w->s.encrypted, &w->file, e);
    if (code == 0)
        code = read_again(w, e);
    if (code == 0 && ftruncate(w->file.fd, (off_t)(w->s.to - w->s.from)) < 0)
        code = err_sys(e, errno, "cannot cut %s", w->path);
    if (code != 0) {
        binlog_writer_drop(w);
        return code == -EBADMSG || code == -ENOENT ? 1 : code;
    }
    *out = w;
    return 0;
}

/* The client says what time it is (SET timestamp): set back, no moment before the statement could
 * be had; set forward, nobody would be told that there is no base. */
static uint32_t known_time(uint32_t when)
{
    int64_t now = clock_wall_ms() / 1000;
    return when < now - LATE_S || when > now ? (uint32_t)now : when;
}

/* It is archived all the same: what was written before and after it is worth as much as ever. */
static int note_stop(struct binlog_segment *s, const uint8_t *event, size_t n, uint64_t at,
    const struct binlog_header *h)
{
    char kind[BINLOG_KIND_LEN];
    struct err why = {0};
    if (binlog_playable(h, event, n, kind, &why) == 0)
        return 0;
    s->stop.last = at;
    if (s->stop.first)
        return 1;
    s->stop.first = at;
    s->stop.when = known_time(h->when);
    memcpy(s->stop.kind, kind, sizeof kind);
    run_note("%s at %" PRIu64 "%s%s: %s; it is archived, and nothing is replayed across it",
        s->file, at, *kind ? ", " : "", kind, err_words(&why));
    return 1;
}

static int count_event(struct binlog_writer *w, const uint8_t *event, uint64_t at,
    const struct binlog_header *h, struct err *e)
{
    struct binlog_segment *s = &w->s;
    size_t n = h->length - (s->checksums && h->length > BINLOG_CHECKSUM ? BINLOG_CHECKSUM : 0);
    struct binlog_group g;
    struct binlog_format f;
    int r = 0;
    if (h->type == BINLOG_FORMAT) {
        r = binlog_format_parse(event, h->length, &f, e);
        if (r < 0)
            return r;
        s->created = f.created;
        s->checksums = f.checksums;
        s->server_id = h->server_id;
        memcpy(s->server, f.server, sizeof s->server);
    } else if (h->type == BINLOG_GTID_LIST && s->groups == 0) {
        r = binlog_gtid_list_parse(event, n, &s->before, e);
        s->after = s->before;
    } else if (h->type == BINLOG_GTID) {
        r = binlog_group_parse(event, n, &g, e);
        if (r == 0 && !binlog_gtids_add(&s->after, &g.gtid))
            return err_set(e, ENOTSUP, "more than %d GTID domains", BINLOG_DOMAINS_MAX);
        if (s->groups++ == 0)
            s->begins = h->when;
        s->ends = h->when;
    }
    return r == 0 ? note_stop(s, event, n, at, h) : r;
}

static int append(
    struct binlog_writer *w, const uint8_t *event, const struct binlog_header *h, struct err *e)
{
    bool magic = w->s.to == 0;
    uint64_t at = magic ? BINLOG_MAGIC_SIZE : w->s.to;
    int r = w->file.fd < 0 ? open_file_make(w->run, w->path, w->s.encrypted, &w->file, e) : 0;
    if (r == 0 && magic)
        r = open_file_write(&w->file, BINLOG_MAGIC, BINLOG_MAGIC_SIZE, 0, e);
    if (r == 0)
        r = open_file_write(&w->file, event, h->length, at - w->s.from, e);
    if (r == 0)
        r = count_event(w, event, at, h, e);
    if (r < 0)
        return r; /* the file is longer than s.to says, which is what counts */
    if (magic)
        CHECK(EVP_DigestUpdate(w->sha, BINLOG_MAGIC, BINLOG_MAGIC_SIZE));
    CHECK(EVP_DigestUpdate(w->sha, event, h->length));
    w->s.last = at;
    hex_sha256(event, h->length, w->s.last_sha256);
    w->s.to = at + h->length;
    w->dirty = true;
    if (h->type == BINLOG_GTID)
        activity_note(&w->activity, w->run->s.state_dir, h->when);
    return r;
}

int binlog_writer_append(
    struct binlog_writer *w, const uint8_t *event, const struct binlog_header *h, struct err *e)
{
    pthread_mutex_lock(&w->mutex);
    int r = append(w, event, h, e);
    pthread_mutex_unlock(&w->mutex);
    return r;
}

static int flush(struct binlog_writer *w, struct err *e)
{
    char digest[SHA256_HEX_LEN];
    activity_save(&w->activity, w->run->s.state_dir, false);
    if (!w->dirty)
        return 0;
    if (fdatasync(w->file.fd) < 0)
        return err_sys(e, errno, "cannot sync %s", w->path);
    hex_of(w->sha, w->s.sha256);
    w->s.stored_bytes = w->s.to - w->s.from;
    int r = binlog_catalog_publish(w->dir, &w->s, &w->run->trust, false, digest, e);
    if (r == 0)
        w->dirty = false;
    return r;
}

int binlog_writer_flush(struct binlog_writer *w, struct err *e)
{
    pthread_mutex_lock(&w->mutex);
    int r = flush(w, e);
    pthread_mutex_unlock(&w->mutex);
    return r;
}

void binlog_writer_state(struct binlog_writer *w, struct binlog_segment *out)
{
    pthread_mutex_lock(&w->mutex);
    *out = w->s;
    pthread_mutex_unlock(&w->mutex);
}

int binlog_writer_close(struct binlog_writer *w, bool file_ends, struct binlog_segment *out,
    char digest[static SHA256_HEX_LEN], struct err *e)
{
    int r = binlog_writer_flush(w, e);
    w->s.file_ends = file_ends;
    if (r == 0)
        r = binlog_close_segment(w->run, w->dir, &w->file, &w->s, digest, e);
    if (r == 0)
        *out = w->s;
    binlog_writer_drop(w);
    return r;
}

void binlog_writer_drop(struct binlog_writer *w)
{
    if (!w)
        return;
    activity_save(&w->activity, w->run->s.state_dir, true);
    EVP_MD_CTX_free(w->sha);
    pthread_mutex_destroy(&w->mutex);
    open_file_close(&w->file);
    free(w->dir);
    free(w->path);
    free(w);
}

/* --- what was left --- */

static int close_left(struct run *r, const struct binlog_item *it, struct err *e)
{
    struct binlog_writer *w = NULL;
    struct binlog_segment closed;
    char digest[SHA256_HEX_LEN];
    int code = binlog_writer_resume(r, it, &w, e);
    return code == 0 ? binlog_writer_close(w, false, &closed, digest, e) : code;
}

void binlog_writer_tidy(struct run *r, const struct binlog_catalog *c, bool begins)
{
    for (size_t i = 0; i < c->n && !run_stopped(); i++) {
        const struct binlog_segment *s = &c->items[i].s;
        bool last = i + 1 == c->n || c->items[i + 1].s.timeline != s->timeline;
        char name[BINLOG_PATH_MAX];
        struct err why = {0};
        _cleanup_free_ char *bytes = binlog_catalog_path(
            c, s, binlog_segment_name(s, ".open", name));
        if (!s->open) /* killed between the index and this */
            open_file_sweep(bytes);
        else if (last && (begins || s->timeline != c->newest) && close_left(r, &c->items[i], &why))
            run_tell_of(&why, "timeline %u, %s stays open", s->timeline, s->stored);
    }
}
