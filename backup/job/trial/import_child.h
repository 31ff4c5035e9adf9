/*
 * The two halves of an import: import_text.c in the job, import_child.c in a sandbox, which is the
 * same program with another first word. The child gets the text as its standard input and, on a
 * descriptor, one JSON object: whom it logs in to ("socket" or "host" and "port", "user",
 * "password"), the "database", "also_called" and "own" (both as in server_target.h). It writes one
 * object as its answer, in which nothing but numbers and names is taken from it.
 */
#ifndef ELEXGATE_BACKUP_JOB_TRIAL_IMPORT_CHILD_H
#define ELEXGATE_BACKUP_JOB_TRIAL_IMPORT_CHILD_H

#include <stdint.h>
#include "backup/rules/sql_lexer.h"

#define IMPORT_CHILD "read-in" /* the program's first word */

/* How far it came; what stopped it is the one that is not 0. */
struct import_result {
    uint64_t line;
    char table[80];
    unsigned number; /* of the server's error, with its state */
    char state[6];
    enum sql_refusal refusal;
    int read_error;
};

/* argv: the first word, the number of the descriptor. Returns the program's exit code. */
int import_child(int argc, char **argv);

#endif
