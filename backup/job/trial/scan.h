/*
 * SQL text looked through (rules/sql_scan.h) by a program of ours that can do nothing but that: it
 * reads the text, reckons, and writes one JSON object, of which nothing but numbers and names is
 * taken. It is this program with another first word.
 */
#ifndef ELEXGATE_BACKUP_JOB_TRIAL_SCAN_H
#define ELEXGATE_BACKUP_JOB_TRIAL_SCAN_H

#include "backup/rules/sql_scan.h"
#include "common/error.h"

#define SCAN_CHILD "look-through" /* the program's first word */

struct scan;

/* database: the only one that statements may name. Ends with the thread that begins it. */
int scan_begin(const char *database, struct scan **out, struct err *e) MUSTCHECK;
int scan_feed(struct scan *s, const void *data, size_t n, struct err *e) MUSTCHECK;
/* The end of the text: fills what is to be read of *out, which sql_scan_clear frees; of the tables
 * their number only. */
int scan_end(struct scan *s, struct sql_scan *out, struct err *e) MUSTCHECK;
void scan_drop(struct scan *s); /* NULL allowed */

/* argv: the first word, the database. Returns the program's exit code. */
int scan_child(int argc, char **argv);

#endif
