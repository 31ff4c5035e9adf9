#include "certs/pair.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include "certs/chain.h"
#include "certs/life.h"
#include "certs/pem.h"
#include "certs/trial.h"
#include "common/file.h"

#define LOAD_TRIES 20

struct cert_pair {
    atomic_uint refs;
    X509 *leaf;
    STACK_OF(X509) * chain;   /* behind the leaf, as in the file */
    STACK_OF(X509) * on_wire; /* the same without the root */
    EVP_PKEY *key;
    struct cert_info *info;
    struct cert_info *root;          /* that clients know it by; NULL: none in ca.pem */
    time_t old_ca_until;             /* 0: the CA follows no other one */
    struct cert_info *ends, *begins; /* info itself, or of a certificate of the chain */
    bool issuer_missing;
    struct err unfit; /* why clients refuse it, whatever the date; no code: they take it */
};

static void push_ref(STACK_OF(X509) * to, X509 *x)
{
    CHECK(X509_up_ref(x) == 1 && sk_X509_push(to, x) > 0);
}

static int info_of(struct cert_pair *p, X509 *x, struct cert_info **out, struct err *e)
{
    if (x == p->leaf) {
        *out = p->info;
        return 0;
    }
    return cert_info_new(x, out, e);
}

static int take_dates(
    struct cert_pair *p, STACK_OF(X509) * chain, STACK_OF(X509) * known, struct err *e)
{
    struct life life = life_of(chain, known);
    int r = cert_info_new(p->leaf, &p->info, e);
    if (r == 0)
        r = info_of(p, life.ends, &p->ends, e);
    if (r == 0)
        r = info_of(p, life.begins, &p->begins, e);
    X509 *root = life_root(chain, known);
    p->old_ca_until = life_of_old_ca(chain);
    return r < 0 || root == NULL ? r : cert_info_new(root, &p->root, e);
}

static void take_chain(struct cert_pair *p, STACK_OF(X509) * chain, EVP_PKEY *key)
{
    p->leaf = sk_X509_value(chain, 0);
    p->key = key;
    CHECK(X509_up_ref(p->leaf) == 1 && EVP_PKEY_up_ref(key) == 1);
    p->chain = sk_X509_new_null();
    p->on_wire = sk_X509_new_null();
    CHECK(p->chain != NULL && p->on_wire != NULL);
    for (int i = 1; i < sk_X509_num(chain); i++) {
        X509 *x = sk_X509_value(chain, i);
        push_ref(p->chain, x);
        /* A client that trusts the root has it; half a kilobyte less in every handshake. */
        if (!chain_is_root(x))
            push_ref(p->on_wire, x);
    }
    p->issuer_missing = sk_X509_num(chain) == 1 && !chain_is_root(p->leaf);
}

int cert_pair_make(STACK_OF(X509) * chain, EVP_PKEY *key, STACK_OF(X509) * known,
    const char *cert_name, const char *key_name, struct cert_pair **out, struct err *e)
{
    int r = chain_check(chain, key, cert_name, key_name, e);
    if (r < 0)
        return r;
    struct cert_pair *p = xcalloc(1, sizeof *p);
    atomic_init(&p->refs, 1);
    take_chain(p, chain, key);
    r = take_dates(p, chain, known, e);
    if (r < 0) {
        cert_pair_unref(p);
        return r;
    }
    struct err why = {0};
    SSL_CTX *server = trial_server();
    X509 *top = sk_X509_value(chain, sk_X509_num(chain) - 1);
    if (chain_fits_clients(chain, cert_name, &why) < 0 || cert_pair_apply(p, server, &why) < 0 ||
        trial_handshake(server, top, cert_name, &why) < 0)
        p->unfit = why;
    SSL_CTX_free(server);
    *out = p;
    return 0;
}

/* Where the two files are, and what the messages call them. */
struct place {
    const char *cert_name, *key_name;
    char *cert, *key; /* resolved; NULL when missing */
};

bool cert_key_shared_by_group(const struct stat *st)
{
    return st->st_uid == 0 && st->st_gid != 0 && (st->st_mode & (S_IRWXG | S_IRWXO)) == S_IRGRP;
}

static int check_key_access(const char *path, struct err *e)
{
    struct stat st;
    if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && cert_key_shared_by_group(&st))
        return 0;
    return file_check_private(path, e);
}

static int read_both(const struct place *at, struct cert_pair **out, struct err *e)
{
    const char *cert_path = at->cert != NULL ? at->cert : at->cert_name;
    const char *key_path = at->key != NULL ? at->key : at->key_name;
    _cleanup_free_ char *cert = NULL;
    char *key = NULL;
    size_t cert_len, key_len = 0;
    _cleanup_x509s_ STACK_OF(X509) *chain = NULL;
    _cleanup_x509s_ STACK_OF(X509) *known = life_known(at->cert_name);
    _cleanup_pkey_ EVP_PKEY *pkey = NULL;
    int r = pem_read_file(cert_path, &cert, &cert_len, e);
    if (r == 0)
        r = pem_parse_chain(cert, cert_len, at->cert_name, &chain, e);
    if (r == 0)
        r = pem_read_file(key_path, &key, &key_len, e);
    if (r == 0)
        r = check_key_access(key_path, e);
    if (r == 0)
        r = pem_parse_key(key, key_len, at->key_name, NULL, &pkey, e);
    pem_wipe(key, key_len);
    if (r == 0)
        r = cert_pair_make(chain, pkey, known, at->cert_name, at->key_name, out, e);
    return r;
}

