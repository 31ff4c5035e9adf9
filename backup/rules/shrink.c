/* Emptiness is suspicious. */
#include "backup/rules/shrink.h"

#include <inttypes.h>
#include <stdio.h>
#include "common/utf8.h"

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

void shrink_words(enum shrink s, const char *what, const char *type,
    const struct shrink_counts *before, const struct shrink_counts *now, bool taken, bool german,
    char *buf, size_t size)
{
    static const char *const things[][2] = {[SHRINK_EMPTY] = {"", ""},
        [SHRINK_FILES] = {"files", "Dateien"},
        [SHRINK_BYTES] = {"bytes", "Bytes"},
        [SHRINK_TABLES] = {"tables", "Tabellen"}};
    uint64_t then = 0, have = 0;
    if (before && s != SHRINK_EMPTY) {
        then = s == SHRINK_FILES   ? before->files
               : s == SHRINK_BYTES ? before->bytes
                                   : before->tables;
        have = s == SHRINK_FILES ? now->files : s == SHRINK_BYTES ? now->bytes : now->tables;
    }
    if (s == SHRINK_EMPTY && german)
        utf8_format(buf, size,
            "%s ist leer: ist die Platte eingehängt? %sDarf es leer sein, sagt das [data %s] may_be_empty = yes",
            what, before ? "Es wurde keine Sicherung gemacht und keine entfernt. " : "", type);
    else if (s == SHRINK_EMPTY)
        utf8_format(buf, size,
            "%s is empty: is its disk mounted? %sIf it may be empty, [data %s] may_be_empty = yes says so",
            what, before ? "No backup was made and none removed. " : "", type);
    else if (taken && german)
        utf8_format(buf, size,
            "%s hat noch %" PRIu64 " von %" PRIu64
            " %s der letzten Sicherung: stimmt das? Ältere Sicherungen blieben diesmal liegen",
            what, have, then, things[s][1]);
    else if (taken)
        utf8_format(buf, size,
            "%s has %" PRIu64 " of the %" PRIu64
            " %s of the last backup: is that right? Older backups were kept this time",
            what, have, then, things[s][0]);
    else if (german)
        utf8_format(buf, size,
            "%s hat noch %" PRIu64 " von %" PRIu64
            " %s der letzten Sicherung: es wurde keine gemacht und keine entfernt; ist das gewollt, nimmt es `elexgate backup --accept-smaller %s` einmal an",
            what, have, then, things[s][1], type);
    else
        utf8_format(buf, size,
            "%s has %" PRIu64 " of the %" PRIu64
            " %s of the last backup: none was made and none removed; if that is meant, `elexgate backup --accept-smaller %s` accepts it once",
            what, have, then, things[s][0], type);
}
