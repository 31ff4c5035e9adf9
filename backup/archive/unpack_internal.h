/*
 * What the parts of unpack share: unpack.c (layers, the whole archive), unpack_member.c (one
 * member). publish.c reads back through unpack_entries.
 */
#ifndef ELEXGATE_BACKUP_ARCHIVE_UNPACK_INTERNAL_H
#define ELEXGATE_BACKUP_ARCHIVE_UNPACK_INTERNAL_H

#include <archive_entry.h>

#include "backup/archive/manifest_file.h"
#include "backup/archive/parse.h"
#include "backup/archive/place.h"
#include "backup/archive/unpack.h"

struct unpack {
    const struct unpack_options *o;
    struct manifest_file *entries;
    struct source *file, *plain;
    int fd;
    struct parser *parser;
    struct archive_entry *entry; /* the present member */
    uint64_t tar_bytes;
    uint64_t max_bytes, max_files, total;
    struct place *place;
    struct unpack_result result;
    struct manifest_entry want; /* the manifest's entry of this place */
    bool compare;
};

/* As unpack_run; entries (may be NULL) is compared with, age_key (may be NULL) opens the archive.
 */
int unpack_entries(const struct unpack_options *o, struct manifest_file *entries,
    const uint8_t *age_key, struct unpack_result *r, struct err *e) MUSTCHECK;

/* Both fill in e and return the outcome. */
int unpack_damage(struct err *e, const char *fmt, ...) PRINTF(2, 3);
int unpack_unsafe(struct err *e, const char *path, const char *what);
/* The parser's next frame, as an outcome. */
int unpack_next(struct unpack *u, struct parse_frame *f, struct err *e) MUSTCHECK;

/* Compares one member with the manifest's next entry, and puts it into its place. */
int unpack_member(
    struct unpack *u, const char *path, struct archive_entry *ae, struct err *e) MUSTCHECK;
/* Without leading "./", without a trailing "/", and without the first `strip` parts; malloc'ed.
 * Empty: the top folder itself. */
char *unpack_clean_path(const char *raw, unsigned strip) MUSTCHECK;

#endif
