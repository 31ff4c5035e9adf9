/*
 * elexgate doctor: is everything there that a backup needs?
 */
#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/cli.h"
#include "cli/job_stream.h"
#include "cli/output.h"

static void tell(void *ctx, const json_t *line)
{
    struct cli *cli = ctx;
    if (cli->json) {
        cli_print_json(line);
        return;
    }
    const char *event = json_string_value(json_object_get(line, "event"));
    if (!event)
        return;
    if (strcmp(event, "grant") == 0) {
        _cleanup_free_ char *statement = output_member(line, "statement");
        printf("%s\n  %s;\n\n",
            tr(cli, "The keeper's account needs these privileges:",
                "Das Konto der Sicherung braucht diese Rechte:"),
            statement);
    } else if (strcmp(event, "check") == 0) {
        bool good = json_is_true(json_object_get(line, "good"));
        _cleanup_free_ char *text = output_member(line, "text"), *fix = output_member(line, "fix");
        printf("%-6s %s\n", good ? "ok" : tr(cli, "BAD", "FEHLT"), text);
        if (!good && *fix)
            printf("       -> %s\n", fix);
    }
}

static int run_doctor(struct cli *cli, int argc, char **argv)
{
    static const char *const args[] = {"doctor", NULL};
    struct args a = args_begin(cli, argc, argv);
    int code = args_operands(&a, 0, 0);
    return code == EXIT_GOOD ? job_stream_run(cli, args, tell, cli) : code;
}

const struct command cmd_doctor = {
    "doctor",
    "",
    "check what backups need: account, grants, data directory, space, programs",
    run_doctor,
    NULL,
};
