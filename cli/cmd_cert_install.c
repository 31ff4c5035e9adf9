/*
 * elexgate cert install | renew: another pair for the server, checked before anything is replaced.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "certs/chain.h"
#include "certs/pem.h"
#include "certs/renew.h"
#include "certs/successor.h"
#include "cli/cmd_cert.h"

/* ---- install ---- */

/* Everything that the arguments hold: certificates in one heap, at most one key. */
static int gather_file(
    struct cert_run *run, const char *path, const char *passphrase, struct pem_bag *all)
{
    struct err e = {0};
    struct pem_bag bag = {0};
    char *data = NULL;
    size_t len = 0;
    int r = pem_read_file(path, &data, &len, &e);
    if (r == 0) {
        r = pem_parse_any(data, len, path, passphrase, &bag, &e);
    }
    pem_wipe(data, len);
    if (r == 0 && bag.key != NULL && all->key != NULL && EVP_PKEY_eq(bag.key, all->key) != 1) {
        r = err_set(&e, EINVAL, "%s holds a second private key: name only the server's own", path);
    }
    if (r < 0) {
        pem_bag_clear(&bag);
        return cert_fail(run, &e);
    }
    while (sk_X509_num(bag.certs) > 0) {
        CHECK(sk_X509_push(all->certs, sk_X509_shift(bag.certs)) > 0);
    }
    if (all->key == NULL) {
        all->key = bag.key;
        bag.key = NULL;
    }
    pem_bag_clear(&bag);
    return EXIT_GOOD;
}

static int gather(struct cert_run *run, struct pem_bag *all)
{
    struct err e = {0};
    char *passphrase = NULL;
    if (run->args.passphrase_file != NULL &&
        secret_read(run->args.passphrase_file, &passphrase, &e) < 0) {
        return cert_fail(run, &e);
    }
    int code = EXIT_GOOD;
    for (int i = 0; code == EXIT_GOOD && i < run->argc; i++) {
        code = gather_file(run, run->argv[i], passphrase, all);
    }
    secret_free(passphrase);
    return code;
}

static EVP_PKEY *read_own_key(struct cert_run *run, const char *name)
{
    char *data = NULL;
    size_t len = 0;
    EVP_PKEY *key = NULL;
    _cleanup_free_ char *path = store_path(&run->store, name);
    if (pem_read_file(path, &data, &len, NULL) == 0 &&
        pem_parse_key(data, len, path, NULL, &key, NULL) < 0) {
        key = NULL;
    }
    pem_wipe(data, len);
    return key;
}

static bool fits_any(STACK_OF(X509) * certs, EVP_PKEY *key)
{
    for (int i = 0; key != NULL && i < sk_X509_num(certs); i++) {
        EVP_PKEY *pub = X509_get0_pubkey(sk_X509_value(certs, i));
        if (pub != NULL && EVP_PKEY_eq(pub, key) == 1) {
            return true;
        }
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
        if (fits_any(all->certs, key)) {
            all->key = key;
        } else {
            EVP_PKEY_free(key);
        }
    }
    if (all->key == NULL) {
        struct err e = {0};
        err_set(&e, EINVAL,
            "no private key was named, and neither that of a request (pending.key) nor the present "
            "one "
            "in %s belongs to the certificate",
            run->store.dir);
        return cert_fail(run, &e);
    }
    return EXIT_GOOD;
}

/* Roots that clients may know although the system does not: our own CA and those of --trust. */
static int known_roots(struct cert_run *run, STACK_OF(X509) * *out)
{
    struct err e = {0};
    X509 *ca = NULL;
    char *data = NULL;
    size_t len = 0;
    STACK_OF(X509) *roots = NULL;
    if (run->args.trust != NULL) {
        int r = pem_read_file(run->args.trust, &data, &len, &e);
        if (r == 0) {
            r = pem_parse_chain(data, len, run->args.trust, &roots, &e);
        }
        free(data);
        if (r < 0) {
            return cert_fail(run, &e);
        }
    } else {
        roots = sk_X509_new_null();
        CHECK(roots != NULL);
    }
    if (store_has_ca(&run->store) && store_read_ca_cert(&run->store, &ca, NULL) == 0) {
        CHECK(sk_X509_push(roots, ca) > 0);
    }
    *out = roots;
    return EXIT_GOOD;
}

