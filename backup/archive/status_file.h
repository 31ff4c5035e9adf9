/*
 * <name>.status.json beside an archive: when it was verified and drilled, and how that went.
 */
#ifndef ELEXGATE_BACKUP_ARCHIVE_STATUS_FILE_H
#define ELEXGATE_BACKUP_ARCHIVE_STATUS_FILE_H

#include "backup/archive/store.h"

/* text → struct; -EINVAL with what is wrong. Pure. */
int status_parse(const char *text, size_t len, struct store_status *out, struct err *e) MUSTCHECK;
/* What the last drill went through; null when there was none. */
json_t *status_proof_json(const struct store_status *s) MUSTCHECK;
/* malloc'ed, with a final newline. */
char *status_text(const struct store_status *s) MUSTCHECK;

#endif
