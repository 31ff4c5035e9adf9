#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "cli/output.h"
#include "common/error_phrase.h"
#include "common/phrase.h"
#include "common/clock.h"
#include "common/json_get.h"
#include "common/json_lines.h"
#include "link/control.h"
#include "link/grant.h"

static const struct peer {
    const char *program, *section;
} peers[] = {
    [CLI_PROXY] = {"elexgate-proxy", "proxy"},
    [CLI_KEEPER] = {"elexgate-keeper", "backup"},
};

void cli_warn(const struct cli *cli, const struct err *e)
{
    _cleanup_free_ char *words = error_phrase_words(cli->lang, e);
    _cleanup_free_ char *safe = output_safe_lines(words); /* a peer's words, maybe */
    fprintf(stderr, "elexgate%s%s: %s\n", cli->command ? " " : "",
        cli->command ? cli->command->name : "", safe);
}

int cli_fail(const struct cli *cli, int code, const struct err *e)
{
    return cli_fail_with(cli, code, e, NULL);
}

int cli_fail_with(const struct cli *cli, int code, const struct err *e, json_t *more)
{
    if (cli->json) {
        json_t *answer = json_error_of(e->code ? e->code : EIO, e);
        CHECK(json_object_set_new(answer, "exit_code", json_integer(code)) == 0);
        (void)json_object_update(answer, more);
        cli_print_new(answer);
    }
    cli_warn(cli, e);
    json_decref(more);
    return code;
}

int cli_fail_last(const struct cli *cli, int code, const json_t *last)
{
    struct err e = {0};
    _cleanup_free_ char *words = phrase_in(cli->lang, last, "error");
    (void)err_set(&e, json_answer_errno(last), "%s", words);
    return cli_fail(cli, code, &e);
}

int cli_failf(const struct cli *cli, int code, const char *fmt, ...)
{
    struct err e = {0};
    va_list ap;

    va_start(ap, fmt);
    (void)err_set_v(&e, code == EXIT_USAGE ? EINVAL : EIO, fmt, ap);
    va_end(ap);
    return cli_fail(cli, code, &e);
}

int cli_usage(const struct cli *cli, const char *fmt, ...)
{
    struct err e = {0};
    va_list ap;

    va_start(ap, fmt);
    (void)err_set_v(&e, EINVAL, fmt, ap);
    va_end(ap);
    cli_fail(cli, EXIT_USAGE, &e);
    fprintf(stderr, tr(cli, "See: elexgate %s%s--help\n"), cli->command ? cli->command->name : "",
        cli->command ? " " : "");
    return EXIT_USAGE;
}

const struct config *cli_config(struct cli *cli)
{
    struct err e = {0};

    if (!cli->config && config_load(cli->config_path, &cli->config, &e) < 0)
        cli_fail(cli, EXIT_FAILED, &e);
    return cli->config;
}

static int unreachable(struct cli *cli, const struct peer *peer, const char *path, int r)
{
    const char *hint;

    if (r == -EACCES || r == -EPERM)
        hint = tr(cli, "run it as root or as a user named in control_users");
    else
        hint = tr(cli, "is it running?");
    struct err e = {0};
    (void)err_set(&e, -r,
        tr(cli, "%s cannot be reached at %s (%s); %s Start it with: systemctl start %s"),
        peer->program, path, strerror(-r), hint, peer->program);
    return cli_fail(cli, EXIT_UNREACHABLE, &e);
}

int cli_connect(struct cli *cli, enum cli_peer which, int timeout_ms, struct control **out)
{
    const struct config *c = cli_config(cli);
    const struct peer *peer = &peers[which];
    struct err e = {0};

    if (!c)
        return EXIT_FAILED;
    const char *path = config_str(c, peer->section, NULL, "control_socket");
    if (!path)
        return cli_failf(cli, EXIT_FAILED, "[%s] control_socket is not set in %s", peer->section,
            config_path(c));
    int r = control_connect(path, timeout_ms, out, &e);
    return r < 0 ? unreachable(cli, peer, path, r) : EXIT_GOOD;
}

/* How a failed exchange ends: no answer at all is "not reachable". */
static int exchange_failed(struct cli *cli, int r, const struct err *e)
{
    return cli_fail(cli, r == -EBADMSG ? EXIT_FAILED : exit_code_of_call(r), e);
}

int cli_call(struct cli *cli, enum cli_peer peer, int timeout_ms, json_t *request, json_t **answer)
{
    struct control *c = NULL;
    struct err e = {0};
    json_t *got = NULL;
    int code = cli_connect(cli, peer, timeout_ms, &c);

    CHECK(request);
    if (code == EXIT_GOOD) {
        if (peer == CLI_KEEPER)
            grant_by_hand(config_str(cli->config, "backup", NULL, "control_socket"), request);
        int r = control_send(c, request, &e);
        if (r == 0)
            r = control_receive(c, &got, &e);
        if (r < 0)
            code = exchange_failed(cli, r, &e);
        else if ((r = control_refused(&got, &e)) < 0)
            code = cli_fail(cli, exit_code_of_call(r), &e);
    }
    control_close(c);
    json_decref(request);
    if (code == EXIT_GOOD)
        *answer = got;
    return code;
}

int cli_ask(struct cli *cli, enum cli_peer peer, int timeout_ms, json_t *request, json_t **answer)
{
    json_t *got = NULL;
    int code = cli_call(cli, peer, timeout_ms, request, &got);
    if (code == EXIT_GOOD && cli->json)
        cli_print_new(got);
    else if (code == EXIT_GOOD)
        *answer = got;
    return code;
}

void cli_print_json(const json_t *value)
{
    size_t len;
    _cleanup_free_ char *line = json_line(value, &len);

    fwrite(line, 1, len, stdout);
    fflush(stdout);
}

void cli_print_new(json_t *value)
{
    CHECK(value);
    cli_print_json(value);
    json_decref(value);
}

const char *cli_word(const struct cli *cli, const struct cli_word *words, const char *key)
{
    for (; words->key; words++)
        if (strcmp(words->key, key) == 0)
            return tr(cli, words->english);
    return key;
}

const char *cli_time(const struct cli *cli, const json_t *o, const char *key, enum shown_form form,
    const char *none, char buf[static SHOWN_LEN])
{
    int64_t ms;
    const char *iso = json_get_str(o, key);
    if (!iso || clock_parse(iso, &ms) < 0)
        return none;
    return shown_time(cli->lang, ms, form, buf, SHOWN_LEN);
}

bool cli_on_terminal(const struct cli *cli)
{
    return !cli->json && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

int cli_nobody_to_ask(const struct cli *cli)
{
    return cli_usage(cli, "%s",
        tr(cli, "this asks for a confirmation, which needs a terminal; a script gives --yes"));
}

int cli_confirm(struct cli *cli, const char *word)
{
    char line[80];
    if (!cli_on_terminal(cli))
        return cli_nobody_to_ask(cli);
    printf(tr(cli, "Type \"%s\" to go on, anything else cancels: "), tr(cli, word));
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin))
        line[0] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    if (strcmp(line, word) == 0 || strcmp(line, tr(cli, word)) == 0)
        return EXIT_GOOD;
    return cli_failf(cli, EXIT_CANCELLED, "%s", tr(cli, "cancelled, nothing was changed"));
}
