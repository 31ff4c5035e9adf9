/*
 * elexgate notify: hands over to elexgate-notify, which sends.
 */
#include "cli/args.h"
#include "cli/cli.h"
#include "common/process.h"

static int run_notify(struct cli *cli, int argc, char **argv)
{
    bool test = false, send = false;
    const struct args_option options[] = {
        {"--test", .flag = &test}, {"--send", .flag = &send}, {0}};
    struct args_words args = {{""}, 1};
    int code = args_parse(cli, argc, argv, options, 0, 0, NULL);
    if (code != EXIT_GOOD)
        return code;
    if (!test && !send)
        return cli_usage(cli, "what shall be told? elexgate notify --test");
    args_words_add(&args, test ? "--test" : "--send");
    if (cli->json)
        args_words_add(&args, "--json");
    if (cli->config_path) {
        args_words_add(&args, "--config");
        args_words_add(&args, cli->config_path);
    }
    struct err e;
    _cleanup_free_ char *program = process_beside(
        "../notify/elexgate-notify", ELEXGATE_LIBEXECDIR "/elexgate-notify");
    args.v[0] = program;
    return process_become(args.v, &e) < 0 ? cli_fail(cli, EXIT_FAILED, &e) : EXIT_GOOD;
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
