#include "backup/job/restore/foreign_look.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "backup/rules/series.h"
#include "common/exit_codes.h"
#include "common/file.h"
#include "common/utf8.h"
#include "common/error_phrase.h"

/* In ib_logfile0, all formats since 5.7: "MariaDB 10.5.8", "Backup 10.5.8". */
#define CREATOR_AT  16
#define CREATOR_LEN 32
#define LOG_MAX     (1u << 20)

/* The first version in the file, from there on; "" = none. */
static void version_in(
    const char *datadir, const char *name, off_t at, char buf[static FOREIGN_VERSION_LEN])
{
    char text[CREATOR_LEN + 1] = "";
    _cleanup_free_ char *path = xasprintf("%s/%s", datadir, name);
    _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n = fd < 0 ? -1 : pread(fd, text, CREATOR_LEN, at);
    const char *found = n > 0 ? strpbrk(text, "0123456789") : NULL;
    size_t len = found ? strspn(found, "0123456789.") : 0;
    buf[0] = '\0';
    if (len > 0 && len < FOREIGN_VERSION_LEN && memchr(found, '.', len))
        snprintf(buf, FOREIGN_VERSION_LEN, "%.*s", (int)len, found);
}

/* A newer server may go on with the log of an older one; what its mariadb-upgrade leaves tells. */
const char *foreign_version(const char *datadir, char buf[static FOREIGN_VERSION_LEN])
{
    static const char *const upgraded[] = {"mariadb_upgrade_info", "mysql_upgrade_info"};
    char other[FOREIGN_VERSION_LEN];
    version_in(datadir, "ib_logfile0", CREATOR_AT, buf);
    for (size_t i = 0; i < sizeof upgraded / sizeof upgraded[0]; i++) {
        version_in(datadir, upgraded[i], 0, other);
        if (!*buf || series_compare(other, buf) == SERIES_NEWER)
            snprintf(buf, FOREIGN_VERSION_LEN, "%s", other);
    }
    return buf;
}

static int refuse_version(const char *theirs, const char *ours, struct err *e)
{
    return err_outcome(e, EXIT_REFUSED, EINVAL,
        N_("the archive is of MariaDB %s, this server is %s: a server cannot read the files of a newer one; install that series, or bring back a dump"),
        theirs, ours);
}

/* --- the case of names ------------------------------------------------------------------------ */

/* Calls fn with each table's name, without ".frm", until it says true; that name in buf. */
static bool any_table(const char *folder, bool (*fn)(const void *ctx, const char *name),
    const void *ctx, char buf[static 256])
{
    _cleanup_dir_ DIR *d = opendir(folder);
    const struct dirent *de;
    bool hit = false;
    while (d && !hit && (de = readdir(d))) {
        size_t n = strlen(de->d_name);
        if (n < 5 || strcmp(de->d_name + n - 4, ".frm") != 0)
            continue;
        snprintf(buf, 256, "%.*s", (int)(n - 4), de->d_name);
        hit = fn(ctx, buf);
    }
    return hit;
}

static bool has_capital(const void *ctx, const char *name)
{
    (void)ctx;
    for (; *name; name++)
        if (isupper((unsigned char)*name))
            return true;
    return false;
}

static bool differs_in_case(const void *ctx, const char *name)
{
    const char *other = ctx;
    return strcasecmp(other, name) == 0 && strcmp(other, name) != 0;
}

/* The live database has this name, but for its case. */
static bool differs_from_live(const void *ctx, const char *name)
{
    char live[256];
    _cleanup_free_ char *exact = xasprintf("%s/%s.frm", (const char *)ctx, name);
    return access(exact, F_OK) < 0 && any_table(ctx, differs_in_case, name, live);
}

/* The database's folder, however its name is written. */
static char *folder_of(const char *datadir, const char *database)
{
    _cleanup_dir_ DIR *d = opendir(datadir);
    const struct dirent *de;
    char *found = NULL;
    while (d && (de = readdir(d)))
        if (strcasecmp(de->d_name, database) == 0 && (!found || !strcmp(de->d_name, database))) {
            free(found);
            found = xasprintf("%s/%s", datadir, de->d_name);
        }
    return found;
}

static int refuse_names(const char *name, int lower, struct err *e)
{
    if (lower == 0) {
        err_set(e, EINVAL,
            N_("the archive's tables have lower-case names (%s), as a server with lower_case_table_names = 1 makes them (Windows, the old containers); this server has 0, and Elexis would not find its tables: set lower_case_table_names = 1 below [mysqld], restart the server, and restore then"),
            UTF8_SHORT(name, 80));
    } else {
        err_set(e, EINVAL,
            N_("the archive's tables have names with capitals (%s), which a server with lower_case_table_names = %d does not find: set it to 0 below [mysqld], restart the server, and restore then"),
            UTF8_SHORT(name, 80), lower);
    }
    return EXIT_REFUSED;
}

static int names_fit(struct run *run, const char *datadir, const struct site *site, struct err *e)
{
    char name[256];
    const char *database = config_str(run->s.config, "database", NULL, "name");
    int lower = site->layout.lower_case_table_names > 0 ? site->layout.lower_case_table_names : 0;
    _cleanup_free_ char *theirs = folder_of(datadir, database);
    _cleanup_free_ char *ours = folder_of(site->layout.datadir, database);
    if (!theirs)
        return 0; /* the trial and the person see what it is */
    const char *written = strrchr(theirs, '/') + 1;
    if (lower && (has_capital(NULL, written) || any_table(theirs, has_capital, NULL, name)))
        return refuse_names(has_capital(NULL, written) ? written : name, lower, e);
    if (lower)
        return 0;
    /* Elexis writes its names in capitals */
    bool small = ours ? any_table(theirs, differs_from_live, ours, name)
                      : any_table(theirs, differs_in_case, "KONTAKT", name);
    if (strcmp(written, database) != 0)
        utf8_copy(name, sizeof name, written);
    return small || strcmp(written, database) != 0 ? refuse_names(name, 0, e) : 0;
}

int foreign_fits(struct run *run, const char *datadir, const struct site *site, struct err *e)
{
    char version[FOREIGN_VERSION_LEN];
    foreign_version(datadir, version);
    if (series_compare(version, site->layout.version) == SERIES_NEWER)
        return refuse_version(version, site->layout.version, e);
    return names_fit(run, datadir, site, e);
}

/* --- taken of a running server ---------------------------------------------------------------- */

bool foreign_was_hot(const char *log, const char *datadir, struct err *e)
{
    static const char *const signs[] = {"Upgrade after a crash is not supported",
        "Unsupported redo log format", "log was created with", "InnoDB: Cannot upgrade"};
    char version[FOREIGN_VERSION_LEN];
    _cleanup_free_ char *text = NULL;
    size_t len = 0;
    bool hot = false;
    if (file_read(log, LOG_MAX, &text, &len, NULL) < 0)
        return false;
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++)
        hot |= strstr(text, signs[i]) != NULL;
    if (!hot)
        return false;
    foreign_version(datadir, version);
    json_t *said = phrase(
        "the archive was taken while its server (MariaDB %s) was running, and only that series can put such files in order: add --recover-with PROGRAM, a mariadbd of that series; it is started once on the unpacked copy",
        version);
    if (!*version)
        phrase_set(said, 0, phrase_of(N_("an older series")));
    (void)error_phrase_set(e, EIO, said);
    return true;
}
