/*
 * Encryption at rest in the age format (age-encryption.org/v1): to X25519 recipients or with a
 * passphrase. Why age: one small format, no key rings and no options to get wrong; `age -d -i KEY`
 * of Debian opens an archive without Elexgate; its primitives (X25519, HKDF-SHA-256,
 * ChaCha20-Poly1305, scrypt) are all in OpenSSL, so nothing has to be installed to make a backup.
 *
 * The practice's machine needs the public key only: a stolen disk holds nothing that opens the
 * archives.
 */
#ifndef ELEXGATE_BACKUP_ARCHIVE_AGE_H
#define ELEXGATE_BACKUP_ARCHIVE_AGE_H

#include <stdbool.h>
#include "backup/archive/stream.h"

#define AGE_KEY_SIZE 32
#define AGE_FILE_KEY 16
#define AGE_LOCKED   1 /* none of the identities, or not the passphrase */

/* "age1…" → 32 bytes. -EINVAL with words. */
int age_recipient_parse(
    const char *text, uint8_t key[static AGE_KEY_SIZE], struct err *e) MUSTCHECK;
/* "AGE-SECRET-KEY-1…" → 32 bytes. */
int age_identity_parse(const char *text, uint8_t key[static AGE_KEY_SIZE], struct err *e) MUSTCHECK;

/* Whether a file is encrypted, by its first bytes: a name can say anything. The position stays. */
bool age_begins(int fd);

/* Encrypts what is written and hands it on to `below`, which it owns from then on (also dropped on
 * failure). Exactly one of recipients (NULL-terminated) and passphrase. The first 64 KiB are handed
 * on only at the end, so that a rewrite never uses a nonce twice. */
int age_sink(struct sink *below, const char *const *recipients, const char *passphrase,
    struct sink **out, struct err *e) MUSTCHECK;

/* The key of this one file, for reading it back right after it was written. Keep it in memory only.
 */
void age_sink_file_key(struct sink *s, uint8_t key[static AGE_FILE_KEY]);

/* Decrypts `below`, not owned. identity_file: lines of secret keys, `#` comments, readable only by
 * its owner. AGE_LOCKED with words; -EBADMSG: not an age file, or damaged in its header. Damage in
 * what follows is -EBADMSG of read; an archive that was cut is noticed. */
int age_source(struct source *below, const char *identity_file, const char *passphrase,
    struct source **out, struct err *e) MUSTCHECK;
/* The same with the file's own key. */
int age_source_with_key(struct source *below, const uint8_t key[static AGE_FILE_KEY],
    struct source **out, struct err *e) MUSTCHECK;

#endif
