#include "backup/keeper/restore_words.h"

#include <string.h>
#include "common/exit_codes.h"
#include "common/phrase.h"
#include "common/json_get.h"
#include "common/shown.h"

static json_t *went_well(const char *action, bool dry_run, const json_t *done)
{
    bool new_live = json_get_true(done, "new_live");
    if (dry_run)
        return phrase_of(N_("Tried out and found good; nothing was changed."));
    if (strcmp(action, "accept") == 0)
        return phrase_of(N_("The data that were not in use have been deleted."));
    if (!done)
        return phrase_of(N_("There was nothing to do."));
    if (new_live && strcmp(json_get_text(done, "method"), "dump") == 0)
        return phrase_of(
            N_("The database is that of the SQL text; the data from before are kept."));
    const json_t *live = phrase_got(done, "live");
    return live ? json_deep_copy(live)
                : phrase_of(N_("The data from before the restore are in use."));
}

static json_t *with_block(json_t *said, const json_t *done)
{
    int64_t ms = json_get_int(done, "blocked_ms");
    char human[SHOWN_LEN];
    if (ms <= 0)
        return said;
    shown_duration(LANG_EN, ms, human, sizeof human);
    json_t *p = phrase(
        "%s Clients were kept out for %s; Elexis must be closed and started again everywhere.", "",
        human);
    phrase_set(p, 0, said);
    return p;
}

void keeper_restore_words(const struct keeper_current *c, json_t *run)
{
    static const char *const copied[] = {"action", "which", "dry_run"};
    json_t *said;
    int exit_code = (int)json_get_int(run, "exit");
    for (size_t i = 0; c->restore_begin && i < sizeof copied / sizeof copied[0]; i++)
        json_object_set(run, copied[i], json_object_get(c->restore_begin, copied[i]));
    static const char *const told[] = {"new_live", "blocked_ms", "method", "types"};
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++)
        if (json_object_get(c->restore_done, told[i]))
            json_object_set(run, told[i], json_object_get(c->restore_done, told[i]));
    if (c->restore_difference)
        json_object_set(run, "difference", c->restore_difference);
    if (exit_code == EXIT_GOOD)
        said = with_block(
            went_well(json_get_text(run, "action"), json_get_true(run, "dry_run"), c->restore_done),
            c->restore_done);
    else if (!c->last)
        said = phrase_of(N_("It was cut off; Elexgate settles it by itself: all old or all new."));
    else if (exit_code == EXIT_CANCELLED)
        said = phrase_of(N_("Cancelled; the data are as they were."));
    else {
        said = phrase("It failed: %s", "");
        if (phrase_got(run, "error"))
            phrase_set(said, 0, json_deep_copy(phrase_got(run, "error")));
    }
    phrase_put(run, "words", said);
}
