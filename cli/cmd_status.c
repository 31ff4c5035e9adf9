/*
 * elexgate status: the gate on one page.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/cli.h"
#include "cli/cert/cmd_cert.h"
#include "cli/output.h"
#include "cli/status_backup.h"
#include "common/json_get.h"
#include "common/shown.h"

#define TIMEOUT_MS 5000
#define LABEL      14 /* columns of the labels and the blank behind them */

static const struct cli_word gate_states[] = {{"open", N_("open")}, {"blocked", N_("BLOCKED")},
    {"draining", N_("draining: takes no new clients")}, {0}};

static void print_state(FILE *f, const struct cli *cli, const json_t *s)
{
    _cleanup_free_ char *state = output_member(s, "state");
    _cleanup_free_ char *reason = output_words(cli->lang, s, "reason");
    char begun[SHOWN_LEN], end[SHOWN_LEN];
    const char *since = cli_time(cli, s, "since", SHOWN_MOMENT, "", begun);
    const char *until = cli_time(cli, s, "until", SHOWN_MOMENT, "", end);

    fprintf(f, "%-13s %s", tr(cli, "Gate"), cli_word(cli, gate_states, state));
    if (*since)
        fprintf(f, tr(cli, " since %s"), since);
    if (*until)
        fprintf(f, tr(cli, ", until about %s"), until);
    fprintf(f, "\n");
    if (*reason && strcmp(state, "open") != 0)
        fprintf(f, "%-13s %s\n", tr(cli, "Reason"), reason);
}

/* After an upgrade: older processes that still carry sessions. */
static void print_predecessors(FILE *f, const struct cli *cli, const json_t *s)
{
    const json_t *p;
    size_t i;

    json_array_foreach (json_object_get(s, "predecessors"), i, p) {
        _cleanup_free_ char *error = output_member(p, "error");
        char end[SHOWN_LEN];
        const char *until = cli_time(
            cli, json_object_get(p, "handed_over"), "until", SHOWN_MOMENT, "", end);
        if (*error)
            fprintf(f, "%-13s %s\n", tr(cli, "WARNING"), error);
        else
            fprintf(f,
                tr(cli, "%-13s %" PRId64 " of them with the process from before (%" PRId64
                        "), at most until %s\n"),
                "", output_number(p, "sessions", 0), output_number(p, "pid", 0), until);
    }
}

static void print_clients(FILE *f, const struct cli *cli, const json_t *s)
{
    const json_t *idle = json_object_get(s, "idle");
    char write[SHOWN_LEN], statement[SHOWN_LEN];

    fprintf(f, "%-13s %" PRId64, tr(cli, "Clients"), output_number(s, "sessions", 0));
    if (output_number(s, "logins_pending", 0) > 0)
        fprintf(f, tr(cli, " and %" PRId64 " logging in"), output_number(s, "logins_pending", 0));
    fprintf(f, "\n");
    print_predecessors(f, cli, s);
    if (!idle)
        return;
    fprintf(f, tr(cli, "%-13s last write %s, last statement %s\n"), tr(cli, "Idle"),
        shown_ago(cli->lang, output_number(idle, "write_ms", 0), write, sizeof write),
        shown_ago(cli->lang, output_number(idle, "statement_ms", 0), statement, sizeof statement));
    fprintf(f, tr(cli, "%-13s running statements: %" PRId64 ", open transactions: %" PRId64 "\n"),
        "", output_number(idle, "in_flight", 0), output_number(idle, "transactions", 0));
}

static const struct cli_word tls_modes[] = {{"required", N_("TLS required")},
    {"preferred", N_("TLS offered")}, {"off", N_("without TLS")}, {0}};

static void print_listeners(FILE *f, const struct cli *cli, const json_t *s)
{
    const char *label = tr(cli, "Listens on");
    const json_t *l;
    size_t i;

    json_array_foreach (json_object_get(s, "listeners"), i, l) {
        _cleanup_free_ char *name = output_member(l, "name");
        _cleanup_free_ char *address = output_member(l, "address");
        _cleanup_free_ char *port = output_member(l, "port");
        _cleanup_free_ char *tls = output_member(l, "tls");
        _cleanup_free_ char *announce = output_member(l, "announce");
        fprintf(f, tr(cli, "%-13s %s port %s (%s), %s"), label, address, port, name,
            cli_word(cli, tls_modes, tls));
        if (*announce)
            fprintf(f, tr(cli, ", announces %s"), announce);
        fprintf(f, "\n");
        label = "";
    }
}

static const struct cli_word backend_states[] = {{"writable", N_("writable")},
    {"read-only", N_("read-only")}, {"alive", N_("answers")}, {"down", N_("DOWN")},
    {"unknown", N_("not known yet")}, {0}};

/* Several database servers, [backend NAME]. */
static void print_backends(FILE *f, const struct cli *cli, const json_t *s)
{
    const char *label = tr(cli, "Servers");
    const json_t *b;
    size_t i;

    json_array_foreach (json_object_get(s, "backends"), i, b) {
        _cleanup_free_ char *name = output_member(b, "name");
        _cleanup_free_ char *address = output_member(b, "address");
        _cleanup_free_ char *state = output_member(b, "state");
        _cleanup_free_ char *detail = output_member(b, "detail");
        fprintf(f, "%-13s %s %s: %s", label, name, address, cli_word(cli, backend_states, state));
        if (json_get_true(b, "active"))
            fprintf(f, "%s", tr(cli, ", in use"));
        if (*detail)
            fprintf(f, " (%s)", detail);
        fprintf(f, "\n");
        label = "";
    }
}

