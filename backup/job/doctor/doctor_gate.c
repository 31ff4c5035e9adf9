#include "backup/job/doctor/doctor.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include "backup/job/doctor/doctor_accounts.h"
#include "certs/server_leaf.h"
#include "common/error_phrase.h"
#include "common/hex.h"
#include "link/control.h"
#include "common/json_get.h"
#include "common/phrase.h"

#define ASK_MS 3000

struct accounts {
    const struct gate_way *way;
    struct doctor *doctor;
    unsigned bad, super;
};

static int judge_row(void *ctx, const struct server_row *row, struct err *e)
{
    struct accounts *a = ctx;
    struct account_fault fault;
    (void)e;
    if (row->text[0] && row->text[1] && row->text[2] &&
        account_judge(a->way, row->text[0], row->text[1], row->text[2], row->len[2], &fault)) {
        a->bad++;
        doctor_found(a->doctor, fault.open ? DOCTOR_FOUND_BAD : DOCTOR_FOUND_WARNING, "account",
            fault.text, fault.fix);
    }
    if (row->text[0] && row->text[1] && row->text[2] &&
        account_judge_super(
            a->way, row->text[0], row->text[1], row->text[2], row->len[2], &fault)) {
        a->super++;
        doctor_found(a->doctor, DOCTOR_FOUND_WARNING, "super", fault.text, fault.fix);
    }
    return 0;
}

/* The gate's control socket belongs to the user that it runs as. */
static char *gate_user(const char *proxy_socket)
{
    struct stat st;
    const struct passwd *pw = stat(proxy_socket, &st) == 0 ? getpwuid(st.st_uid) : NULL;
    return pw ? xstrdup(pw->pw_name) : NULL;
}

static const char *listener_for(const void *ctx, const char *user)
{
    const struct config *c = ctx;
    const char *name;
    for (size_t i = 0; (name = config_section(c, "listen", i)); i++) {
        const char *const *denied = config_list(c, "listen", name, "deny_users");
        while (*denied && strcasecmp(*denied, user) != 0)
            denied++;
        if (!*denied)
            return name;
    }
    return NULL;
}

/* A server counts connections that break off before their login against the gate's address. The
 * gate gives up first, and by a login that is refused, unless it is more patient than the server.
 */
static void check_patience(struct doctor *d)
{
    const struct config *c = d->run->s.config;
    uint64_t seconds = 0, errors = 0;
    int64_t ours = config_int(c, "proxy", NULL, "handshake_timeout");
    if (config_str(c, "database", NULL, "socket") ||
        server_u64(d->server, &seconds, NULL, "SELECT @@connect_timeout") < 0 ||
        server_u64(d->server, &errors, NULL, "SELECT @@max_connect_errors") < 0)
        return;
    json_t *text = phrase(
        "logins are given up after %lld s by the gate and after %llu s by the server; %llu that the server gives up block the gate for everybody (max_connect_errors)",
        (long long)(ours / 1000), (unsigned long long)seconds, (unsigned long long)errors);
    bool good = ours < (int64_t)seconds * 1000;
    doctor_found(d, good ? DOCTOR_FOUND_GOOD : DOCTOR_FOUND_WARNING, "logins", text,
        good ? NULL
             : phrase("%s", "[proxy] handshake_timeout less than the server's connect_timeout"));
}

