#include "certs/chain.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>
#include <string.h>
#include "certs/info.h"
#include "certs/names.h"
#include "certs/pair.h"
#include "common/lang.h"

#define RSA_MIN_BITS       2048
#define EC_MIN_BITS        256
#define SIGNATURE_MIN_BITS 100 /* security bits: SHA-1 has 63, SHA-256 128 */

/* The subject as text, for messages; long ones are cut. */
#define NAME_LEN 96
static char *name_of(X509_NAME *n, char buf[static NAME_LEN])
{
    BIO *b = BIO_new(BIO_s_mem());
    CHECK(b != NULL);
    X509_NAME_print_ex(b, n, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);
    int len = BIO_read(b, buf, NAME_LEN - 1);
    buf[len > 0 ? len : 0] = '\0';
    BIO_free(b);
    return buf;
}

static bool matches(X509 *x, EVP_PKEY *key)
{
    EVP_PKEY *pub = X509_get0_pubkey(x);
    bool same = pub != NULL && EVP_PKEY_eq(pub, key) == 1;
    ERR_clear_error();
    return same;
}

bool chain_issued(X509 *issuer, X509 *subject)
{
    EVP_PKEY *pub = X509_get0_pubkey(issuer);
    bool ok = pub != NULL && X509_check_issued(issuer, subject) == X509_V_OK &&
              X509_verify(subject, pub) == 1;
    ERR_clear_error();
    return ok;
}

bool chain_is_root(X509 *x)
{
    return (X509_get_extension_flags(x) & EXFLAG_SI) != 0 && matches(x, X509_get0_pubkey(x)) &&
           X509_self_signed(x, 1) == 1;
}

static int check_leaf_key(STACK_OF(X509) * chain, EVP_PKEY *key, const char *cert_name,
    const char *key_name, struct err *e)
{
    char who[NAME_LEN];
    if (matches(sk_X509_value(chain, 0), key))
        return 0;
    for (int i = 1; i < sk_X509_num(chain); i++) {
        if (matches(sk_X509_value(chain, i), key)) {
            return err_set(e, EINVAL,
                "the certificates in %s are in the wrong order: the server's own comes first, here it is number %d; `elexgate cert install` puts them right",
                cert_name, i + 1);
        }
    }
    name_of(X509_get_subject_name(sk_X509_value(chain, 0)), who);
    return err_set(e, EINVAL,
        "the key in %s does not belong to the certificate in %s (%s): use the key that was made with its request",
        key_name, cert_name, who);
}

static int check_link(STACK_OF(X509) * chain, int i, const char *name, struct err *e)
{
    X509 *cur = sk_X509_value(chain, i);
    char who[NAME_LEN], issuer[NAME_LEN];
    name_of(X509_get_subject_name(cur), who);
    name_of(X509_get_issuer_name(cur), issuer);
    if (chain_issued(sk_X509_value(chain, i + 1), cur))
        return 0;
    for (int j = 0; j < sk_X509_num(chain); j++) {
        if (j != i && chain_issued(sk_X509_value(chain, j), cur)) {
            return err_set(e, EINVAL,
                "the certificates in %s are in the wrong order: the issuer of %s comes next, but it is number %d; `elexgate cert install` puts them right",
                name, who, j + 1);
        }
    }
    if (chain_is_root(cur)) {
        return err_set(e, EINVAL,
            "%s holds further certificates behind the root %s: remove what does not belong to the chain",
            name, who);
    }
    return err_set(e, EINVAL,
        "%s lacks an intermediate certificate: %s was issued by %s, which is not in the file; get it from the issuer",
        name, who, issuer);
}

