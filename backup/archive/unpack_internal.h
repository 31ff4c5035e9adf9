/* What publish.c needs of unpack.c: the comparison with entries that are not a manifest file yet.
 */
#ifndef ELEXGATE_BACKUP_ARCHIVE_UNPACK_INTERNAL_H
#define ELEXGATE_BACKUP_ARCHIVE_UNPACK_INTERNAL_H

#include "backup/archive/manifest_file.h"
#include "backup/archive/unpack.h"

/* As unpack_run; entries (may be NULL) is compared with, age_key (may be NULL) opens the archive.
 */
int unpack_entries(const struct unpack_options *o, struct manifest_file *entries,
    const uint8_t *age_key, struct unpack_result *r, struct err *e) MUSTCHECK;

#endif