/* "warnings" of the status itself or of its certificate. Of its dates the keeper tells. */
static void print_warnings(FILE *f, const struct cli *cli, const json_t *of, bool dates)
{
    size_t i;
    json_t *w;
    json_array_foreach (json_object_get(of, "warnings"), i, w) {
        if (json_get_true(w, "date") && !dates)
            continue;
        _cleanup_free_ char *text = output_words(cli->lang, w, "text");
        fprintf(f, "%-13s %s\n", tr(cli, "WARNING"), text);
    }
}

/* Clients are served all the same, so nobody would notice. */
static void print_audit(FILE *f, const struct cli *cli, const json_t *of)
{
    const json_t *a = json_object_get(of, "audit");
    if (!json_is_false(json_object_get(a, "good")))
        return;
    _cleanup_free_ char *file = output_member(a, "file");
    fprintf(f, tr(cli, "%-13s the audit log %s cannot be written, %" PRId64 " lines are lost\n"),
        tr(cli, "WARNING"), file, output_number(a, "lost", 0));
}

static void print_certificate(FILE *f, const struct cli *cli, const json_t *s)
{
    const json_t *c = json_object_get(s, "certificate");
    _cleanup_free_ char *subject = output_member(c, "subject");
    _cleanup_free_ char *issuer = output_member(c, "issuer");
    _cleanup_free_ char *hex = output_member(c, "fingerprint_sha256");
    _cleanup_free_ char *fingerprint = cert_colons(hex);
    char end[SHOWN_LEN];
    const char *until = cli_time(cli, c, "not_after", SHOWN_MOMENT, "", end);
    int64_t days = output_number(c, "days_left", 0);

    if (!json_is_object(c))
        return;
    fprintf(f, tr(cli, "%-13s %s, by %s\n"), tr(cli, "Certificate"), subject, issuer);
    if (days < 0)
        fprintf(f, tr(cli, "%-13s EXPIRED on %s\n"), "", until);
    else
        fprintf(f, tr(cli, "%-13s valid until %s (%" PRId64 " days)\n"), "", until, days);
    fprintf(f, "%-13s SHA-256 %s\n", "", fingerprint);
    print_warnings(f, cli, c, !json_is_object(json_object_get(s, "keeper")));
}

static void print_totals(FILE *f, const struct cli *cli, const json_t *s)
{
    const json_t *t = json_object_get(s, "totals");
    char in[SHOWN_LEN], out[SHOWN_LEN];

    if (!json_is_object(t))
        return;
    fprintf(f,
        tr(cli, "%-13s connections: %" PRId64 ", refused: %" PRId64
                ", failed TLS handshakes: %" PRId64 "\n"),
        tr(cli, "Since start"), output_number(t, "accepted", 0), output_number(t, "refused", 0),
        output_number(t, "handshakes_failed", 0));
    fprintf(f, tr(cli, "%-13s logins: %" PRId64 ", failed: %" PRId64 "\n"), "",
        output_number(t, "logins_ok", 0), output_number(t, "logins_failed", 0));
    fprintf(f, tr(cli, "%-13s statements: %" PRId64 " read, %" PRId64 " wrote; %s in, %s out\n"),
        "", output_number(t, "statements_read", 0), output_number(t, "statements_write", 0),
        shown_bytes(cli->lang, (uint64_t)output_number(t, "bytes_in", 0), in, sizeof in),
        shown_bytes(cli->lang, (uint64_t)output_number(t, "bytes_out", 0), out, sizeof out));
}

static void print_program(FILE *f, const struct cli *cli, const json_t *s)
{
    _cleanup_free_ char *program = output_member(s, "program");
    _cleanup_free_ char *version = output_member(s, "version");
    char up[SHOWN_LEN];

    fprintf(f, tr(cli, "%-13s %s %s, process %" PRId64 ", %" PRId64 " workers, running for %s\n"),
        tr(cli, "Program"), program, version, output_number(s, "pid", 0),
        output_number(s, "workers", 0),
        shown_duration(cli->lang, output_number(s, "uptime_ms", 0), up, sizeof up));
}

/* s NULL: the gate does not answer. */
static void print_all(const struct cli *cli, const json_t *s, const json_t *keeper)
{
    _cleanup_free_ char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    CHECK(f);
    if (s) {
        print_state(f, cli, s);
        print_clients(f, cli, s);
        print_listeners(f, cli, s);
        print_backends(f, cli, s);
        print_certificate(f, cli, s);
        print_warnings(f, cli, s, true);
        print_audit(f, cli, s);
    }
    status_backup_print(f, cli, keeper);
    if (s) {
        print_audit(f, cli, keeper);
        print_totals(f, cli, s);
        print_program(f, cli, s);
    }
    fclose(f);
    output_lines(text, LABEL);
}

static int run_status(struct cli *cli, int argc, char **argv)
{
    _cleanup_json_ json_t *s = NULL;
    int code = args_parse(cli, argc, argv, NULL, 0, 0, NULL);
    if (code == EXIT_GOOD)
        code = cli_call(cli, CLI_PROXY, TIMEOUT_MS, json_pack("{s:s}", "cmd", "status"), &s);
    if (code != EXIT_GOOD && code != EXIT_UNREACHABLE)
        return code;
    _cleanup_json_ json_t *keeper = status_backup_ask(cli);
    if (code != EXIT_GOOD) { /* without the gate, what the keeper finds is all the more of use */
        if (!cli->json && json_is_object(keeper))
            print_all(cli, NULL, keeper);
        return code;
    }
    json_object_set(s, "keeper", keeper);
    if (cli->json)
        cli_print_json(s);
    else
        print_all(cli, s, keeper);
    return EXIT_GOOD;
}

const struct command cmd_status = {
    "status",
    "",
    N_("show the gate: state, clients, idle time, certificate, totals"),
    run_status,
};
