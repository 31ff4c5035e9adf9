#include "cli/doctor/doctor.h"

#include <stdio.h>
#include <string.h>

#include "cli/output.h"
#include "common/clock.h"
#include "common/notify_check.h"
#include "common/json_get.h"
#include "link/control.h"

#define ASK_MS   3000
#define HOUR_MS  (INT64_C(3600) * 1000)
#define DRILL_MS (35 * 24 * HOUR_MS)
#define LOOK     16 /* coming times, to see how far apart they may be */

static int64_t moment(const json_t *o, const char *key)
{
    int64_t ms;
    const char *iso = json_get_str(o, key);
    return iso && clock_parse(iso, &ms) == 0 ? ms : 0;
}

/* The longest time between two that are due, as the keeper itself reckons it; 0: not known. */
static int64_t longest_gap(const struct config *c, const char *schedule)
{
    json_t *request = json_pack(
        "{s:s, s:s, s:i}", "cmd", "schedule-preview", "schedule", schedule, "count", LOOK);
    json_t *answer = NULL, *v;
    int64_t last = 0, gap = 0;
    size_t i;
    int r = control_call(
        config_str(c, "backup", NULL, "control_socket"), ASK_MS, request, &answer, NULL);
    json_decref(request);
    if (r < 0)
        return 0;
    json_array_foreach (json_object_get(answer, "next"), i, v) {
        int64_t at;
        if (!json_is_string(v) || clock_parse(json_string_value(v), &at) < 0)
            continue;
        if (last && at - last > gap)
            gap = at - last;
        last = at;
    }
    json_decref(answer);
    return gap;
}

static void last_result(struct doctor *d, const json_t *last)
{
    if (!json_is_object(last) || output_number(last, "exit", 0) == 0)
        return;
    _cleanup_free_ char *error = output_member(last, "error");
    _cleanup_free_ char *text = xasprintf(
        tr(d->cli, "the last backup failed: %s", "die letzte Sicherung misslang: %s"), error);
    doctor_tell(d, DOCTOR_WARNING, "last-backup", text,
        tr(d->cli, "put right what it says, then: elexgate backup",
            "beheben, was da steht, dann: elexgate backup"));
}

static void backup(struct doctor *d, const struct config *c)
{
    const char *schedule = config_str(c, "backup", NULL, "schedule");
    const char *again = tr(d->cli, "elexgate backup makes one as soon as nobody writes",
        "elexgate backup macht eine, sobald niemand schreibt");
    if (!schedule || !*schedule) {
        doctor_tell(d, DOCTOR_WARNING, "schedule",
            tr(d->cli, "no backup is made by itself", "es gibt keine Sicherung von selbst"),
            tr(d->cli, "set [backup] schedule", "[backup] schedule setzen"));
    }
    int64_t at = moment(json_object_get(d->keeper, "last_good_backup"), "started");
    last_result(d, json_object_get(d->keeper, "last_backup"));
    if (!at) {
        doctor_tell(d, schedule ? DOCTOR_CRITICAL : DOCTOR_WARNING, "backup",
            tr(d->cli, "there has been no good backup yet", "es gab noch keine gute Sicherung"),
            again);
        return;
    }
    char age[32];
    int64_t ms = clock_wall_ms() - at;
    int64_t gap = schedule ? longest_gap(c, schedule) : 0;
    int64_t most = gap ? gap + config_int(c, "backup", NULL, "deadline") + HOUR_MS : INT64_MAX;
    _cleanup_free_ char *text = xasprintf(
        tr(d->cli, "the last good backup is %s old", "die letzte gute Sicherung ist %s alt"),
        clock_human((uint64_t)(ms > 0 ? ms : 0), age, sizeof age));
    doctor_tell(d, ms > most ? DOCTOR_CRITICAL : DOCTOR_GOOD, "backup", text, again);
}

static void drill(struct doctor *d)
{
    const json_t *last = json_object_get(d->keeper, "last_drill");
    const char *fix = tr(d->cli, "elexgate drill does it now; [drill] schedule by itself",
        "elexgate drill tut es jetzt; [drill] schedule von selbst");
    int64_t at = moment(last, "started");
    if (!at) {
        doctor_tell(d, DOCTOR_WARNING, "drill",
            tr(d->cli, "no backup has been brought back on trial yet",
                "noch keine Sicherung wurde zur Probe zurückgeholt"),
            fix);
        return;
    }
    char age[32];
    int64_t ms = clock_wall_ms() - at;
    clock_human((uint64_t)(ms > 0 ? ms : 0), age, sizeof age);
    bool good = output_number(last, "exit", 1) == 0;
    _cleanup_free_ char *error = output_member(last, "error");
    _cleanup_free_ char *text = good ? xasprintf(tr(d->cli, "the last drill succeeded, %s ago",
                                                     "die letzte Probe gelang, vor %s"),
                                           age)
                                     : xasprintf(tr(d->cli, "the last drill failed, %s ago: %s",
                                                     "die letzte Probe misslang, vor %s: %s"),
                                           age, error);
    doctor_tell(d,
        !good           ? DOCTOR_CRITICAL
        : ms > DRILL_MS ? DOCTOR_WARNING
                        : DOCTOR_GOOD,
        "drill", text, fix);
}

/* The keeper knows more than the configuration does: what became of the last message. */
static void notify(struct doctor *d)
{
    struct notify_trouble t = {0};
    const json_t *said = json_object_get(d->keeper, "notify");
    bool good = notify_check(cli_config(d->cli), &t);
    _cleanup_free_ char *text = json_is_false(json_object_get(said, "good"))
                                    ? output_member(said, tr(d->cli, "text", "text_de"))
                                : good ? xstrdup(tr(d->cli, "somebody is told when something fails",
                                             "jemand erfährt, wenn etwas misslingt"))
                                       : output_safe(tr(d->cli, t.text, t.text_de));
    good = good && !json_is_false(json_object_get(said, "good"));
    doctor_tell(d,
        good       ? DOCTOR_GOOD
        : t.nobody ? DOCTOR_WARNING
                   : DOCTOR_CRITICAL,
        "notify", text,
        tr(d->cli, "[notify] in the configuration, then: elexgate notify --test",
            "[notify] in der Konfiguration, dann: elexgate notify --test"));
}

void doctor_keeper(struct doctor *d)
{
    notify(d);
    if (!d->keeper)
        return;
    backup(d, cli_config(d->cli));
    drill(d);
}
