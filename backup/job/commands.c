/* What elexgate-job does for `elexgate verify` and `elexgate backups`. */
#include "backup/job/commands.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backup/archive/archive_settings.h"
#include "backup/archive/status_file.h"
#include "backup/job/binlog/kept.h"
#include "backup/archive/verify.h"
#include "backup/job/binlog/prove.h"
#include "backup/job/run.h"
#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/json_lines.h"
#include "common/error_phrase.h"
#include "common/utf8.h"

#define PROGRESS_MS 100

struct request {
    const struct config *config;
    struct archive_settings settings;
    struct trust trust;
    const char *which, *type, *label;
    bool all, force, foreign, protect, unprotect;
};

static int finish(int code, const struct err *e, json_t *last)
{
    json_object_set_new(last, "done", json_true());
    json_object_set_new(last, "ok", json_boolean(code == EXIT_GOOD));
    json_object_set_new(last, "exit", json_integer(code));
    if (code != EXIT_GOOD && e->code)
        error_phrase_put(last, e);
    if (code != EXIT_GOOD && e->code && strerrorname_np(e->code))
        json_object_set_new(last, "code", json_string(strerrorname_np(e->code)));
    run_event(last);
    return code;
}

/* The options of all of them; false after a mistake. */
static bool parse(struct request *r, int argc, char **argv, struct err *e)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--all") == 0) {
            r->all = true;
        } else if (strcmp(argv[i], "--force") == 0) {
            r->force = true;
        } else if (strcmp(argv[i], "--foreign") == 0) {
            r->foreign = true;
        } else if (strcmp(argv[i], "--protect") == 0) {
            r->protect = true;
        } else if (strcmp(argv[i], "--unprotect") == 0) {
            r->unprotect = true;
        } else if (strcmp(argv[i], "--label") == 0 && i + 1 < argc) {
            r->label = argv[++i];
        } else if (strcmp(argv[i], "--type") == 0 && i + 1 < argc) {
            r->type = argv[++i];
        } else if (argv[i][0] == '-' || r->which) {
            err_set(e, EINVAL, "%s: \"%s\" is not understood", argv[0], UTF8_SHORT(argv[i], 60));
            return false;
        } else {
            r->which = argv[i];
        }
    }
    return true;
}

json_t *archive_time_json(int64_t ms)
{
    char iso[CLOCK_ISO_LEN];
    return ms ? json_string(clock_iso(ms, iso)) : json_null();
}

/* ---- verify ---- */

struct progress {
    const struct store_item *item;
    uint64_t next_ms;
};

static bool go_on(void *ctx)
{
    (void)ctx;
    return !run_stopped();
}

static void tell_progress(void *ctx, uint64_t done, uint64_t total, const char *path)
{
    struct progress *p = ctx;
    (void)path; /* a file's name may be a patient's: not into what others may log */
    uint64_t now = clock_mono_ms();
    if (now < p->next_ms)
        return;
    p->next_ms = now + PROGRESS_MS;
    run_event(json_pack("{s:s,s:s,s:s,s:s,s:I,s:I}", "event", "progress", "type", p->item->type,
        "run", p->item->run, "phase", "verify", "bytes", (json_int_t)done, "total",
        (json_int_t)total));
}

