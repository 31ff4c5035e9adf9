/*
 * elexgate cert export: what a workstation needs, as files and as instructions.
 */
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "certs/pem.h"
#include "certs/pkcs12.h"
#include "cli/cert/cmd_cert.h"
#include "cli/cert/cmd_cert_guide.h"
#include "cli/cert/cmd_cert_package.h"
#include "common/file.h"
#include "common/hex.h"
#include "common/json_get.h"

#define PACKAGE_CONTENTS 20

static char *sha1_colons(X509 *x)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    char hex[2 * EVP_MAX_MD_SIZE + 1];
    CHECK(X509_digest(x, EVP_sha1(), sum, &n) == 1);
    return cert_colons(hex_upper(sum, n, hex));
}

static int write_file(struct cert_run *run, const char *dir, const char *name, const char *data,
    size_t len, json_t *files)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
    if (file_publish(path, data, len, 0644, &run->e) < 0)
        return cert_fail(run);
    json_array_append_new(files, json_string(path));
    return EXIT_GOOD;
}

/* Windows takes one certificate a file. */
static int write_der(struct cert_run *run, const char *dir, X509 *x, int number, json_t *files)
{
    unsigned char *der = NULL;
    int len = i2d_X509(x, &der);
    CHECK(len > 0);
    _cleanup_free_ char *name = number == 0 ? xstrdup(GUIDE_CA_DER)
                                            : xasprintf("elexgate-ca-%d.cer", number + 1);
    int code = write_file(run, dir, name, (char *)der, (size_t)len, files);
    OPENSSL_free(der);
    return code;
}

static int write_anchors(
    struct cert_run *run, const char *dir, STACK_OF(X509) * anchors, json_t *files)
{
    size_t pem_len, p12_len;
    char *p12 = NULL;
    _cleanup_free_ char *pem = pem_write_certs(anchors, &pem_len);
    if (pkcs12_trust_store(anchors, "elexgate", GUIDE_TRUST_PASSWORD, &p12, &p12_len, &run->e) < 0)
        return cert_fail(run);
    int code = write_file(run, dir, GUIDE_CA_PEM, pem, pem_len, files);
    for (int i = 0; code == EXIT_GOOD && i < sk_X509_num(anchors); i++)
        code = write_der(run, dir, sk_X509_value(anchors, i), i, files);
    if (code == EXIT_GOOD)
        code = write_file(run, dir, GUIDE_TRUST_FILE, p12, p12_len, files);
    free(p12);
    return code;
}

/* The texts of the package beside what is written already, and all of it as one ZIP. */
static int write_package(
    struct cert_run *run, const char *dir, const struct guide_facts *facts, json_t *files)
{
    struct package_file texts[PACKAGE_TEXTS];
    struct package_content all[PACKAGE_CONTENTS] = {0};
    size_t n = package_texts(facts, texts), k = 0, i, len = 0;
    int code = EXIT_GOOD;
    _cleanup_free_ char *zip = NULL;
    json_t *path;
    for (i = 0; i < n; i++) {
        if (code == EXIT_GOOD)
            code = write_file(run, dir, texts[i].name, texts[i].text, strlen(texts[i].text), files);
        free(texts[i].text);
    }
    json_array_foreach (files, i, path) {
        const char *name = strrchr(json_string_value(path), '/') + 1;
        char *data = NULL;
        if (code != EXIT_GOOD || k == PACKAGE_CONTENTS)
            continue;
        if (file_read(json_string_value(path), CERT_FILE_MAX, &data, &len, &run->e) < 0)
            code = cert_fail(run);
        else
            all[k++] = (struct package_content){name, data, len};
    }
    if (code == EXIT_GOOD && package_zip(all, k, run->now, &zip, &len, &run->e) < 0)
        code = cert_fail(run);
    if (code == EXIT_GOOD) {
        code = write_file(run, dir,
            facts->lang == LANG_DE ? "elexgate-arbeitsplatz.zip" : "elexgate-workstation.zip", zip,
            len, files);
    }
    for (i = 0; i < k; i++)
        free((char *)(uintptr_t)all[i].data);
    return code;
}

static int write_guide(struct cert_run *run, const char *dir, enum guide_target target,
    const struct guide_facts *facts, json_t *files)
{
    struct guide g = {0};
    guide_build(target, facts, &g);
    _cleanup_free_ char *text = guide_text(&g);
    _cleanup_free_ char *html = guide_html(&g, facts);
    _cleanup_free_ char *field = guide_database_field(facts, true);
    _cleanup_free_ char *url = guide_jdbc_url(facts, true);
    const char *stem = facts->lang == LANG_DE ? "Anleitung" : "instructions";
    _cleanup_free_ char *txt_name = xasprintf("%s-%s.txt", stem, run->args.target);
    _cleanup_free_ char *html_name = xasprintf("%s-%s.html", stem, run->args.target);
    int code = write_file(run, dir, txt_name, text, strlen(text), files);
    if (code == EXIT_GOOD)
        code = write_file(run, dir, html_name, html, strlen(html), files);
    guide_clear(&g);
    if (code == EXIT_GOOD && target == GUIDE_PACKAGE)
        code = write_package(run, dir, facts, files);
    if (code != EXIT_GOOD)
        return code;
    if (run->cli->json) {
        cli_print_new(json_pack("{s:b, s:O, s:s, s:s, s:s}", "ok", 1, "files", files, "jdbc_url",
            url, "database_field", field, "trust_password", GUIDE_TRUST_PASSWORD));
        return EXIT_GOOD;
    }
    printf("%s%s\n", text, tr(run->cli, "Files:"));
    for (size_t i = 0; i < json_array_size(files); i++)
        printf("     %s\n", json_string_value(json_array_get(files, i)));
    return EXIT_GOOD;
}

