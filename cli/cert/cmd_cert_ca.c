/*
 * elexgate cert renew --new-ca: the CA that follows the present one, announced in good time.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "certs/chain.h"
#include "certs/pem.h"
#include "certs/successor.h"
#include "cli/cert/cmd_cert.h"
#include "common/file.h"

/* What was encrypted stays so. */
static int passphrase_for(struct cert_run *run, char **out)
{
    char *data = NULL;
    size_t len = 0;
    _cleanup_free_ char *own = cert_store_path(&run->store, "ca.key");
    const char *path = run->args.ca_key != NULL ? run->args.ca_key : own;
    bool sealed = file_read(path, CERT_FILE_MAX, &data, &len, NULL) == 0 &&
                  strstr(data, "ENCRYPTED") != NULL;
    pem_wipe(data, len);
    *out = NULL;
    if (sealed || run->args.encrypt_ca) {
        *out = cert_new_passphrase(
            run, run->args.ca_passphrase_file, tr(run->cli, "the next CA's key"), &run->e);
        if (*out == NULL)
            return cert_fail(run);
    }
    return EXIT_GOOD;
}

/* One successor at a time: who knows only the first CA would not get to a third one. */
static int refuse_second(struct cert_run *run)
{
    _cleanup_x509s_ STACK_OF(X509) *all = NULL;
    if (cert_store_read_cas(&run->store, &all, &run->e) < 0)
        return cert_fail(run);
    time_t now = run->now;
    if (sk_X509_num(all) < 2 || run->args.force ||
        X509_cmp_time(X509_get0_notAfter(sk_X509_value(all, 1)), &now) < 0)
        return EXIT_GOOD;
    err_set(&run->e, EEXIST,
        "the CA in %s follows another one already, which workstations may still know alone: once they all have the new ca.pem, --force makes a further one",
        run->store.dir);
    return cert_fail(run);
}

/* A certificate of the new CA for the present names; one from elsewhere stays. */
static int renew_leaf(
    struct cert_run *run, const struct cert_pair *old, X509 *old_ca, const struct successor *next)
{
    _cleanup_x509_ X509 *leaf = NULL;
    _cleanup_pkey_ EVP_PKEY *key = NULL;
    _cleanup_x509s_ STACK_OF(X509) *chain = sk_X509_new_null();
    CHECK(chain != NULL);
    if (!chain_issued(old_ca, cert_pair_leaf(old))) {
        int code = cert_reload(run, &run->e);
        printf(
            tr(run->cli, "The next CA is in %s/ca.pem; the server's certificate is not of ours.\n"),
            run->store.dir);
        return code == EXIT_GOOD ? code : cert_fail(run);
    }
    struct make_signer signer = {next->root, next->key};
    int r = make_key(cert_key_kind_like(run, cert_pair_key(old)), &key, &run->e);
    int code = r == 0 ? cert_names_of(run, cert_pair_info(old)) : EXIT_GOOD;
    if (code != EXIT_GOOD)
        return code;
    if (r == 0) {
        r = make_again(cert_pair_leaf(old), &run->args.names, key, &signer,
            run->args.days > 0 ? run->args.days : MAKE_SERVER_DAYS, run->now, &leaf, &run->e);
    }
    if (r == 0)
        r = chain_permitted(next->root, leaf, run->now, &run->e);
    if (r == 0 && (X509_up_ref(leaf) != 1 || sk_X509_push(chain, leaf) <= 0 ||
                      successor_issuers(&run->store, next->root, run->now, chain, &run->e) < 0))
        r = -run->e.code;
    if (r < 0)
        return cert_fail(run);
    code = cert_publish(run, chain, key,
        tr(run->cli, "The next CA has been made, and a certificate for the server from it."),
        json_pack("{s:s, s:b}", "ca_dir", run->store.dir, "cross_signed", next->cross != NULL));
    if (code == EXIT_GOOD && !run->cli->json) {
        printf("\n%s\n",
            next->cross != NULL
                ? tr(run->cli,
                      "Workstations that know the old CA go on. Until it ends each one must be given both: elexgate cert export writes them into one file.")
                : tr(run->cli, "The old CA has ended: every workstation needs the new one now."));
    }
    return code;
}

static int make_next(struct cert_run *run, const struct cert_pair *pair, X509 *ca, EVP_PKEY *ca_key)
{
    struct successor next = {0};
    struct make_signer old = {ca, ca_key};
    char *passphrase = NULL;
    int code = passphrase_for(run, &passphrase);
    if (code == EXIT_GOOD &&
        (successor_make(&old, cert_key_kind_like(run, X509_get0_pubkey(ca)),
             run->args.ca_days > 0 ? run->args.ca_days : MAKE_CA_DAYS, run->now, &next,
             &run->e) < 0 ||
            successor_publish(&run->store, &next, ca, passphrase, run->now, &run->e) < 0))
        code = cert_fail(run);
    secret_free(passphrase);
    if (code == EXIT_GOOD)
        code = renew_leaf(run, pair, ca, &next);
    successor_clear(&next);
    return code;
}

int cert_new_ca(struct cert_run *run)
{
    _cleanup_cert_pair_ struct cert_pair *pair = NULL;
    _cleanup_x509_ X509 *ca = NULL;
    _cleanup_pkey_ EVP_PKEY *ca_key = NULL;
    int code = refuse_second(run);
    if (code == EXIT_GOOD)
        code = cert_open_ca(run, &ca, &ca_key);
    if (code == EXIT_GOOD && cert_store_current(&run->store, &pair, &run->e) < 0)
        code = cert_fail(run);
    if (code == EXIT_GOOD)
        code = make_next(run, pair, ca, ca_key);
    return code;
}
