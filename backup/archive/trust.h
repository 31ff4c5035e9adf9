/*
 * Who made an archive, and whether we stand by it: the keys of this installation, the ledger, and
 * the keys of others that the admin trusts ([archive] trust).
 *
 * In state_dir/seal, of which only the job reads the first:
 *   key      the secret key that seals
 *   own      all public keys that this installation ever sealed with, a line each, the last in use
 *   ledger   see ledger.h
 *   media    the backup folders' marks, see medium.h
 *
 * Rules: what is OURS is drilled, counted by retention and meant by "latest". TRUSTED is restored
 * when it is named, and meant by "latest" where nothing of ours is. Everything else is only taken
 * with --foreign, by somebody who knows where it comes from.
 */
#ifndef ELEXGATE_BACKUP_ARCHIVE_TRUST_H
#define ELEXGATE_BACKUP_ARCHIVE_TRUST_H

#include "backup/archive/ledger.h"
#include "backup/archive/seal.h"

enum standing {
    STANDING_UNSEALED, /* nobody vouches for it: from before the seal, or from anybody */
    STANDING_BROKEN,   /* it was changed after it was sealed */
    STANDING_STRANGER, /* sealed with a key that we do not know */
    STANDING_UNLISTED, /* sealed with our key, and the ledger does not know it */
    STANDING_TRUSTED,  /* sealed with a key of [archive] trust */
    STANDING_ADOPTED,  /* taken over by hand */
    STANDING_REPLACED, /* something else lies where the ledger has one of ours */
    STANDING_OWN,
    STANDINGS
};

struct trust {
    char *folder;
    struct seal_key key; /* only after trust_load_key or trust_make_key */
    bool has_key;
    char (*own)[SEAL_KEY_HEX_LEN]; /* the last one is in use */
    size_t own_count;
    const char *const *trusted; /* borrowed */
    struct ledger ledger;
};

/* What is known without the secret key. A state folder that is not there knows nothing. -EINVAL: a
 * key of trusted that is none. trusted must outlive it. */
int trust_open(
    const char *state_dir, const char *const *trusted, struct trust *out, struct err *e) MUSTCHECK;
void trust_close(struct trust *t);

/* The secret key, for sealing. 1: there is none. */
int trust_load_key(struct trust *t, struct err *e) MUSTCHECK;
/* Loads it; the first time, and when it was lost, it is made. *made says so. */
int trust_ready(struct trust *t, bool *made, struct err *e) MUSTCHECK;
/* From now on this key seals; the former ones stay our own. */
int trust_use_key(struct trust *t, const struct seal_key *key, struct err *e) MUSTCHECK;
bool trust_is_own_key(const struct trust *t, const char *public);

/* digest: the digest of the manifest, whose head is m. */
enum standing trust_standing(const struct trust *t, const struct manifest *m,
    const struct manifest_seal *seal, const char *digest);
/* Its place in the order is ours; what was replaced is never complete, and so never used. */
static inline bool standing_ours(enum standing s)
{
    return s == STANDING_OWN || s == STANDING_ADOPTED || s == STANDING_REPLACED;
}
static inline bool standing_good(enum standing s)
{
    return standing_ours(s) || s == STANDING_TRUSTED;
}
const char *standing_name(enum standing s); /* "own", "adopted", "foreign", ... for programs */
const char *standing_words(enum standing s);

#endif
