/*
 * Emptiness is suspicious: a folder whose disk is away, a database that was emptied by mistake.
 * What lost most of its files, bytes or tables since the last backup is not taken for the new
 * truth.
 */
#ifndef ELEXGATE_BACKUP_RULES_SHRINK_H
#define ELEXGATE_BACKUP_RULES_SHRINK_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/memory.h"

struct shrink_counts {
    uint64_t files, bytes, tables;
};

enum shrink {
    SHRINK_NONE,
    SHRINK_EMPTY, /* nothing in it */
    SHRINK_FILES, /* more than half of them are gone */
    SHRINK_BYTES,
    SHRINK_TABLES,
};

/* before NULL: the first backup of this source. That it is empty is worth a warning then; nothing
 * is lost by it. */
enum shrink shrink_judge(const struct shrink_counts *before, const struct shrink_counts *now);
/* A sentence with the numbers and what to do: a phrase (common/phrase.h), new reference. folder:
 * NULL = the database. taken: the backup is made all the same. */
json_t *shrink_phrase(enum shrink s, const char *folder, const char *type,
    const struct shrink_counts *before, const struct shrink_counts *now, bool taken) MUSTCHECK;

#endif
