#include "notify/message.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "common/utf8.h"
#include "common/json_get.h"

/* What each event means and what to do; the first pair of words stands in the subject. */
static const struct {
    const char *event, *subject, *subject_de, *advice, *advice_de;
} events[] = {
    {"backup-failed", "the backup failed", "die Sicherung misslang",
        "elexgate status and the keeper's log (journalctl -u elexgate-keeper) say more; elexgate doctor looks for the cause; elexgate backup makes one.",
        "Mehr sagen elexgate status und das Log des Keepers (journalctl -u elexgate-keeper); elexgate doctor sucht die Ursache; elexgate backup macht eine Sicherung."},
    {"backup-missed", "a backup did not take place", "eine Sicherung fand nicht statt",
        "The database was never quiet long enough, or the keeper did not run. elexgate sessions shows who is at work; [backup] after_deadline = dump makes one all the same.",
        "Die Datenbank war nie lange genug in Ruhe, oder der Keeper lief nicht. elexgate sessions zeigt, wer arbeitet; mit [backup] after_deadline = dump wird trotzdem gesichert."},
    {"drill-failed", "a backup could not be brought back on trial",
        "eine Sicherung liess sich nicht zur Probe zurückholen",
        "Do not rely on that backup: elexgate backup, then elexgate drill.",
        "Auf diese Sicherung ist kein Verlass: elexgate backup, dann elexgate drill."},
    {"certificate-expires", "the certificate ends soon", "das Zertifikat läuft bald ab",
        "Then no workstation can connect any more. elexgate cert renew makes a new one from the practice's own CA; a bought one is put in place with elexgate cert install.",
        "Danach kann sich kein Arbeitsplatz mehr verbinden. elexgate cert renew stellt ein neues aus der eigenen CA aus; ein gekauftes baut elexgate cert install ein."},
    {"ca-ends", "the practice's own CA ends", "die eigene CA der Praxis läuft ab",
        "Workstations that know only this CA are cut off then. elexgate cert renew --new-ca makes the next one, and elexgate cert export writes both into one file for the workstations.",
        "Arbeitsplätze, die nur diese CA kennen, kommen danach nicht mehr herein. elexgate cert renew --new-ca macht die nächste, und elexgate cert export legt beide für die Arbeitsplätze in eine Datei."},
    {"disk-low", "there is little room for backups", "für Sicherungen ist kaum mehr Platz",
        "Make room, keep fewer ([retention]), or set another [archive] folder.",
        "Platz schaffen, weniger behalten ([retention]) oder einen anderen Ordner setzen ([archive] folder)."},
    {"notify-failed", "a notification could not be sent",
        "eine Benachrichtigung liess sich nicht senden",
        "Another way still works, as you see. elexgate notify --test shows what the failing one says; its settings are in [notify].",
        "Ein anderer Weg geht noch, wie man sieht. elexgate notify --test zeigt, was der andere meldet; seine Einstellungen stehen in [notify]."},
    {"test", "a test, all is well", "ein Test, alles in Ordnung",
        "This message was asked for with elexgate notify --test.",
        "Diese Nachricht wurde mit elexgate notify --test verlangt."},
};

static char *subject(const struct message *m, const char *words, bool german)
{
    const char *prefix = strcmp(m->state, "recovered") == 0  ? german ? "behoben: " : "solved: "
                         : strcmp(m->state, "reminder") == 0 ? german ? "noch immer: " : "still: "
                                                             : "";
    return xasprintf("Elexgate %s: %s%s", m->host, prefix, words);
}

static char *body(const struct message *m, const char *advice, bool german)
{
    bool solved = strcmp(m->state, "recovered") == 0;
    const char *since = german ? "Seit" : "Since";
    char *head = *m->since ? xasprintf("%s %s (UTC).\n\n", since, m->since) : xstrdup("");
    char *detail = *m->detail ? xasprintf("%s\n\n", m->detail) : xstrdup("");
    char *whole = xasprintf("%s%s%s\n", head, detail,
        solved ? german ? "Das ist vorbei; es ist nichts zu tun." : "That is over; nothing to do."
               : advice);
    free(head);
    free(detail);
    return whole;
}

int message_make(const json_t *o, struct message *out, struct err *e)
{
    struct message m = {.event = json_get_text(o, "event"),
        .state = json_get_text(o, "state"),
        .since = json_get_text(o, "since"),
        .detail = json_get_text(o, "detail")};
    char host[256] = "";
    size_t i = 0, n = sizeof events / sizeof events[0];
    while (i < n && strcmp(events[i].event, m.event) != 0)
        i++;
    if (i == n)
        return err_set(e, EINVAL, "there is no event \"%s\" to tell of", UTF8_SHORT(m.event, 40));
    (void)gethostname(host, sizeof host - 1);
    m.host = xstrdup(*host ? host : "localhost");
    m.subject = subject(&m, events[i].subject, false);
    m.subject_de = subject(&m, events[i].subject_de, true);
    m.body = body(&m, events[i].advice, false);
    m.body_de = body(&m, events[i].advice_de, true);
    *out = m;
    return 0;
}

void message_clear(struct message *m)
{
    free(m->host);
    free(m->subject);
    free(m->subject_de);
    free(m->body);
    free(m->body_de);
    memset(m, 0, sizeof *m);
}
