#include "backup/job/doctor/doctor_grants.h"

#include <string.h>

const char *const *doctor_grants(const struct config *c)
{
    static const char *const all[] = {"REPLICATION SLAVE", "BINLOG MONITOR", "SELECT", "RELOAD",
        "SHUTDOWN", "PROCESS", "SUPER", "LOCK TABLES", "SHOW VIEW", "EVENT", "TRIGGER",
        "CONNECTION ADMIN", "SET USER", NULL};
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
        p += len + strlen(", ");
    }
    return false;
}

struct wanted {
    const char *const *needed;
    bool has[GRANTS_MAX];
};

static int note_row(
    void *ctx, char *const *row, const unsigned long *lengths, unsigned columns, struct err *e)
{
    struct wanted *w = ctx;
    (void)lengths, (void)e;
    for (size_t i = 0; columns && row[0] && w->needed[i]; i++)
        w->has[i] |= granted(row[0], w->needed[i]);
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
        char *longer = xasprintf("%s%s%s", list, *list ? ", " : "", needed[i]);
        free(list);
        list = longer;
    }
    *missing = list;
    return 0;
}

char *doctor_grants_list(const struct config *c)
{
    char *list = xstrdup("");
    const char *const *grants = doctor_grants(c);
    for (size_t i = 0; grants[i]; i++) {
        char *longer = xasprintf("%s%s%s", list, i ? ", " : "", grants[i]);
        free(list);
        list = longer;
    }
    return list;
}

const char *doctor_grants_host(const struct backup_settings *s)
{
    bool local = s->target.socket || strcmp(s->target.host, "127.0.0.1") == 0 ||
                 strcmp(s->target.host, "localhost") == 0;
    return local ? "localhost" : "%";
}
