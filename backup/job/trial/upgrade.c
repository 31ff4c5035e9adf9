#include "backup/job/trial/upgrade.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "common/exit_codes.h"
#include "common/lang.h"
#include "common/process.h"

#define UPGRADE_MS (30 * 60 * 1000) /* it looks at every table */

/* A client program of the series that `server` (a mariadbd, as configured) is of: beside it, in the
 * bin folder beside its own, or else of that name in PATH. malloc'ed. */
static char *upgrade_client_of(const char *server, const char *name)
{
    static const char *const places[] = {"", "../bin/"};
    _cleanup_free_ char *path = process_find(server);
    const char *slash = path ? strrchr(path, '/') : NULL;
    for (size_t i = 0; slash && i < sizeof places / sizeof places[0]; i++) {
        char *beside = xasprintf("%.*s/%s%s", (int)(slash - path), path, places[i], name);
        if (access(beside, X_OK) == 0)
            return beside;
        free(beside);
    }
    return xstrdup(name);
}

int upgrade_run(struct run *run, struct throwaway *t, const char *server, bool in_root,
    const char *from, struct err *e)
{
    struct server_target target = throwaway_target(t);
    const char *to = server_version(throwaway_server(t)), *type = run->s.physical_type;
    run_phase(run, type, "upgrade", 0);
    _cleanup_free_ char *program = in_root ? xstrdup("/usr/bin/mariadb-upgrade")
                                           : upgrade_client_of(server, "mariadb-upgrade"),
                        *socket = xasprintf("--socket=%s", target.socket),
                        *user = xasprintf("--user=%s", target.user);
    /* the socket lies in the scratch folder, and there is no other in there */
    _cleanup_free_ char *temporary = xasprintf(
        "--tmpdir=%.*s", (int)(strrchr(target.socket, '/') - target.socket), target.socket);
    const char *argv[] = {
        program, "--no-defaults", socket, user, temporary, "--force", "--silent", NULL};
    _cleanup_fd_ int out = memfd_create("upgrade", MFD_CLOEXEC);
    _cleanup_free_ char *password = target.password ? xasprintf("MYSQL_PWD=%s", target.password)
                                                    : NULL;
    const char *environment[] = {password, NULL};
    struct process_options o = {.argv = argv, .environment = environment, .out = out, .err = out};
    struct process p = {0};
    int code = throwaway_run(t, &o, &p, e);
    if (code == 0)
        code = process_finish(&p, &o, UPGRADE_MS, run_go_on, run, e);
    if (code == -ECANCELED)
        return run_pack_result(PACK_STOPPED, e);
    if (code == 1)
        return err_prefix(e, EXIT_INCONSISTENT,
            "the system tables of MariaDB %s could not be brought up to %s",
            *from ? from : "unknown", to);
    if (code < 0)
        return code;
    run_note("the system tables were those of MariaDB %s, and are now those of %s",
        *from ? from : N_("an unknown series"), to);
    return 0;
}