static bool weak_key(EVP_PKEY *k)
{
    int bits = EVP_PKEY_get_bits(k);
    switch (EVP_PKEY_get_base_id(k)) {
    case EVP_PKEY_RSA:
    case EVP_PKEY_RSA_PSS:
        return bits < RSA_MIN_BITS;
    case EVP_PKEY_EC:
        return bits < EC_MIN_BITS;
    case EVP_PKEY_ED25519:
    case EVP_PKEY_ED448:
        return false;
    default:
        return true; /* DSA, DH and what nobody uses in TLS */
    }
}

static int check_strength(X509 *x, const char *name, struct err *e)
{
    char who[NAME_LEN];
    name_of(X509_get_subject_name(x), who);
    EVP_PKEY *k = X509_get0_pubkey(x);
    if (k == NULL) {
        ERR_clear_error();
        return err_set(e, EBADMSG, "the public key of %s in %s cannot be read", who, name);
    }
    if (weak_key(k)) {
        return err_set(e, EINVAL,
            "the key of %s in %s is too weak (%s, %d bits): clients refuse it; make a new one, EC P-256 or RSA with at least %d bits",
            who, name, OBJ_nid2sn(EVP_PKEY_get_base_id(k)), EVP_PKEY_get_bits(k), RSA_MIN_BITS);
    }
    int bits = 0;
    /* What a root signed itself with is no proof of anything, so it may be old. */
    if (!chain_is_root(x) && X509_get_signature_info(x, NULL, NULL, &bits, NULL) == 1 &&
        bits < SIGNATURE_MIN_BITS) {
        return err_set(e, EINVAL,
            "%s in %s is signed in an outdated way (%s): clients refuse it; have it issued anew with SHA-256",
            who, name, OBJ_nid2ln(X509_get_signature_nid(x)));
    }
    return 0;
}

static int check_purpose(X509 *leaf, const char *name, struct err *e)
{
    if (X509_check_purpose(leaf, X509_PURPOSE_SSL_SERVER, 0) == 1)
        return 0;
    return err_set(e, EINVAL,
        "the certificate in %s is not made for servers (key usage): clients refuse it; make one with `elexgate cert init`",
        name);
}

/* Java has disabled the others, and GnuTLS never had them. */
static bool known_curve(EVP_PKEY *k)
{
    char group[64];
    size_t len = 0;
    if (EVP_PKEY_get_group_name(k, group, sizeof group, &len) != 1) {
        ERR_clear_error();
        return false; /* explicit parameters */
    }
    int nid = OBJ_txt2nid(group);
    return nid == NID_X9_62_prime256v1 || nid == NID_secp384r1 || nid == NID_secp521r1;
}

static int check_curve(X509 *x, const char *name, struct err *e)
{
    char who[NAME_LEN];
    EVP_PKEY *k = X509_get0_pubkey(x);
    if (k == NULL || EVP_PKEY_get_base_id(k) != EVP_PKEY_EC || known_curve(k))
        return 0;
    return err_set(e, EINVAL,
        "the key of %s in %s is on an elliptic curve that Java and other clients do not take; have it issued for a key of EC P-256, P-384, P-521 or RSA",
        name_of(X509_get_subject_name(x), who), name);
}

/* With forward secrecy the server's key signs. Java and GnuTLS hold the key usage to that. */
static int check_signs(X509 *leaf, const char *name, struct err *e)
{
    if ((X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE) != 0) /* all bits when it has none */
        return 0;
    return err_set(e, EINVAL,
        "the key of the certificate in %s may not sign (key usage without digitalSignature): Java, browsers and others refuse it; have it issued with that usage",
        name);
}

static bool constrains_hosts(X509 *ca)
{
    NAME_CONSTRAINTS *nc = X509_get_ext_d2i(ca, NID_name_constraints, NULL, NULL);
    bool any = false;
    for (int i = 0; nc != NULL && i < sk_GENERAL_SUBTREE_num(nc->permittedSubtrees); i++)
        any = any || sk_GENERAL_SUBTREE_value(nc->permittedSubtrees, i)->base->type == GEN_DNS;
    NAME_CONSTRAINTS_free(nc);
    return any;
}

