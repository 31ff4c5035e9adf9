#include "backup/job/doctor/doctor_grants.h"

#include <stdio.h>
#include <string.h>
#include "backup/server/dialect.h"

static bool of_mysql(const char *version)
{
    return version && dialect_version_is_mysql(version);
}

const char *const *doctor_grants(const struct config *c, const char *version)
{
    static const char *const mysql[] = {"SELECT", "RELOAD", "PROCESS", "LOCK TABLES", "SHOW VIEW",
        "EVENT", "TRIGGER", "CONNECTION_ADMIN", NULL};
    static const char *const all[] = {"REPLICATION SLAVE", "BINLOG MONITOR", "SELECT", "RELOAD",
        "SHUTDOWN", "PROCESS", "SUPER", "LOCK TABLES", "SHOW VIEW", "EVENT", "TRIGGER",
        "CONNECTION ADMIN", "SET USER", NULL};
    if (of_mysql(version))
        return mysql;
    return config_bool(c, "binlog", NULL, "archive") ? all : all + 2;
}

/* "GRANT SELECT, RELOAD, ... ON *.* TO ...": is this one in the list? */
static bool granted(const char *row, const char *privilege)
{
    const char *end = strstr(row, " ON *.*"), *p = row + strlen("GRANT ");
    size_t n = strlen(privilege);
    if (!end || strncmp(row, "GRANT ", 6) != 0)
        return false;
    if (strncmp(p, "ALL PRIVILEGES", 14) == 0)
        return true;
    while (p < end) {
        size_t len = strcspn(p, ",");
        len = p + len > end ? (size_t)(end - p) : len;
        if (len == n && memcmp(p, privilege, n) == 0)
            return true;
        p += len + 1; /* "SELECT, RELOAD"; MySQL's newer ones stand without the space */
        p += *p == ' ';
    }
    return false;
}

struct wanted {
    const char *const *needed;
    bool has[GRANTS_MAX];
};

static int note_row(void *ctx, const struct server_row *row, struct err *e)
{
    struct wanted *w = ctx;
    (void)e;
    for (size_t i = 0; row->n && row->text[0] && w->needed[i]; i++)
        w->has[i] |= granted(row->text[0], w->needed[i]);
    return 0;
}

int doctor_grants_missing(
    struct server *s, const char *const *needed, char **missing, struct err *e)
{
    struct wanted w = {.needed = needed};
    int code = server_rows(s, note_row, &w, e, "SHOW GRANTS");
    if (code < 0)
        return code;
    char *list = xstrdup("");
    for (size_t i = 0; needed[i]; i++) {
        CHECK(i < GRANTS_MAX);
        if (w.has[i])
            continue;
        xappendf(&list, "%s%s", *list ? ", " : "", needed[i]);
    }
    *missing = list;
    return 0;
}

char *doctor_grants_list(const struct config *c, const char *version)
{
    char *list = xstrdup("");
    const char *const *grants = doctor_grants(c, version);
    for (size_t i = 0; grants[i]; i++)
        xappendf(&list, "%s%s", i ? ", " : "", grants[i]);
    return list;
}

/* Made anew each time: only a role's admin could grant it, and whoever makes one without naming an
 * admin is that, even root later is not. Its admin has it. In MySQL whoever may make definers of
 * others may still name none that are system accounts, such as root, without being one. */
static char *make_role(const struct backup_settings *s, const char *version)
{
    const char *user = s->target.user, *host = doctor_grants_host(s);
    unsigned major = 0, minor = 0;
    if (!of_mysql(version))
        return xasprintf(
            "DROP ROLE IF EXISTS " SERVER_RESTORE_ROLE "; CREATE ROLE " SERVER_RESTORE_ROLE
            " WITH ADMIN '%s'@'%s'; GRANT CREATE USER, BINLOG ADMIN ON *.* TO " SERVER_RESTORE_ROLE,
            user, host);
    bool old = sscanf(version, "%3u.%3u", &major, &minor) == 2 && major == 8 && minor < 2;
    return xasprintf(
        "DROP ROLE IF EXISTS " SERVER_RESTORE_ROLE "; CREATE ROLE " SERVER_RESTORE_ROLE
        "; GRANT " SERVER_RESTORE_ROLE
        " TO '%s'@'%s'; GRANT CREATE USER, SYSTEM_VARIABLES_ADMIN, SYSTEM_USER, %s ON *.* TO " SERVER_RESTORE_ROLE,
        user, host, old ? "SET_USER_ID" : "SET_ANY_DEFINER, ALLOW_NONEXISTENT_DEFINER");
}

char *doctor_grants_beside(const struct backup_settings *s, const char *version)
{
    static const char *const suffixes[] = {"", "_elexgate_new", "_elexgate_old"};
    const char *database = config_str(s->config, "database", NULL, "name");
    char *all = make_role(s, version);
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        _cleanup_free_ char *name = xasprintf("%s%s", database, suffixes[i]);
        _cleanup_free_ char *quoted = server_quote_pattern(name);
        xappendf(&all, "; GRANT ALL PRIVILEGES ON %s.* TO " SERVER_RESTORE_ROLE "%s", quoted,
            i == 1 ? " WITH GRANT OPTION" : "");
    }
    return all;
}

int doctor_grants_execute(
    struct server *s, const struct backup_settings *b, bool *may, struct err *e)
{
    uint64_t n = 0;
    _cleanup_free_ char *name = server_quote_text(
        s, config_str(b->config, "database", NULL, "name"));
    int code = server_u64(s, &n, e,
        "SELECT (SELECT COUNT(*) FROM information_schema.USER_PRIVILEGES WHERE PRIVILEGE_TYPE='EXECUTE' AND GRANTEE=CONCAT(QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', 1)), '@', QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', -1)))) + (SELECT COUNT(*) FROM information_schema.SCHEMA_PRIVILEGES WHERE PRIVILEGE_TYPE='EXECUTE' AND GRANTEE=CONCAT(QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', 1)), '@', QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', -1))) AND %s LIKE TABLE_SCHEMA)",
        name);
    *may = n > 0;
    return code;
}

const char *doctor_grants_host(const struct backup_settings *s)
{
    bool local = s->target.socket || strcmp(s->target.host, "127.0.0.1") == 0 ||
                 strcmp(s->target.host, "localhost") == 0;
    return local ? "localhost" : "%";
}
