/*
 * elexgate-job: one backup, drill or check, started by the keeper or by elexgate(1). It loads the
 * configuration, does one thing, tells of it on standard output, and ends.
 */
#include "backup/archive/parse.h"
#include "backup/job/job.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "backup/job/binlog/changes.h"
#include "backup/job/binlog/follow.h"
#include "backup/job/binlog/prove.h"
#include "backup/job/commands.h"
#include "backup/job/look.h"
#include "backup/job/page.h"
#include "backup/job/run_lock.h"
#include "backup/job/trial/drill.h"
#include "backup/job/trial/import_child.h"
#include "backup/job/trial/scan.h"
#include "backup/server/globals.h"
#include "backup/job/hooks.h"
#include "certs/secure_heap.h"
#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/file.h"
#include "common/json_get.h"
#include "common/error_phrase.h"
#include "common/program.h"

static const char usage[] =
    "usage: elexgate-job [--config FILE] COMMAND ...\n"
    "\n"
    "  backup [--now] [--dump|--lock] [--dry-run] [--accept-smaller] [--label TEXT] [--protect] [TYPE...]   one run\n"
    "  drill [WHICH] [--type TYPE] [--foreign] [--if-any]     prove that a backup can be restored\n"
    "  prove [--live]                                         that the archived binary log leads from the backup before to the newest\n"
    "  binlog                                                 archives the server's binary log, for as long as it runs\n"
    "  changes [--from MOMENT] [--to MOMENT] [--table T] [--workstation W] [--rows]   what the log says\n"
    "  timeline [DAY]                                         one day at a glance\n"
    "  rehearse [--server-program FILE | --root DIR | --image IMAGE] [--queries FILE] [WHICH]   an upgrade of the server\n"
    "  info [WHICH] [--type TYPE] [--against now|RUN]         what is in a backup, and what differs\n"
    "  doctor                                                 check what a backup needs\n"
    "  put-back                                               server settings that a killed run left\n"
    "  restore JSON                                           bring a backup back\n"
    "  verify | list | remove | mark | schedule ...              see elexgate(1)\n"
    "  look | page-cert | page-config | page-audit | page-password | page-account | page-retention   for the keeper: what only root may\n"
    "\n"
    "Started by elexgate-keeper and elexgate(1). Progress: JSON lines on standard output.\n";

int job_lock(struct run *r, struct err *e)
{
    pid_t holder = 0;
    int code = file_mkdirs(r->s.state_dir, 0700, e);
    if (code == 0)
        code = run_lock(r->s.run_lock, &r->lock, &holder, e);
    if (code != 1)
        return code;
    if (holder > 0)
        return err_outcome(e, EXIT_BUSY, EBUSY,
            N_("another backup, drill or restore is going on (process %d)"), (int)holder);
    return err_outcome(e, EXIT_BUSY, EBUSY, N_("another backup, drill or restore is going on"));
}

/* The newest archive of each type: of the database, whatever the newest run was of, and of each
 * folder. One that turns out damaged is not stepped over, since it is the one that counts. */
static void keep_newest_of_each(struct store_list *l)
{
    size_t kept = 0;
    for (size_t i = 0; i < l->count; i++) {
        bool seen = false;
        for (size_t k = 0; k < kept; k++)
            seen |= strcmp(l->items[k].type, l->items[i].type) == 0;
        struct store_item it = l->items[i];
        if (seen || !standing_ours(it.standing)) /* a stranger's is not proven by itself */
            manifest_clear(&it.manifest);
        else
            l->items[kept++] = it;
    }
    l->count = kept;
}

static int find_for_drill(struct run *r, const char *which, const char *type, bool foreign,
    struct store_list *out, struct err *e)
{
    if (strcmp(which, "latest") != 0)
        return run_find(r, which, type, foreign, out, e);
    int code = store_read(r->s.folder, type, &r->trust, out, e);
    if (code < 0)
        return code;
    keep_newest_of_each(out);
    bool found = false, none = out->count == 0;
    for (size_t i = 0; i < out->count; i++)
        found |= type || strcmp(out->items[i].type, r->s.physical_type) == 0 ||
                 strcmp(out->items[i].type, r->s.dump_type) == 0;
    if (found)
        return 0;
    store_list_clear(out);
    if (none)
        return run_find(r, which, type, foreign, out, e);
    return type ? err_set(e, ENOENT, N_("there is no backup of type %s to drill"), type)
                : err_set(e, ENOENT, N_("there is no backup of the database to drill"));
}

