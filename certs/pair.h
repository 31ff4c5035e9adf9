/*
 * A server certificate with its chain and its private key: loaded, checked, ready for OpenSSL.
 *
 * Immutable and reference counted, so that several threads' SSL_CTX and the status command share
 * one. Whoever reloads makes a new pair, applies it to a new SSL_CTX, and drops the old pair only
 * then: a bad new pair leaves the old one serving.
 */
#ifndef ELEXGATE_CERTS_PAIR_H
#define ELEXGATE_CERTS_PAIR_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <time.h>
#include "certs/info.h"
#include "common/error.h"

/* A longer certificate or key file is refused before it is parsed. */
#define CERT_FILE_MAX (1024 * 1024)
/* Certificates in one chain. */
#define CERT_CHAIN_MAX 10

struct cert_pair;

/*
 * Reads and checks both files. Each of these is an error with its own sentence that names the file
 * and what to do:
 *   -ENOENT, -EACCES  cannot be read, or the key file can be read by others
 *   -EFBIG            longer than CERT_FILE_MAX
 *   -EBADMSG          no PEM certificate or key in it, or damaged
 *   -EINVAL           key encrypted; key of another certificate; leaf not in front; chain with a
 *                     gap; key or signature too weak; certificate not for servers
 * Whether clients take it is not judged: a program that has served up to the last day must start on
 * the next one, for the clients that do not look. cert_pair_fits judges that, before a pair is
 * exchanged for another one. A certificate that is merely unwise gets a bit in cert_pair_warnings.
 *
 * Roots in ca.pem beside the certificate count as known to the clients (certs/life.h).
 *
 * `elexgate cert` publishes a new pair by switching one symlink (see certs/cert_store.h). Should
 * that happen while the two files are looked up, they are looked up again, so that a certificate
 * and a key of two generations never meet. Both paths may be the same file, which then holds
 * certificate and key.
 */
int cert_pair_load(
    const char *cert_path, const char *key_path, struct cert_pair **out, struct err *e) MUSTCHECK;
/*
 * The key file's rule: its owner alone may read it (0600, 0400), or root owns it and a group that
 * is not root's may read it and do nothing else (0640, 0440): the packages' way to let proxy and
 * console share one key, each as a user of its own.
 */
struct stat;
bool cert_key_shared_by_group(const struct stat *st);
/* The same checks on what is in memory already; the names stand in messages. Takes its own
 * references on key and certificates (chain: leaf first). known: roots that the clients have; NULL:
 * only those of this system. */
int cert_pair_make(STACK_OF(X509) * chain, EVP_PKEY *key, STACK_OF(X509) * known,
    const char *cert_name, const char *key_name, struct cert_pair **out, struct err *e) MUSTCHECK;

struct cert_pair *cert_pair_ref(struct cert_pair *p); /* any thread; returns p */
void cert_pair_unref(struct cert_pair *p);            /* any thread; NULL allowed */
#define _cleanup_cert_pair_ CLEANUP(cert_pair_cleanup)
static inline void cert_pair_cleanup(struct cert_pair **p)
{
    cert_pair_unref(*p);
}

/* Sets certificate, chain and key. ctx keeps its own references. Safe on a shared pair. */
int cert_pair_apply(const struct cert_pair *p, SSL_CTX *ctx, struct err *e) MUSTCHECK;

/* All borrowed, valid while the caller holds its reference. */
const struct cert_info *cert_pair_info(const struct cert_pair *p);
X509 *cert_pair_leaf(const struct cert_pair *p);
EVP_PKEY *cert_pair_key(const struct cert_pair *p);
/* The certificates behind the leaf, may be empty. */
STACK_OF(X509) * cert_pair_chain(const struct cert_pair *p);
/* Of leaf and chain, the certificate that ends first and the one that begins last: nobody who looks
 * comes in after the one or before the other. */
const struct cert_info *cert_pair_ends(const struct cert_pair *p);
const struct cert_info *cert_pair_begins(const struct cert_pair *p);
/* The CA in ca.pem beside it that clients know it by, NULL: none there issued it; and when the CA
 * ends that this one follows, 0: none. */
const struct cert_info *cert_pair_root(const struct cert_pair *p);
time_t cert_pair_old_ca_until(const struct cert_pair *p);
/* -EKEYEXPIRED: one of them has ended, or is not valid yet; name, subject and date in the text. */
int cert_pair_dates(
    const struct cert_pair *p, const char *name, time_t now, struct err *e) MUSTCHECK;
/* Whether a client of today that checks everything would get in: a trial handshake, the rules of
 * Java and GnuTLS, dates. -EINVAL, -EKEYEXPIRED. */
int cert_pair_fits(
    const struct cert_pair *p, const char *name, time_t now, struct err *e) MUSTCHECK;
/* The first of these two alone, NULL where clients take it. */
const struct err *cert_pair_unfit(const struct cert_pair *p);
/* For every exchange of a served pair: one that clients take is not given up for one that they
 * refuse; what they refuse already (old NULL: nothing) may be replaced by anything. The same leaf
 * as before is no exchange, since other settings must still be taken. */
int cert_pair_replaces(const struct cert_pair *old, const struct cert_pair *next, const char *name,
    time_t now, struct err *e) MUSTCHECK;
/* cert_warning bits at the time now. */
unsigned cert_pair_warnings(const struct cert_pair *p, time_t now);

#endif
