/*
 * elexgate notify: hands over to elexgate-notify, which sends.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/args.h"
#include "cli/cli.h"

/* Where the build puts it, or where it is installed. */
static char *find_program(void)
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    for (int up = 0; n > 0 && up < 2; up++) {
        self[n] = '\0';
        char *slash = strrchr(self, '/');
        n = slash ? slash - self : 0;
    }
    char *near = xasprintf("%.*s/notify/elexgate-notify", (int)(n > 0 ? n : 0), self);
    if (access(near, X_OK) == 0)
        return near;
    free(near);
    return xstrdup(ELEXGATE_LIBEXECDIR "/elexgate-notify");
}

static int run(struct cli *cli, int argc, char **argv)
{
    static const char *const options[] = {"--test", "--send", NULL};
    const char *args[8] = {"elexgate-notify"}, *which = NULL, *o;
    size_t n = 1;
    struct args a = args_begin(cli, argc, argv);
    while ((o = args_next(&a, options)))
        which = o;
    int code = args_operands(&a, 0, 0);
    if (code != EXIT_GOOD)
        return code;
    if (!which)
        return cli_usage(cli, "what shall be told? elexgate notify --test");
    args[n++] = which;
    if (cli->json)
        args[n++] = "--json";
    if (cli->config_path) {
        args[n++] = "--config";
        args[n++] = cli->config_path;
    }
    _cleanup_free_ char *program = find_program();
    fflush(stdout);
    execv(program, (char *const *)(uintptr_t)args);
    return cli_failf(cli, EXIT_FAILED, "cannot start %s: %s", program, strerror(errno));
}

const struct command cmd_notify = {"notify", "--test",
    "send a message, to see whether notifications arrive", run,
    "--test  a test to everybody who would be told: [notify] mail_to and webhook\n"
    "--send  a message from standard input, for the keeper\n"};
