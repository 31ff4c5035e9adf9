/*
 * elexgate cert install: another pair for the server, checked before anything is replaced.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "certs/chain.h"
#include "certs/pem.h"
#include "cli/cert/cmd_cert.h"
#include "common/json_get.h"

/* Everything that the arguments hold: certificates in one heap, at most one key. */
static int gather_file(
    struct cert_run *run, const char *path, const char *passphrase, struct pem_bag *all)
{
    struct pem_bag bag = {0};
    char *data = NULL;
    size_t len = 0;
    int r = pem_read_file(path, &data, &len, &run->e);
    if (r == 0)
        r = pem_parse_any(data, len, path, passphrase, &bag, &run->e);
    pem_wipe(data, len);
    if (r == 0 && bag.key != NULL && all->key != NULL && EVP_PKEY_eq(bag.key, all->key) != 1)
        r = err_set(
            &run->e, EINVAL, "%s holds a second private key: name only the server's own", path);
    if (r < 0) {
        pem_bag_clear(&bag);
        return cert_fail(run);
    }
    while (sk_X509_num(bag.certs) > 0)
        CHECK(sk_X509_push(all->certs, sk_X509_shift(bag.certs)) > 0);
    if (all->key == NULL) {
        all->key = bag.key;
        bag.key = NULL;
    }
    pem_bag_clear(&bag);
    return EXIT_GOOD;
}

static int gather(struct cert_run *run, struct pem_bag *all)
{
    char *passphrase = NULL;
    if (run->args.passphrase_file != NULL &&
        secret_read(run->args.passphrase_file, &passphrase, &run->e) < 0)
        return cert_fail(run);
    int code = EXIT_GOOD;
    for (int i = 0; code == EXIT_GOOD && i < run->argc; i++)
        code = gather_file(run, run->argv[i], passphrase, all);
    secret_free(passphrase);
    return code;
}

static EVP_PKEY *read_own_key(struct cert_run *run, const char *name)
{
    char *data = NULL;
    size_t len = 0;
    EVP_PKEY *key = NULL;
    _cleanup_free_ char *path = cert_store_path(&run->store, name);
    if (pem_read_file(path, &data, &len, NULL) == 0 &&
        pem_parse_key(data, len, path, NULL, &key, NULL) < 0)
        key = NULL;
    pem_wipe(data, len);
    return key;
}

static bool fits_any(STACK_OF(X509) * certs, EVP_PKEY *key)
{
    for (int i = 0; key != NULL && i < sk_X509_num(certs); i++) {
        EVP_PKEY *pub = X509_get0_pubkey(sk_X509_value(certs, i));
        if (pub != NULL && EVP_PKEY_eq(pub, key) == 1)
            return true;
    }
    return false;
}

/* Without a key among the arguments: that of our request, or the present one (a renewal for the
 * same key). */
static int find_key(struct cert_run *run, struct pem_bag *all)
{
    const char *const names[] = {"pending.key", run->store.key_name};
    for (size_t i = 0; all->key == NULL && i < 2; i++) {
        EVP_PKEY *key = read_own_key(run, names[i]);
        if (fits_any(all->certs, key))
            all->key = key;
        else
            EVP_PKEY_free(key);
    }
    if (all->key == NULL) {
        err_set(&run->e, EINVAL,
            "no private key was named, and neither that of a request (pending.key) nor the present one in %s belongs to the certificate",
            run->store.dir);
        return cert_fail(run);
    }
    return EXIT_GOOD;
}

/* Roots that clients may know although the system does not: our own CA and those of --trust. */
static int known_roots(struct cert_run *run, STACK_OF(X509) * *out)
{
    X509 *ca = NULL;
    char *data = NULL;
    size_t len = 0;
    STACK_OF(X509) *roots = NULL;
    if (run->args.trust != NULL) {
        int r = pem_read_file(run->args.trust, &data, &len, &run->e);
        if (r == 0)
            r = pem_parse_chain(data, len, run->args.trust, &roots, &run->e);
        free(data);
        if (r < 0)
            return cert_fail(run);
    } else {
        roots = sk_X509_new_null();
        CHECK(roots != NULL);
    }
    if (cert_store_has_ca(&run->store) && cert_store_read_ca_cert(&run->store, &ca, NULL) == 0)
        CHECK(sk_X509_push(roots, ca) > 0);
    *out = roots;
    return EXIT_GOOD;
}

