/*
 * Tables that a server cannot open: an orphan .frm, a discarded tablespace, a crashed index. What
 * was broken before is told, and is no reason to refuse what would cure it.
 */
#ifndef ELEXGATE_BACKUP_JOB_TRIAL_BROKEN_TABLES_H
#define ELEXGATE_BACKUP_JOB_TRIAL_BROKEN_TABLES_H

#include <jansson.h>
#include "backup/rules/manifest.h"
#include "backup/server/server.h"

/* *out: {"schema.table": a phrase of the server's words}, a new reference. Negative: it could not
 * be asked. */
int broken_tables_find(struct server *s, json_t **out, struct err *e) MUSTCHECK;
/* After an error: the table was dropped since it was listed, or a view stands in its place, and is
 * not broken. */
bool broken_tables_dropped(struct server *s, const char *schema, const char *table);
/* The same of a backup's manifest: what could not be read when it was made. NULL: it says nothing
 * of tables. */
json_t *broken_tables_of(const struct manifest *m) MUSTCHECK;
/* Those of which a physical backup has no whole copy, and says so itself; NULL: none. Of m. */
const json_t *broken_tables_missing(const struct manifest *m);
/* m, which is compared with what base was brought forward to, lacks what base does. */
void broken_tables_lack(struct manifest *m, const struct manifest *base);
/* Those of `now` that are in none of the two others (NULL allowed); a new reference. */
json_t *broken_tables_new(const json_t *now, const json_t *then, const json_t *also) MUSTCHECK;
/* "a.b (words), c.d (words), 3 more", as an argument of a sentence (err_words); "" of none.
 * malloc'ed. */
char *broken_tables_words(const json_t *broken) MUSTCHECK;
/* Those that are the practice's, of its database, or the server's own; a new reference. */
json_t *broken_tables_ours(const json_t *broken, const char *database) MUSTCHECK;

#endif
