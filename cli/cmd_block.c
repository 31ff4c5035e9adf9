/*
 * elexgate block, open, drain: the state of the gate.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "common/clock.h"
#include "common/json_get.h"
#include "common/phrase.h"
#include "common/units.h"
#include "common/shown.h"

#define TIMEOUT_MS       10000
#define GRACE_DEFAULT_MS INT64_C(5000)
#define GRACE_MAX_MS     INT64_C(600000)
#define DRAIN_MAX_MS     INT64_C(86400000)

static const char default_reason[] = N_("The practice database is under maintenance");

/* JSON's ISO time, or null. */
static json_t *moment_or_null(int64_t wall_ms)
{
    char iso[CLOCK_ISO_LEN];

    return wall_ms ? json_string(clock_iso(wall_ms, iso)) : json_null();
}

struct block_options {
    const char *reason;
    int64_t until, grace;
};

static int parse_block(struct cli *cli, int argc, char **argv, struct block_options *o)
{
    const char *until = NULL, *grace = NULL;
    const struct args_option options[] = {
        {"--reason=", &o->reason}, {"--until=", &until}, {"--grace=", &grace}, {0}};
    int code = args_parse(cli, argc, argv, options, 0, 0, NULL);
    if (code != EXIT_GOOD)
        return code;
    if (until && args_parse_moment(until, &o->until) < 0)
        return cli_usage(cli,
            "--until must be a time such as 14:30, +30m or \"2026-11-22 14:30\", not \"%s\"",
            until);
    if (until && o->until <= clock_wall_ms())
        return cli_usage(cli, "--until %s is in the past", until);
    if (grace &&
        (units_parse_duration(grace, &o->grace) < 0 || o->grace < 0 || o->grace > GRACE_MAX_MS))
        return cli_usage(cli, "--grace must be from 0 to 10m, not \"%s\"", grace);
    return EXIT_GOOD;
}

static int run_block(struct cli *cli, int argc, char **argv)
{
    struct block_options o = {.grace = GRACE_DEFAULT_MS};
    _cleanup_json_ json_t *answer = NULL;
    char waited[32];
    int code = parse_block(cli, argc, argv, &o);
    if (code != EXIT_GOOD)
        return code;
    json_t *request = json_pack("{s:s, s:s*, s:o, s:I}", "cmd", "block", "reason", o.reason,
        "until", moment_or_null(o.until), "grace_ms", (json_int_t)o.grace);
    if (!request)
        return cli_usage(cli, "the reason is not UTF-8");
    if (!o.reason)
        phrase_put(request, "reason", phrase_of(default_reason));
    code = cli_ask(cli, CLI_PROXY, (int)o.grace + TIMEOUT_MS, request, &answer);
    if (answer)
        printf(
            tr(cli, "Blocked. Sessions ended: %" PRId64 ", within %s. New clients are told:\n  %s\n"
                    "Let them in again with: elexgate open\n"),
            output_number(answer, "ended", 0),
            shown_duration(cli->lang, output_number(answer, "waited_ms", 0), waited, sizeof waited),
            o.reason ? o.reason : lang_text(cli->lang, default_reason));
    return code;
}

static int take_address(void *ctx, const char *name, const char *value)
{
    (void)name;
    (void)json_array_append_new(ctx, json_string(value));
    return EXIT_GOOD;
}

static int run_open(struct cli *cli, int argc, char **argv)
{
    _cleanup_json_ json_t *answer = NULL, *admit = json_array();
    const struct args_option options[] = {{"--address=", .take = take_address, .ctx = admit}, {0}};
    int code = args_parse(cli, argc, argv, options, 0, 0, NULL);
    bool some = json_array_size(admit) > 0;
    if (code == EXIT_GOOD)
        code = cli_ask(cli, CLI_PROXY, TIMEOUT_MS,
            json_pack("{s:s, s:O*}", "cmd", "open", "admit", some ? admit : NULL), &answer);
    if (answer)
        printf("%s\n", some ? tr(cli, "Let in: it need not wait any longer.")
                            : tr(cli, "Open: clients are let in."));
    return code;
}

static int run_drain(struct cli *cli, int argc, char **argv)
{
    const char *text = NULL;
    const struct args_option options[] = {{"--timeout=", &text}, {0}};
    _cleanup_json_ json_t *answer = NULL;
    int64_t timeout = -1;
    char human[32];
    int code = args_parse(cli, argc, argv, options, 0, 0, NULL);
    if (text && (units_parse_duration(text, &timeout) < 0 || timeout < 0 || timeout > DRAIN_MAX_MS))
        return cli_usage(cli, "--timeout must be from 0 to 1d, not \"%s\"", text);
    const struct config *c = code == EXIT_GOOD ? cli_config(cli) : NULL;
    if (code != EXIT_GOOD || !c)
        return code != EXIT_GOOD ? code : EXIT_FAILED;
    if (timeout < 0)
        timeout = config_int(c, "proxy", NULL, "drain_timeout");
    if (!cli->json &&
        timeout > 0) /* it may take that long: on standard error, as it is no result */
        fprintf(stderr, tr(cli, "New clients are refused; waiting up to %s for sessions to end.\n"),
            shown_duration(cli->lang, timeout, human, sizeof human));
    code = cli_ask(cli, CLI_PROXY, (int)timeout + TIMEOUT_MS,
        json_pack("{s:s, s:I}", "cmd", "drain", "timeout_ms", (json_int_t)timeout), &answer);
    if (answer)
        printf(tr(cli,
            "Drained: nobody is connected any more. Let clients in again with: elexgate open\n"));
    return code;
}

const struct command cmd_block = {
    "block",
    "[--reason TEXT] [--until TIME] [--grace TIME]",
    N_("refuse clients with a message, and end the sessions"),
    run_block,
    (const struct help_line[]){
        {"--reason TEXT", N_("what clients are told (default: maintenance, in [proxy] languages)")},
        {"--until TIME", N_("when it is expected to end: 14:30, +30m, \"2026-11-22 14:30\"")},
        {"--grace TIME", N_("left to running statements and transactions (default: 5s)")},
        {NULL, N_("The block stays until \"elexgate open\", even if the proxy is restarted.")},
        {0},
    },
};
const struct command cmd_open = {
    "open",
    "[--address IP]...",
    N_("let clients in again after block or drain"),
    run_open,
    (const struct help_line[]){
        {"--address IP",
            N_("only this workstation, which has to wait after a restore, because its Elexis has been restarted (elexgate status lists those that wait)")},
        {0},
    },
};
const struct command cmd_drain = {
    "drain",
    "[--timeout TIME]",
    N_("refuse new clients, and let sessions end by themselves"),
    run_drain,
    (const struct help_line[]){
        {"--timeout TIME", N_("afterwards the rest is ended (default: [proxy] drain_timeout)")},
        {0},
    },
};
