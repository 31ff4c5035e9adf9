/*
 * elexgate-job restore JSON: what rules/restore_request.h says.
 */
#include "backup/job/job.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "backup/job/hooks.h"
#include "backup/job/restore/database.h"
#include "backup/job/restore/exchange.h"
#include "backup/job/restore/foreign.h"
#include "backup/job/restore/into.h"
#include "backup/job/restore/moment.h"
#include "backup/job/restore/opened.h"
#include "backup/job/restore/pick.h"
#include "backup/job/restore/rescue.h"
#include "backup/job/restore/site.h"
#include "backup/job/restore/sql.h"
#include "backup/job/restore/stage.h"
#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/json_get.h"
#include "common/lang.h"
#include "common/phrase.h"
#include "common/shown.h"

/*
 * What a restore tells of itself, on disk beside its standard output: <state_dir>/restore.trail,
 * JSON lines as in run.h. A restore goes on when whoever started it is gone; the next keeper, or
 * one that did not start it, reads here what it is doing and how it ended. The file stays until the
 * next restore.
 *
 * First line: {"event":"restore-begin","id":TEXT,"pid":N,"action":"run|sql|undo|accept|recover",
 *              "which":TEXT,"dry_run":BOOL,"started":TIME}, the last one has "done":true.
 *
 * Call while holding the run lock. A trail that cannot be written is a note, not a reason to leave
 * clients outside.
 */
static void begin_trail(const struct run *r, const char *action, const char *which, bool dry_run)
{
    char started[CLOCK_ISO_LEN];
    _cleanup_free_ char *path = xasprintf("%s/" STATE_RESTORE_TRAIL, r->s.state_dir);
    /* The number of a process comes again; together with the time it does not. */
    _cleanup_free_ char *id = xasprintf("%lld-%d", (long long)r->started_ms, (int)getpid());
    /* A new file: whoever still reads the old one reads it to its end. */
    (void)unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        run_note("%s cannot be made: %s", path, strerror(errno));
    else
        run_also_to(fd);
    run_event(json_pack("{s:s, s:s, s:i, s:s, s:s?, s:b, s:s}", "event", "restore-begin", "id", id,
        "pid", (int)getpid(), "action", action, "which", which, "dry_run", (int)dry_run, "started",
        clock_iso(r->started_ms, started)));
}

static json_t *status_json(const struct restore *r)
{
    char started[CLOCK_ISO_LEN];
    json_t *parts = json_array();
    for (size_t i = 0; i < r->n; i++)
        (void)json_array_append_new(parts, json_pack("{s:s, s:s, s:s}", "type", r->parts[i].type,
                                               "live", r->parts[i].live, "kept", r->parts[i].root));
    if (r->beside)
        (void)json_array_append_new(
            parts, json_pack("{s:s, s:O, s:O}", "type", r->run->s.dump_type, "live",
                       json_object_get(r->beside, "database"), "kept",
                       json_object_get(r->beside, r->new_live ? "old" : "new")));
    return json_pack("{s:s, s:s, s:s, s:b, s:s, s:o}", "event", "restore", "phase",
        restore_phase_name(r->phase), "run", r->suffix, "new_live", r->new_live, "started",
        clock_iso(r->started_ms, started), "parts", parts);
}

static json_t *what_is_live(const struct restore *r, const struct restore_request *q)
{
    char when[SHOWN_LEN];
    if (!r->new_live)
        return phrase_of(N_("The data from before the restore are in use."));
    if (q && q->way && q->way->point.kind == BINLOG_LATEST)
        return phrase_of(N_("All data up to the end of the binary log are in use."));
    if (q && q->way && q->before)
        return phrase("The data from before %s are in use.", q->moment);
    json_t *p = phrase("The data of %s are in use.", "");
    phrase_set(p, 0,
        q && q->way ? phrase_local(q->moment)
                    : phrase_local(shown_run(LANG_EN, r->suffix, when, sizeof when)));
    return p;
}