/* What GnuTLS does and OpenSSL does not: without a host name among the SANs any common name counts
 * as one, and a CA's constraints are held against it. */
static int check_common_name(STACK_OF(X509) * chain, const char *name, struct err *e)
{
    _cleanup_cert_info_ struct cert_info *i = NULL;
    bool constrained = false;
    int r = cert_info_new(sk_X509_value(chain, 0), &i, e);
    for (int k = 1; k < sk_X509_num(chain); k++)
        constrained = constrained || constrains_hosts(sk_X509_value(chain, k));
    if (r == 0 && constrained && i->dns[0] == NULL && i->common_name[0] != '\0' &&
        names_check_host(i->common_name, NULL) < 0) {
        r = err_set(e, EINVAL,
            "the certificate in %s has no host name, and its common name \"%s\" can be none either: programs with GnuTLS hold it against the CA's constraints and refuse it; `elexgate cert renew` makes one without it",
            name, i->common_name);
    }
    return r;
}

int chain_fits_clients(STACK_OF(X509) * chain, const char *name, struct err *e)
{
    int r = check_signs(sk_X509_value(chain, 0), name, e);
    for (int i = 0; r == 0 && i < sk_X509_num(chain); i++)
        r = check_curve(sk_X509_value(chain, i), name, e);
    return r < 0 ? r : check_common_name(chain, name, e);
}

int chain_check(STACK_OF(X509) * chain, EVP_PKEY *key, const char *cert_name, const char *key_name,
    struct err *e)
{
    int n = sk_X509_num(chain);
    if (n > CERT_CHAIN_MAX) {
        return err_set(e, EINVAL, "%s holds %d certificates, a chain has at most %d", cert_name, n,
            CERT_CHAIN_MAX);
    }
    int r = check_leaf_key(chain, key, cert_name, key_name, e);
    for (int i = 0; r == 0 && i + 1 < n; i++)
        r = check_link(chain, i, cert_name, e);
    for (int i = 0; r == 0 && i < n; i++)
        r = check_strength(sk_X509_value(chain, i), cert_name, e);
    if (r == 0)
        r = check_purpose(sk_X509_value(chain, 0), cert_name, e);
    return r;
}

static bool valid_at(X509 *x, time_t now)
{
    return X509_cmp_time(X509_get0_notBefore(x), &now) < 0 &&
           X509_cmp_time(X509_get0_notAfter(x), &now) > 0;
}

/* A later end is better; one that is valid now is better than any that is not. */
static bool better(X509 *x, X509 *than, time_t now)
{
    return than == NULL || (valid_at(x, now) && !valid_at(than, now)) ||
           (valid_at(x, now) == valid_at(than, now) &&
               ASN1_TIME_compare(X509_get0_notAfter(x), X509_get0_notAfter(than)) > 0);
}

/* The issuer of that one or, of NULL, the certificate of key: a bundle may hold an old one as well.
 */
static X509 *find_best(STACK_OF(X509) * pool, X509 *of, EVP_PKEY *key, time_t now)
{
    X509 *best = NULL;
    for (int i = 0; i < sk_X509_num(pool); i++) {
        X509 *x = sk_X509_value(pool, i);
        if ((of != NULL ? chain_issued(x, of) : matches(x, key)) && better(x, best, now))
            best = x;
    }
    return best;
}

static bool holds(STACK_OF(X509) * list, X509 *x)
{
    for (int i = 0; i < sk_X509_num(list); i++)
        if (X509_cmp(sk_X509_value(list, i), x) == 0)
            return true;
    return false;
}

static void add_roots(X509_STORE *store, STACK_OF(X509) * list)
{
    for (int i = 0; i < sk_X509_num(list); i++)
        if (chain_is_root(sk_X509_value(list, i)))
            X509_STORE_add_cert(store, sk_X509_value(list, i));
}