/* Damage is counted; what could not even be tried ends it. */
static int verify_one(struct request *r, const char *folder, const struct store_item *it,
    unsigned *damaged, struct err *e)
{
    struct verify_result v;
    struct progress p = {.item = it};
    struct verify_options o = {.identity_file = r->settings.identity_file,
        .passphrase = r->settings.passphrase,
        .threads = r->settings.pack.threads,
        .record = &r->trust,
        .go_on = go_on,
        .progress = tell_progress,
        .ctx = &p};
    _cleanup_free_ char *path = store_path(folder, it, ARCHIVE_NAME_ARCHIVE);
    int x = verify_item(folder, it, &o, &v, e);
    if (x == -EROFS || x == -EACCES) { /* a copy on a disk that is only read: verify all the same */
        o.record = NULL;
        x = verify_item(folder, it, &o, &v, e);
    }
    if (x != 0)
        return x;
    *damaged += !v.good;
    json_t *event = json_pack("{s:s,s:s,s:s,s:s,s:b,s:b,s:I,s:I,s:I}", "event", "verified", "type",
        it->type, "run", it->run, "file", path, "good", (int)v.good, "whole_file_only",
        (int)v.whole_file_only, "files", (json_int_t)v.files, "bytes", (json_int_t)v.bytes, "ms",
        (json_int_t)v.elapsed_ms);
    error_phrase_put_as(event, "words", &v.words);
    run_event(event);
    return 0;
}

/* Without a seal of ours a hash says nothing: whoever changed the one has changed the other. */
static bool passed_over(struct request *r, const struct store_item *it)
{
    if (r->foreign || standing_good(it->standing))
        return false;
    json_t *event = json_pack("{s:s,s:s,s:s,s:s}", "event", "passed-over", "type", it->type, "run",
        it->run, "standing", standing_name(it->standing));
    phrase_put(event, "words", phrase_of(standing_words(it->standing)));
    run_event(event);
    return true;
}

static int verify_list(struct request *r, const struct store_list *l, json_t *last, struct err *e)
{
    unsigned damaged = 0, checked = 0, passed = 0;
    int x = 0;
    for (size_t i = 0; i < l->count && x == 0; i++) {
        if (passed_over(r, &l->items[i])) {
            passed++;
            continue;
        }
        x = verify_one(r, l->folder, &l->items[i], &damaged, e);
        checked += x == 0;
    }
    json_object_set_new(last, "checked", json_integer(checked));
    json_object_set_new(last, "damaged", json_integer(damaged));
    json_object_set_new(last, "passed_over", json_integer(passed));
    if (x == UNPACK_STOPPED)
        return err_outcome(e, EXIT_CANCELLED, ECANCELED, "stopped");
    if (x != 0)
        return EXIT_FAILED;
    if (checked == 0 && passed > 0)
        return err_outcome(e, EXIT_REFUSED, EPERM,
            N_("none of the %u backups is sealed by this installation; --foreign checks them all the same"),
            passed);
    if (damaged == 0)
        return EXIT_GOOD;
    return err_outcome(
        e, EXIT_INCONSISTENT, EBADMSG, N_("%u of %u archives are damaged"), damaged, checked);
}

/* With all of them: the archived binary log too. */
static int verify_binlog(struct request *r, json_t *last, struct err *e)
{
    struct binlog_verified v;
    int x = binlog_verify(&r->settings, &r->trust, &v, e);
    if (x < 0)
        return x == -ECANCELED ? EXIT_CANCELLED : EXIT_FAILED;
    json_object_set_new(last, "binlog",
        json_pack("{s:i, s:i, s:i}", "checked", (int)v.checked, "damaged", (int)v.damaged,
            "refused", (int)v.refused));
    if (v.damaged + v.refused == 0)
        return EXIT_GOOD;
    return err_outcome(e, EXIT_INCONSISTENT, EBADMSG, N_("the archived binary log is damaged: %s"),
        err_words(&v.first));
}

static int command_verify(struct request *r, struct err *e, json_t *last)
{
    CLEANUP(store_list_clear) struct store_list l = {0};
    const char *folder = r->settings.pack.folder, *which = r->which ? r->which : "latest";
    int x = r->all ? store_read(folder, r->type, &r->trust, &l, e)
                   : store_find(folder, which, r->type, &r->trust, r->foreign, &l, e);
    if (x < 0)
        return x == -EPERM ? EXIT_REFUSED : EXIT_FAILED;
    int code = EXIT_FAILED;
    if (l.count == 0)
        err_set(e, ENOENT, N_("there is no backup in %s"), folder);
    else
        code = verify_list(r, &l, last, e);
    return r->all && !r->type && code == EXIT_GOOD ? verify_binlog(r, last, e) : code;
}

