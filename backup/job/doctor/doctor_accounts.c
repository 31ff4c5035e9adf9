#include "backup/job/doctor/doctor_accounts.h"
#include "common/json_get.h"
#include "common/phrase.h"
#include "common/sql_name.h"

#include <jansson.h>
#include <string.h>
#include <strings.h>

enum ssl_type { SSL_NONE, SSL_ANY, SSL_X509, SSL_SPECIFIED }; /* as the server stores it */

void account_fault_clear(struct account_fault *f)
{
    json_decref(f->text);
    json_decref(f->fix);
}

bool account_host_matches(const char *pattern, const char *host)
{
    const char *star = NULL, *from = host;
    while (*host)
        if (*pattern == '%') {
            star = pattern++;
            from = host;
        } else if (*pattern == '_' || strncasecmp(pattern, host, 1) == 0) {
            pattern++;
            host++;
        } else if (star) { /* let the last % take one more */
            pattern = star + 1;
            host = ++from;
        } else
            return false;
    while (*pattern == '%')
        pattern++;
    return *pattern == '\0';
}

/* Could the server take a login through the gate for this account at all? */
static bool reached(const struct gate_way *way, const char *host)
{
    static const char *const here[] = {"localhost", "127.0.0.1", "::1"};
    size_t ways = way->over_socket ? 1 : 3; /* over the socket everybody is on "localhost" */
    bool local = false;
    if (way->client_addresses || strchr(host, '/')) /* a network with its mask: perhaps */
        return true;
    for (size_t i = 0; i < ways; i++)
        local |= account_host_matches(host, here[i]);
    /* From another machine: as what it is seen we cannot know, but it is not local. */
    return way->over_socket || way->loopback ? local : strchr(host, '%') || !local;
}

static int needs_tls(enum ssl_type type, const char *name, struct account_fault *out)
{
    static const char *const words[] = {
        [SSL_ANY] = "SSL", [SSL_X509] = "X509", [SSL_SPECIFIED] = "ISSUER, SUBJECT or CIPHER"};
    bool certificate = type != SSL_ANY;
    out->text = phrase(
        "%s cannot log in through the gate: the account has REQUIRE %s, and the gate's link to the server has no TLS",
        name, words[type]);
    out->fix = phrase("ALTER USER %s REQUIRE NONE; -- the listener's tls = required asks for TLS%s",
        name, certificate ? ", its client_auth and client_map for certificates" : "");
    return 1;
}

static int no_password_needed(const char *name, const char *os_user, struct account_fault *out)
{
    out->text = phrase(
        "%s lets in anybody who comes through the gate, without a password: it is IDENTIFIED VIA unix_socket for the user %s, as whom the gate runs",
        name, os_user);
    out->open = true;
    out->fix = phrase(
        "ALTER USER %s IDENTIFIED BY '<a password>'; -- or host and port instead of socket in [database]",
        name);
    return 1;
}

static int password_in_clear(const char *name, const char *plugin, struct account_fault *out)
{
    out->text = phrase(
        "%s sends its password in clear from the gate to the server (%s)", name, plugin);
    out->fix = phrase_of(N_("set socket in [database], or use ed25519 for this account"));
    return 1;
}

#define SUPER_BIT (1 << 15) /* SUPER_ACL in the server's privilege.h */

/* Who may do everything has no business on the network. */
static int may_everything(const struct gate_way *way, const json_t *account, const char *user,
    const char *name, struct account_fault *out)
{
    if (!(json_get_int(account, "access") & SUPER_BIT))
        return 0;
    const char *listener = way->listener_for(way->ctx, user);
    if (!listener)
        return 0;
    out->text = phrase(
        "%s may do everything on the server (SUPER), and can log in through [listen %s]", name,
        listener);
    out->fix = phrase("add %s to deny_users in [listen %s]; or REVOKE SUPER ON *.* FROM %s;", user,
        listener, name);
    return 1;
}

/* One of the account's ways to log in. */
static int judge_way(const struct gate_way *way, const json_t *one, const char *user,
    const char *name, struct account_fault *out)
{
    const char *plugin = json_get_str(one, "plugin");
    const char *text = json_get_str(one, "authentication_string");
    if (!plugin)
        return 0;
    if (strcmp(plugin, "unix_socket") == 0 && way->over_socket && way->gate_user) {
        const char *os_user = text && *text ? text : user;
        bool refused = !way->allow_own_user && strcmp(user, way->gate_user) == 0;
        return strcmp(os_user, way->gate_user) == 0 && !refused
                   ? no_password_needed(name, os_user, out)
                   : 0;
    }
    if (strcmp(plugin, "pam") == 0 && !way->over_socket && !way->loopback)
        return password_in_clear(name, plugin, out);
    return 0;
}

int account_judge(const struct gate_way *way, const char *user, const char *host, const char *priv,
    size_t priv_len, struct account_fault *out)
{
    _cleanup_json_ json_t *account = json_loadb(priv, priv_len, 0, NULL);
    _cleanup_free_ char *name = sql_name_quoted_account(user, host);
    json_int_t type = json_get_int(account, "ssl_type");
    bool role = json_get_true(account, "is_role");
    bool locked = json_get_true(account, "account_locked");
    size_t i;
    const json_t *one;
    int r = 0;
    *out = (struct account_fault){0};
    if (!role && !locked && reached(way, host)) {
        if (type >= SSL_ANY && type <= SSL_SPECIFIED)
            r = needs_tls((enum ssl_type)type, name, out);
        if (r == 0)
            r = judge_way(way, account, user, name, out);
        json_array_foreach (json_object_get(account, "auth_or"), i, one)
            if (r == 0)
                r = judge_way(way, one, user, name, out);
    }
    return r;
}

int account_judge_super(const struct gate_way *way, const char *user, const char *host,
    const char *priv, size_t priv_len, struct account_fault *out)
{
    _cleanup_json_ json_t *account = json_loadb(priv, priv_len, 0, NULL);
    _cleanup_free_ char *name = sql_name_quoted_account(user, host);
    bool role = json_get_true(account, "is_role");
    bool locked = json_get_true(account, "account_locked");
    *out = (struct account_fault){0};
    return !role && !locked && reached(way, host) ? may_everything(way, account, user, name, out)
                                                  : 0;
}
