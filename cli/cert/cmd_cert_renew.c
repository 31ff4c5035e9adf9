/*
 * elexgate cert renew: a new certificate from our own CA, in time.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "certs/chain.h"
#include "certs/pem.h"
#include "certs/renew.h"
#include "certs/successor.h"
#include "cli/cert/cmd_cert.h"
#include "common/lang.h"

int cert_names_of(struct cert_run *run, const struct cert_info *old)
{
    int r = 0;
    for (char **p = old->dns; r == 0 && *p != NULL; p++)
        r = cert_names_add_host(&run->args.names, *p, &run->e);
    for (char **p = old->ip; r == 0 && *p != NULL; p++)
        r = cert_names_add_ip(&run->args.names, *p, &run->e);
    return r < 0 ? cert_fail(run) : EXIT_GOOD;
}

static int tell_not_needed(struct cert_run *run, const struct cert_info *i)
{
    int left = cert_info_days_left(i, run->now);
    if (run->cli->json)
        cli_print_new(json_pack("{s:b, s:b, s:i}", "ok", 1, "renewed", 0, "days_left", left));
    else
        printf(tr(run->cli, "Nothing to do: %d days are left.\n"), left);
    return EXIT_GOOD;
}

/* What the advice means for someone who asked for a renewal; EXIT_GOOD: go on. */
static int refuse_by_advice(
    struct cert_run *run, enum renew_advice advice, const struct cert_info *i)
{
    switch (advice) {
    case RENEW_LATER:
    case RENEW_NOW:
        return EXIT_GOOD;
    case RENEW_NOT_OURS:
        if (i->self_signed) {
            err_set(&run->e, EINVAL,
                N_("the certificate is self-signed: `elexgate cert self-signed --force` makes a new one, which the workstations must then be given; with `elexgate cert init --force` that was the last time"));
            break;
        }
        err_set(&run->e, EINVAL,
            N_("the certificate was issued by %s, not by a CA in %s: have it renewed there, then `elexgate cert install`"),
            i->issuer, run->store.dir);
        break;
    case RENEW_NO_CA_KEY:
        err_set(&run->e, ENOENT,
            N_("the certificate is due (%d days left) and the CA's key is kept elsewhere: name it with --ca-key, or `elexgate cert csr` and sign it there"),
            cert_info_days_left(i, run->now));
        break;
    case RENEW_CA_EXPIRED:
        err_set(&run->e, EKEYEXPIRED,
            N_("the CA itself is at its end, and a certificate never outlives it: `elexgate cert renew --new-ca` makes the next one, which every workstation must be given"));
        break;
    }
    return cert_fail(run);
}

bool cert_is_ours(struct cert_run *run, X509 *leaf)
{
    _cleanup_x509s_ STACK_OF(X509) *all = NULL;
    bool found = false;
    if (cert_store_read_cas(&run->store, &all, NULL) < 0)
        return false;
    for (int i = 0; i < sk_X509_num(all); i++)
        found = found || chain_issued(sk_X509_value(all, i), leaf);
    return found;
}

static enum renew_advice advice_for(struct cert_run *run, const struct cert_pair *old, X509 *ca)
{
    const struct cert_info *i = cert_pair_info(old);
    _cleanup_cert_info_ struct cert_info *ci = NULL;
    _cleanup_free_ char *own = cert_store_path(&run->store, "ca.key");
    struct renew_facts f = {
        .now = run->now, .not_before = i->not_before, .not_after = i->not_after};
    f.have_ca_key = access(run->args.ca_key != NULL ? run->args.ca_key : own, R_OK) == 0;
    if (ca != NULL && cert_info_new(ca, &ci, NULL) == 0) {
        f.have_ca = true;
        f.ours = cert_is_ours(run, cert_pair_leaf(old));
        f.ca_not_after = ci->not_after;
    }
    /* Asked for outright, the date does not matter: judge as if it were due. */
    if (!run->args.if_needed && f.now < renew_due(f.not_before, f.not_after))
        f.now = renew_due(f.not_before, f.not_after);
    return renew_decide(&f);
}

