/*
 * The folder with the practice's certificates, and how a new pair gets into it.
 *
 *   DIR/ca.pem, ca.key        the private CA; ca.key may be encrypted, or kept elsewhere
 *   DIR/cross.pem             where that CA follows another one (certs/successor.h)
 *   DIR/server.pem            -> current/server.pem   leaf and chain, what [tls] certificate names
 *   DIR/server.key            -> current/server.key   what [tls] key names
 *   DIR/current               -> generations/20261122T220102Z-1f0c
 *   DIR/generations/…/        server.pem and server.key of one generation, never changed again
 *   DIR/pending.key           the key of a request that is out for signing
 *   DIR/issued/SERIAL.pem     what the CA has issued to clients
 *   DIR/revoked, crl.pem      what it has taken back (certs/revoke.h)
 *
 * A pair consists of two files, and two files cannot be renamed at once. Therefore a generation is
 * a folder, and one rename of the symlink `current` changes both. Whoever reads the two through
 * `current` while that happens sees it by the resolved paths (cert_pair_load does). A new pair is
 * loaded and checked by the proxy's own rules before the switch. The last three generations are
 * kept.
 *
 * Run as root, the server's two files are given to the user that the proxy runs as, or to the group
 * that proxy and console are in; the folders and the CA's key stay root's. A folder that belongs to
 * somebody else is not written as root: whoever owns it could have the files made, or given away,
 * where he likes.
 */
#ifndef ELEXGATE_CERTS_CERT_STORE_H
#define ELEXGATE_CERTS_CERT_STORE_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <sys/types.h>
#include <time.h>
#include "certs/make.h"
#include "certs/pair.h"
#include "common/error.h"

struct cert_store {
    char *dir;
    char *cert_name, *key_name; /* "server.pem", "server.key" */
    int lock_fd;                /* -1: opened for reading */
    uid_t owner;                /* of new server files; -1: who runs this */
    gid_t group;
    mode_t key_mode; /* 0600, or 0640 where a group shares root's file; pair.h says when */
};

/* cert_name and key_name NULL: the defaults. For writing it makes the folder (mode 0755) where it
 * is missing and takes its lock, so that two commands do not mix: -EBUSY when another one holds it,
 * -EPERM when root would write to another user's folder. Owner and key_mode of new server files are
 * those of the present ones. */
enum cert_store_access { CERT_STORE_READ, CERT_STORE_WRITE };
int cert_store_open(const char *dir, const char *cert_name, const char *key_name,
    enum cert_store_access access, struct cert_store *out, struct err *e) MUSTCHECK;
void cert_store_close(struct cert_store *s); /* also of a zeroed one */
/* DIR/name, malloc'ed. */
char *cert_store_path(const struct cert_store *s, const char *name) MUSTCHECK;

/* Publishes a pair that has been checked by cert_pair_make. */
int cert_store_publish(
    const struct cert_store *s, const struct cert_pair *pair, time_t now, struct err *e) MUSTCHECK;
/* The pair that is in use, also an expired one: it must be readable to be renewed. */
int cert_store_current(const struct cert_store *s, struct cert_pair **out, struct err *e) MUSTCHECK;

/* The pair before it, also an expired one; -ENOENT: there is none. */
int cert_store_previous(
    const struct cert_store *s, struct cert_pair **out, struct err *e) MUSTCHECK;
/* Of two times of folders. */
bool cert_store_is_later(const struct timespec *a, const struct timespec *b);

/* Writes DIR/name whole; refuses to replace one unless told to. */
int cert_store_write(const struct cert_store *s, const char *name, const char *data, size_t len,
    mode_t mode, bool replace, struct err *e) MUSTCHECK;
/* Notes in issued/ what the CA has signed, so that it can be revoked by name. */
int cert_store_note_issued(const struct cert_store *s, X509 *x, struct err *e) MUSTCHECK;

/* 0: there is none; 1: ca.pem is there. */
int cert_store_has_ca(const struct cert_store *s) MUSTCHECK;
/* Writes a new CA. Where there is one: -EEXIST, or with replace the old files get the time as a
 * suffix first and stay. passphrase NULL: the key is not encrypted. */
int cert_store_write_ca(const struct cert_store *s, X509 *ca, EVP_PKEY *key, const char *passphrase,
    bool replace, time_t now, struct err *e) MUSTCHECK;
/* All of ca.pem: the CA that issues, then those that it follows and that are still good. */
int cert_store_read_cas(const struct cert_store *s, STACK_OF(X509) * *out, struct err *e) MUSTCHECK;
/* The first of them. */
int cert_store_read_ca_cert(const struct cert_store *s, X509 **out, struct err *e) MUSTCHECK;
/* key_path NULL: DIR/ca.key. ask is called for the passphrase when the key is encrypted; it returns
 * malloc'ed text (freed with secret_free) or NULL with the error set. ask NULL: -EACCES then. */
typedef char *cert_store_ask_fn(void *ctx, const char *what, struct err *e);
int cert_store_read_ca(const struct cert_store *s, const char *key_path, cert_store_ask_fn *ask,
    void *ctx, X509 **ca, EVP_PKEY **key, struct err *e) MUSTCHECK;

#endif