/* By default a drill is due every week, in a practice without backups too. Only our own count. */
static bool any_of_ours(const struct run *r)
{
    CLEANUP(store_list_clear) struct store_list list = {0};
    bool any = false;
    if (store_read(r->s.folder, NULL, &r->trust, &list, NULL) == 0)
        for (size_t i = 0; i < list.count; i++)
            any |= standing_ours(list.items[i].standing);
    return any;
}

/* All are tried; the first that fails is the result, with its name. */
static int drill_all(struct run *r, const struct store_list *found, struct err *e)
{
    int code = 0;
    for (size_t i = 0; i < found->count; i++) {
        const struct store_item *it = &found->items[i];
        struct err why = {0};
        if (i == 0 || strcmp(r->suffix, it->run) < 0)
            snprintf(r->suffix, sizeof r->suffix, "%s", it->run);
        int one = drill_item(r, it, &why);
        if (one == EXIT_CANCELLED) {
            *e = why;
            return one;
        }
        if (one != 0 && code == 0) {
            code = one;
            *e = why;
            if (found->count > 1)
                code = err_prefix(e, code, N_("%s of %s"), it->type, it->run);
        }
    }
    return code;
}

static int job_drill(struct run *r, int argc, char **argv, struct err *e)
{
    const char *which = "latest", *type = NULL;
    bool foreign = false, if_any = false;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--type") == 0 && i + 1 < argc)
            type = argv[++i];
        else if (strcmp(argv[i], "--foreign") == 0)
            foreign = true;
        else if (strcmp(argv[i], "--if-any") == 0)
            if_any = true;
        else
            which = argv[i];
    CLEANUP(store_list_clear) struct store_list found = {0};
    int code = job_lock(r, e);
    if (code == 0 && if_any && !any_of_ours(r)) {
        r->nothing = true;
        return 0;
    }
    if (code == 0)
        code = find_for_drill(r, which, type, foreign, &found, e);
    return code == 0 ? drill_all(r, &found, e) : code;
}

/* Paths as the caller's folder has them: later we are elsewhere. */
static int whole_path(const char *given, const char *what, char **out, struct err *e)
{
    *out = realpath(given, NULL);
    return *out ? 0 : err_sys(e, errno, "cannot find the %s %s", what, given);
}

/* rehearse [--server-program FILE | --root DIR | --image IMAGE] [--queries FILE] [WHICH] */
static int job_rehearse(struct run *r, int argc, char **argv, struct err *e)
{
    const char *which = "latest", *image = NULL;
    _cleanup_free_ char *program = NULL, *root = NULL, *queries = NULL;
    int code = 0;
    for (int i = 1; i < argc && code == 0; i++)
        if (strcmp(argv[i], "--server-program") == 0 && i + 1 < argc && !program)
            code = whole_path(argv[++i], "program", &program, e);
        else if (strcmp(argv[i], "--root") == 0 && i + 1 < argc && !root)
            code = whole_path(argv[++i], "root", &root, e);
        else if (strcmp(argv[i], "--image") == 0 && i + 1 < argc && !image)
            image = argv[++i];
        else if (strcmp(argv[i], "--queries") == 0 && i + 1 < argc && !queries)
            code = whole_path(argv[++i], "file", &queries, e);
        else
            which = argv[i];
    if (code < 0)
        return code;
    if (!!program + !!root + !!image != 1)
        return err_outcome(e, EXIT_USAGE, EINVAL,
            "rehearse with which server: --server-program FILE, --root DIR or --image IMAGE");
    const struct rehearsal what = {
        .program = program, .root = root, .image = image, .queries = queries};
    CLEANUP(store_list_clear) struct store_list found = {0};
    code = job_lock(r, e);
    if (code == 0)
        code = run_find(r, which, r->s.physical_type, false, &found, e);
    if (code == 0)
        snprintf(r->suffix, sizeof r->suffix, "%s", found.items[0].run);
    return code == 0 ? drill_rehearse(r, &found.items[0], &what, e) : code;
}

static int job_put_back(struct run *r, int argc, char **argv, struct err *e)
{
    (void)argc;
    (void)argv;
    unsigned n = 0;
    _cleanup_server_ struct server *s = NULL;
    int code = job_lock(r, e);
    if (code == 0)
        code = server_connect(&r->s.target, "elexgate-job", &s, e);
    if (code == 0)
        server_take_role(s); /* a restore may have left one that needs it (import_account.h) */
    if (code == 0)
        code = globals_recover(s, r->s.journal, &n, e);
    if (code == 0 && n)
        run_note("%u settings of the server were put back", n);
    return code;
}

static int job_alarm(struct run *r, int argc, char **argv, struct err *e)
{
    (void)e;
    hook_after(r, "after_backup", r->s.physical_type, EXIT_NOT_IDLE,
        argc > 1 ? argv[1] : "the database was not idle");
    return 0;
}

