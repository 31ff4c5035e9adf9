/* The words of each finding, English and German, in one place. */
#include <string.h>
#include <time.h>
#include "backup/rules/health.h"
#include "common/utf8.h"

static const struct health_about about[HEALTH_CODES] = {
    [HEALTH_DATABASE_DOWN] = {"database-down", "database", "the database does not run",
        "die Datenbank läuft nicht",
        "Nobody can work. Start it with systemctl start mariadb; if it does not start, see the handbook: \"The server does not start any more\".",
        "Niemand kann arbeiten. Starten mit systemctl start mariadb; startet sie nicht, hilft das Handbuch: «Der Server startet nicht mehr»."},
    [HEALTH_DATABASE_REFUSING] = {"database-refusing", "database",
        "the database does not let the backup service in",
        "die Datenbank lässt die Sicherung nicht hinein",
        "Nothing is backed up. elexgate doctor says which right or password is missing.",
        "Es wird nichts gesichert. elexgate doctor sagt, welches Recht oder Passwort fehlt."},
    [HEALTH_SETUP_FAILED] = {"setup-failed", "database", "the set-up did not succeed",
        "die Einrichtung ist nicht gelungen",
        "Until that is mended no backup begins by itself. elexgate doctor checks the connection to the database.",
        "Bis das behoben ist, beginnt keine Sicherung von selbst. elexgate doctor prüft die Verbindung zur Datenbank."},
    [HEALTH_PROXY_DOWN] = {"proxy-down", "proxy", "the gate does not run", "der Zugang läuft nicht",
        "Elexis cannot connect, and no backup begins by itself. Start it with systemctl start elexgate-proxy; journalctl -u elexgate-proxy says why it ended.",
        "Elexis kann sich nicht verbinden, und keine Sicherung beginnt von selbst. Starten mit systemctl start elexgate-proxy; den Grund nennt journalctl -u elexgate-proxy."},
    [HEALTH_NO_BACKUP] = {"no-backup", "backup", "there has been no good backup yet",
        "es gab noch keine gute Sicherung", "elexgate backup makes one as soon as nobody writes.",
        "elexgate backup macht eine, sobald niemand schreibt."},
    [HEALTH_BACKUP_FAILED] = {"backup-failed", "backup", "the backup failed",
        "die Sicherung misslang",
        "elexgate status and the keeper's log (journalctl -u elexgate-keeper) say more; elexgate doctor looks for the cause; elexgate backup makes one.",
        "Mehr sagen elexgate status und das Log des Keepers (journalctl -u elexgate-keeper); elexgate doctor sucht die Ursache; elexgate backup macht eine Sicherung."},
    [HEALTH_BACKUP_MISSED] = {"backup-missed", "backup", "a backup did not take place",
        "eine Sicherung fand nicht statt",
        "The database was never quiet long enough, or the keeper did not run. elexgate sessions shows who is at work; [backup] after_deadline = dump makes one all the same.",
        "Die Datenbank war nie lange genug in Ruhe, oder der Keeper lief nicht. elexgate sessions zeigt, wer arbeitet; mit [backup] after_deadline = dump wird trotzdem gesichert."},
    [HEALTH_NO_SCHEDULE] = {"no-schedule", "backup", "nothing is backed up by itself",
        "es wird nie von selbst gesichert", "Set [backup] schedule.", "[backup] schedule setzen."},
    [HEALTH_BACKUP_WARNING] = {"backup-warning", "backup",
        "something is to be said of the last backup", "zur letzten Sicherung ist etwas zu sagen",
        "elexgate backups shows it.", "elexgate backups zeigt sie."},
    [HEALTH_BINLOG_STOPPED] = {"binlog-stopped", "binlog", "the binary log is not archived",
        "das Binärlog wird nicht archiviert",
        "What is written since then is lost if the disk fails; it goes on by itself once the cause is removed. elexgate doctor looks for it.",
        "Was seither geschrieben wird, ist verloren, wenn die Platte ausfällt; ist die Ursache behoben, geht es von selbst weiter. elexgate doctor sucht sie."},
    [HEALTH_BASE_MISSING] = {"base-missing", "binlog",
        "the newest moments cannot be brought back: no physical backup leads to them",
        "die neusten Zeitpunkte lassen sich nicht zurückholen: keine physische Sicherung führt zu ihnen",
        "A fresh backup is due, as soon as nobody writes, and from it on they can; elexgate backup --now makes it at once. A dump is none: [backup] method must be physical or both.",
        "Eine neue Sicherung ist fällig, sobald niemand schreibt; ab ihr geht es wieder. elexgate backup --now macht sie sofort. Ein Dump zählt nicht: [backup] method muss physical oder both sein."},
    [HEALTH_CHAIN_BROKEN] = {"chain-broken", "binlog",
        "not every second can be brought back: the chain of the binary log is broken",
        "nicht jede Sekunde lässt sich zurückholen: die Kette des Binärlogs ist unterbrochen",
        "A fresh backup is due, from which on it holds again; elexgate backups shows since when. elexgate drill --chain tries again.",
        "Eine neue Sicherung ist fällig, ab der sie wieder hält; seit wann, zeigt elexgate backups. elexgate drill --chain versucht es noch einmal."},
    [HEALTH_CHAIN_UNTRIED] = {"chain-untried", "binlog",
        "whether every second can be brought back could not be tried",
        "ob sich jede Sekunde zurückholen lässt, konnte nicht versucht werden",
        "Remove the cause, then elexgate drill --chain; [binlog] prove = no leaves it out.",
        "Die Ursache beheben, dann elexgate drill --chain; [binlog] prove = no lässt es weg."},
    [HEALTH_DRILL_FAILED] = {"drill-failed", "drill", "a backup could not be brought back on trial",
        "eine Sicherung liess sich nicht zur Probe zurückholen",
        "Do not rely on that backup: elexgate backup, then elexgate drill.",
        "Auf diese Sicherung ist kein Verlass: elexgate backup, dann elexgate drill."},
    [HEALTH_DRILL_LATE] = {"drill-late", "drill", "no backup was brought back on trial for long",
        "seit langem wurde keine Sicherung zur Probe zurückgeholt",
        "elexgate drill does it now; [drill] schedule by itself.",
        "elexgate drill tut es jetzt; [drill] schedule von selbst."},
    [HEALTH_NOT_PROVEN] = {"not-proven", "drill", "no backup has been brought back on trial yet",
        "noch keine Sicherung wurde zur Probe zurückgeholt",
        "elexgate drill does it now; [drill] schedule by itself.",
        "elexgate drill tut es jetzt; [drill] schedule von selbst."},
    [HEALTH_DISK_LOW] = {"disk-low", "disk", "there is little room for backups",
        "für Sicherungen ist kaum mehr Platz",
        "Make room, keep fewer ([retention]), or set another [archive] folder.",
        "Platz schaffen, weniger behalten ([retention]) oder einen anderen Ordner setzen ([archive] folder)."},
    [HEALTH_CERTIFICATE] = {"certificate-expires", "certificate", "the certificate ends soon",
        "das Zertifikat läuft bald ab",
        "Then no workstation can connect any more. elexgate cert renew makes a new one from the practice's own CA; a bought one is put in place with elexgate cert install.",
        "Danach kann sich kein Arbeitsplatz mehr verbinden. elexgate cert renew stellt ein neues aus der eigenen CA aus; ein gekauftes baut elexgate cert install ein."},
    [HEALTH_CA_ENDS] = {"ca-ends", "certificate", "the practice's own CA ends",
        "die eigene CA der Praxis läuft ab",
        "Workstations that know only this CA are cut off then. elexgate cert renew --new-ca makes the next one, and elexgate cert export writes both into one file for the workstations.",
        "Arbeitsplätze, die nur diese CA kennen, kommen danach nicht mehr herein. elexgate cert renew --new-ca macht die nächste, und elexgate cert export legt beide für die Arbeitsplätze in eine Datei."},
    [HEALTH_NOTIFY_FAILED] = {"notify-failed", "notify", "a notification could not be sent",
        "eine Benachrichtigung liess sich nicht senden",
        "elexgate notify --test shows what the failing way says; its settings are in [notify].",
        "elexgate notify --test zeigt, was der Weg meldet, der nicht geht; seine Einstellungen stehen in [notify]."},
    [HEALTH_NOBODY_TOLD] = {"nobody-told", "notify", "nobody is told when something fails",
        "niemand erfährt, wenn etwas misslingt",
        "Set [notify] mail_to or webhook, then elexgate notify --test.",
        "[notify] mail_to oder webhook setzen, dann elexgate notify --test."},
};

