/*
 * Manifests on disk: read in bounded memory, written whole or not at all.
 */
#ifndef ELEXGATE_BACKUP_ARCHIVE_MANIFEST_FILE_H
#define ELEXGATE_BACKUP_ARCHIVE_MANIFEST_FILE_H

#include "backup/archive/seal.h"
#include "backup/archive/stream.h"
#include "backup/rules/manifest.h"
#include "common/error.h"

struct manifest_file;

/* Opens and parses the head. -ENOENT: missing; -EINVAL: not a manifest, with what is wrong. An
 * encrypted manifest needs identity_file or passphrase; else both NULL; AGE_LOCKED (1) when they do
 * not open it. expect: the digest that it must have, since the file may have been exchanged after
 * its seal was looked at; NULL = whatever comes. In version 1 it is compared at the end. */
int manifest_file_open(const char *path, const char *identity_file, const char *passphrase,
    const char *expect, struct manifest_file **out, struct err *e) MUSTCHECK;
const struct manifest *manifest_file_head(const struct manifest_file *f);
/* Next entry: 0, 1 = no more, -EINVAL. *en is cleared by the caller. */
int manifest_file_next(struct manifest_file *f, struct manifest_entry *en, struct err *e) MUSTCHECK;
/* Entry lines alone, without head and last line (what pack writes while it runs). The source stays
 * the caller's; there is no head. */
struct manifest_file *manifest_file_entries(struct source *lines) MUSTCHECK;
void manifest_file_close(struct manifest_file *f); /* NULL allowed */
#define _cleanup_manifest_file_ CLEANUP(cleanup_manifest_file)
static inline void cleanup_manifest_file(struct manifest_file **f)
{
    manifest_file_close(*f);
}

/* SHA-256 of the entries' lines up to the end (NULL = of none), for manifest.entries_sha256. */
int manifest_file_digest_lines(
    struct source *lines, char out[static SHA256_HEX_LEN], struct err *e) MUSTCHECK;
/* The whole document to a sink, which the caller finishes: seal (key NULL = none), head, the
 * entries' lines up to the end of `lines` (NULL = none), last line. The head's digest to `digest`.
 */
int manifest_file_write(struct sink *to, const struct manifest *m, struct source *lines,
    const struct seal_key *key, char digest[static SHA256_HEX_LEN], struct err *e) MUSTCHECK;

/* Head, seal and digest of a plain manifest; the caller clears *m. One of version 1 is read to its
 * end. */
int manifest_file_head_read(const char *path, struct manifest *m, struct manifest_seal *seal,
    char digest[static SHA256_HEX_LEN], struct err *e) MUSTCHECK;

#endif