/* ---- list ---- */

json_t *archive_item_json(const char *folder, const struct store_item *it)
{
    const struct manifest *m = &it->manifest;
    bool known = *m->type;
    _cleanup_free_ char *path = store_path(folder, it, ARCHIVE_NAME_ARCHIVE);
    json_t *o = json_pack("{s:s,s:s,s:s,s:b,s:b,s:I,s:o,s:o}", "type", it->type, "run", it->run,
        "file", path, "complete", (int)it->complete, "encrypted", (int)it->encrypted, "size",
        (json_int_t)it->size, "verified",
        status_check_json(
            it->status.verified_ms, it->status.verified_good, &it->status.verified_words),
        "proven",
        status_check_json(it->status.proven_ms, it->status.proven_good, &it->status.proven_words));
    CHECK(o);
    json_object_set_new(o, "proof", status_proof_json(&it->status));
    json_object_set_new(o, "chain", status_chain_json(&it->status));
    json_object_set_new(o, "standing", json_string(standing_name(it->standing)));
    phrase_put(o, "standing_words", phrase_of(standing_words(it->standing)));
    json_object_set_new(o, "gone", json_boolean(it->gone));
    int64_t newest = manifest_newest(m, NULL, NULL);
    json_object_set_new(
        o, "newest", archive_time_json(newest ? newest : it->status.proof.newest_ms));
    json_object_set_new(o, "label", json_text(it->label));
    json_object_set_new(o, "protected", json_boolean(it->protected));
    if (!it->complete)
        error_phrase_put_as(o, "problem", &it->problem);
    if (it->gone)
        phrase_put(
            o, "problem", phrase_of(N_("it is gone: this machine made it, and did not remove it")));
    else if (it->standing == STANDING_REPLACED)
        phrase_put(o, "problem", phrase_of(standing_words(it->standing)));
    if (!known)
        return o;
    json_object_set_new(o, "started", archive_time_json(m->started_ms));
    json_object_set_new(o, "finished", archive_time_json(m->finished_ms));
    json_object_set_new(o, "local_time", json_text(m->local_time));
    json_object_set_new(o, "method", json_string(manifest_method_name(m->method)));
    json_object_set_new(o, "files", json_integer((json_int_t)m->content.files));
    json_object_set_new(o, "bytes", json_integer((json_int_t)m->content.bytes));
    json_object_set_new(o, "host", json_text(m->host));
    json_take(o, m->info, (const char *const[]){"left_out", NULL});
    json_object_set_new(o, "sequence", json_integer((json_int_t)m->sequence));
    json_object_set_new(
        o, "installation", *m->installation ? json_string(m->installation) : json_null());
    if (m->has_server) {
        json_object_set_new(o, "server", json_text(m->server.version));
        json_object_set_new(o, "state", json_string(m->server.state));
    }
    return o;
}

static int command_list(struct request *r, struct err *e, json_t *last)
{
    CLEANUP(store_list_clear) struct store_list l = {0};
    CLEANUP(binlog_catalog_clear) struct binlog_catalog log = {0};
    if (store_read(r->settings.pack.folder, r->type, &r->trust, &l, e) < 0)
        return EXIT_FAILED;
    json_t *list = json_array();
    if (binlog_catalog_read(r->settings.pack.folder, &r->trust, &log, NULL) < 0)
        log.n = 0; /* binlog_list says why */
    for (size_t i = 0; i < l.count; i++) {
        json_t *item = archive_item_json(l.folder, &l.items[i]);
        json_object_set_new(item, "strands", binlog_stranded(&log, &l, i));
        json_array_append_new(list, item);
    }
    json_object_set_new(last, "folder", json_text(r->settings.pack.folder));
    json_object_set_new(last, "backups", list);
    struct err refused = {0};
    json_object_set_new(last, "binlog", binlog_list(r->settings.pack.folder, &r->trust, &refused));
    json_object_set_new(last, "binlog_problem", json_null());
    if (refused.code)
        error_phrase_put_as(last, "binlog_problem", &refused);
    json_object_set_new(last, "binlog_proven", binlog_proven_json(&l));
    return EXIT_GOOD;
}

