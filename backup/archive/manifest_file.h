/*
 * Manifests on disk: read in bounded memory, written whole or not at all.
 */
#ifndef ELEXGATE_BACKUP_ARCHIVE_MANIFEST_FILE_H
#define ELEXGATE_BACKUP_ARCHIVE_MANIFEST_FILE_H

#include "backup/archive/stream.h"
#include "backup/rules/manifest.h"
#include "common/error.h"

struct manifest_file;

/* Opens and parses the head. -ENOENT: missing; -EINVAL: not a manifest, with what is wrong. An
 * encrypted manifest (.age) needs identity_file or passphrase; else both NULL; AGE_LOCKED (1)
 * when they do not open it. */
int manifest_file_open(const char *path, const char *identity_file, const char *passphrase,
    struct manifest_file **out, struct err *e) MUSTCHECK;
const struct manifest *manifest_file_head(const struct manifest_file *f);
/* Next entry: 0, 1 = no more, -EINVAL. *en is cleared by the caller. */
int manifest_file_next(struct manifest_file *f, struct manifest_entry *en, struct err *e) MUSTCHECK;
/* Entry lines alone, without head and last line (what pack writes while it runs). The source stays
 * the caller's; there is no head. */
struct manifest_file *manifest_file_entries(struct source *lines) MUSTCHECK;
void manifest_file_close(struct manifest_file *f); /* NULL allowed */

/* The whole document to a sink, which the caller finishes: head, the entries' lines up to the end
 * of `lines` (NULL = none), last line. */
int manifest_file_write(
    struct sink *to, const struct manifest *m, struct source *lines, struct err *e) MUSTCHECK;

/* Only the head, copied; the caller clears *m. */
int manifest_file_head_read(const char *path, struct manifest *m, struct err *e) MUSTCHECK;

#endif
