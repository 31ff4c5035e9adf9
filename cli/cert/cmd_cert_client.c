/*
 * elexgate cert client | revoke | crl: certificates for workstations, and taking them back.
 */
#include <ctype.h>
#include <errno.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "certs/pem.h"
#include "certs/pkcs12.h"
#include "certs/revoke.h"
#include "cli/cert/cmd_cert.h"
#include "common/file.h"

/* Without letters that look alike: somebody may have to type it. */
static const char password_letters[] = "abcdefghijkmnpqrstuvwxyz23456789";
#define PASSWORD_LEN 20 /* 100 bits */

static char *random_password(void)
{
    unsigned char bytes[PASSWORD_LEN];
    char *s = xcalloc(1, PASSWORD_LEN + 1);
    CHECK(RAND_bytes(bytes, sizeof bytes) == 1);
    for (size_t i = 0; i < PASSWORD_LEN; i++)
        s[i] = password_letters[bytes[i] % (sizeof password_letters - 1)]; /* 32 divides 256 */
    return s;
}

/* "ue" for the two bytes of ü, and so on; NULL for others. */
static const char *without_umlaut(const char *p)
{
    static const struct {
        const char *bytes, *plain;
    } rows[] = {{"ä", "ae"}, {"ö", "oe"}, {"ü", "ue"}, {"Ä", "ae"}, {"Ö", "oe"}, {"Ü", "ue"},
        {"ß", "ss"}, {"é", "e"}, {"è", "e"}, {"à", "a"}, {"ç", "c"}, {"ê", "e"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strncmp(p, rows[i].bytes, 2) == 0)
            return rows[i].plain;
    return NULL;
}

/* "Labor Anna Müller" to "labor-anna-mueller": a folder name that every system takes. */
static char *file_name(const char *name)
{
    char *s = xcalloc(1, 2 * strlen(name) + 1);
    size_t at = 0;
    for (const char *p = name; *p != '\0'; p++) {
        unsigned char ch = (unsigned char)*p;
        const char *plain = without_umlaut(p);
        if (plain != NULL) {
            at += (size_t)sprintf(s + at, "%s", plain);
            p++; /* the second byte of the letter */
        } else if (isalnum(ch) && ch < 0x80) {
            s[at++] = (char)tolower(ch);
        } else if (at > 0 && s[at - 1] != '-') {
            s[at++] = '-';
        }
    }
    while (at > 0 && s[at - 1] == '-')
        at--;
    s[at] = '\0';
    return s;
}

struct client_files {
    char *dir, *pem, *key, *p12, *password;
};

static void client_files_free(struct client_files *f)
{
    free(f->dir);
    free(f->pem);
    free(f->key);
    free(f->p12);
    free(f->password);
}

static struct client_files client_paths(struct cert_run *run, const char *name)
{
    _cleanup_free_ char *base = file_name(name);
    _cleanup_free_ char *inside = xasprintf("clients/%s", base[0] != '\0' ? base : "client");
    struct client_files f = {.dir = run->args.out != NULL ? xstrdup(run->args.out)
                                                          : cert_store_path(&run->store, inside)};
    f.pem = xasprintf("%s/client.pem", f.dir);
    f.key = xasprintf("%s/client.key", f.dir);
    f.p12 = xasprintf("%s/client.p12", f.dir);
    f.password = xasprintf("%s/client.password", f.dir);
    return f;
}

static int write_client(struct cert_run *run, const struct client_files *f, EVP_PKEY *key, X509 *x,
    X509 *ca, const char *password, struct err *e)
{
    size_t pem_len, key_len, p12_len = 0;
    char *p12 = NULL;
    STACK_OF(X509) *chain = sk_X509_new_null();
    CHECK(chain != NULL && sk_X509_push(chain, x) > 0 && sk_X509_push(chain, ca) > 0);
    _cleanup_free_ char *pem = pem_write_certs(chain, &pem_len);
    char *key_pem = pem_write_key(key, NULL, &key_len);
    (void)sk_X509_shift(chain);
    int r = pkcs12_key_store(
        key, x, chain, run->argv[0], password, run->args.old_format, &p12, &p12_len, e);
    _cleanup_free_ char *line = xasprintf("%s\n", password);
    if (r == 0)
        r = file_mkdirs(f->dir, 0700, e);
    const struct {
        const char *path, *data;
        size_t len;
        mode_t mode;
    } files[] = {{f->key, key_pem, key_len, 0600}, {f->p12, p12, p12_len, 0600},
        {f->password, line, strlen(line), 0600}, {f->pem, pem, pem_len, 0644}};
    for (size_t i = 0; r == 0 && i < sizeof files / sizeof files[0]; i++)
        r = file_publish(files[i].path, files[i].data, files[i].len, files[i].mode, e);
    explicit_bzero(line, strlen(line));
    pem_wipe(key_pem, key_len);
    pem_wipe(p12, p12_len);
    sk_X509_free(chain);
    return r;
}

static int tell_client(struct cert_run *run, const struct client_files *f, X509 *x)
{
    _cleanup_cert_info_ struct cert_info *i = NULL;
    if (cert_info_new(x, &i, &run->e) < 0)
        return cert_fail(run);
    /* A client's certificate names no host. */
    unsigned warnings = (cert_info_warnings(i, run->now) & ~(unsigned)CERT_WARN_NO_SAN) |
                        cert_cut_by_ca(run, x);
    if (run->cli->json) {
        cli_print_new(json_pack("{s:b, s:o, s:s, s:s, s:s, s:s}", "ok", 1, "certificate",
            cert_json(i, warnings, run->now), "certificate_file", f->pem, "key_file", f->key,
            "pkcs12_file", f->p12, "password_file", f->password));
    } else {
        cert_print(run->cli, i, warnings, run->now);
        printf(
            tr(run->cli,
                "\nIn %s: client.pem and client.key, or both in client.p12 with the password in client.password.\n"),
            f->dir);
    }
    return EXIT_GOOD;
}

static int issue_client(struct cert_run *run, const struct client_files *f, const char *password)
{
    _cleanup_x509_ X509 *ca = NULL, *x = NULL;
    _cleanup_pkey_ EVP_PKEY *ca_key = NULL, *key = NULL;
    int code = cert_open_ca(run, &ca, &ca_key);
    if (code != EXIT_GOOD)
        return code;
    struct make_signer signer = {ca, ca_key};
    int r = make_key(cert_key_kind(run), &key, &run->e);
    if (r == 0) {
        r = make_client(run->argv[0], key, &signer,
            run->args.days > 0 ? run->args.days : MAKE_CLIENT_DAYS, run->now, &x, &run->e);
    }
    /* Noted before it is handed out: what is not noted could not be revoked. */
    if (r == 0)
        r = cert_store_note_issued(&run->store, x, &run->e);
    if (r == 0)
        r = write_client(run, f, key, x, ca, password, &run->e);
    return r < 0 ? cert_fail(run) : tell_client(run, f, x);
}

static int run_client(struct cert_run *run)
{
    char *password = NULL;
    if (names_check_client(run->argv[0], &run->e) < 0)
        return cert_fail(run);
    int code = cert_open(run);
    if (code != EXIT_GOOD)
        return code;
    struct client_files f = client_paths(run, run->argv[0]);
    if (access(f.p12, F_OK) == 0 && !run->args.force) {
        err_set(&run->e, EEXIST,
            "%s is there already: --force makes another certificate for this name; revoke the old one if it got lost",
            f.p12);
        code = cert_fail(run);
    } else if (run->args.passphrase_file == NULL) {
        password = random_password();
    } else if (secret_read(run->args.passphrase_file, &password, &run->e) < 0) {
        code = cert_fail(run);
    }
    if (code == EXIT_GOOD)
        code = issue_client(run, &f, password);
    secret_free(password);
    client_files_free(&f);
    return code;
}

static int tell_list(struct cert_run *run, size_t added)
{
    struct revoke_list l = {0};
    _cleanup_free_ char *path = cert_store_path(&run->store, "crl.pem");
    if (revoke_read(&run->store, &l, &run->e) < 0)
        return cert_fail(run);
    int code = cert_reload(run, &run->e);
    if (run->cli->json) {
        cli_print_new(json_pack("{s:b, s:I, s:I, s:s, s:s}", "ok", code == EXIT_GOOD, "added",
            (json_int_t)added, "revoked", (json_int_t)l.n, "crl_file", path, "reload",
            run->reload_word));
    } else {
        printf(tr(run->cli, "%zu certificates revoked now, %zu in all. The list is in %s.\n"),
            added, l.n, path);
        printf("Proxy: %s\n", run->reload_text);
    }
    if (code != EXIT_GOOD)
        cli_warn(run->cli, &run->e);
    revoke_clear(&l);
    return code;
}

/* wanted NULL: nothing more is revoked, the list is only made anew. */
static int revoke_and_list(struct cert_run *run, const char *wanted)
{
    _cleanup_x509_ X509 *ca = NULL;
    _cleanup_pkey_ EVP_PKEY *ca_key = NULL;
    size_t added = 0;
    int code = cert_open(run);
    /* The key first: a revocation that only stands in our notes stops nobody. */
    if (code == EXIT_GOOD)
        code = cert_open_ca(run, &ca, &ca_key);
    if (code != EXIT_GOOD)
        return code;
    struct make_signer signer = {ca, ca_key};
    int r = wanted != NULL ? revoke_add(&run->store, wanted, run->now, &added, &run->e) : 0;
    if (r == 0)
        r = revoke_publish(&run->store, &signer, run->now, &run->e);
    return r < 0 ? cert_fail(run) : tell_list(run, added);
}

static int run_revoke(struct cert_run *run)
{
    return revoke_and_list(run, run->argv[0]);
}

static int run_crl(struct cert_run *run)
{
    return revoke_and_list(run, NULL);
}

const struct cert_sub cert_subs_client[] = {
    {"client",
        CERT_DIR | CERT_KEY_KIND | CERT_FORCE | CERT_DAYS | CERT_CA_KEY | CERT_OUT |
            CERT_PASSPHRASE | CERT_OLD_FORMAT,
        run_client, 1, 1},
    {"revoke", CERT_DIR | CERT_CA_KEY | CERT_RELOAD, run_revoke, 1, 1},
    {"crl", CERT_DIR | CERT_CA_KEY | CERT_RELOAD, run_crl, 0, 0},
    {0},
};