/* q: NULL = undone or settled later. */
static void tell_restored(const struct restore *r, const struct restore_request *q)
{
    json_t *types = json_array();
    for (size_t i = 0; i < r->n; i++)
        (void)json_array_append_new(types, json_string(r->parts[i].type));
    json_t *event = json_pack("{s:s, s:s, s:I, s:b, s:o}", "event", "restored", "run", r->suffix,
        "blocked_ms", (json_int_t)r->blocked_for_ms, "new_live", r->new_live, "types", types);
    phrase_put(event, "live", what_is_live(r, q));
    run_event(event);
}

static char *type_words(const struct restore *r)
{
    char *words = xstrdup("");
    for (size_t i = 0; i < r->n; i++)
        xappendf(&words, "%s%s", i ? " " : "", r->parts[i].type);
    return words;
}

/* The folders of a restore that can neither be finished nor undone get another name: all of one
 * side is live, and a person may still want what lies in them. */
static int set_aside(struct restore *r, struct err *e)
{
    char stamp[CLOCK_ISO_LEN];
    clock_iso(clock_wall_ms(), stamp);
    for (size_t i = 0; i < r->n; i++) {
        _cleanup_free_ char *aside = xasprintf("%s.%s", r->parts[i].root, stamp);
        if (rename(r->parts[i].root, aside) < 0 && errno != ENOENT)
            return err_sys(e, errno, "cannot rename %s", r->parts[i].root);
        run_note("what it has left is kept in %s; delete that when all is well", aside);
    }
    return 0;
}

/* A restore is the cure for what keeps the earlier one from its end: no server starts on these
 * files, for example. Clients stay out until it has succeeded. */
static int go_on_without(struct restore *r, struct err *e)
{
    run_note("it cannot be settled (%s); what is asked for now goes on in its place", err_words(e));
    r->run->clients_out = true;
    int code = set_aside(r, e);
    return code == 0 ? 1 : code;
}

/* Nothing of an earlier restore may be in the way: what was interrupted is settled first, what is
 * kept is the admin's to decide. */
static int clear_earlier(struct run *run, struct err *e)
{
    CLEANUP(restore_clear) struct restore r;
    restore_init(&r, run);
    int code = restore_journal_load(&r, e);
    if (code == 0 && r.phase != RESTORE_KEPT) {
        run_note("an interrupted restore (%s) is settled first", restore_phase_name(r.phase));
        code = restore_recover(&r, e);
        if (code == 0)
            code = restore_journal_load(&r, e) == 0 ? 2 : 1;
        else if (r.phase == RESTORE_BLOCKED && !r.beside)
            code = go_on_without(&r, e);
    } else if (code == 0)
        code = 2;
    if (code == 2)
        code = err_outcome(e, EXIT_REFUSED, EEXIST,
            N_("the data from before the restore of %s are still kept; first let them go with `elexgate restore accept`, or bring them back with `elexgate restore undo`"),
            r.suffix);
    return code == 1 ? 0 : code;
}

/* What follows a restore that could not be settled must say so when it fails as well. */
static int still_out(const struct run *run, int code, struct err *e)
{
    if (code == 0 || !run->clients_out || strncmp(e->text, "CLIENTS", 7) == 0)
        return code;
    return err_prefix(e, code,
        "CLIENTS STAY BLOCKED, by a restore before this one: restore another backup, or put right what keeps the server from running and then run `elexgate restore recover`");
}

static int run_folders(struct run *run, const struct restore_request *q, struct err *e)
{
    struct restore r;
    restore_init(&r, run);
    int code = restore_stage(&r, q, e);
    snprintf(run->suffix, sizeof run->suffix, "%s", r.suffix);
    _cleanup_free_ char *words = type_words(&r);
    if (code != 0 || q->dry_run) {
        code = restore_give_up_staging(&r, code, e);
        restore_clear(&r);
        return code;
    }
    if (q->way && q->way->point.kind == BINLOG_LATEST) {
        r.before_stop = moment_catch_up;
        r.before_stop_ctx = (void *)(uintptr_t)q;
    }
    code = hook_before(run, "before_restore", words, e);
    if (code != 0)
        code = restore_give_up_staging(&r, code, e);
    else
        code = restore_exchange(&r, true, e);
    if (code == 0)
        tell_restored(&r, q);
    hook_after(run, "after_restore", words, exit_code_of(code), code ? e->text : NULL);
    restore_clear(&r);
    return code;
}

