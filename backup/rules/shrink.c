/* Emptiness is suspicious. */
#include "backup/rules/shrink.h"

#include <inttypes.h>
#include "common/phrase.h"

static bool most_gone(uint64_t before, uint64_t now)
{
    return now < before && now < before - now;
}

enum shrink shrink_judge(const struct shrink_counts *before, const struct shrink_counts *now)
{
    if (!before)
        return now->files == 0 ? SHRINK_EMPTY : SHRINK_NONE;
    if ((before->files > 0 && now->files == 0) || (before->bytes > 0 && now->bytes == 0))
        return SHRINK_EMPTY;
    if (most_gone(before->tables, now->tables))
        return SHRINK_TABLES;
    if (most_gone(before->files, now->files))
        return SHRINK_FILES;
    return most_gone(before->bytes, now->bytes) ? SHRINK_BYTES : SHRINK_NONE;
}

json_t *shrink_phrase(enum shrink s, const char *folder, const char *type,
    const struct shrink_counts *before, const struct shrink_counts *now, bool taken)
{
    static const char *const things[] = {
        [SHRINK_FILES] = N_("files"), [SHRINK_BYTES] = N_("bytes"), [SHRINK_TABLES] = N_("tables")};
    json_t *what = folder ? phrase("the folder %s", folder) : phrase_of(N_("the database")), *said;
    if (s == SHRINK_EMPTY) {
        said =
            before
                ? phrase(
                      "%s is empty: is its disk mounted? No backup was made and none removed. If it may be empty, [data %s] may_be_empty = yes says so",
                      "", type)
                : phrase(
                      "%s is empty: is its disk mounted? If it may be empty, [data %s] may_be_empty = yes says so",
                      "", type);
        phrase_set(said, 0, what);
        return said;
    }
    uint64_t then = s == SHRINK_FILES   ? before->files
                    : s == SHRINK_BYTES ? before->bytes
                                        : before->tables;
    uint64_t have = s == SHRINK_FILES ? now->files : s == SHRINK_BYTES ? now->bytes : now->tables;
    said =
        taken
            ? phrase("%s has %" PRIu64 " of the %" PRIu64
                     " %s of the last backup: is that right? Older backups were kept this time",
                  "", have, then, "")
            : phrase(
                  "%s has %" PRIu64 " of the %" PRIu64
                  " %s of the last backup: none was made and none removed; if that is meant, `elexgate backup --accept-smaller %s` accepts it once",
                  "", have, then, "", type);
    phrase_set(said, 0, what);
    phrase_set(said, 3, phrase_of(things[s]));
    return said;
}
