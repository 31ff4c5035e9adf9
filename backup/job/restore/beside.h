/*
 * SQL text where the data directory is out of reach, as on a server elsewhere: read into a database
 * of its own beside the live one (NAME_elexgate_new), compared, and then the tables of the two
 * change places in one RENAME TABLE; what was live lies in NAME_elexgate_old until `accept`, and
 * `undo` exchanges back. Views, triggers, routines and events cannot change their database: their
 * definitions stand in the journal and are made anew where they belong.
 *
 * The server's files are not touched, so the server runs on; clients are kept out for the exchange.
 */
#ifndef ELEXGATE_BACKUP_JOB_RESTORE_BESIDE_H
#define ELEXGATE_BACKUP_JOB_RESTORE_BESIDE_H

#include "backup/job/restore/sql_stage.h"

/* Reads the text in and compares; r->beside is set. EXIT_REFUSED with the missing rights, or when
 * foreign keys of other databases would stay with the old tables. */
int beside_stage(struct sql_stage *q, struct restore *r, struct err *e) MUSTCHECK;

/* What exchange.c asks for, of a restore with r->beside. What leaves, as it is now; what comes, as
 * it lies there. Definitions of a side that was live once stand in the journal already. */
int beside_plan(struct restore *r, bool to_new, struct err *e) MUSTCHECK;
/* From wherever it stands to all of one side. */
int beside_settle(struct restore *r, bool to_new, struct err *e) MUSTCHECK;
/* For who follows: the steps are other ones than by way of the files. */
void beside_tell_way(void);
/* Drops the databases of ours that are not live. */
int beside_remove(struct restore *r, struct err *e) MUSTCHECK;

#endif
