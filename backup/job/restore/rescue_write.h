/*
 * The rows of a rescue written to the live table in one transaction, or tried and taken back.
 */
#ifndef ELEXGATE_BACKUP_JOB_RESTORE_RESCUE_WRITE_H
#define ELEXGATE_BACKUP_JOB_RESTORE_RESCUE_WRITE_H

#include "backup/job/restore/rescue_table.h"
#include "backup/job/run.h"

struct rescue_change {
    char *is, *label;
    char *then, *live; /* digests of the row; "" = it was not, is not there */
};
struct rescue {
    struct run *run;
    struct server *then, *live;
    struct rescue_table was, now;
    struct rescue_change *changes;
    size_t n;
    uint64_t added; /* rows of today that were not there then, and stay */
    uint64_t same;
    bool exact; /* as it was then: these go */
};

/* Logs in, and sees what is there; EXIT_REFUSED as well where rows cannot be put back in one
 * transaction, or would set something else in motion. */
int rescue_open_live(
    struct rescue *r, const char *schema, const char *name, struct err *e) MUSTCHECK;
/* undo: the file that gets the statements which take it back, before anything is committed; NULL:
 * it is tried and rolled back. Each row is locked and compared with .live first: EXIT_REFUSED names
 * those that have changed since, and those that would break a key. */
int rescue_write(struct rescue *r, const char *undo, struct err *e) MUSTCHECK;

#endif