/* The path that OpenSSL finds from leaf to a root: of clients, else also one in pool. NULL: none.
 */
static STACK_OF(X509) *
    verified_path(STACK_OF(X509) * pool, STACK_OF(X509) * roots, X509 *leaf, time_t now)
{
    STACK_OF(X509) *path = NULL;
    for (int attempt = 0; attempt < 2 && path == NULL; attempt++) {
        X509_STORE *store = X509_STORE_new();
        X509_STORE_CTX *ctx = X509_STORE_CTX_new();
        CHECK(store != NULL && ctx != NULL);
        X509_STORE_set_default_paths(store);
        add_roots(store, roots);
        if (attempt == 1)
            add_roots(store, pool);
        CHECK(X509_STORE_CTX_init(ctx, store, leaf, pool) == 1);
        X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(ctx), now);
        if (X509_verify_cert(ctx) == 1)
            path = X509_STORE_CTX_get1_chain(ctx);
        X509_STORE_CTX_free(ctx);
        X509_STORE_free(store);
        ERR_clear_error();
    }
    return path;
}

static void push_ref(STACK_OF(X509) * to, X509 *x)
{
    CHECK(X509_up_ref(x) == 1 && sk_X509_push(to, x) > 0);
}

int chain_build(STACK_OF(X509) * pool, EVP_PKEY *key, STACK_OF(X509) * roots, time_t now,
    const char *name, STACK_OF(X509) * *out, struct err *e)
{
    X509 *leaf = find_best(pool, NULL, key, now);
    if (leaf == NULL) {
        return err_set(e, EINVAL,
            "no certificate in %s belongs to the private key: use the key that was made with its request",
            name);
    }
    STACK_OF(X509) *chain = sk_X509_new_null();
    CHECK(chain != NULL);
    STACK_OF(X509) *path = verified_path(pool, roots, leaf, now);
    push_ref(chain, leaf);
    for (int i = 1; i < sk_X509_num(path) && holds(pool, sk_X509_value(path, i)); i++)
        push_ref(chain, sk_X509_value(path, i));
    /* Beyond the path: cross-signatures for old clients, as long as they are valid. Without a path
     * everything that fits, so that the checks can say what is wrong with it. */
    X509 *cur = sk_X509_value(chain, sk_X509_num(chain) - 1);
    while (!chain_is_root(cur) && sk_X509_num(chain) < CERT_CHAIN_MAX) {
        cur = find_best(pool, cur, NULL, now);
        if (cur == NULL || holds(chain, cur) || (path != NULL && !valid_at(cur, now)))
            break;
        push_ref(chain, cur);
    }
    sk_X509_pop_free(path, X509_free);
    *out = chain;
    return 0;
}

/* Verifies x against store; returns OpenSSL's code and the certificate at fault. */
static int verify(X509_STORE *store, X509 *x, STACK_OF(X509) * untrusted, unsigned long flags,
    time_t now, X509 **at)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    CHECK(ctx != NULL && X509_STORE_CTX_init(ctx, store, x, untrusted) == 1);
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_flags(param, flags);
    if (now != 0)
        X509_VERIFY_PARAM_set_time(param, now);
    int code = X509_verify_cert(ctx) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(ctx);
    X509 *current = X509_STORE_CTX_get_current_cert(ctx);
    if (at != NULL && current != NULL && X509_up_ref(current) == 1)
        *at = current;
    X509_STORE_CTX_free(ctx);
    ERR_clear_error();
    return code;
}