static int finish(struct run *r, int result, const struct err *e)
{
    int code = exit_code_of(result);
    json_t *last = json_pack("{sbsbsisssO}", "done", 1, "ok", code == 0, "exit", code, "run",
        r->suffix, "archives", r->archives);
    if (json_array_size(r->proofs) > 0)
        json_object_set(last, "proofs", r->proofs);
    if (r->nothing)
        json_object_set_new(last, "nothing", json_true());
    if (code != 0)
        error_phrase_put(last, e);
    if (code != 0 && e->code && strerrorname_np(e->code))
        json_object_set_new(last, "code", json_string(strerrorname_np(e->code)));
    char ended[CLOCK_ISO_LEN];
    json_object_set_new(last, "ended", json_string(clock_iso(clock_wall_ms(), ended)));
    run_event(last);
    return code;
}

static const struct command {
    const char *name;
    int (*run)(struct run *r, int argc, char **argv, struct err *e);
} commands[] = {
    {"backup", job_backup},
    {"drill", job_drill},
    {"rehearse", job_rehearse},
    {"info", job_info},
    {"doctor", job_doctor},
    {"put-back", job_put_back},
    {"restore", job_restore},
    {"alarm", job_alarm},
    {"binlog", job_binlog},
    {"changes", job_changes},
    {"timeline", job_timeline},
    {"prove", job_prove},
};

static void tell_failure(const struct err *e)
{
    json_t *event = json_pack("{sbsbsi}", "done", 1, "ok", 0, "exit", EXIT_FAILED);
    error_phrase_put(event, e);
    run_event(event);
}

static int run_command(const struct command *command, const struct config *c, int argc, char **argv)
{
    struct err e = {0};
    struct run r;
    int result = run_init(&r, c, &e);
    if (result < 0) {
        fprintf(stderr, "elexgate-job: %s\n", e.text);
        tell_failure(&e);
        return EXIT_FAILED;
    }
    r.urgent = strcmp(command->name, "restore") == 0;
    result = command->run(&r, argc, argv, &e);
    int code = finish(&r, result, &e);
    run_clear(&r);
    return code;
}

static int run_page_command(const struct config *c, const char *path, const char *name)
{
    struct err e = {0};
    _cleanup_json_ json_t *told = NULL;
    int code = exit_code_of(page_command_run(c, path, name, &told, &e));
    json_t *last = json_pack("{sbsbsi}", "done", 1, "ok", code == 0, "exit", code);
    json_object_update(last, told);
    if (code != 0)
        error_phrase_put(last, &e);
    if (code != 0 && e.code && strerrorname_np(e.code))
        json_object_set_new(last, "code", json_string(strerrorname_np(e.code)));
    run_event(last);
    return code;
}

static int dispatch(const struct config *c, const char *path, int argc, char **argv)
{
    if (strcmp(argv[0], "look") == 0)
        return look_run(c);
    if (page_command_known(argv[0]))
        return run_page_command(c, path, argv[0]);
    if (archive_command_known(argv[0])) {
        run_be_modest(NULL);
        return archive_command_run(c, argc, argv);
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(argv[0], commands[i].name) == 0)
            return run_command(&commands[i], c, argc, argv);
    fputs(usage, stderr);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    const char *path = NULL;
    bool with_parent = false;
    int i;
    const struct program_option options[] = {{"--with-parent", .flag = &with_parent}, {0}};
    const struct program program = {"elexgate-job", usage, &path, options, &i};
    int code = program_begin(&program, argc, argv);
    if (code >= 0)
        return code;
    if (i >= argc) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[i], IMPORT_CHILD) == 0) /* by ourselves, in a sandbox: no one is left to tidy up
                                               for, and nothing in reach */
        _exit(import_child(argc - i, argv + i));
    if (strcmp(argv[i], SCAN_CHILD) == 0)
        _exit(scan_child(argc - i, argv + i));
    if (strcmp(argv[i], PARSE_CHILD) == 0)
        _exit(parse_child(argc - i, argv + i));
    secure_heap_begin();
    if (with_parent) /* by the keeper: when it is killed, end in order, instead of doing what its
                        successor will start again */
        prctl(PR_SET_PDEATHSIG, SIGTERM);
    umask(0077);
    run_catch_signals();
    struct err e = {0};
    struct config *c = NULL;
    if (config_load(path, &c, &e) < 0) {
        fprintf(stderr, "elexgate-job: %s\n", e.text);
        if (page_command_known(argv[i])) /* the keeper answers with its words */
            tell_failure(&e);
        return EXIT_FAILED;
    }
    code = dispatch(c, path, argc - i, argv + i);
    config_free(c);
    return code;
}