static bool covered(char **names, const char *name)
{
    const char *dot = strchr(name, '.');
    for (; *names != NULL; names++) {
        bool wild = strncmp(*names, "*.", 2) == 0 && dot != NULL &&
                    strcasecmp(*names + 1, dot) == 0;
        if (strcasecmp(*names, name) == 0 || wild)
            return true;
    }
    return false;
}

/* Names of the present certificate that the new one lacks, with commas; NULL: none. */
static char *lost_names(const struct cert_info *now, const struct cert_info *next)
{
    char *all = NULL;
    char **const had[] = {now->dns, now->ip}, **const has[] = {next->dns, next->ip};
    for (size_t k = 0; k < 2; k++) {
        for (char **p = had[k]; *p != NULL; p++) {
            if (covered(has[k], *p))
                continue;
            char *longer = xasprintf("%s%s%s", all ? all : "", all ? ", " : "", *p);
            free(all);
            all = longer;
        }
    }
    return all;
}

/* Workstations that use such a name would be refused by themselves, and an ACME client's hook gets
 * the certificates of all sorts of sites: it takes a word, unless a request of ours asked for just
 * these names. */
static int check_lost_names(struct cert_run *run, const struct cert_info *next, EVP_PKEY *key)
{
    _cleanup_cert_pair_ struct cert_pair *old = NULL;
    if (cert_store_current(&run->store, &old, NULL) < 0)
        return EXIT_GOOD;
    int code = EXIT_GOOD;
    EVP_PKEY *pending = read_own_key(run, "pending.key");
    bool asked = pending != NULL && EVP_PKEY_eq(pending, key) == 1;
    _cleanup_free_ char *lost = lost_names(cert_pair_info(old), next);
    if (lost != NULL && (asked || run->args.other_names)) {
        fprintf(stderr,
            tr(run->cli,
                "Warning: the new certificate lacks the name %s, which the present one has.\n"),
            lost);
    } else if (lost != NULL) {
        err_set(&run->e, EINVAL,
            "the certificate %s lacks the name %s, which the present one has: workstations that use it would be refused, or the certificate is another site's. Nothing is replaced. If the names are to change, say so: --other-names, or the box on the page",
            next->subject, lost);
        code = cert_fail(run);
    }
    EVP_PKEY_free(pending);
    return code;
}

/* Java throws the whole certificate away for one of them. */
static const char *bad_name(const struct cert_info *i)
{
    for (char **p = i->dns; *p != NULL; p++)
        if (names_check_host(*p, NULL) < 0)
            return *p;
    return NULL;
}

static int check_names(struct cert_run *run, X509 *leaf, EVP_PKEY *key)
{
    _cleanup_cert_info_ struct cert_info *i = NULL;
    int code = EXIT_GOOD;
    if (cert_info_new(leaf, &i, &run->e) < 0)
        return cert_fail(run);
    if (!run->args.allow_no_san && (cert_info_warnings(i, run->now) & CERT_WARN_NO_SAN)) {
        err_set(&run->e, EINVAL,
            "the certificate %s names no host (no subject alternative name), so that clients which check the name will refuse it; --allow-no-san installs it all the same",
            i->subject);
        code = cert_fail(run);
    } else if (bad_name(i) != NULL && names_check_host(bad_name(i), &run->e) < 0) {
        code = cert_fail(run);
    } else {
        code = check_lost_names(run, i, key);
    }
    return code;
}

/* What was named and is of no use to clients, told and as JSON. */
static json_t *left_out(struct cert_run *run, STACK_OF(X509) * all, STACK_OF(X509) * chain)
{
    json_t *list = json_array();
    for (int i = 0; i < sk_X509_num(all); i++) {
        _cleanup_cert_info_ struct cert_info *info = NULL;
        bool used = false;
        for (int k = 0; k < sk_X509_num(chain); k++)
            used = used || X509_cmp(sk_X509_value(chain, k), sk_X509_value(all, i)) == 0;
        if (used || cert_info_new(sk_X509_value(all, i), &info, NULL) < 0)
            continue;
        char date[CERT_DATE_LEN];
        json_array_append_new(list, json_string(info->subject));
        fprintf(stderr, tr(run->cli, "Left out: %s (until %s), which the chain does not need.\n"),
            info->subject, cert_date(info->not_after, date));
    }
    return list;
}

