#include "backup/job/restore/accounts.h"

#include <errno.h>
#include <string.h>
#include "backup/job/doctor/doctor_grants.h"
#include "backup/job/restore/site.h"
#include "common/json_get.h"

/* --- as they are now -------------------------------------------------------------------------- */

struct reading {
    struct server *server;
    json_t *accounts;
};

static int note_account(void *ctx, const struct server_row *row, struct err *e)
{
    struct reading *r = ctx;
    (void)e;
    return json_array_append_new(
        r->accounts, json_pack("{s:s, s:s, s:s, s:[]}", "user", row->text[0], "host", row->text[1],
                         "priv", row->text[2], "grants"));
}

/* What it may do in single databases; the rest is in priv. */
static int note_grant(void *ctx, const struct server_row *row, struct err *e)
{
    (void)e;
    if (!strncmp(row->text[0], "GRANT ", 6) && !strstr(row->text[0], " ON *.* ") &&
        strstr(row->text[0], " ON "))
        (void)json_array_append_new(ctx, json_string(row->text[0]));
    return 0;
}

/* A listener asks elexgate-proof: then its account counts as well. */
static const char *proof_account(const struct config *c)
{
    const char *name;
    for (size_t i = 0; (name = config_section(c, "listen", i)); i++)
        if (config_bool(c, "listen", name, "zero_config_proof"))
            return config_str(c, "proof", NULL, "account");
    return NULL;
}

static int read_live(const struct backup_settings *b, struct reading *r, struct err *e)
{
    const char *proof = proof_account(b->config);
    _cleanup_free_ char *ours = server_quote_text(r->server, b->target.user);
    _cleanup_free_ char *theirs = server_quote_text(r->server, proof ? proof : b->target.user);
    json_t *account;
    size_t i;
    int code = server_rows(r->server, note_account, r, e,
        "SELECT User, Host, Priv FROM mysql.global_priv WHERE User IN (%s, %s)", ours, theirs);
    json_array_foreach (r->accounts, i, account) {
        if (code < 0)
            break;
        _cleanup_free_ char *user = server_quote_text(r->server, json_get_str(account, "user"));
        _cleanup_free_ char *host = server_quote_text(r->server, json_get_str(account, "host"));
        code = server_rows(r->server, note_grant, json_object_get(account, "grants"), e,
            "SHOW GRANTS FOR %s@%s", user, host);
    }
    return code;
}

int restore_accounts_read(
    struct run *run, struct server *s, const struct layout_memory *was, json_t **out, struct err *e)
{
    struct reading r = {.server = s, .accounts = json_array()};
    const char *at = was->account ? strrchr(was->account, '@') : NULL;
    const char *host = at ? at + 1 : doctor_grants_host(&run->s);
    int code = 0;
    if (s)
        code = read_live(&run->s, &r, e);
    if (code == 0 && json_array_size(r.accounts) == 0)
        (void)json_array_append_new(r.accounts,
            json_pack("{s:s, s:s, s:[]}", "user", run->s.target.user, "host", host, "grants"));
    if (code == 0)
        *out = r.accounts;
    else
        json_decref(r.accounts);
    return code;
}

/* --- in the copy ------------------------------------------------------------------------------ */

struct place {
    const struct backup_settings *settings;
    struct server *server;
    const char *user, *host;
    char *quoted; /* 'user'@'host' */
};

/* Its words, and never the statement: that holds a password. */
static int cannot(struct place *p, struct err *e)
{
    return err_set(e, EIO, "the account %s@%s cannot be made in the restored data: %s", p->user,
        p->host, server_error(p->server));
}

/* What decides on a login and on rights; when a password was changed does not. */
static bool same_priv(const char *a, const char *b)
{
    static const char *const keys[] = {
        "plugin", "authentication_string", "auth_or", "access", "ssl_type", "account_locked", NULL};
    _cleanup_json_ json_t *x = json_loads(a, 0, NULL), *y = json_loads(b, 0, NULL);
    bool same = x && y;
    for (size_t i = 0; same && keys[i]; i++) {
        json_t *m = json_object_get(x, keys[i]), *n = json_object_get(y, keys[i]);
        same = (!m && !n) || json_equal(m, n);
    }
    return same;
}

