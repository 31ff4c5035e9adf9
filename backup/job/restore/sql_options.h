/*
 * What a person has decided about SQL text that is to be restored.
 */
#ifndef ELEXGATE_BACKUP_JOB_RESTORE_SQL_OPTIONS_H
#define ELEXGATE_BACKUP_JOB_RESTORE_SQL_OPTIONS_H

#include <stdbool.h>

enum sql_names {
    SQL_NAMES_ASK,  /* refuse names that differ in upper and lower case only */
    SQL_NAMES_LIVE, /* such a table gets the name that it has in the live database */
    SQL_NAMES_FILE, /* as in the file */
};

struct sql_options {
    bool dry_run;
    bool accept_loss; /* tables that vanish or become empty were seen and agreed to */
    enum sql_names names;
};

/* "live" or "file". False: neither. */
bool restore_sql_names(const char *word, enum sql_names *out);

#endif