/* Names that workstations use today and that the new certificate does not have. */
static void warn_lost_names(struct cert_run *run, const struct cert_info *next)
{
    struct cert_pair *old = NULL;
    if (store_current(&run->store, &old, NULL) < 0) {
        return;
    }
    const struct cert_info *i = cert_pair_info(old);
    for (char **p = i->dns; *p != NULL; p++) {
        bool kept = false;
        for (char **q = next->dns; *q != NULL; q++) {
            kept = kept || strcmp(*p, *q) == 0;
        }
        if (!kept) {
            fprintf(stderr,
                tr(run->cli,
                    "Warning: the new certificate lacks the name %s, which the present one has.\n",
                    "Warnung: Dem neuen Zertifikat fehlt der Name %s, den das jetzige hat.\n"),
                *p);
        }
    }
    cert_pair_unref(old);
}

static int check_names(struct cert_run *run, X509 *leaf)
{
    struct err e = {0};
    struct cert_info *i = NULL;
    int code = EXIT_GOOD;
    if (cert_info_new(leaf, &i, &e) < 0) {
        return cert_fail(run, &e);
    }
    if (!run->args.allow_no_san && (cert_info_warnings(i, run->now) & CERT_WARN_NO_SAN)) {
        err_set(&e, EINVAL,
            "the certificate %s names no host (no subject alternative name), so that clients which "
            "check the name will refuse it; --allow-no-san installs it all the same",
            i->subject);
        code = cert_fail(run, &e);
    } else {
        warn_lost_names(run, i);
    }
    cert_info_free(i);
    return code;
}

static int install_bag(struct cert_run *run, struct pem_bag *all)
{
    struct err e = {0};
    _cleanup_x509s_ STACK_OF(X509) *roots = NULL;
    _cleanup_x509s_ STACK_OF(X509) *chain = NULL;
    int code = find_key(run, all);
    if (code == EXIT_GOOD) {
        code = known_roots(run, &roots);
    }
    if (code != EXIT_GOOD) {
        return code;
    }
    /* Dates, strength and purpose come first: they are the plainer reasons to refuse. */
    int r = chain_build(all->certs, all->key, run->argv[0], &chain, &e);
    if (r == 0) {
        r = chain_check(chain, all->key, run->argv[0], "the key", &e);
    }
    if (r == 0) {
        r = chain_complete(chain, roots, run->argv[0], &e);
    }
    if (r < 0) {
        return cert_fail(run, &e);
    }
    code = check_names(run, sk_X509_value(chain, 0));
    if (code == EXIT_GOOD) {
        code = cert_publish(run, chain, all->key,
            tr(run->cli, "The certificate has been installed.",
                "Das Zertifikat wurde installiert."),
            NULL);
    }
    return code;
}

static int run_install(struct cert_run *run)
{
    int code = cert_open(run);
    if (code != EXIT_GOOD) {
        return code;
    }
    struct pem_bag all = {.certs = sk_X509_new_null()};
    CHECK(all.certs != NULL);
    code = gather(run, &all);
    if (code == EXIT_GOOD) {
        code = install_bag(run, &all);
    }
    EVP_PKEY *pending = code == EXIT_GOOD ? read_own_key(run, "pending.key") : NULL;
    if (pending != NULL && EVP_PKEY_eq(pending, all.key) == 1) {
        _cleanup_free_ char *path = store_path(&run->store, "pending.key");
        unlink(path); /* it is server.key now */
    }
    EVP_PKEY_free(pending);
    pem_bag_clear(&all);
    return code;
}

/* ---- renew ---- */

int cert_names_of(struct cert_run *run, const struct cert_info *old)
{
    struct err e = {0};
    int r = 0;
    for (char **p = old->dns; r == 0 && *p != NULL; p++) {
        r = cert_names_add_host(&run->args.names, *p, &e);
    }
    for (char **p = old->ip; r == 0 && *p != NULL; p++) {
        r = cert_names_add_ip(&run->args.names, *p, &e);
    }
    return r < 0 ? cert_fail(run, &e) : EXIT_GOOD;
}

