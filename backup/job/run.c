#include "backup/job/run.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "backup/rules/shrink.h"
#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/file.h"
#include "common/json_lines.h"
#include "common/error_phrase.h"

/* Between two lines of progress. */
#define PROGRESS_MS 100

static atomic_bool stop_asked;

static void on_signal(int number)
{
    (void)number;
    atomic_store(&stop_asked, true);
}

void run_catch_signals(void)
{
    struct sigaction ask = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGTERM, &ask, NULL);
    sigaction(SIGINT, &ask, NULL);
    sigaction(SIGHUP, &ask, NULL);
    signal(SIGPIPE, SIG_IGN);
}

bool run_stopped(void)
{
    return atomic_load(&stop_asked);
}

void run_be_modest(const struct run *r)
{
    if (r && r->urgent)
        return;
    enum { IOPRIO_WHO_PROCESS = 1, IOPRIO_BEST_EFFORT_LAST = (2 << 13) | 7 };
    int n = setpriority(PRIO_PROCESS, 0, 10);
    long l = syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_BEST_EFFORT_LAST);
    (void)n;
    (void)l;
}

int run_init(struct run *r, const struct config *c, struct err *e)
{
    memset(r, 0, sizeof *r);
    r->lock = -1;
    int code = backup_settings_load(c, &r->s, e);
    if (code == 0)
        code = archive_settings_load(c, &r->a, e);
    if (code == 0)
        code = trust_open(r->s.state_dir, r->a.trust, &r->trust, e);
    if (code < 0) {
        archive_settings_clear(&r->a);
        backup_settings_clear(&r->s);
        return code;
    }
    r->archives = json_array();
    r->proofs = json_array();
    r->incomplete = json_object();
    r->started_ms = clock_wall_ms();
    return 0;
}

void run_clear(struct run *r)
{
    trust_close(&r->trust);
    archive_settings_clear(&r->a);
    backup_settings_clear(&r->s);
    json_decref(r->archives);
    json_decref(r->proofs);
    json_decref(r->incomplete);
    cleanup_fd(&r->lock);
    memset(r, 0, sizeof *r);
    r->lock = -1;
}

static int also_to = -1;

void run_also_to(int fd)
{
    cleanup_fd(&also_to);
    also_to = fd;
}

void run_event(json_t *event)
{
    size_t len = 0;
    _cleanup_free_ char *line = json_line(event, &len);
    json_decref(event);
    fwrite(line, 1, len, stdout);
    fflush(stdout);
    if (also_to >= 0 && fd_write_all(also_to, line, len, NULL) < 0)
        cleanup_fd(&also_to); /* a full disk does not end a restore */
}

void run_note(const char *fmt, ...)
{
    json_t *event = json_pack("{ss}", "event", "note");
    va_list ap;
    va_start(ap, fmt);
    phrase_put(event, "text", phrase_v(fmt, ap));
    va_end(ap);
    run_event(event);
}

void run_again(const char *type, int64_t attempt, const struct err *why)
{
    json_t *event = json_pack(
        "{ss,ss,sI}", "event", "again", "type", type, "attempt", (json_int_t)attempt);
    error_phrase_put_as(event, "reason", why);
    run_event(event);
}

void run_tell(const struct err *why)
{
    json_t *event = json_pack("{ss}", "event", "note");
    phrase_put(event, "text", error_phrase_json(why));
    run_event(event);
}

void run_tell_of(const struct err *why, const char *fmt, ...)
{
    struct err whole = *why;
    va_list ap;
    va_start(ap, fmt);
    (void)err_prefix_v(&whole, 0, fmt, ap);
    va_end(ap);
    run_tell(&whole);
}

void run_warn(const char *what, json_t *said)
{
    json_t *event = json_pack("{ssss}", "event", "warning", "what", what);
    phrase_put(event, "text", said);
    run_event(event);
}