/* Files change places, a dump goes in as SQL. */
static int run_restore(struct run *run, const struct restore_request *q, struct err *e)
{
    struct store_list found = {0};
    const struct store_item *dump = NULL;
    int code = clear_earlier(run, e);
    if (code == 0)
        code = restore_find(run, q, &found, e);
    if (code == 0)
        code = restore_picked_dump(&found, q->types, &dump, e);
    if (code == 0)
        code = dump ? restore_dump(run, found.folder, dump, &q->sql, e) : run_folders(run, q, e);
    store_list_clear(&found);
    return still_out(run, code, e);
}

/* Back to the old data, or, asked again, to the restored ones. */
static int undo(struct run *run, struct err *e)
{
    CLEANUP(restore_clear) struct restore r;
    restore_init(&r, run);
    int code = restore_journal_load(&r, e);
    if (code == 1) {
        code = err_set(e, ENOENT, "there is no restore to undo");
    } else if (code == 0 && r.phase != RESTORE_KEPT) {
        code = err_outcome(e, EXIT_REFUSED, EBUSY,
            "a restore was interrupted: run `elexgate restore recover` first");
    } else if (code == 0) {
        r.again = true;
        code = restore_database(&r) ? restore_database_ready(run, e) : 0;
        if (code == 0 && restore_database(&r))
            code = site_can_stop(run, restore_database(&r)->live, e);
        if (code == 0 && restore_database(&r))
            code = restore_database_same_series(&r, !r.new_live, e);
        if (code == 0)
            code = restore_exchange(&r, !r.new_live, e);
    }
    if (code == 0)
        tell_restored(&r, NULL);
    return code;
}

static int accept_restore(struct run *run, struct err *e)
{
    CLEANUP(restore_clear) struct restore r;
    restore_init(&r, run);
    int code = restore_journal_load(&r, e);
    if (code == 1) {
        code = err_set(e, ENOENT, "no data of an earlier restore are kept");
    } else if (code == 0 && r.phase != RESTORE_KEPT) {
        code = err_outcome(e, EXIT_REFUSED, EBUSY,
            "a restore was interrupted: run `elexgate restore recover` first");
    } else if (code == 0) {
        code = restore_remove_staging(&r, e);
        if (code == 0)
            code = restore_journal_remove(&r, e);
    }
    return code;
}

/* Data that were kept for [restore] keep_old have had their time. */
static int expire(struct restore *r, struct err *e)
{
    run_note("the data kept since the restore of %s are old enough and are let go", r->suffix);
    int code = restore_remove_staging(r, e);
    return code == 0 ? restore_journal_remove(r, e) : code;
}

static bool expired(const struct restore *r)
{
    int64_t keep = config_int(r->run->s.config, "restore", NULL, "keep_old");
    return keep > 0 && clock_wall_ms() - r->started_ms >= keep;
}

/* The keeper asks after every restore and once an hour: the run lock, which a person's command
 * would then find taken, is for when there is something to do. */
static bool nothing_to_recover(struct run *run, bool old_too)
{
    CLEANUP(restore_clear) struct restore r;
    restore_init(&r, run);
    int code = restore_journal_load(&r, NULL);
    bool nothing = code == 1 || (code == 0 && r.phase == RESTORE_KEPT && !(old_too && expired(&r)));
    return nothing;
}

static int recover(struct run *run, bool old_too, struct err *e)
{
    CLEANUP(restore_clear) struct restore r;
    restore_init(&r, run);
    int code = restore_journal_load(&r, e);
    if (code == 0 && r.phase != RESTORE_KEPT) {
        begin_trail(run, "recover", r.suffix, false);
        run_note("a restore was interrupted in the phase %s", restore_phase_name(r.phase));
        code = restore_recover(&r, e);
        if (code == 0)
            tell_restored(&r, NULL);
    } else if (code == 0 && old_too && expired(&r))
        code = expire(&r, e);
    return code == 1 ? 0 : code;
}

static int status(struct run *run, struct err *e)
{
    CLEANUP(restore_clear) struct restore r;
    restore_init(&r, run);
    int code = restore_journal_load(&r, e);
    run_event(code == 0 ? status_json(&r) : json_pack("{s:s, s:n}", "event", "restore", "phase"));
    return code == 1 ? 0 : code;
}

