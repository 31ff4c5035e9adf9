/*
 * elexgate notify: hands over to elexgate-notify, which sends.
 */
#include "cli/args.h"
#include "cli/cli.h"
#include "common/process.h"

static int run_notify(struct cli *cli, int argc, char **argv)
{
    static const char *const options[] = {"--test", "--send", NULL};
    const char *args[8] = {NULL}, *which = NULL, *o;
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
    struct err e;
    _cleanup_free_ char *program = process_beside(
        "../notify/elexgate-notify", ELEXGATE_LIBEXECDIR "/elexgate-notify");
    args[0] = program;
    return process_become(args, &e) < 0 ? cli_fail(cli, EXIT_FAILED, &e) : EXIT_GOOD;
}

const struct command cmd_notify = {
    "notify",
    "--test",
    N_("send a message, to see whether notifications arrive"),
    run_notify,
    (const struct help_line[]){
        {"--test", N_("a test to everybody who would be told: [notify] mail_to and webhook")},
        {"--send", N_("a message from standard input, for the keeper")},
        {0},
    },
};
