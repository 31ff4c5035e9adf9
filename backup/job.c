/*
 * elexgate-job: one backup, drill or check, started by the keeper or by elexgate(1). It loads the
 * configuration, does one thing, tells of it on standard output, and ends.
 */
#include "backup/job.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "backup/archive/commands.h"
#include "backup/drill.h"
#include "backup/globals.h"
#include "backup/hooks.h"
#include "backup/restore/restore.h"
#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/file.h"
#include "common/log.h"

static const char usage[] =
    "usage: elexgate-job [--config FILE] COMMAND ...\n"
    "\n"
    "  backup [--now] [--dump|--lock] [--dry-run] [TYPE...]   one run\n"
    "  drill [WHICH] [--type TYPE]                            prove that a backup can be restored\n"
    "  doctor                                                 check what a backup needs\n"
    "  put-back                                               server settings that a killed run "
    "left\n"
    "  restore run|sql|plan|into|serve|undo|accept|recover|status ...   bring a backup back\n"
    "  verify | list | remove | schedule ...                  see elexgate(1)\n"
    "\n"
    "Started by elexgate-keeper and elexgate(1). Progress: JSON lines on standard output.\n";

static const struct command {
    const char *name;
    int (*run)(struct run *r, int argc, char **argv, struct err *e);
} commands[] = {
    {"backup", job_backup},
    {"drill", job_drill},
    {"doctor", job_doctor},
    {"put-back", job_put_back},
    {"restore", job_restore},
    {"alarm", job_alarm},
};

int job_exit_code(int result)
{
    switch (result) {
    case -ENOSPC:
    case -EDQUOT:
        return EXIT_NO_SPACE;
    case -ECANCELED:
        return EXIT_CANCELLED;
    default:
        return result < 0 ? EXIT_FAILED : result;
    }
}

int job_lock(struct run *r, int *fd, struct err *e)
{
    pid_t holder = 0;
    int code = file_mkdirs(r->s.state_dir, 0700, e);
    if (code == 0)
        code = file_lock(r->s.run_lock, fd, &holder, e);
    if (code != 1)
        return code;
    if (holder > 0)
        err_set(e, EBUSY, "another backup, drill or restore is going on (process %d)", (int)holder);
    else
        err_set(e, EBUSY, "another backup, drill or restore is going on");
    return EXIT_BUSY;
}

int job_drill(struct run *r, int argc, char **argv, struct err *e)
{
    const char *which = "latest", *type = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--type") == 0 && i + 1 < argc)
            type = argv[++i];
        else
            which = argv[i];
    }
    int lock = -1;
    struct store_list found = {0};
    int code = job_lock(r, &lock, e);
    if (code == 0)
        code = store_find(r->s.folder, which, type, &found, e);
    size_t tried = 0;
    for (size_t i = 0; code == 0 && i < found.count; i++) {
        if (found.items[i].manifest.method == MANIFEST_FILES && !type && found.count > 1)
            continue; /* plain folders: verify says all there is to say */
        snprintf(r->suffix, sizeof r->suffix, "%s", found.items[i].run);
        code = drill_item(r, &found.items[i], e);
        tried++;
    }
    if (code == 0 && tried == 0)
        code = err_set(e, ENOENT, "there is no backup of the database to drill");
    store_list_clear(&found);
    cleanup_fd(&lock);
    return code;
}

int job_put_back(struct run *r, int argc, char **argv, struct err *e)
{
    (void)argc;
    (void)argv;
    int lock = -1;
    unsigned n = 0;
    struct server *s = NULL;
    int code = job_lock(r, &lock, e);
    if (code == 0)
        code = server_connect(&r->s.target, "elexgate-job", &s, e);
    if (code == 0)
        code = globals_recover(s, r->s.journal, &n, e);
    if (code == 0 && n)
        run_note("%u settings of the server were put back", n);
    server_close(s);
    cleanup_fd(&lock);
    return code;
}

int job_alarm(struct run *r, int argc, char **argv, struct err *e)
{
    (void)e;
    hook_after(r, "after_backup", r->s.physical_type, EXIT_NOT_IDLE,
        argc > 1 ? argv[1] : "the database was not idle");
    return 0;
}

static int finish(struct run *r, int result, const struct err *e)
{
    int code = job_exit_code(result);
    json_t *last = json_pack("{sbsbsisssO}", "done", 1, "ok", code == 0, "exit", code, "run",
        r->suffix, "archives", r->archives);
    if (code != 0)
        json_object_set_new(last, "error", json_string(e->text));
    if (code != 0 && r->error_de[0])
        json_object_set_new(last, "error_de", json_string(r->error_de));
    if (code != 0 && e->code && strerrorname_np(e->code))
        json_object_set_new(last, "code", json_string(strerrorname_np(e->code)));
    char ended[CLOCK_ISO_LEN];
    json_object_set_new(last, "ended", json_string(clock_iso(clock_wall_ms(), ended)));
    run_event(last);
    return code;
}

static int run_command(const struct command *command, const struct config *c, int argc, char **argv)
{
    struct err e = {0};
    struct run r;
    int result = run_init(&r, c, &e);
    if (result < 0) {
        fprintf(stderr, "elexgate-job: %s\n", e.text);
        run_event(
            json_pack("{sbsbsiss}", "done", 1, "ok", 0, "exit", EXIT_FAILED, "error", e.text));
        return EXIT_FAILED;
    }
    r.urgent = strcmp(command->name, "restore") == 0;
    result = command->run(&r, argc, argv, &e);
    int code = finish(&r, result, &e);
    run_clear(&r);
    return code;
}

static int dispatch(const struct config *c, int argc, char **argv)
{
    if (archive_command_known(argv[0])) {
        run_be_modest(NULL);
        return archive_command_run(c, argc, argv);
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(argv[0], commands[i].name) == 0)
            return run_command(&commands[i], c, argc, argv);
    }
    fputs(usage, stderr);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    const char *path = NULL;
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(usage, stdout);
            return EXIT_GOOD;
        } else if (strcmp(argv[i], "--version") == 0) {
            puts("elexgate-job " ELEXGATE_VERSION);
            return EXIT_GOOD;
        } else if (strcmp(argv[i], "--config") == 0 && i + 1 < argc) {
            path = argv[++i];
        } else if (strcmp(argv[i], "--with-parent") == 0) {
            /* by the keeper: when it is killed, end in order, instead of doing what its successor
             * will start again */
            prctl(PR_SET_PDEATHSIG, SIGTERM);
        } else {
            break;
        }
    }
    if (i >= argc || argv[i][0] == '-') {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    log_init("elexgate-job", LOG_LOGFMT, LOG_INFO);
    umask(0077);
    run_catch_signals();
    struct err e = {0};
    struct config *c = NULL;
    if (config_load(path, &c, &e) < 0) {
        fprintf(stderr, "elexgate-job: %s\n", e.text);
        return EXIT_FAILED;
    }
    int code = dispatch(c, argc - i, argv + i);
    config_free(c);
    return code;
}