/* What would come of it: for the workstations, and which names go. */
static int tell_check(struct cert_run *run, const struct cert_pair *next)
{
    _cleanup_cert_pair_ struct cert_pair *now = NULL;
    const struct cert_info *i = cert_pair_info(next);
    if (cert_store_current(&run->store, &now, NULL) < 0)
        now = NULL;
    _cleanup_free_ char *lost = now ? lost_names(cert_pair_info(now), i) : NULL;
    _cleanup_json_ json_t *o = cert_exchange_json(run, now, next);
    bool same = strcmp(json_get_text(o, "workstations"), "same-ca") == 0;
    (void)json_object_set_new(o, "ok", json_true());
    if (lost != NULL)
        (void)json_object_set_new(o, "lost_names", json_string(lost));
    if (run->cli->json) {
        cli_print_json(o);
    } else {
        cert_print(run->cli, i, cert_pair_warnings(next, run->now), run->now);
        printf("\n%s\n",
            same ? tr(run->cli, "Same CA: no workstation needs a visit. Nothing has been changed.")
                 : tr(run->cli,
                       "New CA: every workstation needs the new file. Nothing has been changed."));
        if (lost != NULL)
            printf(tr(run->cli, "It lacks the name %s.\n"), lost);
    }
    return EXIT_GOOD;
}

static int install_bag(struct cert_run *run, struct pem_bag *all)
{
    _cleanup_x509s_ STACK_OF(X509) *roots = NULL;
    _cleanup_x509s_ STACK_OF(X509) *chain = NULL;
    int code = find_key(run, all);
    if (code == EXIT_GOOD)
        code = known_roots(run, &roots);
    if (code != EXIT_GOOD)
        return code;
    /* Dates, strength and purpose come before names: they are the plainer reasons to refuse. */
    int r = chain_build(all->certs, all->key, roots, run->now, run->argv[0], &chain, &run->e);
    if (r == 0)
        r = chain_check(chain, all->key, run->argv[0], "the key", &run->e);
    if (r == 0)
        r = chain_complete(chain, roots, run->argv[0], &run->e);
    _cleanup_cert_pair_ struct cert_pair *pair = NULL;
    if (r == 0)
        r = cert_pair_make(chain, all->key, roots, run->argv[0], "the key", &pair, &run->e);
    if (r == 0)
        r = cert_pair_fits(pair, run->argv[0], run->now, &run->e);
    if (r == 0 && run->args.check) {
        code = tell_check(run, pair);
        return code;
    }
    if (r < 0)
        return cert_fail(run);
    code = check_names(run, sk_X509_value(chain, 0), all->key);
    if (code == EXIT_GOOD) {
        code = cert_publish(run, chain, all->key,
            tr(run->cli, "The certificate has been installed."),
            json_pack("{s:o}", "left_out", left_out(run, all->certs, chain)));
    }
    return code;
}

static int run_install(struct cert_run *run)
{
    int code = cert_open(run);
    if (code != EXIT_GOOD)
        return code;
    struct pem_bag all = {.certs = sk_X509_new_null()};
    CHECK(all.certs != NULL);
    code = gather(run, &all);
    if (code == EXIT_GOOD)
        code = install_bag(run, &all);
    EVP_PKEY *pending = code == EXIT_GOOD && !run->args.check ? read_own_key(run, "pending.key")
                                                              : NULL;
    if (pending != NULL && EVP_PKEY_eq(pending, all.key) == 1) {
        _cleanup_free_ char *path = cert_store_path(&run->store, "pending.key");
        unlink(path); /* it is server.key now */
    }
    EVP_PKEY_free(pending);
    pem_bag_clear(&all);
    return code;
}

const struct cert_sub cert_subs_install[] = {
    {"install",
        CERT_DIR | CERT_PASSPHRASE | CERT_RELOAD | CERT_NO_SAN | CERT_OTHER_NAMES | CERT_TRUST |
            CERT_CHECK | CERT_OWNER,
        run_install, 1, 20},
    {0},
};