const struct health_about *health_about(enum health_code code)
{
    return &about[code];
}

const struct health_about *health_about_name(const char *code)
{
    for (size_t i = 0; i < HEALTH_CODES; i++)
        if (strcmp(about[i].code, code) == 0)
            return &about[i];
    return NULL;
}

#define WHEN_LEN 32

/* As the clock on the wall says; "never" for none. */
static const char *when(
    int64_t ms, const struct cron_zone *zone, bool german, bool hours, char buf[static WHEN_LEN])
{
    struct tm tm;
    time_t at = ms / 1000 + zone->offset(zone->ctx, ms / 1000);
    if (!gmtime_r(&at, &tm) || (german ? strftime(buf, WHEN_LEN, "%d.%m.%Y %H:%M", &tm)
                                       : strftime(buf, WHEN_LEN, "%Y-%m-%d %H:%M", &tm)) == 0)
        buf[0] = '\0';
    else if (!hours)
        *strchr(buf, ' ') = '\0';
    if (!ms)
        strcpy(buf, german ? "nie" : "never");
    return buf;
}

static const char *either(const char *text, const char *other)
{
    return text && *text ? text : other ? other : "";
}

/* In two languages at once: two formats that take the same arguments. */
#define SAY(out, en_fmt, de_fmt, en_arg, de_arg)                                                   \
    (utf8_format((out)->en, sizeof(out)->en, en_fmt, en_arg),                                      \
        utf8_format((out)->de, sizeof(out)->de, de_fmt, de_arg))

