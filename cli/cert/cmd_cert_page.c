/*
 * The page's own certificate: of the same CA, with the same names, and a key of its own, so that
 * who takes the page over has nothing of the gate's. He can still pass for it (SECURITY.md).
 */
#include <errno.h>
#include <libgen.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "certs/pem.h"
#include "certs/successor.h"
#include "cli/cert/cmd_cert.h"
#include "common/lang.h"

/* Where it lies is our business in this folder beneath that of [tls] only: elsewhere it is the
 * admin's. */
#define PAGE_FOLDER "console"

static int open_page(const struct cert_run *run, struct cert_store *out, struct err *e)
{
    const struct config *c = run->config;
    const char *cert = c ? config_str(c, "console", NULL, "certificate") : NULL;
    const char *key = c ? config_str(c, "console", NULL, "key") : NULL;
    if (cert == NULL || key == NULL)
        return 0;
    _cleanup_free_ char *ours = cert_store_path(&run->store, PAGE_FOLDER);
    _cleanup_free_ char *cert1 = xstrdup(cert), *cert2 = xstrdup(cert);
    _cleanup_free_ char *key1 = xstrdup(key), *key2 = xstrdup(key);
    if (strcmp(dirname(cert1), ours) != 0 || strcmp(dirname(key1), ours) != 0)
        return 0;
    int r = cert_store_open(ours, basename(cert2), basename(key2), CERT_STORE_WRITE, out, e);
    if (r < 0)
        return r;
    const struct passwd *pw = getpwnam(config_str(c, "console", NULL, "user"));
    if (geteuid() == 0 && out->owner == (uid_t)-1 && pw != NULL) {
        out->owner = 0;
        out->group = pw->pw_gid;
        out->key_mode = 0640;
    }
    return 1;
}

static void push(STACK_OF(X509) * chain, X509 *x)
{
    CHECK(X509_up_ref(x) == 1 && sk_X509_push(chain, x) > 0);
}

/* A sibling of the server's leaf. */
static int make_sibling(struct cert_run *run, const struct cert_pair *pair, STACK_OF(X509) * chain,
    EVP_PKEY **key, struct err *e)
{
    _cleanup_x509_ X509 *leaf = NULL;
    int r = make_key(cert_key_kind_like(run, cert_pair_key(pair)), key, e);
    if (r == 0)
        r = make_again(cert_pair_leaf(pair), &run->args.names, *key, run->signer,
            run->args.days > 0 ? run->args.days : MAKE_SERVER_DAYS, run->now, &leaf, e);
    if (r < 0)
        return r;
    push(chain, leaf);
    return successor_issuers(&run->store, run->signer->cert, run->now, chain, e);
}

/* What is not of our CA is there once: the page has the same. */
static void share(const struct cert_pair *pair, STACK_OF(X509) * chain, EVP_PKEY **key)
{
    push(chain, cert_pair_leaf(pair));
    for (int i = 0; i < sk_X509_num(cert_pair_chain(pair)); i++)
        push(chain, sk_X509_value(cert_pair_chain(pair), i));
    *key = cert_pair_key(pair);
    CHECK(EVP_PKEY_up_ref(*key) == 1);
}

static int follow(
    struct cert_run *run, struct cert_store *page, const struct cert_pair *pair, struct err *e)
{
    struct cert_pair *next = NULL, *now = NULL;
    _cleanup_x509s_ STACK_OF(X509) *known = NULL;
    _cleanup_pkey_ EVP_PKEY *key = NULL;
    if (run->signer == NULL && cert_is_ours(run, cert_pair_leaf(pair)) &&
        cert_store_current(page, &now, NULL) == 0) {
        bool own = cert_is_ours(run, cert_pair_leaf(now));
        cert_pair_unref(now);
        if (own)
            return 0; /* nothing was issued: its own goes on */
    }
    _cleanup_x509s_ STACK_OF(X509) *chain = sk_X509_new_null();
    CHECK(chain != NULL);
    int r = 0;
    if (run->signer != NULL)
        r = make_sibling(run, pair, chain, &key, e);
    else
        share(pair, chain, &key);
    if (r == 0 && cert_store_has_ca(&run->store))
        r = cert_store_read_cas(&run->store, &known, e);
    if (r == 0)
        r = cert_pair_make(
            chain, key, known, N_("the page's certificate"), N_("the page's key"), &next, e);
    if (r == 0)
        r = cert_store_publish(page, next, run->now, e);
    cert_pair_unref(next);
    return r;
}

int cert_page_follow(struct cert_run *run, const struct cert_pair *pair, struct err *e)
{
    struct cert_store page = {.lock_fd = -1};
    int r = open_page(run, &page, e);
    if (r == 1)
        r = follow(run, &page, pair, e);
    cert_store_close(&page);
    return r;
}
