#include "certs/successor.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "certs/chain.h"
#include "certs/pem.h"

#define DAY         ((time_t)86400)
#define SERIAL_LEN  16
#define OVER_BEFORE (3 * DAY) /* a renewal's timer comes once a day */

static void set_serial(X509 *x)
{
    unsigned char bytes[SERIAL_LEN];
    CHECK(RAND_bytes(bytes, sizeof bytes) == 1);
    bytes[0] = (bytes[0] & 0x7f) | 0x40;
    BIGNUM *bn = BN_bin2bn(bytes, sizeof bytes, NULL);
    CHECK(bn != NULL && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x)) != NULL);
    BN_free(bn);
}

static void set_end(X509 *x, const ASN1_TIME *latest)
{
    if (ASN1_TIME_compare(X509_get0_notAfter(x), latest) > 0)
        CHECK(X509_set1_notAfter(x, latest) == 1);
}

static void replace_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    int at = X509_get_ext_by_NID(x, nid, -1);
    if (at >= 0)
        X509_EXTENSION_free(X509_delete_ext(x, at));
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    CHECK(ext != NULL && X509_add_ext(x, ext, -1) == 1);
    X509_EXTENSION_free(ext);
}

static const EVP_MD *digest_for(EVP_PKEY *key)
{
    return EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 ? NULL : EVP_sha256();
}

/* A copy of the old CA: name, constraints and usage are the same, key and dates are not. */
static int make_root(X509 *old, struct successor *out, int days, time_t now, struct err *e)
{
    X509 *x = X509_dup(old);
    time_t from = now - 3600, to = now + days * DAY;
    CHECK(x != NULL && X509_time_adj_ex(X509_getm_notBefore(x), 0, 0, &from) != NULL &&
          X509_time_adj_ex(X509_getm_notAfter(x), 0, 0, &to) != NULL);
    set_serial(x);
    CHECK(X509_set_pubkey(x, out->key) == 1);
    replace_extension(x, x, NID_subject_key_identifier, "hash");
    out->root = x;
    return X509_sign(x, out->key, digest_for(out->key)) > 0
               ? 0
               : err_ssl(e, "the next CA could not be signed");
}

static int make_cross(const struct make_signer *old, struct successor *out, struct err *e)
{
    X509 *x = X509_dup(out->root);
    CHECK(x != NULL);
    set_serial(x);
    set_end(x, X509_get0_notAfter(old->cert));
    replace_extension(x, old->cert, NID_authority_key_identifier, "keyid:always");
    out->cross = x;
    return X509_sign(x, old->key, digest_for(old->key)) > 0
               ? 0
               : err_ssl(e, "the cross-signature could not be made");
}

int successor_make(const struct make_signer *old, enum make_key_kind kind, int days, time_t now,
    struct successor *out, struct err *e)
{
    struct successor next = {0};
    ERR_clear_error();
    int r = make_key(kind, &next.key, e);
    if (r == 0)
        r = make_root(old->cert, &next, days, now, e);
    if (r == 0 && X509_cmp_time(X509_get0_notAfter(old->cert), &now) > 0)
        r = make_cross(old, &next, e);
    if (r < 0) {
        successor_clear(&next);
        return r;
    }
    *out = next;
    return 0;
}

void successor_clear(struct successor *s)
{
    X509_free(s->root);
    X509_free(s->cross);
    EVP_PKEY_free(s->key);
    *s = (struct successor){0};
}

static int write_certs(
    const struct cert_store *s, const char *name, X509 *a, X509 *b, struct err *e)
{
    size_t len;
    STACK_OF(X509) *list = sk_X509_new_null();
    CHECK(list != NULL && sk_X509_push(list, a) > 0 && (b == NULL || sk_X509_push(list, b) > 0));
    _cleanup_free_ char *pem = pem_write_certs(list, &len);
    sk_X509_free(list);
    return cert_store_write(s, name, pem, len, 0644, true, e);
}

/* The old key gets a second name first: at no moment is there none. A crash between the last two
 * files leaves the new key with the old certificate, which cert_store_read_ca says in words. */
