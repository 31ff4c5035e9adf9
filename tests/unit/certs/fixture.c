#include "tests/unit/certs/fixture.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include <openssl/x509v3.h>
#include "certs/pem.h"
#include "common/file.h"

const char *fixture_path(const struct fixture *f, const char *name)
{
    static char ring[4][256];
    static unsigned at;
    char *p = ring[at++ % 4];
    snprintf(p, sizeof ring[0], "%s/%s", f->dir, name);
    return p;
}

void fixture_write(
    const struct fixture *f, const char *name, const void *data, size_t len, mode_t mode)
{
    struct err e;
    assert_int_equal(file_publish(fixture_path(f, name), data, len, mode, &e), 0);
}

void fixture_write_certs(const struct fixture *f, const char *name, X509 *a, X509 *b, X509 *c)
{
    size_t len;
    STACK_OF(X509) *all = sk_X509_new_null();
    X509 *list[] = {a, b, c};
    for (size_t i = 0; i < 3 && list[i] != NULL; i++)
        sk_X509_push(all, list[i]);
    char *pem = pem_write_certs(all, &len);
    fixture_write(f, name, pem, len, 0644);
    free(pem);
    sk_X509_free(all);
}

void fixture_write_key(
    const struct fixture *f, const char *name, EVP_PKEY *k, const char *passphrase)
{
    size_t len;
    char *pem = pem_write_key(k, passphrase, &len);
    fixture_write(f, name, pem, len, 0600);
    pem_wipe(pem, len);
}

X509 *fixture_server(
    const struct fixture *f, EVP_PKEY *subject, X509 *ca, EVP_PKEY *ca_key, int days, time_t now)
{
    struct err e = {0};
    struct cert_names names = {0};
    struct make_subject s = {.common_name = "praxis-server"};
    struct make_signer signer = {ca, ca_key};
    X509 *x = NULL;
    (void)f;
    assert_int_equal(cert_names_add_host(&names, "praxis-server", &e), 0);
    if (make_server(&s, &names, subject, &signer, days, now, &x, &e) != 0)
        fail_msg("%s", e.text);
    cert_names_clear(&names);
    return x;
}

/* Our own CA issues no intermediates, so this one is made by hand. */
static X509 *intermediate(const struct fixture *f)
{
    X509 *x = X509_new();
    X509V3_CTX ctx;
    const char *const exts[][2] = {{"basicConstraints", "critical,CA:TRUE"},
        {"keyUsage", "critical,keyCertSign,cRLSign"}, {"subjectKeyIdentifier", "hash"},
        {"authorityKeyIdentifier", "keyid:always"}};
    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 4711);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 1000 * DAY);
    X509_set_pubkey(x, f->middle_key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
        (const unsigned char *)"Test Intermediate", -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(f->root));
    X509V3_set_ctx(&ctx, f->root, x, NULL, NULL, 0);
    for (size_t i = 0; i < sizeof exts / sizeof exts[0]; i++) {
        X509_EXTENSION *ext = X509V3_EXT_conf(NULL, &ctx, exts[i][0], exts[i][1]);
        assert_non_null(ext);
        X509_add_ext(x, ext, -1);
        X509_EXTENSION_free(ext);
    }
    assert_true(X509_sign(x, f->root_key, EVP_sha256()) > 0);
    return x;
}

int fixture_setup(void **state)
{
    struct err e = {0};
    struct fixture *f = xcalloc(1, sizeof *f);
    struct make_subject s = {.common_name = "Test Root"};
    snprintf(f->dir, sizeof f->dir, "%s", "/tmp/elexgate-certs-XXXXXX");
    if (mkdtemp(f->dir) == NULL)
        return -1;
    f->now = time(NULL);
    EVP_PKEY **keys[] = {&f->root_key, &f->middle_key, &f->leaf_key, &f->other_key};
    for (size_t i = 0; i < 4; i++)
        if (make_key(MAKE_KEY_P256, keys[i], &e) != 0)
            return -1;
    if (make_ca(&s, f->root_key, NULL, MAKE_CA_DAYS, f->now, &f->root, &e) != 0)
        return -1;
    f->middle = intermediate(f);
    f->leaf = fixture_server(f, f->leaf_key, f->middle, f->middle_key, 397, f->now);
    f->direct = fixture_server(f, f->leaf_key, f->root, f->root_key, 397, f->now);
    *state = f;
    return 0;
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = file_remove_tree(tmp, f->dir + strlen("/tmp/"), NULL);
    close(tmp);
    EVP_PKEY *keys[] = {f->root_key, f->middle_key, f->leaf_key, f->other_key};
    X509 *certs[] = {f->root, f->middle, f->leaf, f->direct};
    for (size_t i = 0; i < 4; i++) {
        EVP_PKEY_free(keys[i]);
        X509_free(certs[i]);
    }
    free(f);
    return r;
}

void fixture_contains(const char *text, const char *part, const char *file, int line)
{
    if (strstr(text, part) == NULL) {
        print_error("\"%s\"\n   does not contain \"%s\"\n", text, part);
        _fail(file, line);
    }
}