int run_find(struct run *r, const char *which, const char *type, bool foreign,
    struct store_list *out, struct err *e)
{
    int code = store_find(r->s.folder, which, type, &r->trust, foreign, out, e);
    if (code == -EPERM)
        return EXIT_REFUSED;
    if (code < 0)
        return code;
    if (out->left_out)
        run_note("%zu further archives of this run are left out: %s", out->left_out,
            standing_words(out->left_out_for));
    for (size_t i = 0; i < out->count; i++)
        if (!standing_good(out->items[i].standing))
            run_note("%s of %s, taken because of --foreign: %s", out->items[i].type,
                out->items[i].run, standing_words(out->items[i].standing));
    return 0;
}

void run_phase(struct run *r, const char *type, const char *phase, uint64_t total)
{
    r->type = type;
    r->phase = phase;
    r->total = total;
    r->phase_since = clock_mono_ms();
    run_event(json_pack(
        "{sssssssI}", "event", "phase", "type", type, "phase", phase, "total", (json_int_t)total));
}

void run_progress(
    struct run *r, uint64_t bytes, uint64_t bytes_out, uint64_t files, const char *path)
{
    uint64_t now = clock_mono_ms(), ms = now - r->phase_since;
    bool last = r->total && bytes >= r->total;
    if (now - r->told_at < PROGRESS_MS && !last)
        return;
    r->told_at = now;
    uint64_t rate = ms ? bytes * 1000 / ms : 0;
    json_t *event = json_pack("{sssssssIsIsIsIsI}", "event", "progress", "type", r->type, "phase",
        r->phase, "bytes", (json_int_t)bytes, "total", (json_int_t)r->total, "bytes_out",
        (json_int_t)bytes_out, "files", (json_int_t)files, "bytes_s", (json_int_t)rate);
    if (r->total > bytes && rate > 0)
        json_object_set_new(
            event, "eta_ms", json_integer((json_int_t)((r->total - bytes) * 1000 / rate)));
    /* a name in the data folder may be any bytes; jansson takes only UTF-8 */
    json_t *name = path && *path ? json_string(path) : NULL;
    if (name)
        json_object_set_new(event, "path", name);
    run_event(event);
}

bool run_go_on(void *ctx)
{
    struct run *r = ctx;
    if (r->finishing)
        return true;
    return !run_stopped() && !(r->also_stop && r->also_stop(r->also_ctx));
}

/* What the phase is goes by the pack, except that it is still copying to its mind when the tables
 * are being counted. The verification goes through what was copied. */
static void run_pack_progress(void *ctx, const struct pack_progress *p)
{
    struct run *r = ctx;
    bool copying = strcmp(p->phase, "copy") == 0;
    if (copying && strcmp(r->phase, "copy") != 0)
        return;
    if (copying)
        r->copied = p->bytes_in;
    else if (strcmp(p->phase, r->phase) != 0)
        run_phase(r, r->type, p->phase, strcmp(p->phase, "verify") == 0 ? r->copied : 0);
    run_progress(r, p->bytes_in, p->bytes_out, p->files, p->path);
}

void run_unpack_progress(void *ctx, uint64_t done, uint64_t total, const char *path)
{
    struct run *r = ctx;
    r->total = total;
    run_progress(r, done, 0, 0, path);
}

struct pack_options run_pack_options(struct run *r, const char *type, bool strict)
{
    struct pack_options o = r->a.pack;
    o.folder = r->s.folder;
    o.type = type;
    o.run = r->suffix;
    o.strict = strict;
    o.key = r->trust.has_key ? &r->trust.key : NULL;
    o.sequence = r->sequence;
    o.go_on = run_go_on;
    o.progress = run_pack_progress;
    o.ctx = r;
    return o;
}

int run_pack_result(int r, struct err *e)
{
    switch (r) {
    case PACK_STOPPED:
        return err_outcome(
            e, EXIT_CANCELLED, ECANCELED, "stopped as asked; nothing of it was kept");
    case PACK_CHANGED:
    case PACK_DAMAGED:
        return EXIT_INCONSISTENT;
    case -ENOSPC:
    case -EDQUOT:
        return EXIT_NO_SPACE;
    default:
        return r;
    }
}