/* A new generation may be published between the two look-ups. Its folder has a name of its own, so
 * the certificate's place, the same before and after that of the key, tells that both are of one
 * generation. What is read is then the resolved files, which never change. */
static bool resolve(struct place *at)
{
    at->cert = realpath(at->cert_name, NULL);
    at->key = realpath(at->key_name, NULL);
    _cleanup_free_ char *again = realpath(at->cert_name, NULL);
    return at->cert == again || (at->cert != NULL && again != NULL && strcmp(at->cert, again) == 0);
}

int cert_pair_load(
    const char *cert_path, const char *key_path, struct cert_pair **out, struct err *e)
{
    int r = err_set(e, EAGAIN, "%s and %s keep changing while they are read", cert_path, key_path);
    for (int i = 0; i < LOAD_TRIES; i++) {
        struct place at = {.cert_name = cert_path, .key_name = key_path};
        bool consistent = resolve(&at);
        if (consistent)
            r = read_both(&at, out, e);
        /* Gone although it was there a moment ago: three generations were published meanwhile. */
        bool gone = consistent && r == -ENOENT && at.cert != NULL && at.key != NULL;
        free(at.cert);
        free(at.key);
        if (consistent && !gone)
            return r;
    }
    return r;
}

struct cert_pair *cert_pair_ref(struct cert_pair *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

void cert_pair_unref(struct cert_pair *p)
{
    if (p == NULL || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
        return;
    X509_free(p->leaf);
    sk_X509_pop_free(p->chain, X509_free);
    sk_X509_pop_free(p->on_wire, X509_free);
    EVP_PKEY_free(p->key);
    if (p->ends != p->info)
        cert_info_free(p->ends);
    if (p->begins != p->info)
        cert_info_free(p->begins);
    cert_info_free(p->info);
    cert_info_free(p->root);
    free(p);
}

int cert_pair_apply(const struct cert_pair *p, SSL_CTX *ctx, struct err *e)
{
    ERR_clear_error();
    /* Else OpenSSL fills up the chain from the store of client CAs when that is set. */
    SSL_CTX_set_mode(ctx, SSL_MODE_NO_AUTO_CHAIN);
    if (SSL_CTX_use_cert_and_key(ctx, p->leaf, p->key, p->on_wire, 1) != 1)
        return err_ssl(e, "OpenSSL does not take the certificate %s", p->info->subject);
    return 0;
}

const struct cert_info *cert_pair_info(const struct cert_pair *p)
{
    return p->info;
}

X509 *cert_pair_leaf(const struct cert_pair *p)
{
    return p->leaf;
}

EVP_PKEY *cert_pair_key(const struct cert_pair *p)
{
    return p->key;
}

STACK_OF(X509) * cert_pair_chain(const struct cert_pair *p)
{
    return p->chain;
}

const struct cert_info *cert_pair_ends(const struct cert_pair *p)
{
    return p->ends;
}

const struct cert_info *cert_pair_begins(const struct cert_pair *p)
{
    return p->begins;
}

const struct cert_info *cert_pair_root(const struct cert_pair *p)
{
    return p->root;
}

time_t cert_pair_old_ca_until(const struct cert_pair *p)
{
    return p->old_ca_until;
}

int cert_pair_dates(const struct cert_pair *p, const char *name, time_t now, struct err *e)
{
    char date[CERT_DATE_LEN];
    if (now > p->ends->not_after) {
        return err_set(e, EKEYEXPIRED,
            "the certificate %s in %s expired on %s: make a new one with `elexgate cert renew`, or install one that its issuer has renewed",
            p->ends->subject, name, cert_date(p->ends->not_after, date));
    }
    if (now < p->begins->not_before) {
        return err_set(e, EKEYEXPIRED,
            "the certificate %s in %s is not valid before %s: check the clock of this machine, or wait until then",
            p->begins->subject, name, cert_date(p->begins->not_before, date));
    }
    return 0;
}

int cert_pair_fits(const struct cert_pair *p, const char *name, time_t now, struct err *e)
{
    return p->unfit.code ? err_copy(e, EINVAL, &p->unfit) : cert_pair_dates(p, name, now, e);
}

const struct err *cert_pair_unfit(const struct cert_pair *p)
{
    return p->unfit.code ? &p->unfit : NULL;
}

int cert_pair_replaces(const struct cert_pair *old, const struct cert_pair *next, const char *name,
    time_t now, struct err *e)
{
    if (old == NULL || next == NULL || X509_cmp(old->leaf, next->leaf) == 0 ||
        cert_pair_fits(old, name, now, NULL) < 0)
        return 0;
    return cert_pair_fits(next, name, now, e);
}

unsigned cert_pair_warnings(const struct cert_pair *p, time_t now)
{
    const unsigned by_date = CERT_WARN_EXPIRES_SOON | CERT_WARN_EXPIRED | CERT_WARN_NOT_YET;
    return (cert_info_warnings(p->info, now) & ~by_date) |
           (cert_info_warnings(p->ends, now) & by_date) |
           (cert_info_warnings(p->begins, now) & CERT_WARN_NOT_YET) |
           (p->root != NULL && p->root->not_after == p->info->not_after ? CERT_WARN_CA_ENDS : 0) |
           (p->ends != p->info ? CERT_WARN_CHAIN_ENDS_FIRST : 0) |
           (p->issuer_missing ? CERT_WARN_ISSUER_MISSING : 0);
}
