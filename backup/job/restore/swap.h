/*
 * Two folders change their contents, entry by entry, and at any moment it can be told where they
 * stand.
 *
 * A data directory is often a mount point, which cannot be renamed; so its entries are. Three
 * folders on one file system: `live`, `fresh` (what is to come), `old` (what was). Each entry is
 * known by name and inode number, so after a kill or a power cut the files themselves say how far
 * it got, and both ways, on to the new and back to the old, can be taken up from anywhere and
 * repeated. Where both have a name the two are exchanged in one step (renameat2, RENAME_EXCHANGE):
 * nobody ever sees the data directory without its `mysql` folder, which some container's entrypoint
 * would take for a new one.
 */
#ifndef ELEXGATE_BACKUP_JOB_RESTORE_SWAP_H
#define ELEXGATE_BACKUP_JOB_RESTORE_SWAP_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/error.h"

struct swap_entry {
    char *name;
    uint64_t old_ino, new_ino; /* 0 = has no such entry */
};

struct swap {
    struct swap_entry *entries;
    size_t n;
};

struct swap_folders {
    int live, fresh, old; /* opened folders */
};

/* Lists what is to be swapped. leave: names in live that stay (NULL-terminated), such as
 * lost+found, or *.pid for all that end like this. */
int swap_plan(const struct swap_folders *f, const char *const *leave, struct swap *out,
    struct err *e) MUSTCHECK;
void swap_clear(struct swap *s);
/* For the journal. */
json_t *swap_to_json(const struct swap *s) MUSTCHECK;
int swap_from_json(const json_t *j, struct swap *out, struct err *e) MUSTCHECK;

/* Brings every entry to the new or the old state, from wherever it stands, and fsyncs the folders.
 * An entry that is none of the two known ones is an error that names it, and nothing is
 * overwritten. step (NULL allowed) is called after each rename: tests kill there. */
int swap_settle(const struct swap_folders *f, const struct swap *s, bool to_new,
    void (*step)(void *ctx), void *ctx, struct err *e) MUSTCHECK;

#endif
