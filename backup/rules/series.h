/*
 * One comparison of the series that data files are of ("10.11" of "10.11.19-MariaDB") with the one
 * of the server that is to run on them: for restore, undo, drill, doctor and the plan of a restore.
 * A server reads the files of its own series, and brings those of an older one up to its own, for
 * good; it never reads those of a newer one.
 */
#ifndef ELEXGATE_BACKUP_RULES_SERIES_H
#define ELEXGATE_BACKUP_RULES_SERIES_H

#include <jansson.h>
#include <stdbool.h>
#include "common/memory.h"

enum series_fit {
    SERIES_SAME,
    SERIES_OLDER,  /* the files are of an older series than the server */
    SERIES_NEWER,  /* the files are of a newer one */
    SERIES_UNKNOWN /* one of the two does not say */
};

/* Both are versions as servers write them; NULL or "" = not known. */
enum series_fit series_compare(const char *files, const char *server);

/* [restore] across_series: "ask" lets data of an older series come back, brought up; "no" does not.
 */
bool series_may(enum series_fit fit, const char *across);
/* What comes of it, or why it is refused and what to do instead; for all but SERIES_SAME. A phrase
 * (common/phrase.h), new reference. */
json_t *series_phrase(
    enum series_fit fit, const char *across, const char *files, const char *server) MUSTCHECK;

#endif
