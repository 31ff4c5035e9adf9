/* The words of each finding, in one place. */
#include <string.h>
#include <time.h>
#include "backup/rules/health.h"
#include "common/json_get.h"
#include "common/phrase.h"

static const struct health_about about[HEALTH_CODES] = {
    [HEALTH_DATABASE_DOWN] = {"database-down", "database", N_("the database does not run"),
        N_("Nobody can work. Start it with systemctl start mariadb; if it does not start, see the handbook: \"The server does not start any more\".")},
    [HEALTH_DATABASE_REFUSING] = {"database-refusing", "database",
        N_("the database does not let the backup service in"),
        N_("Nothing is backed up. elexgate doctor says which right or password is missing.")},
    [HEALTH_SETUP_FAILED] = {"setup-failed", "database", N_("the set-up did not succeed"),
        N_("Until that is mended no backup begins by itself. elexgate doctor checks the connection to the database.")},
    [HEALTH_PROXY_DOWN] = {"proxy-down", "proxy", N_("the gate does not run"),
        N_("Elexis cannot connect, and no backup begins by itself. Start it with systemctl start elexgate-proxy; journalctl -u elexgate-proxy says why it ended.")},
    [HEALTH_NO_BACKUP] = {"no-backup", "backup", N_("there has been no good backup yet"),
        N_("elexgate backup makes one as soon as nobody writes.")},
    [HEALTH_BACKUP_FAILED] = {"backup-failed", "backup", N_("the backup failed"),
        N_("elexgate status and the keeper's log (journalctl -u elexgate-keeper) say more; elexgate doctor looks for the cause; elexgate backup makes one.")},
    [HEALTH_BACKUP_MISSED] = {"backup-missed", "backup", N_("a backup did not take place"),
        N_("The database was never quiet long enough, or the keeper did not run. elexgate sessions shows who is at work; [backup] after_deadline = dump makes one all the same.")},
    [HEALTH_NO_SCHEDULE] = {"no-schedule", "backup", N_("nothing is backed up by itself"),
        N_("Set [backup] schedule.")},
    [HEALTH_BACKUP_WARNING] = {"backup-warning", "backup",
        N_("something is to be said of the last backup"), N_("elexgate backups shows it.")},
    [HEALTH_BINLOG_STOPPED] = {"binlog-stopped", "binlog", N_("the binary log is not archived"),
        N_("What is written since then is lost if the disk fails; it goes on by itself once the cause is removed. elexgate doctor looks for it.")},
    [HEALTH_BASE_MISSING] = {"base-missing", "binlog",
        N_("the newest moments cannot be brought back: no physical backup leads to them"),
        N_("A fresh backup is due, as soon as nobody writes, and from it on they can; elexgate backup --now makes it at once. A dump is none: [backup] method must be physical or both.")},
    [HEALTH_CHAIN_BROKEN] = {"chain-broken", "binlog",
        N_("not every second can be brought back: the chain of the binary log is broken"),
        N_("A fresh backup is due, from which on it holds again; elexgate backups shows since when. elexgate drill --chain tries again.")},
    [HEALTH_CHAIN_UNTRIED] = {"chain-untried", "binlog",
        N_("whether every second can be brought back could not be tried"),
        N_("Remove the cause, then elexgate drill --chain; [binlog] prove = no leaves it out.")},
    [HEALTH_DRILL_FAILED] = {"drill-failed", "drill",
        N_("a backup could not be brought back on trial"),
        N_("Do not rely on that backup: elexgate backup, then elexgate drill.")},
    [HEALTH_DRILL_LATE] = {"drill-late", "drill",
        N_("no backup was brought back on trial for long"),
        N_("elexgate drill does it now; [drill] schedule by itself.")},
    [HEALTH_NOT_PROVEN] = {"not-proven", "drill",
        N_("no backup has been brought back on trial yet"),
        N_("elexgate drill does it now; [drill] schedule by itself.")},
    [HEALTH_DISK_LOW] = {"disk-low", "disk", N_("there is little room for backups"),
        N_("Make room, keep fewer ([retention]), or set another [archive] folder.")},
    [HEALTH_CERTIFICATE] = {"certificate-expires", "certificate", N_("the certificate ends soon"),
        N_("Then no workstation can connect any more. elexgate cert renew makes a new one from the practice's own CA; a bought one is put in place with elexgate cert install.")},
    [HEALTH_CA_ENDS] = {"ca-ends", "certificate", N_("the practice's own CA ends"),
        N_("Workstations that know only this CA are cut off then. elexgate cert renew --new-ca makes the next one, and elexgate cert export writes both into one file for the workstations.")},
    [HEALTH_NOTIFY_FAILED] = {"notify-failed", "notify", N_("a notification could not be sent"),
        N_("elexgate notify --test shows what the failing way says; its settings are in [notify].")},
    [HEALTH_NOBODY_TOLD] = {"nobody-told", "notify", N_("nobody is told when something fails"),
        N_("Set [notify] mail_to or webhook, then elexgate notify --test.")},
    [HEALTH_ACCOUNTS_DAMAGED] = {"accounts-damaged", "accounts",
        N_("the list of the page's accounts is damaged"),
        N_("Until it is mended nobody can confirm anything on the page; backups go on. Never remove the file: whoever signs in first would be an admin.")},
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

/* As the clock on the wall says; "never" for none. */
static json_t *when(int64_t ms, const struct cron_zone *zone, bool hours)
{
    struct tm tm;
    char text[32] = "";
    time_t at = ms / 1000 + zone->offset(zone->ctx, ms / 1000);
    if (!ms)
        return phrase_of(N_("never"));
    if (gmtime_r(&at, &tm))
        (void)strftime(text, sizeof text, hours ? "%Y-%m-%d %H:%M" : "%Y-%m-%d", &tm);
    return phrase_local(text);
}

/* A sentence with a moment in it. */
static json_t *at(const char *english, json_t *moment)
{
    json_t *p = phrase_of(english);
    (void)json_array_append_new(p, moment);
    return p;
}

/* Parts with ": " between them; the second one is somebody else's. */
static json_t *because(json_t *what, const json_t *why)
{
    if (!why)
        return what;
    json_t *text = json_is_string(why) ? phrase("%s", json_string_value(why)) : json_deep_copy(why);
    return json_is_string(json_array_get(text, 0)) ? json_pack("[oo]", what, text)
                                                   : (json_array_insert_new(text, 0, what), text);
}

static json_t *missed(const struct health_finding *f, const struct cron_zone *zone)
{
    json_t *p = at(N_("a backup was due on %s and did not take place; last good backup: %s"),
        when(f->at_ms, zone, true));
    (void)json_array_append_new(p, when(f->number, zone, true));
    return because(p, f->said);
}

static json_t *certificate(const struct health_finding *f, const struct cron_zone *zone)
{
    const char *subject = f->name ? f->name : "", *file = f->of ? f->of : "";
    json_t *p = f->number == INT64_MAX
                    ? phrase("the certificate is not valid before %s (%s, %s)", "", subject, file)
                : f->number < 0
                    ? phrase("the certificate expired on %s (%s, %s)", "", subject, file)
                    : phrase("the certificate expires on %s, in %d days (%s, %s)", "",
                          (int)f->number, subject, file);
    phrase_set(p, 0, when(f->at_ms, zone, false));
    return p;
}

static json_t *disk(const struct health_finding *f)
{
    return at(N_("only %s are left on the disk with the backups"),
        phrase_bytes(f->number > 0 ? (uint64_t)f->number : 0));
}

static json_t *binlog(const struct health_finding *f, const struct cron_zone *zone)
{
    json_t *p = at(N_("the binary log is not archived, what is safe ends: %s; %s"),
        when(f->at_ms, zone, true));
    (void)json_array_append_new(p, f->said ? json_deep_copy(f->said) : json_string(""));
    return p;
}

static json_t *base(const struct health_finding *f, const struct cron_zone *zone)
{
    json_t *p = at(
        f->name
            ? N_("what was written since %s cannot be brought back: a statement in the binary log (%s) cannot be run again, and there has been no physical backup since")
            : N_("what was written since %s cannot be brought back: the binary log began anew then, and there has been no physical backup since"),
        when(f->at_ms, zone, true));
    if (f->name)
        (void)json_array_append_new(p, json_text(f->name));
    return p;
}

static json_t *ca(const struct health_finding *f, const struct cron_zone *zone)
{
    json_t *p = phrase("the CA that workstations know ends on %s (%s)", "", f->name ? f->name : "");
    phrase_set(p, 0, when(f->at_ms, zone, false));
    return p;
}

/* Those of which somebody else says why, and all of which nothing more is known. */
static json_t *of_title(const struct health_finding *f)
{
    static const char *const of_text[HEALTH_CODES] = {
        [HEALTH_SETUP_FAILED] = N_("the set-up did not succeed"),
        [HEALTH_PROXY_DOWN] = N_("the gate does not answer"),
        [HEALTH_BACKUP_FAILED] = N_("the last backup failed"),
        [HEALTH_CHAIN_BROKEN] = N_("the chain of the binary log is broken"),
        [HEALTH_CHAIN_UNTRIED] = N_("the chain of the binary log could not be tried"),
        [HEALTH_DRILL_FAILED] = N_("the last drill failed"),
    };
    return because(phrase_of(of_text[f->code] ? of_text[f->code] : about[f->code].title), f->said);
}

json_t *health_phrase(const struct health_finding *f, const struct cron_zone *zone)
{
    switch (f->code) {
    case HEALTH_DATABASE_DOWN:
        return at(N_("the database has not been running since %s"), when(f->at_ms, zone, true));
    case HEALTH_DATABASE_REFUSING:
        return at(N_("the database runs, but has not let the backup service in since %s"),
            when(f->at_ms, zone, true));
    case HEALTH_BACKUP_MISSED:
        return missed(f, zone);
    case HEALTH_BINLOG_STOPPED:
        return binlog(f, zone);
    case HEALTH_BASE_MISSING:
        return base(f, zone);
    case HEALTH_DRILL_LATE:
        return at(N_("the last drill was on %s"), when(f->at_ms, zone, true));
    case HEALTH_DISK_LOW:
        return disk(f);
    case HEALTH_CERTIFICATE:
        return certificate(f, zone);
    case HEALTH_CA_ENDS:
        return ca(f, zone);
    case HEALTH_BACKUP_WARNING:
    case HEALTH_NOTIFY_FAILED:
    case HEALTH_NOBODY_TOLD:
        if (json_is_array(f->said))
            return json_deep_copy(f->said);
        return f->said ? phrase("%s", json_string_value(f->said)) : phrase_of(about[f->code].title);
    default:
        return of_title(f);
    }
}

json_t *health_json(const struct health *h, const struct cron_zone *zone)
{
    static const char *const levels[] = {"hint", "warn", "bad"};
    json_t *list = json_array();
    for (size_t i = 0; i < h->n; i++) {
        const struct health_finding *f = &h->found[i];
        const struct health_about *a = health_about(f->code);
        json_t *o = json_pack(
            "{s:s, s:s, s:s}", "code", a->code, "area", a->area, "level", levels[f->level]);
        phrase_put(o, "text", health_phrase(f, zone));
        phrase_put(o, "title", phrase_of(a->title));
        phrase_put(o, "advice", phrase_of(a->advice));
        (void)json_array_append_new(list, o);
    }
    return list;
}