static void put_missed(
    const struct health_finding *f, const struct cron_zone *zone, struct health_words *out)
{
    char due[WHEN_LEN], good[WHEN_LEN];
    utf8_format(out->en, sizeof out->en,
        "a backup was due on %s and did not take place; last good backup: %s%s%s",
        when(f->at_ms, zone, false, true, due), when(f->number, zone, false, true, good),
        f->text ? ": " : "", either(f->text, ""));
    utf8_format(out->de, sizeof out->de,
        "eine Sicherung war am %s fällig und fand nicht statt; letzte gute Sicherung: %s%s%s",
        when(f->at_ms, zone, true, true, due), when(f->number, zone, true, true, good),
        f->text ? ": " : "", either(f->text_de, f->text));
}

static void put_certificate(
    const struct health_finding *f, const struct cron_zone *zone, struct health_words *out)
{
    char en[WHEN_LEN], de[WHEN_LEN];
    const char *file = either(f->text, ""), *subject = either(f->text_de, "");
    when(f->at_ms, zone, false, false, en);
    when(f->at_ms, zone, true, false, de);
    if (f->number == INT64_MAX) {
        utf8_format(out->en, sizeof out->en, "the certificate is not valid before %s (%s, %s)", en,
            subject, file);
        utf8_format(
            out->de, sizeof out->de, "das Zertifikat gilt erst ab %s (%s, %s)", de, subject, file);
    } else if (f->number < 0) {
        utf8_format(
            out->en, sizeof out->en, "the certificate expired on %s (%s, %s)", en, subject, file);
        utf8_format(out->de, sizeof out->de, "das Zertifikat ist am %s abgelaufen (%s, %s)", de,
            subject, file);
    } else {
        utf8_format(out->en, sizeof out->en, "the certificate expires on %s, in %d days (%s, %s)",
            en, (int)f->number, subject, file);
        utf8_format(out->de, sizeof out->de, "das Zertifikat läuft am %s ab, in %d Tagen (%s, %s)",
            de, (int)f->number, subject, file);
    }
}

static void put_disk(const struct health_finding *f, struct health_words *out)
{
    double gb = (double)f->number / 1e9;
    char text[32];
    utf8_format(text, sizeof text, "%.1f", gb);
    utf8_format(out->en, sizeof out->en, "only %s GB are left on the disk with the backups", text);
    char *point = strchr(text, '.');
    if (point)
        *point = ',';
    utf8_format(out->de, sizeof out->de,
        "auf der Festplatte der Sicherungen sind nur noch %s GB frei", text);
}

static void put_binlog(
    const char *en, const char *de, const char *text, const char *text_de, struct health_words *out)
{
    utf8_format(out->en, sizeof out->en,
        "the binary log is not archived, what is safe ends: %s; %s", en, text);
    utf8_format(out->de, sizeof out->de,
        "das Binärlog wird nicht archiviert, gesichert ist bis: %s; %s", de, text_de);
}

static void put_base(
    const char *en, const char *de, const char *statement, struct health_words *out)
{
    if (*statement) {
        utf8_format(out->en, sizeof out->en,
            "what was written since %s cannot be brought back: a statement in the binary log (%s) cannot be run again, and there has been no physical backup since",
            en, statement);
        utf8_format(out->de, sizeof out->de,
            "was seit %s geschrieben wurde, lässt sich nicht zurückholen: eine Anweisung im Binärlog (%s) lässt sich nicht noch einmal ausführen, und seither gab es keine physische Sicherung",
            de, statement);
    } else
        SAY(out,
            "what was written since %s cannot be brought back: the binary log began anew then, and there has been no physical backup since",
            "was seit %s geschrieben wurde, lässt sich nicht zurückholen: das Binärlog begann damals neu, und seither gab es keine physische Sicherung",
            en, de);
}