static int run_sql(struct run *run, const struct restore_request *q, struct err *e)
{
    int code = clear_earlier(run, e);
    if (code == 0)
        code = restore_sql(run, q->file, &q->sql, e);
    return still_out(run, code, e);
}

static int into(struct run *run, const struct restore_request *q, struct err *e)
{
    int code = q->which || q->moment ? restore_into(run, q, q->folder, e) : 0;
    return code == 0 && q->socket ? restore_serve(run, q->folder, q->socket, 0, e) : code;
}

/* What the names stand for: an upload comes on standard input, as the monitor has opened it; an
 * archive of the old system lies in the folder; a dump is an archive like the others. path: for
 * what is made up, the caller's. */
static void resolve(const struct run *run, struct restore_request *q, char **path)
{
    const char *w = q->which;
    if (q->action == RESTORE_DO_SQL && w) {
        q->action = RESTORE_DO_RUN;
        q->types[0] = q->types[0] ? q->types[0] : run->s.dump_type;
    } else if (q->action == RESTORE_DO_SQL) {
        q->file = q->upload ? "-" : q->file;
    } else if (q->upload) {
        q->which = "/dev/stdin";
    } else if (q->action == RESTORE_DO_SERVE && !w && !q->moment) {
        q->which = restore_is_into(q->folder) ? NULL : "latest";
    } else if (q->foreign && w && !strchr(w, '/') && !run_suffix_valid(w) &&
               strcmp(w, "latest") != 0) {
        q->which = *path = xasprintf("%s/%s", run->s.folder, w);
    }
}

static int carry_out(struct run *run, struct restore_request *q, struct err *e)
{
    switch (q->action) {
    case RESTORE_DO_PLAN:
        return restore_plan(run, q, e);
    case RESTORE_DO_RUN:
        return run_restore(run, q, e);
    case RESTORE_DO_SQL:
        return run_sql(run, q, e);
    case RESTORE_DO_OPEN:
        return restore_open(run, q, e);
    case RESTORE_DO_INTO:
    case RESTORE_DO_SERVE:
        return into(run, q, e);
    case RESTORE_DO_UNDO:
        return undo(run, e);
    case RESTORE_DO_ACCEPT:
        return accept_restore(run, e);
    case RESTORE_DO_RECOVER:
        return recover(run, q->expire, e);
    default:
        return status(run, e);
    }
}

/* What neither changes the live data nor waits for who does runs beside backups. */
static bool only_looks(enum restore_action a)
{
    return a == RESTORE_DO_PLAN || a == RESTORE_DO_OPEN || a == RESTORE_DO_INTO ||
           a == RESTORE_DO_SERVE || a == RESTORE_DO_STATUS;
}

static int begin(struct run *run, struct restore_request *q, struct err *e)
{
    CLEANUP(binlog_way_clear) struct binlog_way way = {.n = 0};
    bool looks = only_looks(q->action);
    if (q->action == RESTORE_DO_RECOVER && nothing_to_recover(run, q->expire))
        return 0;
    if (looks && q->action != RESTORE_DO_STATUS)
        run_be_modest(NULL);
    int code = looks ? 0 : job_lock(run, e);
    if (code == 0 && q->moment)
        code = moment_find(run, q, &way, e);
    if (code == 0 && !looks && q->action != RESTORE_DO_RECOVER) /* which says so for itself */
        begin_trail(run, restore_action_name(q->action), q->file ? q->file : q->which, q->dry_run);
    return code == 0 ? carry_out(run, q, e) : code;
}

int job_restore(struct run *run, int argc, char **argv, struct err *e)
{
    struct restore_request q;
    _cleanup_free_ char *path = NULL;
    _cleanup_json_ json_t *o = argc == 2 ? json_loads(argv[1], 0, NULL) : NULL;
    int code = restore_request_read(o, RESTORE_BY_ROOT, &q, e) < 0 ? EXIT_USAGE : 0;
    if (code == 0) {
        resolve(run, &q, &path);
        code = q.action >= RESTORE_DO_RESCUE ? restore_rescue(run, &q, e) : begin(run, &q, e);
    }
    restore_request_clear(&q);
    return code;
}