void run_manifest(struct run *r, struct manifest *m, enum manifest_method method)
{
    memset(m, 0, sizeof *m);
    m->method = method;
    m->started_ms = r->started_ms;
}

/* What is in it, as far as it can be compared: a data directory's bytes are mostly logs, and its
 * tables are counted only when their sums are taken. */
static struct shrink_counts counts_of(
    const struct pack *p, const struct manifest *m, const struct ledger_entry *before)
{
    struct shrink_counts now = {.tables = m->table_count};
    pack_content(p, &now.files, &now.bytes);
    if (m->method == MANIFEST_PHYSICAL) {
        now.bytes = before ? before->bytes : now.bytes;
        now.tables = before && now.tables == 0 ? before->tables : now.tables;
    }
    return now;
}

/* Before anything of it counts, and before anything old goes. */
static int check_shrink(
    struct run *r, const struct manifest *m, const struct shrink_counts *now, struct err *e)
{
    const struct ledger_entry *last = ledger_last_made(&r->trust.ledger, r->type);
    struct shrink_counts before = {0};
    if (last)
        before = (struct shrink_counts){last->files, last->bytes, last->tables};
    enum shrink s = shrink_judge(last ? &before : NULL, now);
    bool files = m->method == MANIFEST_FILES;
    if (s == SHRINK_NONE || r->accept_smaller ||
        (files && config_bool(r->s.config, "data", r->type, "may_be_empty")))
        return 0;
    const char *path = files ? config_str(r->s.config, "data", r->type, "path") : NULL;
    const struct shrink_counts *then = last ? &before : NULL;
    /* A database may have been tidied up; its tables do not go by themselves. */
    bool taken = !last || (!files && s == SHRINK_BYTES);
    json_t *said = shrink_phrase(s, path, r->type, then, now, taken);
    if (!taken)
        return error_phrase_set(e, ENODATA, said);
    run_warn(last ? "smaller" : "empty", said);
    r->remove_nothing |= last != NULL;
    return 0;
}

static int list_in_ledger(struct run *r, const struct pack *p, const struct manifest *m,
    const struct shrink_counts *counts, struct err *e)
{
    struct ledger_entry n = {.what = LEDGER_MADE,
        .sequence = r->sequence,
        .files = counts->files,
        .bytes = counts->bytes,
        .tables = counts->tables};
    memcpy(n.type, m->type, sizeof n.type);
    memcpy(n.run, m->run, sizeof n.run);
    memcpy(n.medium, r->medium, sizeof n.medium);
    snprintf(n.digest, sizeof n.digest, "%s", pack_digest(p));
    return ledger_append(&r->trust.ledger, &n, e);
}

int run_publish(struct run *r, struct pack *p, struct manifest *m, const char *state, struct err *e)
{
    m->finished_ms = clock_wall_ms();
    int code = pack_close(p, e);
    struct shrink_counts counts = counts_of(p, m, ledger_last_made(&r->trust.ledger, r->type));
    if (code == 0)
        code = check_shrink(r, m, &counts, e);
    if (code == 0)
        code = pack_publish(p, m, e);
    if (code == 0)
        code = list_in_ledger(r, p, m, &counts, e);
    if (code != 0)
        return run_pack_result(code, e);
    json_t *archive = json_pack("{sssssIsIsIsssI}", "type", r->type, "file", pack_file_name(p),
        "size", (json_int_t)m->archive.size, "bytes", (json_int_t)m->content.bytes, "files",
        (json_int_t)m->content.files, "state", state, "tables", (json_int_t)m->table_count);
    char newest[CLOCK_ISO_LEN];
    if (manifest_newest(m, NULL, NULL))
        json_object_set_new(
            archive, "newest", json_string(clock_iso(manifest_newest(m, NULL, NULL), newest)));
    json_t *event = json_pack("{ss}", "event", "archive");
    json_object_update(event, archive);
    json_array_append_new(r->archives, archive);
    run_event(event);
    return 0;
}
