/*
 * The mark of a backup medium: a small file in the backup folder with an id, which the state folder
 * remembers. A stick that is away leaves its empty mount point behind, which looks like any folder;
 * without the mark nothing is written into it.
 *
 * The first run marks the folder by itself, unless it looks like a mount point whose disk is away.
 * Several media that take turns are marked once each (`elexgate backup-folder init`); all of them
 * are known from then on.
 */
#ifndef ELEXGATE_BACKUP_ARCHIVE_MEDIUM_H
#define ELEXGATE_BACKUP_ARCHIVE_MEDIUM_H

#include <stdbool.h>
#include "backup/archive/ledger.h" /* MEDIUM_ID_LEN */
#include "common/error.h"

#define MEDIUM_FILE "elexgate-medium.json"

enum medium_outcome {
    MEDIUM_FRESH = 1,   /* not marked, and nothing is known of this folder */
    MEDIUM_ABSENT = 2,  /* it was marked, and now there is no mark: the disk is away */
    MEDIUM_ANOTHER = 3, /* the mark of another one */
    MEDIUM_DOUBTFUL = 4 /* fresh, and looks like the mount point of a disk that is away */
};

/* The id in the folder; 1: there is no mark (or no folder). */
int medium_read(const char *folder, char id[static MEDIUM_ID_LEN], struct err *e) MUSTCHECK;
/* 0: the medium that it should be; an outcome, with words and what to do; or negative. seal_folder:
 * trust.folder. Changes nothing. */
int medium_look(const char *seal_folder, const char *folder, char id[static MEDIUM_ID_LEN],
    struct err *e) MUSTCHECK;
/* Makes the folder and its mark where they are missing, and remembers its id. */
int medium_init(const char *seal_folder, const char *folder, char id[static MEDIUM_ID_LEN],
    struct err *e) MUSTCHECK;
/* Before a run: as medium_look, but a fresh folder is marked; *marked says so. */
int medium_ready(const char *seal_folder, const char *folder, char id[static MEDIUM_ID_LEN],
    bool *marked, struct err *e) MUSTCHECK;

#endif
