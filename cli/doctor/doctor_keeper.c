/*
 * What the keeper finds (its status, "findings"), as lines of the doctor; and what is well, said
 * with its age. The doctor judges nothing of it again.
 */
#include "cli/doctor/doctor.h"

#include <stdio.h>
#include <string.h>

#include "cli/output.h"
#include "common/clock.h"
#include "common/json_get.h"
#include "common/error_phrase.h"
#include "common/notify_check.h"
#include "common/shown.h"

static bool found_in(const struct doctor *d, const char *area)
{
    size_t i;
    const json_t *f;
    json_array_foreach (json_object_get(d->keeper, "findings"), i, f)
        if (strcmp(json_get_text(f, "area"), area) == 0)
            return true;
    return false;
}

static void findings(struct doctor *d)
{
    size_t i;
    const json_t *f;
    json_array_foreach (json_object_get(d->keeper, "findings"), i, f) {
        _cleanup_free_ char *area = output_member(f, "area");
        _cleanup_free_ char *text = output_words(d->cli->lang, f, "text");
        _cleanup_free_ char *advice = output_words(d->cli->lang, f, "advice");
        if (strcmp(area, "proxy") == 0 && !d->proxy)
            continue; /* the doctor asked it as well, and has said so */
        bool bad = strcmp(json_get_text(f, "level"), "bad") == 0;
        doctor_tell(d, bad ? DOCTOR_CRITICAL : DOCTOR_WARNING, area, text, advice);
    }
}

static void well(struct doctor *d, const char *area, const char *key, const char *words)
{
    int64_t at;
    char age[SHOWN_LEN];
    const char *iso = json_get_str(json_object_get(d->keeper, key), "started");
    if (found_in(d, area) || !iso || clock_parse(iso, &at) < 0)
        return;
    int64_t ms = clock_wall_ms() - at;
    shown_duration(d->cli->lang, ms, age, sizeof age);
    _cleanup_free_ char *text = xasprintf("%s: %s", words, age);
    doctor_tell(d, DOCTOR_GOOD, area, text, NULL);
}

/* Without a keeper nobody knows what became of the last message; the configuration says whether
 * there is anybody to tell. */
static void notify(struct doctor *d)
{
    struct notify_trouble t = {0};
    const char *fix = tr(d->cli, "[notify] in the configuration, then: elexgate notify --test");
    if (found_in(d, "notify"))
        return;
    if (d->keeper || notify_check(cli_config(d->cli), &t)) {
        doctor_tell(
            d, DOCTOR_GOOD, "notify", tr(d->cli, "somebody is told when something fails"), NULL);
        return;
    }
    _cleanup_free_ char *words = error_phrase_words(d->cli->lang, &t.why),
                        *text = output_safe(words);
    doctor_tell(d, t.nobody ? DOCTOR_WARNING : DOCTOR_CRITICAL, "notify", text, fix);
}

void doctor_keeper(struct doctor *d)
{
    findings(d);
    notify(d);
    if (!d->keeper)
        return;
    well(d, "backup", "last_good_backup", tr(d->cli, "age of the last good backup"));
    well(d, "drill", "last_drill", tr(d->cli, "the last drill succeeded; its age"));
}
