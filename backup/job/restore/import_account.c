#include "backup/job/restore/import_account.h"

#include <errno.h>
#include <string.h>
#include <jansson.h>
#include <mysqld_error.h>
#include "backup/job/trial/definers.h"
#include "backup/server/globals.h"
#include "common/json_get.h"

static int drop_at(struct server *s, const char *host, struct err *e)
{
    _cleanup_free_ char *at = server_quote_text(s, host);
    return server_exec(s, e, "DROP USER IF EXISTS '" DEFINERS_IMPORTER "'@%s", at);
}

/* The rights of a session outlive its account. */
static int end_sessions(struct server *s, struct err *e)
{
    _cleanup_json_ json_t *ids = NULL;
    json_t *id;
    size_t i;
    int code = server_names(s, &ids, e,
        "SELECT ID FROM information_schema.PROCESSLIST WHERE USER='" DEFINERS_IMPORTER "'");
    json_array_foreach (ids, i, id)
        if (code == 0 && server_exec(s, e, "KILL %s", json_string_value(id)) < 0)
            code = server_errno(s) == ER_NO_SUCH_THREAD ? 0 : -EIO;
    return code;
}

/* It is nobody's business elsewhere: a replica, or who goes back by the log, would have it for
 * good. */
static int log_it(struct server *s, bool on, struct err *e)
{
    return server_exec(s, e, "SET SESSION sql_log_bin=%d", on);
}

int import_account_drop(struct server *s, const char *settings, struct err *e)
{
    _cleanup_json_ json_t *hosts = NULL;
    json_t *host;
    size_t i;
    int code = globals_recover(s, settings, NULL, e);
    if (code == 0)
        code = log_it(s, false, e);
    if (code == 0)
        code = server_names(
            s, &hosts, e, "SELECT Host FROM mysql.user WHERE User='" DEFINERS_IMPORTER "'");
    json_array_foreach (hosts, i, host)
        if (code == 0)
            code = drop_at(s, json_string_value(host), e);
    if (code == 0 && json_array_size(hosts) > 0)
        code = end_sessions(s, e);
    struct err why = {0};
    int back = log_it(s, true, code == 0 ? e : &why);
    return code == 0 ? back : code;
}

static int make(struct server *s, const char *database, struct import_account *a, struct err *e)
{
    _cleanup_free_ char *at = server_quote_text(s, a->host);
    _cleanup_free_ char *pattern = server_quote_pattern(database);
    int code = server_exec(
        s, e, "CREATE USER '" DEFINERS_IMPORTER "'@%s IDENTIFIED BY '%s'", at, a->password);
    return code == 0
               ? server_exec(s, e, "GRANT ALL PRIVILEGES ON %s.* TO '" DEFINERS_IMPORTER "'@%s",
                     pattern, at)
               : code;
}

int import_account_trust(struct server *s, const char *settings, struct err *e)
{
    struct globals *globals = NULL;
    int code = globals_open(s, settings, &globals, NULL, e);
    if (code == 0)
        code = globals_set(globals, s, "log_bin_trust_function_creators", "ON", e);
    globals_close(globals);
    return code < 0 ? code : 0;
}

int import_account_distrust(struct server *s, const char *settings, int code, struct err *e)
{
    struct err why = {0};
    int back = globals_recover(s, settings, NULL, code == 0 ? e : &why);
    return code == 0 && back < 0 ? back : code;
}

int import_account_make(struct server *s, const char *settings, const char *database,
    struct import_account *out, struct err *e)
{
    struct import_account a = {0};
    int code = import_account_drop(s, settings, e);
    if (code == 0)
        code = server_make_password(a.password, e);
    if (code == 0)
        code = server_text(s, &a.host, e, "SELECT SUBSTRING_INDEX(USER(), '@', -1)");
    if (code == 0)
        code = log_it(s, false, e);
    if (code == 0)
        code = make(s, database, &a, e);
    struct err why = {0};
    int back = log_it(s, true, code == 0 ? e : &why);
    code = code == 0 ? back : code;
    if (code == 0)
        code = import_account_trust(s, settings, e);
    if (code < 0)
        import_account_clear(&a);
    else
        *out = a;
    return code;
}

void import_account_clear(struct import_account *a)
{
    free(a->host);
    explicit_bzero(a->password, sizeof a->password);
    *a = (struct import_account){0};
}
