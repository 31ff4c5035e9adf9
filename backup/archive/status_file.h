/*
 * <name>.status.json beside an archive: when it was verified and drilled, and how that went. Who
 * can write to the medium could claim it, so it has a seal of its own.
 */
#ifndef ELEXGATE_BACKUP_ARCHIVE_STATUS_FILE_H
#define ELEXGATE_BACKUP_ARCHIVE_STATUS_FILE_H

#include "backup/archive/store.h"

/* What a status is about: of one archive it says nothing about another. */
struct status_subject {
    const char *type, *run;
    const char *digest; /* of its manifest */
};

/* text → struct; -EINVAL with what is wrong; -EPERM: no key of ours vouches for it. Pure. */
int status_parse(const char *text, size_t len, const struct status_subject *about,
    const struct trust *trust, struct store_status *out, struct err *e) MUSTCHECK;
/* A missing file: all zero. */
int status_read(const char *folder, const struct status_subject *about, const struct trust *trust,
    struct store_status *out, struct err *e) MUSTCHECK;
/* {"at","good","words","words_phrase"}; null for at_ms 0. */
json_t *status_check_json(int64_t at_ms, bool good, const struct err *words) MUSTCHECK;
/* What the last drill went through; null when there was none. */
json_t *status_proof_json(const struct store_status *s) MUSTCHECK;
/* {"at","good","words","base"} of the chain; null when it was never tried. */
json_t *status_chain_json(const struct store_status *s) MUSTCHECK;
/* malloc'ed, with a final newline. key NULL: without a seal. */
char *status_text(const struct store_status *s, const struct status_subject *about,
    const struct seal_key *key) MUSTCHECK;

#endif
