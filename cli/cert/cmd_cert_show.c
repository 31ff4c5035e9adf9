/*
 * elexgate cert show | fingerprint: what is in use, or what is in a file.
 */
#include <stdio.h>
#include <string.h>

#include "certs/pem.h"
#include "cli/cert/cmd_cert.h"
#include "common/json_get.h"

/* The certificates of the file named, else of the pair in use. */
static int read_shown(struct cert_run *run, STACK_OF(X509) * *out, char **path)
{
    struct pem_bag bag = {0};
    size_t len;
    _cleanup_free_ char *data = NULL;
    if (run->argc > 0) {
        *path = xstrdup(run->argv[0]);
    } else {
        int code = cert_open(run);
        if (code != EXIT_GOOD)
            return code;
        *path = cert_store_path(&run->store, run->store.cert_name);
    }
    int r = pem_read_file(*path, &data, &len, &run->e);
    if (r == 0) {
        /* A file with several certificates keeps its order; DER is understood as well. */
        r = strstr(data, "-----BEGIN CERTIFICATE-----") != NULL
                ? pem_parse_chain(data, len, *path, &bag.certs, &run->e)
                : pem_parse_any(data, len, *path, NULL, &bag, &run->e);
    }
    if (r < 0)
        return cert_fail(run);
    EVP_PKEY_free(bag.key);
    *out = bag.certs;
    return EXIT_GOOD;
}

static int show_one(struct cert_run *run, X509 *x, json_t *list, bool first)
{
    _cleanup_cert_info_ struct cert_info *i = NULL;
    if (cert_info_new(x, &i, &run->e) < 0)
        return cert_fail(run);
    unsigned warnings = cert_info_warnings(i, run->now) | cert_cut_by_ca(run, x);
    if (i->is_ca && (!first || run->argc > 0))
        warnings &= ~(unsigned)CERT_WARN_NO_SAN; /* an issuer needs to name nobody */
    if (list != NULL) {
        json_array_append_new(list, cert_json(i, warnings, run->now));
    } else {
        printf("%s", first ? "" : "\n");
        cert_print(run->cli, i, warnings, run->now);
    }
    return EXIT_GOOD;
}

/* Whether our own CA can renew what is in use, and what `elexgate cert back` would bring back. */
static void add_choices(struct cert_run *run, json_t *o)
{
    _cleanup_cert_pair_ struct cert_pair *now = NULL;
    if (cert_store_current(&run->store, &now, NULL) < 0)
        return;
    (void)json_object_set_new(o, "renewable", json_boolean(cert_is_ours(run, cert_pair_leaf(now))));
    json_t *back = cert_back_json(run, now);
    if (back != NULL)
        (void)json_object_set_new(o, "previous", back);
}

static int run_show(struct cert_run *run)
{
    _cleanup_x509s_ STACK_OF(X509) *certs = NULL;
    _cleanup_free_ char *path = NULL;
    _cleanup_json_ json_t *list = run->cli->json ? json_array() : NULL;
    int code = read_shown(run, &certs, &path);
    for (int i = 0; code == EXIT_GOOD && i < sk_X509_num(certs); i++)
        code = show_one(run, sk_X509_value(certs, i), list, i == 0);
    if (code == EXIT_GOOD && list != NULL) {
        json_t *o = json_pack("{s:b, s:s, s:O}", "ok", 1, "file", path, "certificates", list);
        if (run->argc == 0)
            add_choices(run, o);
        cli_print_json(o);
        json_decref(o);
    }
    return code;
}

static int run_fingerprint(struct cert_run *run)
{
    _cleanup_cert_info_ struct cert_info *i = NULL;
    _cleanup_x509s_ STACK_OF(X509) *certs = NULL;
    _cleanup_free_ char *path = NULL;
    int code = read_shown(run, &certs, &path);
    if (code != EXIT_GOOD)
        return code;
    if (cert_info_new(sk_X509_value(certs, 0), &i, &run->e) < 0)
        return cert_fail(run);
    _cleanup_free_ char *colons = cert_colons(i->fingerprint_sha256);
    if (run->cli->json) {
        cli_print_new(json_pack(
            "{s:b, s:s, s:s}", "ok", 1, "file", path, "fingerprint_sha256", i->fingerprint_sha256));
    } else {
        printf("%s\n", colons);
    }
    return EXIT_GOOD;
}

const struct cert_sub cert_subs_show[] = {
    {"show", CERT_DIR | CERT_READS_ONLY, run_show, 0, 1},
    {"fingerprint", CERT_DIR | CERT_READS_ONLY, run_fingerprint, 0, 1},
    {0},
};