/* A certificate that has this one name, for OpenSSL's own judgement of it. */
static bool name_permitted(NAME_CONSTRAINTS *nc, GENERAL_NAME *name)
{
    X509 *one = X509_new();
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    CHECK(one != NULL && names != NULL && sk_GENERAL_NAME_push(names, name) > 0 &&
          X509_add1_ext_i2d(one, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1);
    (void)X509_check_purpose(one, -1, 0); /* has OpenSSL read its names */
    bool good = NAME_CONSTRAINTS_check(one, nc) == X509_V_OK;
    (void)sk_GENERAL_NAME_pop(names); /* the caller's */
    GENERAL_NAMES_free(names);
    X509_free(one);
    return good;
}

char *chain_outside(X509 *ca, X509 *leaf)
{
    char *all = NULL;
    NAME_CONSTRAINTS *nc = X509_get_ext_d2i(ca, NID_name_constraints, NULL, NULL);
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; nc != NULL && i < sk_GENERAL_NAME_num(names); i++) {
        GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        char text[256] = "";
        if (name_permitted(nc, name))
            continue;
        BIO *b = BIO_new(BIO_s_mem());
        CHECK(b != NULL);
        GENERAL_NAME_print(b, name); /* "DNS:praxis.example" */
        int n = BIO_read(b, text, sizeof text - 1);
        text[n > 0 ? n : 0] = '\0';
        BIO_free(b);
        const char *plain = strchr(text, ':') ? strchr(text, ':') + 1 : text;
        char *longer = xasprintf("%s%s%s", all ? all : "", all ? ", " : "", plain);
        free(all);
        all = longer;
    }
    char common[256];
    if (all == NULL && nc != NULL &&
        X509_NAME_get_text_by_NID(
            X509_get_subject_name(leaf), NID_commonName, common, sizeof common) > 0)
        all = xstrdup(common);
    NAME_CONSTRAINTS_free(nc);
    GENERAL_NAMES_free(names);
    return all;
}

int chain_permitted(X509 *ca, X509 *leaf, time_t now, struct err *e)
{
    X509_STORE *store = X509_STORE_new();
    CHECK(store != NULL && X509_STORE_add_cert(store, ca) == 1);
    int code = verify(store, leaf, NULL, X509_V_FLAG_X509_STRICT, now, NULL);
    X509_STORE_free(store);
    if (code == X509_V_OK)
        return 0;
    _cleanup_free_ char *outside = code == X509_V_ERR_PERMITTED_VIOLATION ||
                                           code == X509_V_ERR_EXCLUDED_VIOLATION
                                       ? chain_outside(ca, leaf)
                                       : NULL;
    if (outside) {
        return err_set(e, EINVAL,
            N_("the CA may not issue for %s: it was made for the names and networks that `elexgate cert show` lists; others need a new CA, `elexgate cert init --force --permit NAME`"),
            outside);
    }
    return err_set(e, EINVAL, N_("the CA cannot issue this certificate: %s"),
        X509_verify_cert_error_string(code));
}

int chain_complete(STACK_OF(X509) * chain, STACK_OF(X509) * roots, const char *name, struct err *e)
{
    X509_STORE *store = X509_STORE_new();
    X509 *at = NULL;
    CHECK(store != NULL);
    X509_STORE_set_default_paths(store); /* where there are none, nothing is added */
    add_roots(store, chain);
    add_roots(store, roots);
    /* Dates are chain_check's business, which says more about them. */
    int code = verify(store, sk_X509_value(chain, 0), chain, X509_V_FLAG_NO_CHECK_TIME, 0, &at);
    X509_STORE_free(store);
    char who[NAME_LEN] = "", issuer[NAME_LEN] = "";
    if (at != NULL) {
        name_of(X509_get_subject_name(at), who);
        name_of(X509_get_issuer_name(at), issuer);
    }
    X509_free(at);
    switch (code) {
    case X509_V_OK:
        return 0;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return err_set(e, EINVAL,
            "an intermediate certificate is missing: %s was issued by %s, which is neither in %s nor trusted by this system; name its file as a further argument, or with --trust if it is the root that your workstations know",
            who, issuer, name);
    default:
        return err_set(e, EINVAL, "the chain of %s does not hold: %s (%s)", name,
            X509_verify_cert_error_string(code), who);
    }
}