/* ---- remove ---- */

/* Ours, complete, and nobody has found it damaged since. */
static bool is_good(const struct store_item *it)
{
    return standing_good(it->standing) && it->complete &&
           (!it->status.verified_ms || it->status.verified_good) &&
           (!it->status.proven_ms || it->status.proven_good);
}

/* Not the only good generation of a type: whoever wants that says so. */
static int check_last_one(
    struct request *r, const struct store_list *all, const struct store_item *it, struct err *e)
{
    unsigned good = 0, damaged = 0;
    for (size_t i = 0; i < all->count; i++) {
        const struct store_item *other = &all->items[i];
        if (strcmp(other->type, it->type) != 0 || strcmp(other->run, it->run) == 0)
            continue;
        good += is_good(other);
        damaged += other->complete && !is_good(other);
    }
    if (good > 0 || !is_good(it) || r->force)
        return 0;
    return err_outcome(e, EXIT_REFUSED, EPERM,
        damaged
            ? N_("%s of type %s is the only complete backup of its type that is not known to be damaged; --force removes it")
            : N_("%s of type %s is the only complete backup of its type; --force removes it"),
        it->run, it->type);
}

/* Not even with --force: whoever protected it is asked first. */
static int check_protected(const struct store_list *found, struct err *e)
{
    for (size_t i = 0; i < found->count; i++) {
        if (!found->items[i].protected)
            continue;
        return err_outcome(e, EXIT_REFUSED, EPERM,
            N_("%s is protected; `elexgate backups unprotect %s` comes first"), found->items[i].run,
            found->items[i].run);
    }
    return 0;
}

/* Without a log that can be read nothing is stranded. */
static json_t *stranded_by(
    const struct binlog_catalog *log, const struct store_list *all, const struct store_item *it)
{
    for (size_t i = 0; i < all->count; i++)
        if (strcmp(all->items[i].run, it->run) == 0 && strcmp(all->items[i].type, it->type) == 0)
            return binlog_stranded(log, all, i);
    return json_null();
}

static int remove_run(struct request *r, json_t *removed, struct err *e)
{
    const char *folder = r->settings.pack.folder;
    CLEANUP(store_list_clear) struct store_list all = {0};
    CLEANUP(store_list_clear) struct store_list found = {0};
    CLEANUP(binlog_catalog_clear) struct binlog_catalog log = {0};
    int code = 0;
    if (store_read(folder, NULL, &r->trust, &all, e) < 0)
        return EXIT_FAILED;
    if (store_find(folder, r->which, r->type, &r->trust, true, &found, e) < 0)
        return EXIT_FAILED;
    if (binlog_catalog_read(folder, &r->trust, &log, NULL) < 0)
        log.n = 0;
    if (strcmp(found.folder, folder) != 0)
        code = err_outcome(e, EXIT_REFUSED, EPERM, N_("only backups in %s are removed"), folder);
    if (code == 0)
        code = check_protected(&found, e);
    for (size_t i = 0; i < found.count && code == 0; i++)
        code = check_last_one(r, &all, &found.items[i], e);
    for (size_t i = 0; i < found.count && code == 0; i++) {
        const struct store_item *it = &found.items[i];
        _cleanup_json_ json_t *strands = stranded_by(&log, &all, it);
        if (store_remove(folder, it->type, it->run, &r->trust, e) < 0)
            code = EXIT_FAILED;
        else
            json_array_append_new(
                removed, json_pack("{s:s,s:s,s:I,s:O}", "type", it->type, "run", it->run, "size",
                             (json_int_t)it->size, "strands", strands));
    }
    return code;
}

