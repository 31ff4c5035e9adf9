#include "backup/job/doctor/doctor.h"
#include "common/phrase.h"

#include <string.h>
#include <strings.h>

#define LINES                                                                                      \
    "log_bin = mysql-bin, server_id = 1, binlog_format = ROW, binlog_row_image = FULL, sync_binlog = 1, expire_logs_days = 3, symbolic_links = 0"

#define WAIT_MS   10000 /* MariaDB's own */
#define WAIT_TEXT "10000"

/* NULL: this server does not have it. */
static char *value_of(struct doctor *d, const char *name)
{
    char *value = NULL;
    return server_variable(d->server, name, &value, NULL) == 0 ? value : NULL;
}

static bool is(struct doctor *d, const char *name, const char *wanted)
{
    _cleanup_free_ char *value = value_of(d, name);
    return value && strcasecmp(value, wanted) == 0;
}

static void without(struct doctor *d, bool wanted)
{
    doctor_found(d, wanted ? DOCTOR_FOUND_BAD : DOCTOR_FOUND_GOOD, "binlog",
        phrase_of(
            wanted
                ? N_("[binlog] archive = yes, but the server writes no binary log")
                : N_("no binary log is archived: what was written since the last backup is lost with the disk; elexgate init --force --binlog sets up that any second comes back (docs/pitr.md)")),
        wanted
            ? phrase("put under [mariadbd] in the server's configuration and restart it: %s", LINES)
            : NULL);
}

/* why: of the catalogue. */
static void check_setting(
    struct doctor *d, const char *name, const char *wanted, bool needed, const char *why)
{
    if (is(d, name, wanted))
        return;
    _cleanup_free_ char *value = value_of(d, name);
    json_t *text = value ? phrase("%s is %s: %s", name, value, "")
                         : phrase("%s is not there: %s", name, "");
    phrase_set(text, value ? 2 : 1, phrase_of(why));
    doctor_found(d, needed ? DOCTOR_FOUND_BAD : DOCTOR_FOUND_WARNING, name, text,
        phrase("%s = %s", name, wanted));
}

/* The stream stands still, the backup folder is away: everybody who writes does, too, so long. */
static void check_wait(struct doctor *d)
{
    _cleanup_free_ char *ms = value_of(d, "rpl_semi_sync_master_timeout");
    if (ms && strtod(ms, NULL) > WAIT_MS)
        doctor_found(d, DOCTOR_FOUND_WARNING, "rpl_semi_sync_master_timeout",
            phrase(
                "rpl_semi_sync_master_timeout is %s ms: so long everybody who writes stands still when the binary log is not being archived",
                ms),
            phrase("%s = %s", "rpl_semi_sync_master_timeout", WAIT_TEXT));
}

static void check_expiry(struct doctor *d)
{
    _cleanup_free_ char *days = value_of(d, "expire_logs_days");
    if ((days && strtod(days, NULL) > 0) || !is(d, "binlog_expire_logs_seconds", "0"))
        return;
    doctor_found(d, DOCTOR_FOUND_WARNING, "binlog-expiry",
        phrase_of(N_("the server keeps its binary logs for ever: its disk fills up")),
        phrase("%s", "expire_logs_days = 3"));
}

/* No copy can have a table with DATA DIRECTORY in a folder of others. */
static void check_elsewhere(struct doctor *d)
{
    if (!is(d, "have_symlink", "YES"))
        return;
    doctor_found(d, DOCTOR_FOUND_WARNING, "symbolic_links",
        phrase_of(
            N_("whoever may make tables can make one where no backup reaches it (DATA DIRECTORY)")),
        phrase("%s", "symbolic_links = 0"));
}

/* Known now, and not after the accident. */
static void check_base(struct doctor *d)
{
    if (strcmp(config_str(d->run->s.config, "backup", NULL, "method"), "dump") == 0)
        doctor_found(d, DOCTOR_FOUND_BAD, "binlog-base",
            phrase_of(N_(
                "the binary log is archived, and no moment can be brought back by it: a dump is no beginning, and [backup] method = dump makes no other backup (docs/pitr.md)")),
            phrase_of(N_("set method = both in [backup]")));
}

void doctor_binlog(struct doctor *d)
{
    const struct config *c = d->run->s.config;
    bool wanted = config_bool(c, "binlog", NULL, "archive");
    if (server_is_mysql(d->server)) {
        doctor_found(d, wanted ? DOCTOR_FOUND_BAD : DOCTOR_FOUND_GOOD, "binlog",
            phrase_of(
                wanted
                    ? N_("[binlog] archive = yes, but of MySQL no binary log is archived: what comes back is the last backup")
                    : N_("of MySQL no binary log is archived: what comes back is the last backup")),
            wanted ? phrase("%s", "archive = no in [binlog]") : NULL);
        return;
    }
    if (!wanted || !is(d, "log_bin", "ON")) {
        without(d, wanted);
        return;
    }
    doctor_found(
        d, DOCTOR_FOUND_GOOD, "binlog", phrase_of(N_("the server writes a binary log")), NULL);
    check_setting(d, "binlog_format", "ROW", true,
        N_("what is logged as statements cannot be replayed with certainty"));
    check_setting(d, "encrypt_binlog", "OFF", true,
        N_("an encrypted log cannot be archived; the archive has its own encryption"));
    check_setting(d, "binlog_row_image", "FULL", false,
        N_("a row that is not whole is found again only by its key"));
    check_setting(d, "sync_binlog", "1", false,
        N_("after a power failure the log may lack what the data have"));
    if (strcmp(config_str(c, "binlog", NULL, "durability"), "semi-sync") == 0) {
        check_setting(d, "rpl_semi_sync_master_enabled", "ON", true,
            N_("[binlog] durability = semi-sync has no effect"));
        check_wait(d);
    }
    check_expiry(d);
    check_elsewhere(d);
    check_base(d);
}
