/*
 * elexgate cert page: the page's own certificate, of a CA of its own. No workstation knows that CA:
 * who takes the page over can neither read what goes to the gate nor pass for it.
 *
 * The CA lies beside the certificate, its key unencrypted and root's; it is worth no more than the
 * certificate's, which browsers take just so. Where it is missing, at its end, or may not issue for
 * a name, another one is made.
 */
#include <errno.h>
#include <libgen.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "certs/chain.h"
#include "certs/pem.h"
#include "certs/renew.h"
#include "cli/cert/cmd_cert.h"
#include "common/lang.h"

/* Where it lies is our business in this folder beneath that of [tls] only: elsewhere it is the
 * admin's. */
#define PAGE_FOLDER "console"

/* 1: it is open; 0: the page has none in that folder. */
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

/* Those of the server's certificate, as far as one of ours can have them. */
static void take_names(struct cert_names *to, const struct cert_info *server)
{
    for (char **p = server->dns; *p; p++)
        (void)!cert_names_add_host(to, *p, NULL);
    for (char **p = server->ip; *p; p++)
        (void)!cert_names_add_ip(to, *p, NULL);
    if (to->dns.n + to->ip.n == 0)
        names_add(&to->dns, "localhost");
}

/* page->args has names and days. -EKEYEXPIRED: its CA ends before the certificate would. */
static int issue(const struct cert_run *page, const struct cert_pair *server,
    const struct make_signer *by, EVP_PKEY *key, X509 **out, struct err *e)
{
    _cleanup_x509_ X509 *leaf = NULL;
    int days = page->args.days > 0 && page->args.days < MAKE_SERVER_DAYS ? page->args.days
                                                                         : MAKE_SERVER_DAYS;
    int r = make_again(
        cert_pair_leaf(server), &page->args.names, key, by, days, page->now, &leaf, e);
    if (r == 0)
        r = chain_permitted(by->cert, leaf, page->now, e);
    if (r == 0 && ASN1_TIME_compare(X509_get0_notAfter(leaf), X509_get0_notAfter(by->cert)) == 0)
        return -EKEYEXPIRED;
    if (r == 0) {
        *out = leaf;
        leaf = NULL;
    }
    return r;
}

static int issue_by_new_ca(struct cert_run *page, const struct cert_pair *server, EVP_PKEY *key,
    X509 **leaf, X509 **ca, struct err *e)
{
    _cleanup_pkey_ EVP_PKEY *ca_key = NULL;
    int r = cert_make_ca(page, "Elexgate page CA", &ca_key, ca, e);
    struct make_signer by = {*ca, ca_key};
    if (r == 0)
        r = issue(page, server, &by, key, leaf, e);
    return r < 0 ? r : cert_store_write_ca(&page->store, *ca, ca_key, NULL, true, page->now, e);
}

static int make(struct cert_run *page, const struct cert_pair *server, struct err *e)
{
    _cleanup_x509_ X509 *ca = NULL, *leaf = NULL;
    _cleanup_pkey_ EVP_PKEY *ca_key = NULL, *key = NULL;
    _cleanup_cert_pair_ struct cert_pair *next = NULL;
    _cleanup_x509s_ STACK_OF(X509) *chain = sk_X509_new_null(), *known = sk_X509_new_null();
    CHECK(chain != NULL && known != NULL);
    int r = make_key(MAKE_KEY_P256, &key, e); /* browsers take it, and not all take Ed25519 */
    if (r < 0)
        return r;
    r = cert_store_read_ca(&page->store, NULL, NULL, NULL, &ca, &ca_key, NULL);
    struct make_signer by = {ca, ca_key};
    if (r == 0)
        r = issue(page, server, &by, key, &leaf, NULL);
    if (r < 0) {
        pem_cleanup_x509(&ca);
        ca = NULL;
        page->page_ca = cert_store_path(&page->store, "ca.pem");
        r = issue_by_new_ca(page, server, key, &leaf, &ca, e);
    }
    if (r < 0)
        return r;
    push(chain, leaf);
    push(chain, ca);
    push(known, ca);
    r = cert_pair_make(
        chain, key, known, N_("the page's certificate"), N_("the page's key"), &next, e);
    return r < 0 ? r : cert_store_publish(&page->store, next, page->now, e);
}

static bool is_due(const struct cert_run *page)
{
    _cleanup_cert_pair_ struct cert_pair *now = NULL;
    if (cert_store_current(&page->store, &now, NULL) < 0)
        return true;
    const struct cert_info *i = cert_pair_info(now);
    return page->now >= renew_due(i->not_before, i->not_after);
}

int cert_page_make(
    struct cert_run *run, const struct cert_pair *server, bool only_if_due, struct err *e)
{
    struct cert_run page = {.cli = run->cli, .now = run->now, .store = {.lock_fd = -1}};
    int r = open_page(run, &page.store, e);
    if (r == 1 && only_if_due && !is_due(&page)) {
        r = 0;
    } else if (r == 1) {
        page.args.days = run->args.days;
        take_names(&page.args.names, cert_pair_info(server));
        r = make(&page, server, e);
        r = r < 0 ? r : 1;
    }
    run->page_ca = page.page_ca;
    cert_names_clear(&page.args.names);
    cert_store_close(&page.store);
    return r;
}

static int run_page(struct cert_run *run)
{
    _cleanup_cert_pair_ struct cert_pair *server = NULL;
    int code = cert_open(run);
    if (code != EXIT_GOOD)
        return code;
    int r = cert_store_current(&run->store, &server, &run->e);
    if (r == 0)
        r = cert_page_make(run, server, false, &run->e);
    if (r == 0) {
        _cleanup_free_ char *folder = cert_store_path(&run->store, PAGE_FOLDER);
        r = err_set(&run->e, EINVAL,
            "the page has no certificate of its own here: set [console] certificate to %s/server.pem and key to %s/server.key first",
            folder, folder);
    }
    if (r < 0)
        return cert_fail(run);
    if (run->cli->json) {
        cli_print_new(json_pack("{s:b, s:s*}", "ok", 1, "page_ca_file", run->page_ca));
    } else {
        printf("%s\n", tr(run->cli, "The page's certificate has been made anew."));
        cert_tell_page_ca(run);
    }
    return EXIT_GOOD;
}

const struct cert_sub cert_subs_page[] = {
    {"page", CERT_DIR | CERT_DAYS, run_page, 0, 0},
    {0},
};