/* The row itself: it has the rights too, and needs no plugin that this server may lack. */
static int copy_row(struct place *p, const char *priv, bool *made, struct err *e)
{
    _cleanup_free_ char *u = server_quote_text(p->server, p->user),
                        *h = server_quote_text(p->server, p->host),
                        *v = server_quote_text(p->server, priv), *there = NULL;
    if (server_text(p->server, &there, NULL,
            "SELECT Priv FROM mysql.global_priv WHERE User=%s AND Host=%s", u, h) < 0)
        return cannot(p, e);
    *made = !there || !same_priv(there, priv);
    if (*made &&
        server_exec(p->server, NULL,
            "REPLACE INTO mysql.global_priv (Host, User, Priv) VALUES (%s, %s, %s)", h, u, v) < 0)
        return cannot(p, e);
    return 0;
}

/* From the configuration, when the live server could not be asked. */
static int make_new(struct place *p, bool *made, struct err *e)
{
    const char *password = p->settings->password;
    uint64_t there = 0;
    _cleanup_free_ char *u = server_quote_text(p->server, p->user),
                        *h = server_quote_text(p->server, p->host),
                        *quoted = server_quote_text(p->server, password ? password : "");
    _cleanup_free_ char *wanted = password
                                      ? xasprintf("'$.authentication_string')=PASSWORD(%s)", quoted)
                                      : xstrdup("'$.plugin')='unix_socket'");
    if (server_u64(p->server, &there, NULL,
            "SELECT COUNT(*) FROM mysql.global_priv WHERE User=%s AND Host=%s AND JSON_VALUE(Priv, %s",
            u, h, wanted) < 0)
        return cannot(p, e);
    *made = there == 0;
    if (*made &&
        server_exec(p->server, NULL, "CREATE OR REPLACE USER %s %s %s", p->quoted,
            password ? "IDENTIFIED BY" : "IDENTIFIED VIA unix_socket", password ? quoted : "") < 0)
        return cannot(p, e);
    _cleanup_free_ char *list = doctor_grants_list(p->settings->config, server_version(p->server));
    return server_exec(p->server, NULL, "GRANT %s ON *.* TO %s", list, p->quoted) < 0 ? cannot(p, e)
                                                                                      : 0;
}

static int make_one(
    const struct backup_settings *b, const json_t *account, struct server *s, struct err *e)
{
    struct place p = {.settings = b,
        .server = s,
        .user = json_get_str(account, "user"),
        .host = json_get_str(account, "host")};
    const char *priv = json_get_str(account, "priv");
    _cleanup_free_ char *u = server_quote_text(s, p.user), *h = server_quote_text(s, p.host);
    _cleanup_free_ char *both = xasprintf("%s@%s", u, h);
    bool made = false;
    size_t i;
    const json_t *grant;
    p.quoted = both;
    int code = priv ? copy_row(&p, priv, &made, e) : 0;
    /* a server that asks nobody has not read its accounts: now it does */
    if (code == 0 && (made || !priv) && server_exec(s, NULL, "FLUSH PRIVILEGES") < 0)
        code = cannot(&p, e);
    if (code == 0 && !priv)
        code = make_new(&p, &made, e);
    json_array_foreach (json_object_get(account, "grants"), i, grant)
        /* of a database that the copy has not: it will be given with that */
        if (code == 0 && made)
            (void)!server_exec(s, NULL, "%s", json_string_value(grant));
    if (code == 0 && made)
        run_note(
            "the account %s@%s was not in the backup as it is now, and was made in what is restored",
            p.user, p.host);
    return code;
}

int restore_accounts_put(
    struct run *run, const struct layout_memory *was, struct throwaway *t, struct err *e)
{
    _cleanup_server_ struct server *live = NULL;
    _cleanup_json_ json_t *accounts = NULL;
    struct err why = {0};
    if (site_ask(run, &live, &why) != SITE_ANSWERS)
        live = NULL;
    int code = restore_accounts_read(run, live, was, &accounts, e);
    return code == 0 ? restore_accounts_make(&run->s, accounts, throwaway_server(t), e) : code;
}

int restore_accounts_make(
    const struct backup_settings *b, const json_t *accounts, struct server *s, struct err *e)
{
    int code = 0;
    size_t i;
    const json_t *account;
    json_array_foreach ((json_t *)(uintptr_t)accounts, i, account)
        if (code == 0)
            code = make_one(b, account, s, e);
    return code;
}
