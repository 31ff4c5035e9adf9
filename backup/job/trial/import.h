/*
 * SQL text into a server, statement by statement.
 */
#ifndef ELEXGATE_BACKUP_JOB_TRIAL_IMPORT_H
#define ELEXGATE_BACKUP_JOB_TRIAL_IMPORT_H

#include "backup/archive/store.h"
#include "backup/job/run.h"
#include "backup/job/trial/throwaway.h"

/* Everything that `in` gives until its end, into one database of the server, as the target's user,
 * statement by statement (rules/sql_lexer.h says what is refused). With t->definers each definer is
 * noted there and replaced by that user. `in` is not closed. An error has its number and kind, the
 * line and the table, never the statement: EXIT_INCONSISTENT. */
int import_sql(struct run *r, const struct server_target *t, int in, const char *database,
    struct err *e) MUSTCHECK;

/* Makes a data directory: o->datadir is not there yet; page size and the case of names if known.
 * stays: root is let in by the socket only, as the system's root; else without a password, for what
 * nobody else can reach. Results of the run. */
int import_install(
    struct run *r, const struct throwaway_options *o, bool stays, struct err *e) MUSTCHECK;

/* Makes a data directory as import_install does, starts a throwaway
 * server on it and imports the file into a new database. EXIT_INCONSISTENT when the import fails.
 * type: for the progress. like: of the database (dump_beside.h); NULL = the server's defaults. */
int import_new_server(struct run *r, const struct throwaway_options *o, const char *type,
    const char *file, const char *database, const json_t *like, struct throwaway **out,
    struct err *e) MUSTCHECK;

/* For the drill of a dump: makes an empty data directory beside the scratch folder, starts a
 * throwaway server on it and imports <folder>/<database>.sql. EXIT_INCONSISTENT when the import
 * fails. */
int import_into_new_server(struct run *r, const struct store_item *it, const char *scratch,
    const char *folder, struct throwaway **out, struct err *e) MUSTCHECK;

#endif
