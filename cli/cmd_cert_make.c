/*
 * elexgate cert init | self-signed | csr | sign: making certificates.
 */
#include <errno.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "certs/pem.h"
#include "cli/cmd_cert.h"
#include "common/file.h"

/* The subject from the options; common_name is the first host unless --name says otherwise. */
static struct make_subject subject_of(const struct cert_run *run, const char *common_name)
{
    const struct cert_args *a = &run->args;
    return (struct make_subject){
        .common_name = a->name != NULL ? a->name : common_name,
        .country = a->country,
        .state = a->canton,
        .locality = a->place,
        .organisation = a->organisation,
        .unit = a->department,
    };
}

static const char *first_name(const struct cert_names *n)
{
    return n->dns.n > 0 ? n->dns.v[0] : n->ip.n > 0 ? n->ip.v[0] : "";
}

/* "Elexgate CA praxis-server 2026-11-22 3f9a": two CAs of one practice must not share a name,
 * because clients look issuers up by it. */
static char *ca_name(const struct cert_run *run)
{
    unsigned char salt[2];
    struct tm tm;
    char day[16] = "";
    CHECK(RAND_bytes(salt, sizeof salt) == 1);
    if (localtime_r(&run->now, &tm) != NULL) {
        strftime(day, sizeof day, "%Y-%m-%d", &tm);
    }
    return xasprintf(
        "Elexgate CA %.32s %s %02x%02x", first_name(&run->args.names), day, salt[0], salt[1]);
}

static int refuse_overwrite(struct cert_run *run)
{
    _cleanup_free_ char *cert = store_path(&run->store, run->store.cert_name);
    _cleanup_free_ char *ca_key = store_path(&run->store, "ca.key");
    struct err e = {0};
    if (run->args.force) {
        return EXIT_GOOD;
    }
    if (store_has_ca(&run->store) || access(ca_key, F_OK) == 0) {
        err_set(&e, EEXIST,
            "%s holds a CA already. For other names in the server's certificate: elexgate cert "
            "renew "
            "--host NAME. For a new CA, which every workstation must then be given: --force (the "
            "old "
            "one is kept under another name)",
            run->store.dir);
        return cert_fail(run, &e);
    }
    if (access(cert, F_OK) == 0) {
        err_set(&e, EEXIST,
            "%s is there already: with --force it is replaced (and kept in generations/)", cert);
        return cert_fail(run, &e);
    }
    return EXIT_GOOD;
}

static int write_ca(struct cert_run *run, X509 *ca, EVP_PKEY *key, struct err *e)
{
    char *passphrase = NULL;
    if (run->args.encrypt_ca || run->args.ca_passphrase_file != NULL) {
        passphrase = cert_new_passphrase(run, run->args.ca_passphrase_file,
            tr(run->cli, "the CA's key", "den Schlüssel der CA"), e);
        if (passphrase == NULL) {
            return -e->code;
        }
    }
    int r = store_write_ca(&run->store, ca, key, passphrase, run->args.force, run->now, e);
    secret_free(passphrase);
    return r;
}

static int make_new_ca(struct cert_run *run, EVP_PKEY **key, X509 **ca, struct err *e)
{
    struct names permit = {0};
    _cleanup_free_ char *name = ca_name(run);
    struct make_subject s = {
        .common_name = name, .country = run->args.country, .organisation = run->args.organisation};
    names_default_permit(&run->args.names, &permit);
    for (size_t i = 0; i < run->args.permit.n; i++) {
        names_add(&permit, run->args.permit.v[i]);
    }
    int r = make_key(cert_key_kind(run), key, e);
    if (r == 0) {
        r = make_ca(&s, *key, run->args.no_constraints ? NULL : &permit,
            run->args.ca_days > 0 ? run->args.ca_days : MAKE_CA_DAYS, run->now, ca, e);
    }
    names_clear(&permit);
    return r;
}

static int make_leaf(struct cert_run *run, EVP_PKEY **key, const struct make_signer *signer,
    X509 **leaf, struct err *e)
{
    struct make_subject s = subject_of(run, first_name(&run->args.names));
    int r = make_key(cert_key_kind(run), key, e);
    /* Self-signed: the certificate's own key signs it. */
    struct make_signer by = signer != NULL ? *signer : (struct make_signer){.key = *key};
    return r < 0 ? r
                 : make_server(&s, &run->args.names, *key, &by,
                       run->args.days > 0 ? run->args.days : MAKE_SERVER_DAYS, run->now, leaf, e);
}

static int publish_chain(
    struct cert_run *run, X509 *leaf, X509 *ca, EVP_PKEY *key, const char *headline, json_t *extra)
{
    STACK_OF(X509) *chain = sk_X509_new_null();
    CHECK(chain != NULL && sk_X509_push(chain, leaf) > 0);
    CHECK(ca == NULL || sk_X509_push(chain, ca) > 0);
    int code = cert_publish(run, chain, key, headline, extra);
    sk_X509_free(chain);
    return code;
}

static int need_names(struct cert_run *run)
{
    if (run->args.names.dns.n + run->args.names.ip.n > 0) {
        return EXIT_GOOD;
    }
    return cli_usage(run->cli,
        "%s needs the name under which workstations reach the server: --host NAME (and --ip "
        "ADDRESS "
        "if they use that)",
        run->sub);
}

static int run_init(struct cert_run *run)
{
    struct err e = {0};
    _cleanup_x509_ X509 *ca = NULL, *leaf = NULL;
    _cleanup_pkey_ EVP_PKEY *ca_key = NULL, *key = NULL;
    int code = need_names(run);
    if (code == EXIT_GOOD) {
        code = cert_open(run);
    }
    if (code == EXIT_GOOD) {
        code = refuse_overwrite(run);
    }
    if (code != EXIT_GOOD) {
        return code;
    }
    int r = make_new_ca(run, &ca_key, &ca, &e);
    struct make_signer signer = {ca, ca_key};
    if (r == 0) {
        r = make_leaf(run, &key, &signer, &leaf, &e);
    }
    if (r == 0) {
        r = write_ca(run, ca, ca_key, &e);
    }
    if (r < 0) {
        return cert_fail(run, &e);
    }
    _cleanup_free_ char *ca_path = store_path(&run->store, "ca.pem");
    code = publish_chain(run, leaf, ca, key,
        tr(run->cli, "A private CA and the server's certificate have been made.",
            "Eine eigene CA und das Zertifikat des Servers wurden erstellt."),
        json_pack("{s:s}", "ca_file", ca_path));
    if (code == EXIT_GOOD && !run->cli->json) {
        printf(tr(run->cli, "\nWorkstations need %s; see: elexgate cert export --for jdbc\n",
                   "\nDie Arbeitsplätze brauchen %s; siehe: elexgate cert export --for jdbc\n"),
            ca_path);
    }
    return code;
}

const struct cert_sub cert_subs_make[] = {
    {"init",
        CERT_DIR | CERT_HOST | CERT_KEY_KIND | CERT_FORCE | CERT_DAYS | CERT_SUBJECT | CERT_PERMIT |
            CERT_CA_KEY | CERT_RELOAD,
        run_init, 0, 0},
    {0},
};
