/*
 * elexgate cert init | self-signed | csr | sign: making certificates.
 */
#include <errno.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "certs/chain.h"
#include "certs/pem.h"
#include "cli/cert/cmd_cert.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/utf8.h"

/* The common name where --name gives none: the first host, else something that is none. */
static char *default_name(const struct cert_names *n)
{
    return xstrdup(n->dns.n > 0 ? n->dns.v[0] : MAKE_ADDRESS_ONLY_NAME);
}

/* The subject from the options. */
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
static char *ca_name(const struct cert_run *run, const char *words)
{
    unsigned char salt[2];
    char day[16];
    CHECK(RAND_bytes(salt, sizeof salt) == 1);
    clock_local((int64_t)run->now * 1000, "%Y-%m-%d", day, sizeof day);
    return xasprintf("%s %s %s %02x%02x", words, UTF8_SHORT(first_name(&run->args.names), 32), day,
        salt[0], salt[1]);
}

static int refuse_overwrite(struct cert_run *run)
{
    _cleanup_free_ char *cert = cert_store_path(&run->store, run->store.cert_name);
    _cleanup_free_ char *ca_key = cert_store_path(&run->store, "ca.key");
    if (run->args.force)
        return EXIT_GOOD;
    if (cert_store_has_ca(&run->store) || access(ca_key, F_OK) == 0) {
        err_set(&run->e, EEXIST,
            "%s holds a CA already. For other names in the server's certificate: elexgate cert renew --host NAME. For a new CA, which every workstation must then be given: --force (the old one is kept under another name)",
            run->store.dir);
        return cert_fail(run);
    }
    if (access(cert, F_OK) == 0) {
        err_set(&run->e, EEXIST,
            "%s is there already: with --force it is replaced (and kept in generations/)", cert);
        return cert_fail(run);
    }
    return EXIT_GOOD;
}

static int write_ca(struct cert_run *run, X509 *ca, EVP_PKEY *key, struct err *e)
{
    char *passphrase = NULL;
    if (run->args.encrypt_ca || run->args.ca_passphrase_file != NULL) {
        passphrase = cert_new_passphrase(
            run, run->args.ca_passphrase_file, tr(run->cli, "the CA's key"), e);
        if (passphrase == NULL)
            return -e->code;
    }
    int r = cert_store_write_ca(&run->store, ca, key, passphrase, run->args.force, run->now, e);
    secret_free(passphrase);
    return r;
}

int cert_make_ca(
    const struct cert_run *run, const char *words, EVP_PKEY **key, X509 **ca, struct err *e)
{
    struct names permit = {0};
    _cleanup_free_ char *name = ca_name(run, words);
    struct make_subject s = {
        .common_name = name, .country = run->args.country, .organisation = run->args.organisation};
    names_default_permit(&run->args.names, &permit);
    for (size_t i = 0; i < run->args.permit.n; i++)
        names_add(&permit, run->args.permit.v[i]);
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
    _cleanup_free_ char *name = default_name(&run->args.names);
    struct make_subject s = subject_of(run, name);
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
    if (run->args.names.dns.n + run->args.names.ip.n > 0)
        return EXIT_GOOD;
    return cli_usage(run->cli,
        "%s needs the name under which workstations reach the server: --host NAME (and --ip ADDRESS if they use that)",
        run->sub);
}

static int begin_new(struct cert_run *run)
{
    int code = need_names(run);
    if (code == EXIT_GOOD)
        code = cert_open(run);
    return code == EXIT_GOOD ? refuse_overwrite(run) : code;
}

static int run_init(struct cert_run *run)
{
    _cleanup_x509_ X509 *ca = NULL, *leaf = NULL;
    _cleanup_pkey_ EVP_PKEY *ca_key = NULL, *key = NULL;
    int code = begin_new(run);
    if (code != EXIT_GOOD)
        return code;
    int r = cert_make_ca(run, "Elexgate CA", &ca_key, &ca, &run->e);
    struct make_signer signer = {ca, ca_key};
    if (r == 0)
        r = make_leaf(run, &key, &signer, &leaf, &run->e);
    if (r == 0 && (code = cert_permitted(run, ca, leaf)) != EXIT_GOOD)
        return code;
    if (r == 0)
        r = write_ca(run, ca, ca_key, &run->e);
    if (r < 0)
        return cert_fail(run);
    _cleanup_free_ char *ca_path = cert_store_path(&run->store, "ca.pem");
    code = publish_chain(run, leaf, ca, key,
        tr(run->cli, "A private CA and the server's certificate have been made."),
        json_pack("{s:s}", "ca_file", ca_path));
    if (code == EXIT_GOOD && !run->cli->json) {
        printf(tr(run->cli, "\nWorkstations need %s; see: elexgate cert export --for jdbc\n"),
            ca_path);
    }
    return code;
}

/* The key of a request goes to pending.key, the request to --out. The pair in use stays untouched
 * until the answer is installed. */
