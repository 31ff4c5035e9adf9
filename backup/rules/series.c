#include "backup/rules/series.h"

#include <stdio.h>
#include <string.h>
#include "common/phrase.h"

/* What servers say before their version to clients that would take 10 for 1. */
#define REPLICATION_PREFIX "5.5.5-"

static bool parse(const char *version, unsigned *major, unsigned *minor)
{
    if (!version)
        return false;
    if (strncmp(version, REPLICATION_PREFIX, strlen(REPLICATION_PREFIX)) == 0)
        version += strlen(REPLICATION_PREFIX);
    return sscanf(version, "%3u.%3u", major, minor) == 2;
}

enum series_fit series_compare(const char *files, const char *server)
{
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!parse(files, &a, &b) || !parse(server, &c, &d))
        return SERIES_UNKNOWN;
    if (a == c && b == d)
        return SERIES_SAME;
    return a < c || (a == c && b < d) ? SERIES_OLDER : SERIES_NEWER;
}

bool series_may(enum series_fit fit, const char *across)
{
    return fit == SERIES_SAME || (fit == SERIES_OLDER && strcmp(across, "no") != 0);
}

/* "10.11.19" of "10.11.19-MariaDB-0+deb12u1 from Debian" */
static void number_of(const char *version, const char *unknown, char buf[static 40])
{
    unsigned major, minor;
    if (!parse(version, &major, &minor)) {
        snprintf(buf, 40, "%s", unknown);
        return;
    }
    if (strncmp(version, REPLICATION_PREFIX, strlen(REPLICATION_PREFIX)) == 0)
        version += strlen(REPLICATION_PREFIX);
    snprintf(buf, 40, "%.*s", (int)strspn(version, "0123456789."), version);
}

json_t *series_phrase(
    enum series_fit fit, const char *across, const char *files, const char *server)
{
    char a[40], b[40];
    number_of(files, "?", a);
    number_of(server, "?", b);
    if (fit == SERIES_NEWER)
        return phrase(
            "the backup is of MariaDB %s, this server is %s, which cannot read the files of a newer one: install that series, restore a dump, or look at it with `elexgate restore --into DIR --serve SOCKET` and a mariadbd of that series as [drill] server_program",
            a, b);
    if (fit != SERIES_OLDER)
        return phrase(
            "the backup is of MariaDB %s, this server is %s: whether it reads these files is not known; restore a dump, or look at it with `elexgate restore --into DIR --serve SOCKET`",
            a, b);
    if (series_may(fit, across))
        return phrase(
            "the backup is of MariaDB %s, this server is %s: the data are brought up to it in staging (mariadb-upgrade) and compared there, before anybody is kept out; only this series or a newer one reads them afterwards",
            a, b);
    return phrase(
        "the backup is of MariaDB %s, this server is %s, and [restore] across_series = no: set it to ask, restore a dump, or look at it with `elexgate restore --into DIR --serve SOCKET`",
        a, b);
}