static int tell_not_needed(struct cert_run *run, const struct cert_info *i)
{
    int left = cert_info_days_left(i, run->now);
    if (run->cli->json) {
        json_t *o = json_pack("{s:b, s:b, s:i}", "ok", 1, "renewed", 0, "days_left", left);
        cli_print_json(o);
        json_decref(o);
    } else {
        printf(tr(run->cli, "Nothing to do: %d days are left.\n",
                   "Nichts zu tun: Es gilt noch %d Tage.\n"),
            left);
    }
    return EXIT_GOOD;
}

/* What the advice means for someone who asked for a renewal; EXIT_GOOD: go on. */
static int refuse_by_advice(
    struct cert_run *run, enum renew_advice advice, const struct cert_info *i)
{
    struct err e = {0};
    switch (advice) {
    case RENEW_LATER:
    case RENEW_NOW:
        return EXIT_GOOD;
    case RENEW_NOT_OURS:
        if (i->self_signed) {
            err_set(&e, EINVAL,
                "the certificate is self-signed: `elexgate cert self-signed --force` makes a new "
                "one, "
                "which the workstations must then be given; with `elexgate cert init --force` that "
                "was "
                "the last time");
            break;
        }
        err_set(&e, EINVAL,
            "the certificate was issued by %s, not by a CA in %s: have it renewed there, then "
            "`elexgate cert install`",
            i->issuer, run->store.dir);
        break;
    case RENEW_NO_CA_KEY:
        err_set(&e, ENOENT,
            "the certificate is due (%d days left) and the CA's key is kept elsewhere: name it "
            "with "
            "--ca-key, or `elexgate cert csr` and sign it there",
            cert_info_days_left(i, run->now));
        break;
    case RENEW_CA_EXPIRED:
        err_set(&e, EKEYEXPIRED,
            "the CA itself is at its end, and a certificate never outlives it: `elexgate cert "
            "renew --new-ca` "
            "makes the next one, which every workstation must be given");
        break;
    }
    return cert_fail(run, &e);
}

/* Issued by our CA, or by one that it follows. */
static bool ours(struct cert_run *run, X509 *leaf)
{
    _cleanup_x509s_ STACK_OF(X509) *all = NULL;
    bool found = false;
    if (store_read_cas(&run->store, &all, NULL) < 0) {
        return false;
    }
    for (int i = 0; i < sk_X509_num(all); i++) {
        found = found || chain_issued(sk_X509_value(all, i), leaf);
    }
    return found;
}

static enum renew_advice advice_for(struct cert_run *run, const struct cert_pair *old, X509 *ca)
{
    const struct cert_info *i = cert_pair_info(old);
    struct cert_info *ci = NULL;
    _cleanup_free_ char *own = store_path(&run->store, "ca.key");
    struct renew_facts f = {
        .now = run->now, .not_before = i->not_before, .not_after = i->not_after};
    f.have_ca_key = access(run->args.ca_key != NULL ? run->args.ca_key : own, R_OK) == 0;
    if (ca != NULL && cert_info_new(ca, &ci, NULL) == 0) {
        f.have_ca = true;
        f.ours = ours(run, cert_pair_leaf(old));
        f.ca_not_after = ci->not_after;
        cert_info_free(ci);
    }
    /* Asked for outright, the date does not matter: judge as if it were due. */
    if (!run->args.if_needed && f.now < renew_due(f.not_before, f.not_after)) {
        f.now = renew_due(f.not_before, f.not_after);
    }
    return renew_decide(&f);
}

static enum make_key_kind kind_of(struct cert_run *run, const struct cert_pair *old)
{
    if (run->args.rsa || run->args.ed25519) {
        return cert_key_kind(run);
    }
    switch (EVP_PKEY_get_base_id(cert_pair_key(old))) {
    case EVP_PKEY_RSA:
        return MAKE_KEY_RSA3072;
    case EVP_PKEY_ED25519:
        return MAKE_KEY_ED25519;
    default:
        return MAKE_KEY_P256;
    }
}