static void check_accounts(struct doctor *d)
{
    const struct config *c = d->run->s.config;
    _cleanup_free_ char *user = gate_user(d->run->s.proxy_socket);
    const struct gate_way way = {
        .over_socket = config_str(c, "database", NULL, "socket") != NULL,
        .loopback = doctor_is_loopback(config_str(c, "database", NULL, "host")),
        .client_addresses = config_bool(c, "database", NULL, "proxy_protocol"),
        .gate_user = user,
        .allow_own_user = config_bool(c, "proxy", NULL, "allow_own_user"),
        .listener_for = listener_for,
        .ctx = c,
    };
    struct accounts a = {.way = &way, .doctor = d};
    struct err e;
    int r = server_rows(d->server, judge_row, &a, &e,
        "SELECT User, Host, Priv FROM mysql.global_priv WHERE User <> '' ORDER BY User, Host");
    if (r < 0)
        doctor_found(d, DOCTOR_FOUND_WARNING, "account", error_phrase_json(&e),
            phrase("%s", "GRANT SELECT ON mysql.global_priv, for the keeper's account"));
    else if (a.bad == 0)
        doctor_found(d, DOCTOR_FOUND_GOOD, "account",
            phrase_of(N_("no account is kept out by the gate, or let in by mistake")), NULL);
    if (r == 0 && a.super == 0)
        doctor_found(d, DOCTOR_FOUND_GOOD, "super",
            phrase_of(N_("no account that may do everything (SUPER) can log in through the gate")),
            NULL);
}

/* The certificate that the gate serves, upper-case hexadecimal; NULL: it does not answer, or has
 * none. */
static char *gate_leaf(const char *proxy_socket)
{
    _cleanup_json_ json_t *status = control_status(proxy_socket, ASK_MS, NULL);
    return xstrdup(json_get_str(json_object_get(status, "certificate"), "fingerprint_sha256"));
}

static bool same(const uint8_t *leaf, const char *hex)
{
    char text[2 * CERT_SHA256_LEN + 1];
    return strcmp(hex_upper(leaf, CERT_SHA256_LEN, text), hex) == 0;
}

static bool a_listener_replaces_proofs(const struct config *c)
{
    const char *name;
    for (size_t i = 0; (name = config_section(c, "listen", i)); i++)
        if (config_bool(c, "listen", name, "zero_config_proof"))
            return true;
    return false;
}

/* Its only command is "proof"; that it says so to another one shows that it lives, and lets us ask.
 */
static void check_proof_program(struct doctor *d)
{
    const char *path = config_str(d->run->s.config, "proof", NULL, "socket");
    _cleanup_json_ json_t *request = json_pack("{s:s}", "cmd", "ping"), *answer = NULL;
    struct err e;
    if (control_ask(path, ASK_MS, request, &answer, &e) == 0)
        doctor_found(d, DOCTOR_FOUND_GOOD, "zero-config",
            phrase_of(N_(
                "elexgate-proof answers: clients since MariaDB 11.4 trust the gate's certificate")),
            NULL);
    else
        doctor_found(d, DOCTOR_FOUND_WARNING, "zero-config", error_phrase_json(&e),
            phrase("%s",
                "systemctl enable --now elexgate-proof; or zero_config_proof = no in [listen]"));
}

static void check_proofs(struct doctor *d)
{
    const struct config *c = d->run->s.config;
    uint8_t leaf[CERT_SHA256_LEN];
    unsigned major = 0, minor = 0;
    _cleanup_free_ char *gate = gate_leaf(d->run->s.proxy_socket);
    if (!gate || sscanf(server_version(d->server), "%u.%u", &major, &minor) != 2 || major < 11 ||
        (major == 11 && minor < 4))
        return;
    if (a_listener_replaces_proofs(c))
        check_proof_program(d);
    else if (server_leaf(config_str(c, "database", NULL, "socket"),
                 config_str(c, "database", NULL, "host"),
                 (unsigned)config_int(c, "database", NULL, "port"), leaf, NULL) < 0)
        return; /* no TLS there, no proofs, nothing to compare */
    else if (same(leaf, gate))
        doctor_found(d, DOCTOR_FOUND_GOOD, "zero-config",
            phrase_of(N_(
                "server and gate have the same certificate: clients since MariaDB 11.4 trust it")),
            NULL);
    else
        doctor_found(d, DOCTOR_FOUND_GOOD, "zero-config",
            phrase_of(N_(
                "server and gate have different certificates: clients since MariaDB 11.4 need the CA, or zero_config_proof = yes, or both the same certificate (docs/handbook/en/tls.md)")),
            NULL);
}

void doctor_gate(struct doctor *d)
{
    if (!d->run->s.proxy_socket)
        return;
    check_accounts(d);
    check_patience(d);
    check_proofs(d);
}
