/*
 * elexgate cert back: the pair before the present one serves again. And what an exchange of pairs
 * means for the workstations, which have been given the CA of the present one.
 */
#include <stdio.h>

#include "certs/chain.h"
#include "certs/pem.h"
#include "cli/cert/cmd_cert.h"
#include "common/lang.h"

static X509 *top_of(const struct cert_pair *pair)
{
    STACK_OF(X509) *chain = cert_pair_chain(pair);
    int n = sk_X509_num(chain);
    return n > 0 ? sk_X509_value(chain, n - 1) : cert_pair_leaf(pair);
}

/* The end of its chain is that CA, or was issued by it. */
static bool leads_to(const struct cert_pair *pair, X509 *ca)
{
    return X509_cmp(ca, top_of(pair)) == 0 || chain_issued(ca, top_of(pair));
}

STACK_OF(X509) * cert_anchors(struct cert_run *run, const struct cert_pair *pair)
{
    STACK_OF(X509) *all = NULL;
    bool ours = false;
    if (cert_store_has_ca(&run->store) && cert_store_read_cas(&run->store, &all, NULL) == 0)
        for (int i = 0; i < sk_X509_num(all); i++)
            ours = ours || leads_to(pair, sk_X509_value(all, i));
    if (ours)
        return all;
    sk_X509_pop_free(all, X509_free);
    all = sk_X509_new_null();
    CHECK(all != NULL);
    X509 *top = top_of(pair);
    if (chain_is_root(top))
        CHECK(X509_up_ref(top) == 1 && sk_X509_push(all, top) > 0);
    return all;
}

/* Workstations that were set up for now trust next as well, and need no visit. */
static bool cert_same_trust(
    struct cert_run *run, const struct cert_pair *now, const struct cert_pair *next)
{
    _cleanup_x509s_ STACK_OF(X509) *have = cert_anchors(run, now);
    _cleanup_x509s_ STACK_OF(X509) *want = cert_anchors(run, next);
    bool same = sk_X509_num(have) == 0 &&
                sk_X509_num(want) == 0; /* a public CA, before and after */
    for (int i = 0; i < sk_X509_num(have); i++)
        same = same || leads_to(next, sk_X509_value(have, i));
    return same;
}

int cert_permitted(struct cert_run *run, X509 *ca, X509 *leaf)
{
    if (chain_permitted(ca, leaf, run->now, &run->e) == 0)
        return EXIT_GOOD;
    _cleanup_free_ char *outside = chain_outside(ca, leaf);
    return cert_fail_at(run, &run->e, outside ? "names" : NULL);
}

json_t *cert_exchange_json(
    struct cert_run *run, const struct cert_pair *now, const struct cert_pair *next)
{
    json_t *o = json_pack("{s:o, s:s}", "certificate",
        cert_json(cert_pair_info(next), cert_pair_warnings(next, run->now), run->now),
        "workstations", now == NULL || !cert_same_trust(run, now, next) ? "new-ca" : "same-ca");
    CHECK(o != NULL);
    return o;
}

json_t *cert_back_json(struct cert_run *run, const struct cert_pair *now)
{
    _cleanup_cert_pair_ struct cert_pair *old = NULL;
    if (cert_store_previous(&run->store, &old, NULL) < 0)
        return NULL;
    json_t *o = cert_exchange_json(run, now, old);
    bool fits = cert_pair_fits(old, N_("the previous certificate"), run->now, &run->e) == 0;
    (void)json_object_set_new(o, "fits", json_boolean(fits));
    return o;
}

static int run_back(struct cert_run *run)
{
    _cleanup_cert_pair_ struct cert_pair *old = NULL;
    int code = cert_open(run);
    if (code != EXIT_GOOD)
        return code;
    if (cert_store_previous(&run->store, &old, &run->e) < 0)
        return cert_fail(run);
    _cleanup_x509s_ STACK_OF(X509) *chain = sk_X509_dup(cert_pair_chain(old));
    CHECK(chain != NULL);
    for (int i = 0; i < sk_X509_num(chain); i++)
        CHECK(X509_up_ref(sk_X509_value(chain, i)) == 1);
    CHECK(X509_up_ref(cert_pair_leaf(old)) == 1 && sk_X509_unshift(chain, cert_pair_leaf(old)) > 0);
    return cert_publish(run, chain, cert_pair_key(old),
        tr(run->cli, "The previous certificate serves again."), NULL);
}

const struct cert_sub cert_subs_back[] = {
    {"back", CERT_DIR | CERT_RELOAD | CERT_OWNER, run_back, 0, 0},
    {0},
};