static int write_key(
    const struct cert_store *s, EVP_PKEY *key, const char *passphrase, time_t now, struct err *e)
{
    size_t len;
    _cleanup_free_ char *path = cert_store_path(s, "ca.key");
    _cleanup_free_ char *kept = xasprintf("%s.replaced-%lld", path, (long long)now);
    if (link(path, kept) < 0 && errno != ENOENT && errno != EEXIST)
        return err_sys(e, errno, "cannot keep the old CA's key as %s", kept);
    char *pem = pem_write_key(key, passphrase, &len);
    int r = cert_store_write(s, "ca.key", pem, len, 0600, true, e);
    pem_wipe(pem, len);
    return r;
}

int successor_publish(const struct cert_store *s, const struct successor *next, X509 *old,
    const char *passphrase, time_t now, struct err *e)
{
    int r = next->cross != NULL ? write_certs(s, "cross.pem", next->cross, NULL, e) : 0;
    if (r == 0)
        r = write_key(s, next->key, passphrase, now, e);
    return r < 0 ? r : write_certs(s, "ca.pem", next->root, next->cross != NULL ? old : NULL, e);
}

static void push(STACK_OF(X509) * to, X509 *x)
{
    CHECK(X509_up_ref(x) == 1 && sk_X509_push(to, x) > 0);
}

static bool ends_by(X509 *x, time_t moment)
{
    return X509_cmp_time(X509_get0_notAfter(x), &moment) < 0;
}

/* cross.pem, where it belongs to ca and is of use; NULL otherwise. */
static X509 *read_cross(const struct cert_store *s, X509 *ca, time_t now)
{
    size_t len;
    _cleanup_free_ char *path = cert_store_path(s, "cross.pem");
    _cleanup_free_ char *data = NULL;
    _cleanup_x509s_ STACK_OF(X509) *list = NULL;
    if (access(path, F_OK) < 0 || pem_read_file(path, &data, &len, NULL) < 0 ||
        pem_parse_chain(data, len, path, &list, NULL) < 0)
        return NULL;
    X509 *x = sk_X509_value(list, 0);
    EVP_PKEY *key = X509_get0_pubkey(x);
    if (key == NULL || EVP_PKEY_eq(key, X509_get0_pubkey(ca)) != 1 || ends_by(x, now + OVER_BEFORE))
        return NULL;
    CHECK(X509_up_ref(x) == 1);
    return x;
}

int successor_issuers(
    const struct cert_store *s, X509 *ca, time_t now, STACK_OF(X509) * chain, struct err *e)
{
    _cleanup_x509_ X509 *cross = read_cross(s, ca, now);
    _cleanup_x509s_ STACK_OF(X509) *all = NULL;
    if (cross == NULL) {
        push(chain, ca);
        return 0;
    }
    push(chain, cross);
    int r = cert_store_read_cas(s, &all, e);
    for (int i = 1; r == 0 && i < sk_X509_num(all); i++) {
        if (chain_issued(sk_X509_value(all, i), cross)) {
            push(chain, sk_X509_value(all, i));
            break;
        }
    }
    return r;
}

bool successor_is_over(const struct cert_pair *pair, time_t now)
{
    STACK_OF(X509) *chain = cert_pair_chain(pair);
    X509 *x = sk_X509_num(chain) > 0 ? sk_X509_value(chain, 0) : NULL;
    return x != NULL && (X509_get_extension_flags(x) & EXFLAG_SI) != 0 && !chain_is_root(x) &&
           ends_by(x, now + OVER_BEFORE);
}

int successor_prune(const struct cert_store *s, time_t now, struct err *e)
{
    _cleanup_x509s_ STACK_OF(X509) *all = NULL;
    int r = cert_store_read_cas(s, &all, e), n = r == 0 ? sk_X509_num(all) : 0;
    for (int i = n - 1; i > 0; i--)
        if (ends_by(sk_X509_value(all, i), now))
            X509_free(sk_X509_delete(all, i));
    if (r < 0 || sk_X509_num(all) == n)
        return r;
    size_t len;
    _cleanup_free_ char *pem = pem_write_certs(all, &len);
    return cert_store_write(s, "ca.pem", pem, len, 0644, true, e);
}