static int write_request(struct cert_run *run, X509_REQ *req, EVP_PKEY *key)
{
    size_t len;
    char *pem = pem_write_key(key, NULL, &len);
    int r = cert_store_write(&run->store, "pending.key", pem, len, 0600, run->args.force, &run->e);
    pem_wipe(pem, len);
    if (r == -EEXIST) {
        err_set(&run->e, EEXIST,
            "a request is out already (%s/pending.key): install its answer first, or give it up with --force",
            run->store.dir);
    }
    if (r < 0)
        return cert_fail(run);
    _cleanup_free_ char *text = pem_write_request(req, &len);
    _cleanup_free_ char *path = run->args.out != NULL ? xstrdup(run->args.out)
                                                      : cert_store_path(&run->store, "server.csr");
    if (file_publish(path, text, len, 0644, &run->e) < 0)
        return cert_fail(run);
    if (run->cli->json) {
        cli_print_new(json_pack("{s:b, s:s}", "ok", 1, "request_file", path));
    } else {
        printf(tr(run->cli,
                   "The request is in %s. Have it signed, then: elexgate cert install ANSWER\n"),
            path);
    }
    return EXIT_GOOD;
}

static int run_csr(struct cert_run *run)
{
    _cleanup_pkey_ EVP_PKEY *key = NULL;
    X509_REQ *req = NULL;
    int code = need_names(run);
    if (code == EXIT_GOOD)
        code = cert_open(run);
    if (code != EXIT_GOOD)
        return code;
    _cleanup_free_ char *name = default_name(&run->args.names);
    struct make_subject s = subject_of(run, name);
    int r = make_key(cert_key_kind(run), &key, &run->e);
    if (r == 0)
        r = make_request(&s, &run->args.names, key, &req, &run->e);
    code = r < 0 ? cert_fail(run) : write_request(run, req, key);
    X509_REQ_free(req);
    return code;
}

static int run_self_signed(struct cert_run *run)
{
    _cleanup_x509_ X509 *leaf = NULL;
    _cleanup_pkey_ EVP_PKEY *key = NULL;
    int code = begin_new(run);
    if (code != EXIT_GOOD)
        return code;
    if (make_leaf(run, &key, NULL, &leaf, &run->e) < 0)
        return cert_fail(run);
    return publish_chain(run, leaf, NULL, key,
        tr(run->cli,
            "A self-signed certificate has been made. Workstations need it itself; with a CA (init) they need the CA only, also after a renewal."),
        NULL);
}

static int tell_signed(struct cert_run *run, X509 *x, const char *path)
{
    _cleanup_cert_info_ struct cert_info *i = NULL;
    if (cert_info_new(x, &i, &run->e) < 0)
        return cert_fail(run);
    unsigned warnings = cert_info_warnings(i, run->now) | cert_cut_by_ca(run, x);
    if (run->cli->json) {
        cli_print_new(json_pack("{s:b, s:o, s:s}", "ok", 1, "certificate",
            cert_json(i, warnings, run->now), "certificate_file", path));
    } else {
        printf(tr(run->cli, "Signed: %s\n\n"), path);
        cert_print(run->cli, i, warnings, run->now);
    }
    return EXIT_GOOD;
}

static int sign_request(struct cert_run *run, X509_REQ *req)
{
    _cleanup_x509_ X509 *ca = NULL, *x = NULL;
    _cleanup_pkey_ EVP_PKEY *ca_key = NULL;
    size_t len;
    int code = cert_open_ca(run, &ca, &ca_key);
    if (code != EXIT_GOOD)
        return code;
    struct make_signer signer = {ca, ca_key};
    int r = make_from_request(req, &signer, run->args.days > 0 ? run->args.days : MAKE_SERVER_DAYS,
        run->now, &x, &run->e);
    if (r == 0)
        r = chain_permitted(ca, x, run->now, &run->e);
    if (r == 0)
        r = cert_store_note_issued(&run->store, x, &run->e);
    if (r == 0) {
        STACK_OF(X509) *both = sk_X509_new_null();
        CHECK(both != NULL && sk_X509_push(both, x) > 0 && sk_X509_push(both, ca) > 0);
        _cleanup_free_ char *pem = pem_write_certs(both, &len);
        sk_X509_free(both);
        r = file_publish(run->args.out, pem, len, 0644, &run->e);
    }
    return r < 0 ? cert_fail(run) : tell_signed(run, x, run->args.out);
}

static int run_sign(struct cert_run *run)
{
    size_t len;
    _cleanup_free_ char *data = NULL;
    X509_REQ *req = NULL;
    if (run->args.out == NULL)
        return cli_usage(run->cli, "sign needs --out FILE for the certificate");
    int code = cert_open(run);
    if (code != EXIT_GOOD)
        return code;
    int r = pem_read_file(run->argv[0], &data, &len, &run->e);
    if (r == 0)
        r = pem_parse_request(data, len, run->argv[0], &req, &run->e);
    code = r < 0 ? cert_fail(run) : sign_request(run, req);
    X509_REQ_free(req);
    return code;
}

const struct cert_sub cert_subs_make[] = {
    {"init",
        CERT_DIR | CERT_HOST | CERT_KEY_KIND | CERT_FORCE | CERT_DAYS | CERT_SUBJECT | CERT_PERMIT |
            CERT_CA_DAYS | CERT_CA_KEY | CERT_RELOAD | CERT_OWNER,
        run_init, 0, 0},
    {"self-signed",
        CERT_DIR | CERT_HOST | CERT_KEY_KIND | CERT_FORCE | CERT_DAYS | CERT_SUBJECT | CERT_RELOAD |
            CERT_OWNER,
        run_self_signed, 0, 0},
    {"csr", CERT_DIR | CERT_HOST | CERT_KEY_KIND | CERT_FORCE | CERT_SUBJECT | CERT_OUT, run_csr, 0,
        0},
    {"sign", CERT_DIR | CERT_DAYS | CERT_CA_KEY | CERT_OUT, run_sign, 1, 1},
    {0},
};
