#include "certs/life.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <string.h>
#include "certs/chain.h"
#include "certs/pem.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static X509_STORE *store;

static void open_store(void)
{
    store = X509_STORE_new();
    CHECK(store != NULL);
    X509_STORE_set_default_paths(store); /* where there are none, nothing is added */
    ERR_clear_error();
}

/* A root of this system that issued x. The store keeps what it hands out, so the reference that is
 * given back here is not the last one. */
static X509 *system_root(X509 *x)
{
    X509 *issuer = NULL;
    pthread_once(&once, open_store);
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    CHECK(ctx != NULL && X509_STORE_CTX_init(ctx, store, x, NULL) == 1);
    if (X509_STORE_CTX_get1_issuer(&issuer, ctx, x) != 1)
        issuer = NULL;
    X509_STORE_CTX_free(ctx);
    ERR_clear_error();
    X509_free(issuer);
    return issuer;
}

static int later(const ASN1_TIME *a, const ASN1_TIME *b)
{
    return ASN1_TIME_compare(a, b) > 0;
}

static void offer(struct life *up, X509 *root)
{
    if (root != NULL &&
        (up->ends == NULL || later(X509_get0_notAfter(root), X509_get0_notAfter(up->ends))))
        *up = (struct life){root, root};
}

/* x below the way up. */
static struct life below(X509 *x, struct life up)
{
    struct life l = {x, x};
    if (up.ends != NULL && later(X509_get0_notAfter(x), X509_get0_notAfter(up.ends)))
        l.ends = up.ends;
    if (up.begins != NULL && later(X509_get0_notBefore(up.begins), X509_get0_notBefore(x)))
        l.begins = up.begins;
    return l;
}

struct life life_of(STACK_OF(X509) * chain, STACK_OF(X509) * known)
{
    struct life up = {0};
    for (int i = sk_X509_num(chain) - 1; i >= 0; i--) {
        X509 *x = sk_X509_value(chain, i);
        if (chain_is_root(x)) {
            up = (struct life){x, x};
            continue;
        }
        for (int k = 0; k < sk_X509_num(known); k++)
            if (chain_issued(sk_X509_value(known, k), x))
                offer(&up, sk_X509_value(known, k));
        /* The system's roots are looked at only where they would help: they are many. */
        if (up.ends != NULL && later(X509_get0_notAfter(x), X509_get0_notAfter(up.ends)))
            offer(&up, system_root(x));
        up = below(x, up);
    }
    return up;
}

STACK_OF(X509) * life_known(const char *cert_path)
{
    size_t len;
    STACK_OF(X509) *roots = NULL;
    const char *slash = strrchr(cert_path, '/');
    _cleanup_free_ char *data = NULL;
    _cleanup_free_ char *path = xasprintf(
        "%.*sca.pem", slash != NULL ? (int)(slash + 1 - cert_path) : 0, cert_path);
    if (pem_read_file(path, &data, &len, NULL) < 0 ||
        pem_parse_chain(data, len, path, &roots, NULL) < 0)
        return NULL;
    return roots;
}

X509 *life_root(STACK_OF(X509) * chain, STACK_OF(X509) * known)
{
    struct life best = {0};
    for (int k = 0; k < sk_X509_num(known); k++) {
        X509 *root = sk_X509_value(known, k);
        for (int i = 0; i < sk_X509_num(chain); i++) {
            X509 *x = sk_X509_value(chain, i);
            if (!chain_is_root(x) && chain_issued(root, x))
                offer(&best, root);
        }
    }
    return best.ends;
}

time_t life_of_old_ca(STACK_OF(X509) * chain)
{
    X509 *x = sk_X509_num(chain) > 1 ? sk_X509_value(chain, 1) : NULL;
    struct tm tm;
    if (x == NULL || (X509_get_extension_flags(x) & EXFLAG_SI) == 0 || chain_is_root(x) ||
        ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm) != 1)
        return 0;
    return timegm(&tm);
}

static int read_chain(const char *path, STACK_OF(X509) * *out, struct err *e)
{
    size_t len;
    _cleanup_free_ char *data = NULL;
    int r = pem_read_file(path, &data, &len, e);
    return r < 0 ? r : pem_parse_chain(data, len, path, out, e);
}

int life_ca_of_file(
    const char *cert_path, struct cert_info **root, time_t *old_until, struct err *e)
{
    _cleanup_x509s_ STACK_OF(X509) *chain = NULL;
    _cleanup_x509s_ STACK_OF(X509) *known = life_known(cert_path);
    struct cert_info *info = NULL;
    int r = read_chain(cert_path, &chain, e);
    X509 *x = r == 0 ? life_root(chain, known) : NULL;
    if (x != NULL)
        r = cert_info_new(x, &info, e);
    if (r == 0) {
        *old_until = life_of_old_ca(chain);
        *root = info;
    }
    return r;
}

int life_of_file(
    const char *cert_path, struct cert_info **ends, struct cert_info **begins, struct err *e)
{
    _cleanup_x509s_ STACK_OF(X509) *chain = NULL;
    _cleanup_x509s_ STACK_OF(X509) *known = life_known(cert_path);
    struct cert_info *end = NULL;
    int r = read_chain(cert_path, &chain, e);
    if (r < 0)
        return r;
    struct life life = life_of(chain, known);
    r = cert_info_new(life.ends, &end, e);
    if (r == 0)
        r = cert_info_new(life.begins, begins, e);
    if (r < 0) {
        cert_info_free(end);
        return r;
    }
    *ends = end;
    return 0;
}
