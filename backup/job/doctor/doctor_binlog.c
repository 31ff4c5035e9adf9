#include "backup/job/doctor/doctor_binlog.h"

#include <string.h>
#include <strings.h>

#define LINES                                                                                      \
    "log_bin = mysql-bin, server_id = 1, binlog_format = ROW, binlog_row_image = FULL, sync_binlog = 1, expire_logs_days = 3"

struct look {
    struct server *s;
    doctor_tell_fn *tell;
    void *ctx;
};

/* NULL: this server does not have it. */
static char *value_of(struct look *l, const char *name)
{
    char *value = NULL;
    return server_variable(l->s, name, &value, NULL) == 0 ? value : NULL;
}

static bool is(struct look *l, const char *name, const char *wanted)
{
    _cleanup_free_ char *value = value_of(l, name);
    return value && strcasecmp(value, wanted) == 0;
}

static void without(struct look *l, bool wanted)
{
    l->tell(l->ctx, wanted ? DOCTOR_FOUND_BAD : DOCTOR_FOUND_GOOD, "binlog",
        wanted
            ? "[binlog] archive = yes, but the server writes no binary log"
            : "no binary log is archived: what was written since the last backup is lost with the disk; elexgate init --force --binlog sets up that any second comes back (docs/pitr.md)",
        wanted
            ? "[binlog] archive = yes, aber der Server schreibt kein Binärlog"
            : "kein Binärlog wird archiviert: was seit der letzten Sicherung geschrieben wurde, geht mit der Platte verloren; elexgate init --force --binlog richtet ein, dass jede Sekunde zurückkommt (docs/pitr.md)",
        wanted ? "put under [mariadbd] in the server's configuration and restart it: " LINES : NULL,
        wanted
            ? "unter [mariadbd] in die Konfiguration des Servers schreiben und ihn neu starten: " LINES
            : NULL);
}

static void check_setting(struct look *l, const char *name, const char *wanted, bool needed,
    const char *why, const char *why_de)
{
    if (is(l, name, wanted))
        return;
    _cleanup_free_ char *value = value_of(l, name);
    _cleanup_free_ char *text = xasprintf("%s is %s: %s", name, value ? value : "not there", why);
    _cleanup_free_ char *text_de = xasprintf(
        "%s ist %s: %s", name, value ? value : "nicht da", why_de);
    _cleanup_free_ char *fix = xasprintf("%s = %s", name, wanted);
    l->tell(
        l->ctx, needed ? DOCTOR_FOUND_BAD : DOCTOR_FOUND_WARNING, name, text, text_de, fix, NULL);
}

static void check_expiry(struct look *l)
{
    _cleanup_free_ char *days = value_of(l, "expire_logs_days");
    if ((days && strtod(days, NULL) > 0) || !is(l, "binlog_expire_logs_seconds", "0"))
        return;
    l->tell(l->ctx, DOCTOR_FOUND_WARNING, "binlog-expiry",
        "the server keeps its binary logs for ever: its disk fills up",
        "der Server behält seine Binärlogs für immer: seine Platte läuft voll",
        "expire_logs_days = 3", NULL);
}

void doctor_binlog(struct server *s, const struct config *c, doctor_tell_fn *tell, void *ctx)
{
    struct look l = {s, tell, ctx};
    bool wanted = config_bool(c, "binlog", NULL, "archive");
    if (server_is_mysql(s)) {
        tell(ctx, wanted ? DOCTOR_FOUND_BAD : DOCTOR_FOUND_GOOD, "binlog",
            wanted
                ? "[binlog] archive = yes, but of MySQL no binary log is archived: what comes back is the last backup"
                : "of MySQL no binary log is archived: what comes back is the last backup",
            wanted
                ? "[binlog] archive = yes, aber von MySQL wird kein Binärlog archiviert: zurück kommt die letzte Sicherung"
                : "von MySQL wird kein Binärlog archiviert: zurück kommt die letzte Sicherung",
            wanted ? "archive = no in [binlog]" : NULL, NULL);
        return;
    }
    if (!wanted || !is(&l, "log_bin", "ON")) {
        without(&l, wanted);
        return;
    }
    tell(ctx, DOCTOR_FOUND_GOOD, "binlog", "the server writes a binary log",
        "der Server schreibt ein Binärlog", NULL, NULL);
    check_setting(&l, "binlog_format", "ROW", true,
        "what is logged as statements cannot be replayed with certainty",
        "was als Anweisungen protokolliert ist, lässt sich nicht sicher wiederholen");
    check_setting(&l, "encrypt_binlog", "OFF", true,
        "an encrypted log cannot be archived; the archive has its own encryption",
        "ein verschlüsseltes Log lässt sich nicht archivieren; das Archiv hat seine eigene Verschlüsselung");
    check_setting(&l, "binlog_row_image", "FULL", false,
        "a row that is not whole is found again only by its key",
        "eine Zeile, die nicht ganz ist, findet sich nur über ihren Schlüssel wieder");
    check_setting(&l, "sync_binlog", "1", false,
        "after a power failure the log may lack what the data have",
        "nach einem Stromausfall kann dem Log fehlen, was die Daten haben");
    if (strcmp(config_str(c, "binlog", NULL, "durability"), "semi-sync") == 0)
        check_setting(&l, "rpl_semi_sync_master_enabled", "ON", true,
            "[binlog] durability = semi-sync has no effect",
            "[binlog] durability = semi-sync wirkt nicht");
    check_expiry(&l);
}