/* Always with a new key: a copy of the old one that got lost is then worth nothing. */
static int renew_pair(struct cert_run *run, const struct cert_pair *old)
{
    struct err e = {0};
    _cleanup_x509_ X509 *ca = NULL, *leaf = NULL;
    _cleanup_pkey_ EVP_PKEY *ca_key = NULL, *key = NULL;
    int code = cert_open_ca(run, &ca, &ca_key);
    if (code == EXIT_GOOD) {
        code = cert_names_of(run, cert_pair_info(old));
    }
    if (code != EXIT_GOOD) {
        return code;
    }
    struct make_signer signer = {ca, ca_key};
    int r = make_key(kind_of(run, old), &key, &e);
    if (r == 0) {
        r = make_again(cert_pair_leaf(old), &run->args.names, key, &signer,
            run->args.days > 0 ? run->args.days : MAKE_SERVER_DAYS, run->now, &leaf, &e);
    }
    if (r == 0) {
        r = chain_permitted(ca, leaf, run->now, &e);
    }
    if (r < 0) {
        return cert_fail(run, &e);
    }
    _cleanup_x509s_ STACK_OF(X509) *chain = sk_X509_new_null();
    CHECK(chain != NULL && X509_up_ref(leaf) == 1 && sk_X509_push(chain, leaf) > 0);
    if (successor_issuers(&run->store, ca, run->now, chain, &e) < 0) {
        return cert_fail(run, &e);
    }
    code = cert_publish(run, chain, key,
        tr(run->cli, "The server's certificate has been renewed.",
            "Das Zertifikat des Servers wurde erneuert."),
        json_pack("{s:b}", "renewed", 1));
    return code;
}

/* The old CA is at its end: the same certificate goes on without its cross-signature. */
static int leave_cross_out(struct cert_run *run, const struct cert_pair *old, X509 *ca)
{
    struct err e = {0};
    _cleanup_x509s_ STACK_OF(X509) *chain = sk_X509_new_null();
    CHECK(chain != NULL && X509_up_ref(cert_pair_leaf(old)) == 1 &&
          sk_X509_push(chain, cert_pair_leaf(old)) > 0);
    if (successor_issuers(&run->store, ca, run->now, chain, &e) < 0) {
        return cert_fail(run, &e);
    }
    return cert_publish(run, chain, cert_pair_key(old),
        tr(run->cli, "The old CA ends; its cross-signature is no longer sent.",
            "Die alte CA endet; ihre Gegensignatur wird nicht mehr mitgeschickt."),
        json_pack("{s:b}", "renewed", 0));
}

static int run_renew(struct cert_run *run)
{
    struct err e = {0};
    struct cert_pair *old = NULL;
    _cleanup_x509_ X509 *ca = NULL;
    int code = cert_open(run);
    if (code == EXIT_GOOD && run->args.new_ca) {
        return cert_new_ca(run);
    }
    if (code != EXIT_GOOD) {
        return code;
    }
    if (store_current(&run->store, &old, &e) < 0 ||
        (store_has_ca(&run->store) && successor_prune(&run->store, run->now, &e) < 0) ||
        (store_has_ca(&run->store) && store_read_ca_cert(&run->store, &ca, &e) < 0)) {
        cert_pair_unref(old);
        return cert_fail(run, &e);
    }
    enum renew_advice advice = advice_for(run, old, ca);
    if (advice == RENEW_LATER && ca != NULL && successor_is_over(old, run->now)) {
        code = leave_cross_out(run, old, ca);
    } else if (advice == RENEW_LATER) {
        code = tell_not_needed(run, cert_pair_info(old));
    } else {
        code = refuse_by_advice(run, advice, cert_pair_info(old));
        if (code == EXIT_GOOD) {
            code = renew_pair(run, old);
        }
    }
    cert_pair_unref(old);
    return code;
}

const struct cert_sub cert_subs_install[] = {
    {"install", CERT_DIR | CERT_PASSPHRASE | CERT_RELOAD | CERT_NO_SAN | CERT_TRUST | CERT_OWNER,
        run_install, 1, 20},
    {"renew",
        CERT_DIR | CERT_HOST | CERT_KEY_KIND | CERT_DAYS | CERT_CA_KEY | CERT_RELOAD |
            CERT_IF_NEEDED | CERT_NEW_CA | CERT_CA_DAYS | CERT_FORCE | CERT_OWNER,
        run_renew, 0, 0},
    {0},
};
