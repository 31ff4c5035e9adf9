/*
 * Verification of published archives against their manifests, with words for each kind of damage,
 * recorded in the status file.
 */
#ifndef ELEXGATE_BACKUP_ARCHIVE_VERIFY_H
#define ELEXGATE_BACKUP_ARCHIVE_VERIFY_H

#include "backup/archive/store.h"
#include "backup/archive/unpack.h"

struct verify_options {
    const char *identity_file; /* for encrypted archives; without it only size and SHA-256 of the
                                  whole file are compared, and the result says so */
    const char *passphrase;
    unsigned threads;
    struct trust *record; /* write the status file, with its key; NULL: do not */
    bool (*go_on)(void *ctx);
    void (*progress)(void *ctx, uint64_t bytes_done, uint64_t bytes_total, const char *path);
    void *ctx;
};
struct verify_result {
    bool good;
    bool whole_file_only; /* encrypted, no identity */
    struct err words;     /* damage: what and where; good: a short sentence */
    uint64_t files, bytes, elapsed_ms;
};
/* 0: look at result; UNPACK_STOPPED; negative: could not even be tried (I/O, permission). */
int verify_item(const char *folder, const struct store_item *it, const struct verify_options *o,
    struct verify_result *r, struct err *e) MUSTCHECK;

#endif
