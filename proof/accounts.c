#include "proof/accounts.h"
#include "common/said.h"

#include <errmsg.h>
#include <errno.h>
#include <mysql.h>
#include <stdio.h>
#include <string.h>

/* Longer names do not exist: 128 characters of up to 4 bytes. */
#define USER_MAX      512u
#define CONNECT_S     2u
#define READ_S        2u
#define STATEMENT_FMT "SELECT Priv FROM mysql.global_priv WHERE User='%s' LIMIT %u"

struct accounts {
    const struct accounts_target *target;
    MYSQL *my; /* NULL: not connected */
};

struct accounts *accounts_new(const struct accounts_target *t)
{
    struct accounts *a = xcalloc(1, sizeof *a);
    a->target = t;
    return a;
}

static void disconnect(struct accounts *a)
{
    if (a->my)
        mysql_close(a->my);
    a->my = NULL;
}

void accounts_free(struct accounts *a)
{
    if (!a)
        return;
    disconnect(a);
    free(a);
}

static int connect_server(struct accounts *a, struct err *e)
{
    const struct accounts_target *t = a->target;
    unsigned connect_s = CONNECT_S, read_s = READ_S;
    if (a->my)
        return 0;
    a->my = mysql_init(NULL);
    CHECK(a->my);
    mysql_options(a->my, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
    mysql_options(a->my, MYSQL_OPT_READ_TIMEOUT, &read_s);
    mysql_options(a->my, MYSQL_OPT_WRITE_TIMEOUT, &read_s);
    mysql_options(a->my, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_options4(a->my, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", "elexgate-proof");
    if (mysql_real_connect(
            a->my, t->socket ? NULL : t->host, t->user, t->password, NULL, t->port, t->socket, 0))
        return 0;
    struct err said = {0};
    err_set(e, ECONNREFUSED, "cannot log in to the database server as %s: %s", t->user,
        said_of_ours(mysql_errno(a->my), mysql_error(a->my), &said));
    disconnect(a);
    return -ECONNREFUSED;
}

static size_t read_salts(MYSQL_RES *rows, struct salt *out)
{
    size_t n = 0;
    MYSQL_ROW row;
    while ((row = mysql_fetch_row(rows))) {
        unsigned long *lengths = mysql_fetch_lengths(rows);
        if (row[0] && n < ACCOUNTS_SALTS_MAX)
            n += salts_of_account(row[0], lengths[0], out + n, ACCOUNTS_SALTS_MAX - n);
        if (row[0])
            explicit_bzero(row[0], lengths[0]);
    }
    return n;
}

/* 1: the connection was lost, worth another try */
static int ask(struct accounts *a, const char *sql, struct salt *out, size_t *n, struct err *e)
{
    MYSQL_RES *rows = NULL;
    if (mysql_query(a->my, sql) == 0)
        rows = mysql_store_result(a->my);
    if (rows) {
        *n = read_salts(rows, out);
        mysql_free_result(rows);
        return 0;
    }
    unsigned code = mysql_errno(a->my);
    struct err said = {0};
    err_set(
        e, EIO, "cannot read mysql.global_priv: %s", said_of_ours(code, mysql_error(a->my), &said));
    disconnect(a);
    return code == CR_SERVER_GONE_ERROR || code == CR_SERVER_LOST ? 1 : -EIO;
}

int accounts_salts(struct accounts *a, const char *user, size_t user_len,
    struct salt out[static ACCOUNTS_SALTS_MAX], size_t *n, struct err *e)
{
    char quoted[2 * USER_MAX + 1], sql[sizeof quoted + sizeof STATEMENT_FMT + 16];
    if (user_len > USER_MAX)
        return err_set(e, EINVAL, "a user name of %zu bytes", user_len);
    int r = 1;
    for (int attempt = 0; attempt < 2 && r > 0; attempt++) {
        r = connect_server(a, e);
        if (r < 0)
            return r;
        mysql_real_escape_string(a->my, quoted, user, user_len);
        snprintf(sql, sizeof sql, STATEMENT_FMT, quoted, ACCOUNTS_SALTS_MAX);
        r = ask(a, sql, out, n, e);
    }
    return r > 0 ? -EIO : r;
}