/* Those of which somebody else says why. */
static const char *const of_text[HEALTH_CODES][2] = {
    [HEALTH_SETUP_FAILED] = {"the set-up did not succeed", "die Einrichtung ist nicht gelungen"},
    [HEALTH_PROXY_DOWN] = {"the gate does not answer", "der Zugang antwortet nicht"},
    [HEALTH_BACKUP_FAILED] = {"the last backup failed", "die letzte Sicherung misslang"},
    [HEALTH_CHAIN_BROKEN] = {"the chain of the binary log is broken",
        "die Kette des Binärlogs ist unterbrochen"},
    [HEALTH_CHAIN_UNTRIED] = {"the chain of the binary log could not be tried",
        "die Kette des Binärlogs liess sich nicht prüfen"},
    [HEALTH_DRILL_FAILED] = {"the last drill failed", "die letzte Probe misslang"},
};

static void put_ca(const struct health_finding *f, const struct cron_zone *zone, const char *text,
    const char *text_de, struct health_words *out)
{
    char day[WHEN_LEN];
    utf8_format(out->en, sizeof out->en, "the CA that workstations know ends on %s (%s)",
        when(f->at_ms, zone, false, false, day), text);
    utf8_format(out->de, sizeof out->de, "die CA, die die Arbeitsplätze kennen, endet am %s (%s)",
        when(f->at_ms, zone, true, false, day), text_de);
}

void health_put(
    const struct health_finding *f, const struct cron_zone *zone, struct health_words *out)
{
    const struct health_about *a = health_about(f->code);
    char en[WHEN_LEN], de[WHEN_LEN];
    const char *text = either(f->text, ""), *text_de = either(f->text_de, f->text);
    when(f->at_ms, zone, false, true, en);
    when(f->at_ms, zone, true, true, de);
    switch (f->code) {
    case HEALTH_DATABASE_DOWN:
        SAY(out, "the database has not been running since %s", "die Datenbank läuft nicht, seit %s",
            en, de);
        break;
    case HEALTH_DATABASE_REFUSING:
        SAY(out, "the database runs, but has not let the backup service in since %s",
            "die Datenbank läuft, lässt aber die Sicherung nicht hinein, seit %s", en, de);
        break;
    case HEALTH_BACKUP_MISSED:
        put_missed(f, zone, out);
        break;
    case HEALTH_BINLOG_STOPPED:
        put_binlog(en, de, text, text_de, out);
        break;
    case HEALTH_BASE_MISSING:
        put_base(en, de, text, out);
        break;
    case HEALTH_SETUP_FAILED:
    case HEALTH_PROXY_DOWN:
    case HEALTH_BACKUP_FAILED:
    case HEALTH_CHAIN_BROKEN:
    case HEALTH_CHAIN_UNTRIED:
    case HEALTH_DRILL_FAILED:
        utf8_format(out->en, sizeof out->en, "%s: %s", of_text[f->code][0], text);
        utf8_format(out->de, sizeof out->de, "%s: %s", of_text[f->code][1], text_de);
        break;
    case HEALTH_DRILL_LATE:
        SAY(out, "the last drill was on %s", "die letzte Probe war am %s", en, de);
        break;
    case HEALTH_DISK_LOW:
        put_disk(f, out);
        break;
    case HEALTH_CERTIFICATE:
        put_certificate(f, zone, out);
        break;
    case HEALTH_CA_ENDS:
        put_ca(f, zone, text, text_de, out);
        break;
    case HEALTH_BACKUP_WARNING:
    case HEALTH_NOTIFY_FAILED:
    case HEALTH_NOBODY_TOLD:
        SAY(out, "%s", "%s", text, text_de);
        break;
    case HEALTH_NO_BACKUP:
    case HEALTH_NO_SCHEDULE:
    case HEALTH_NOT_PROVEN:
    case HEALTH_CODES:
        SAY(out, "%s", "%s", a->title, a->title_de);
        break;
    }
}

json_t *health_json(const struct health *h, const struct cron_zone *zone)
{
    static const char *const levels[] = {"hint", "warn", "bad"};
    json_t *list = json_array();
    for (size_t i = 0; i < h->n; i++) {
        const struct health_finding *f = &h->found[i];
        const struct health_about *a = health_about(f->code);
        struct health_words w;
        health_put(f, zone, &w);
        json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "code", a->code,
            "area", a->area, "level", levels[f->level], "text", w.en, "text_de", w.de, "title",
            a->title, "title_de", a->title_de, "advice", a->advice, "advice_de", a->advice_de);
        CHECK(o);
        (void)json_array_append_new(list, o);
    }
    return list;
}
