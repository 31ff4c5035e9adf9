/*
 * elexgate sessions: who is connected.
 */
#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "common/clock.h"
#include "common/json_get.h"
#include "common/shown.h"

#define TIMEOUT_MS 10000

/* What the client calls itself: drivers send it as a connection attribute. */
static char *program_of(const json_t *s)
{
    static const char *const keys[] = {"program_name", "_client_name"};
    char *program = output_member(s, "program");

    for (size_t i = 0; !*program && i < sizeof keys / sizeof keys[0]; i++) {
        free(program);
        program = output_member(json_object_get(s, "attributes"), keys[i]);
    }
    return program;
}

/* "read 3 s ago" */
static char *last_statement(const struct cli *cli, const json_t *s)
{
    const char *kind = json_get_str(s, "last_kind");
    int64_t ago = output_number(s, "last_activity_ms", -1);
    char human[SHOWN_LEN];

    if (!kind || strcmp(kind, "none") == 0)
        return xstrdup("-");
    const char *word = strcmp(kind, "write") == 0 ? tr(cli, "write") : tr(cli, "read");
    if (output_number(s, "in_flight", 0) > 0)
        return xasprintf(tr(cli, "%s now"), word);
    if (ago < 0)
        return xstrdup(word);
    return xasprintf("%s %s", word, shown_ago(cli->lang, ago, human, sizeof human));
}

static char *connected_for(const struct cli *cli, const json_t *s)
{
    const char *since = json_get_str(s, "since");
    int64_t then, now = clock_wall_ms();
    char human[SHOWN_LEN];

    if (!since || clock_parse(since, &then) < 0)
        return xstrdup("");
    return xstrdup(shown_duration(cli->lang, now - then, human, sizeof human));
}

static char *tls_of(const json_t *s)
{
    char *version = output_member(s, "tls_version");

    if (*version)
        return version;
    free(version);
    return xstrdup("-");
}

/* The proxy's states in words that say something to a person. */
static const char *state_words(const struct cli *cli, const json_t *s)
{
    const char *state = json_get_str(s, "state");

    if (!state)
        return "";
    if (json_get_true(s, "in_transaction"))
        return tr(cli, "in transaction");
    if (strcmp(state, "relay") == 0)
        return tr(cli, "connected");
    if (strcmp(state, "ending") == 0 || strncmp(state, "clos", 4) == 0)
        return tr(cli, "ending");
    return tr(cli, "logging in");
}

static void add_row(const struct cli *cli, struct table *t, const json_t *s)
{
    _cleanup_free_ char *id = output_member(s, "id");
    _cleanup_free_ char *user = output_member(s, "user");
    _cleanup_free_ char *peer = output_member(s, "peer");
    _cleanup_free_ char *database = output_member(s, "database");
    _cleanup_free_ char *program = program_of(s);
    _cleanup_free_ char *tls = tls_of(s);
    _cleanup_free_ char *since = connected_for(cli, s);
    _cleanup_free_ char *last = last_statement(cli, s);

    table_add(t, (const char *const[]){
                     id, user, peer, database, program, tls, since, last, state_words(cli, s)});
}

static void print_sessions(const struct cli *cli, const json_t *answer)
{
    const json_t *sessions = json_object_get(answer, "sessions"), *s;
    struct table *t = table_create(
        (const char *const[]){">ID", tr(cli, "!USER"), tr(cli, "!FROM"), tr(cli, "DATABASE"),
            tr(cli, "PROGRAM"), "TLS", tr(cli, ">FOR"), tr(cli, "LAST"), tr(cli, "STATE"), NULL});
    size_t i;

    json_array_foreach (sessions, i, s)
        add_row(cli, t, s);
    if (json_array_size(sessions) == 0)
        printf("%s\n", tr(cli, "Nobody is connected."));
    table_end(t);
}

static int run_sessions(struct cli *cli, int argc, char **argv)
{
    _cleanup_json_ json_t *answer = NULL;
    int code = args_parse(cli, argc, argv, NULL, 0, 0, NULL);
    if (code == EXIT_GOOD)
        code = cli_ask(cli, CLI_PROXY, TIMEOUT_MS, json_pack("{s:s}", "cmd", "sessions"), &answer);
    if (answer)
        print_sessions(cli, answer);
    return code;
}

const struct command cmd_sessions = {
    "sessions",
    "",
    N_("show who is connected"),
    run_sessions,
};