/* Always with a new key: a copy of the old one that got lost is then worth nothing. */
static int renew_pair(struct cert_run *run, const struct cert_pair *old)
{
    _cleanup_x509_ X509 *ca = NULL, *leaf = NULL;
    _cleanup_pkey_ EVP_PKEY *ca_key = NULL, *key = NULL;
    int code = cert_open_ca(run, &ca, &ca_key);
    if (code == EXIT_GOOD)
        code = cert_names_of(run, cert_pair_info(old));
    if (code != EXIT_GOOD)
        return code;
    struct make_signer signer = {ca, ca_key};
    int r = make_key(cert_key_kind_like(run, cert_pair_key(old)), &key, &run->e);
    if (r == 0) {
        r = make_again(cert_pair_leaf(old), &run->args.names, key, &signer,
            run->args.days > 0 ? run->args.days : MAKE_SERVER_DAYS, run->now, &leaf, &run->e);
    }
    if (r == 0)
        code = cert_permitted(run, ca, leaf);
    if (r < 0 || code != EXIT_GOOD)
        return r < 0 ? cert_fail(run) : code;
    _cleanup_x509s_ STACK_OF(X509) *chain = sk_X509_new_null();
    CHECK(chain != NULL && X509_up_ref(leaf) == 1 && sk_X509_push(chain, leaf) > 0);
    if (successor_issuers(&run->store, ca, run->now, chain, &run->e) < 0)
        return cert_fail(run);
    return cert_publish(run, chain, key, tr(run->cli, "The server's certificate has been renewed."),
        json_pack("{s:b}", "renewed", 1));
}

/* The old CA is at its end: the same certificate goes on without its cross-signature. */
static int leave_cross_out(struct cert_run *run, const struct cert_pair *old, X509 *ca)
{
    _cleanup_x509s_ STACK_OF(X509) *chain = sk_X509_new_null();
    CHECK(chain != NULL && X509_up_ref(cert_pair_leaf(old)) == 1 &&
          sk_X509_push(chain, cert_pair_leaf(old)) > 0);
    if (successor_issuers(&run->store, ca, run->now, chain, &run->e) < 0)
        return cert_fail(run);
    return cert_publish(run, chain, cert_pair_key(old),
        tr(run->cli, "The old CA ends; its cross-signature is no longer sent."),
        json_pack("{s:b}", "renewed", 0));
}

static int run_renew(struct cert_run *run)
{
    _cleanup_cert_pair_ struct cert_pair *old = NULL;
    _cleanup_x509_ X509 *ca = NULL;
    int code = cert_open(run);
    if (code == EXIT_GOOD && run->args.new_ca)
        return cert_new_ca(run);
    if (code != EXIT_GOOD)
        return code;
    if (cert_store_current(&run->store, &old, &run->e) < 0 ||
        (cert_store_has_ca(&run->store) && successor_prune(&run->store, run->now, &run->e) < 0) ||
        (cert_store_has_ca(&run->store) && cert_store_read_ca_cert(&run->store, &ca, &run->e) < 0))
        return cert_fail(run);
    if (run->args.if_needed && cert_page_make(run, old, true, &run->e) < 0)
        return cert_fail(run);
    enum renew_advice advice = advice_for(run, old, ca);
    if (advice == RENEW_LATER && ca != NULL && successor_is_over(old, run->now)) {
        code = leave_cross_out(run, old, ca);
    } else if (advice == RENEW_LATER) {
        code = tell_not_needed(run, cert_pair_info(old));
    } else {
        code = refuse_by_advice(run, advice, cert_pair_info(old));
        if (code == EXIT_GOOD)
            code = renew_pair(run, old);
    }
    return code;
}

const struct cert_sub cert_subs_renew[] = {
    {"renew",
        CERT_DIR | CERT_HOST | CERT_KEY_KIND | CERT_DAYS | CERT_CA_KEY | CERT_RELOAD |
            CERT_IF_NEEDED | CERT_NEW_CA | CERT_CA_DAYS | CERT_FORCE | CERT_OWNER,
        run_renew, 0, 0},
    {0},
};