/* Names that the certificate does not have would end in a refusal at every workstation. */
static int choose_host(struct cert_run *run, const struct cert_info *leaf, const char **host)
{
    const struct cert_names *asked = &run->args.names;
    const char *want = asked->dns.n > 0 ? asked->dns.v[0] : asked->ip.n > 0 ? asked->ip.v[0] : NULL;
    if (want == NULL)
        *host = leaf->dns[0] != NULL ? leaf->dns[0] : leaf->ip[0];
    char **const lists[] = {leaf->dns, leaf->ip};
    for (size_t k = 0; want != NULL && k < 2; k++) {
        for (char **p = lists[k]; *p != NULL; p++)
            if (strcmp(*p, want) == 0)
                *host = *p;
    }
    if (*host != NULL)
        return EXIT_GOOD;
    if (want != NULL) {
        err_set(&run->e, EINVAL,
            "the server's certificate does not name %s: add it with `elexgate cert renew --host %s`",
            want, want);
    } else {
        err_set(&run->e, EINVAL,
            "the server's certificate names no host: make one that does with `elexgate cert init`");
    }
    return cert_fail(run);
}

/* The port of the first listener that workstations can use; malloc'ed. */
static char *choose_port(const struct cert_run *run)
{
    const struct config *c = run->config;
    const char *name;
    if (run->args.port != NULL)
        return xstrdup(run->args.port);
    for (size_t i = 0; c != NULL && (name = config_section(c, "listen", i)) != NULL; i++) {
        if (strcmp(config_str(c, "listen", name, "tls"), "off") != 0) {
            int outside = (int)config_int(c, "listen", name, "public_port");
            return xasprintf("%d", outside ? outside : (int)config_int(c, "listen", name, "port"));
        }
    }
    return xstrdup("3312");
}

static const char *choose_database(const struct cert_run *run)
{
    if (run->args.database != NULL)
        return run->args.database;
    return run->config != NULL ? config_str(run->config, "database", NULL, "name") : "elexis";
}

static int export_pair(
    struct cert_run *run, enum guide_target target, const struct cert_pair *pair, enum lang lang)
{
    _cleanup_cert_info_ struct cert_info *ai = NULL;
    char until[CERT_DATE_LEN];
    _cleanup_x509s_ STACK_OF(X509) *anchors = cert_anchors(run, pair);
    X509 *anchor = sk_X509_num(anchors) > 0 ? sk_X509_value(anchors, 0) : NULL;
    _cleanup_free_ char *dir = run->args.out != NULL ? xstrdup(run->args.out)
                                                     : xasprintf("elexgate-%s", run->args.target);
    _cleanup_free_ char *port = choose_port(run);
    struct guide_facts facts = {.lang = lang, .port = port, .database = choose_database(run)};
    int code = choose_host(run, cert_pair_info(pair), &facts.host);
    if (code != EXIT_GOOD)
        return code;
    if (file_mkdirs(dir, 0755, &run->e) < 0 ||
        (anchor != NULL && cert_info_new(anchor, &ai, &run->e) < 0))
        return cert_fail(run);
    _cleanup_free_ char *sha256 = ai != NULL ? cert_colons(ai->fingerprint_sha256) : NULL;
    _cleanup_free_ char *sha1 = anchor != NULL ? sha1_colons(anchor) : NULL;
    if (ai != NULL) {
        facts.issuer = ai->subject;
        facts.sha256 = sha256;
        facts.sha1 = sha1;
        facts.valid_until = cert_date(ai->not_after, until);
    }
    _cleanup_json_ json_t *files = json_array();
    if (anchor != NULL && target != GUIDE_WEBELEXIS)
        code = write_anchors(run, dir, anchors, files);
    if (code == EXIT_GOOD)
        code = write_guide(run, dir, target, &facts, files);
    return code;
}

static int run_export(struct cert_run *run)
{
    enum guide_target target;
    _cleanup_cert_pair_ struct cert_pair *pair = NULL;
    enum lang lang = run->cli->lang;
    if (run->args.target == NULL || !guide_target_parse(run->args.target, &target)) {
        return cli_usage(
            run->cli, "export needs --for jdbc, windows, macos, linux, webelexis or package");
    }
    if (run->args.lang != NULL && lang_parse(run->args.lang) == LANG_COUNT)
        return cli_usage(run->cli, "--lang is de, fr, it or en");
    if (run->args.lang != NULL)
        lang = lang_parse(run->args.lang);
    int code = cert_open(run);
    if (code != EXIT_GOOD)
        return code;
    if (cert_store_current(&run->store, &pair, &run->e) < 0)
        return cert_fail(run);
    code = export_pair(run, target, pair, lang);
    return code;
}

const struct cert_sub cert_subs_export[] = {
    {"export", CERT_DIR | CERT_HOST | CERT_FOR | CERT_OUT | CERT_READS_ONLY, run_export, 0, 0},
    {0},
};
