#include "backup/keeper/restore_words.h"

#include <stdio.h>
#include <string.h>
#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/utf8.h"
#include "common/json_get.h"
#include "common/shown.h"

struct words {
    char en[600], de[700];
};

static void say(struct words *w, const char *en, const char *de)
{
    utf8_copy(w->en, sizeof w->en, en);
    utf8_copy(w->de, sizeof w->de, de);
}

static void went_well(
    struct words *w, const char *action, bool dry_run, const json_t *done, const char *run)
{
    bool new_live = json_get_true(done, "new_live");
    if (dry_run) {
        say(w, "Tried out and found good; nothing was changed.",
            "Ausprobiert und für gut befunden; nichts wurde verändert.");
    } else if (strcmp(action, "accept") == 0) {
        say(w, "The data that were not in use have been deleted.",
            "Die Daten, die nicht in Gebrauch waren, sind gelöscht.");
    } else if (!done) {
        say(w, "There was nothing to do.", "Es gab nichts zu tun.");
    } else if (new_live && strcmp(json_get_text(done, "method"), "dump") == 0) {
        say(w, "The database is that of the SQL text; the data from before are kept.",
            "Die Datenbank ist die des SQL-Texts; die Daten von vorher sind aufbewahrt.");
    } else if (new_live) {
        utf8_format(w->en, sizeof w->en, "The data of %s are in use.", run);
        utf8_format(w->de, sizeof w->de, "Die Daten von %s sind in Betrieb.", run);
    } else {
        say(w, "The data from before the restore are in use.",
            "Die Daten von vor der Wiederherstellung sind in Betrieb.");
    }
    int64_t ms = json_get_int(done, "blocked_ms");
    if (ms > 0) {
        char human[SHOWN_LEN];
        size_t en = strlen(w->en), de = strlen(w->de);
        shown_duration(LANG_EN, ms, human, sizeof human);
        utf8_format(w->en + en, sizeof w->en - en,
            " Clients were kept out for %s; Elexis must be closed and started again everywhere.",
            human);
        utf8_format(w->de + de, sizeof w->de - de,
            " Die Arbeitsplätze waren %s ausgesperrt; Elexis muss überall beendet und neu gestartet werden.",
            human);
    }
}

void keeper_restore_words(const struct keeper_current *c, json_t *run)
{
    static const char *const copied[] = {"action", "which", "dry_run"};
    struct words w = {.en = ""};
    int exit_code = (int)json_get_int(run, "exit");
    const char *error = json_get_text(run, "error");
    for (size_t i = 0; c->restore_begin && i < sizeof copied / sizeof copied[0]; i++)
        json_object_set(run, copied[i], json_object_get(c->restore_begin, copied[i]));
    static const char *const told[] = {"new_live", "blocked_ms", "method", "types"};
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++)
        if (json_object_get(c->restore_done, told[i]))
            json_object_set(run, told[i], json_object_get(c->restore_done, told[i]));
    if (c->restore_difference)
        json_object_set(run, "difference", c->restore_difference);
    if (exit_code == EXIT_GOOD)
        went_well(&w, json_get_text(run, "action"), json_get_true(run, "dry_run"), c->restore_done,
            json_get_text(run, "run"));
    else if (!c->last)
        say(&w, "It was cut off; Elexgate settles it by itself: all old or all new.",
            "Sie wurde abgebrochen; Elexgate bringt es von selbst in Ordnung: ganz alt oder ganz neu.");
    else if (exit_code == EXIT_CANCELLED)
        say(&w, "Cancelled; the data are as they were.",
            "Abgebrochen; die Daten sind, wie sie waren.");
    else {
        utf8_format(w.en, sizeof w.en, "It failed: %s", error);
        const char *german = json_get_text(c->last, "error_de");
        utf8_format(w.de, sizeof w.de, "Sie ist gescheitert: %s", *german ? german : error);
    }
    json_object_set_new(run, "words", json_string(w.en));
    json_object_set_new(run, "words_de", json_string(w.de));
}
