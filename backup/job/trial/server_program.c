#include "backup/job/trial/server_program.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "backup/rules/series.h"
#include "backup/server/dialect.h"
#include "common/exit_codes.h"
#include "common/process.h"
#include "backup/job/trial/trial.h"
#include "common/lang.h"

#define ANSWER_MS 20000

static int run_alone(const struct config *c, const struct process_options *o)
{
    struct trial_beside nowhere;
    struct process p = {0};
    int r = trial_beside_open(&nowhere, c, NULL, NULL);
    nowhere.sandbox.connects = nowhere.sandbox.network = false;
    if (r == 0)
        r = sandbox_start(&nowhere.sandbox, o, &p, NULL, NULL);
    if (r == 0)
        r = process_finish(&p, o, ANSWER_MS, NULL, NULL, NULL);
    trial_beside_close(&nowhere);
    return r;
}

char *server_program_version(const struct config *c, const char *program)
{
    const char *argv[] = {program, "--no-defaults", "--version", NULL};
    char text[512] = "";
    _cleanup_fd_ int out = memfd_create("version", MFD_CLOEXEC);
    struct process_options o = {.argv = argv, .out = out, .err = out};
    if (out < 0 || run_alone(c, &o) != 0 || pread(out, text, sizeof text - 1, 0) <= 0)
        return NULL;
    const char *at = strstr(text, "Ver ");
    if (!at)
        return NULL;
    at += strlen("Ver ");
    return xasprintf("%.*s", (int)strcspn(at, " \n"), at);
}

char *server_program_of_mysql(const struct config *c)
{
    const char *const programs[] = {config_str(c, "drill", NULL, "server_program"), "mysqld"};
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
        _cleanup_free_ char *version = server_program_version(c, programs[i]);
        if (version && dialect_version_is_mysql(version))
            return xstrdup(programs[i]);
    }
    return NULL;
}

char *server_program_share(const char *program)
{
    static const char *const places[] = {"mariadb", "mysql", "."};
    char real[PATH_MAX];
    _cleanup_free_ char *found = process_find(program);
    if (!found || !realpath(found, real) || strncmp(real, "/usr/", 5) == 0)
        return NULL;
    for (int up = 0; up < 2 && strrchr(real, '/'); up++)
        *strrchr(real, '/') = '\0';
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        _cleanup_free_ char *there = xasprintf("%s/share/%s", real, places[i]),
                            *english = xasprintf("%s/english/errmsg.sys", there);
        if (access(english, R_OK) == 0)
            return realpath(there, NULL);
    }
    return NULL;
}

int server_program_fits(const char *live, const struct server *trial, struct err *e)
{
    const char *ours = server_version(trial);
    enum series_fit fit = series_compare(live, ours);
    if (fit == SERIES_SAME || fit == SERIES_UNKNOWN)
        return 0;
    return err_outcome(e, EXIT_REFUSED, EINVAL,
        N_("the trial server is MariaDB %s, and the database server %s: what the one has written the other may not read; set [drill] server_program to a mariadbd of the database server's series"),
        ours, live);
}