static int command_remove(struct request *r, struct err *e, json_t *last)
{
    _cleanup_fd_ int lock = -1;
    if (!r->which)
        return err_outcome(
            e, EXIT_USAGE, EINVAL, N_("which backup? `elexgate backups` lists them"));
    int code = command_lock(r->config, &lock, e);
    if (code != EXIT_GOOD)
        return code;
    json_t *removed = json_array();
    json_object_set_new(last, "removed", removed);
    return remove_run(r, removed, e);
}

/* ---- mark ---- */

/* What is not said stays as it was. */
static int mark_run(struct request *r, json_t *last, struct err *e)
{
    CLEANUP(store_list_clear) struct store_list found = {0};
    struct ledger_entry mark = {.what = LEDGER_MARK};
    if (store_find(r->settings.pack.folder, r->which, NULL, &r->trust, false, &found, e) < 0)
        return EXIT_FAILED;
    const struct store_item *it = &found.items[0];
    if (!standing_ours(it->standing))
        return err_outcome(e, EXIT_REFUSED, EPERM,
            "%s: only what this installation has made, or taken over, is marked", it->run);
    memcpy(mark.run, it->run, sizeof mark.run);
    snprintf(mark.label, sizeof mark.label, "%s", r->label ? r->label : it->label);
    mark.protected = r->protect || (it->protected && !r->unprotect);
    if (ledger_append_mark(&r->trust.ledger, &mark, e) < 0)
        return EXIT_FAILED;
    json_object_set_new(last, "run", json_string(mark.run));
    json_object_set_new(last, "label", json_text(mark.label));
    json_object_set_new(last, "protected", json_boolean(mark.protected));
    return EXIT_GOOD;
}

static int command_mark(struct request *r, struct err *e, json_t *last)
{
    _cleanup_fd_ int lock = -1;
    if (!r->which || (r->protect && r->unprotect))
        return err_outcome(
            e, EXIT_USAGE, EINVAL, "which backup, and how? `elexgate backups` lists them");
    if (r->label && !archive_label_valid(r->label))
        return err_outcome(
            e, EXIT_USAGE, EINVAL, "a label is one line of at most %d bytes", ARCHIVE_LABEL_MAX);
    int code = command_lock(r->config, &lock, e);
    return code == EXIT_GOOD ? mark_run(r, last, e) : code;
}

/* ---- dispatch ---- */

static const struct {
    const char *name;
    int (*run)(struct request *r, struct err *e, json_t *last);
} commands[] = {{"verify", command_verify}, {"list", command_list}, {"remove", command_remove},
    {"mark", command_mark}};

static const struct {
    const char *name;
    int (*run)(const struct config *c, int argc, char **argv, json_t *last, struct err *e);
} others[] = {{"schedule", command_schedule}, {"adopt", command_adopt}, {"key", command_key},
    {"folder", command_folder}};

bool archive_command_known(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(name, commands[i].name) == 0)
            return true;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (strcmp(name, others[i].name) == 0)
            return true;
    return false;
}

int archive_command_run(const struct config *c, int argc, char **argv)
{
    struct err e = {0};
    struct request r = {.config = c};
    json_t *last = json_object();
    int code = EXIT_USAGE;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (strcmp(argv[0], others[i].name) == 0)
            return finish(others[i].run(c, argc, argv, last, &e), &e, last);
    if (parse(&r, argc, argv, &e))
        code = archive_settings_load(c, &r.settings, &e) < 0 ||
                       trust_open(config_str(c, "backup", NULL, "state_dir"), r.settings.trust,
                           &r.trust, &e) < 0
                   ? EXIT_FAILED
                   : EXIT_GOOD;
    for (size_t i = 0; code == EXIT_GOOD && i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(argv[0], commands[i].name) != 0)
            continue;
        code = commands[i].run(&r, &e, last);
        break;
    }
    trust_close(&r.trust);
    archive_settings_clear(&r.settings);
    return finish(code, &e, last);
}
