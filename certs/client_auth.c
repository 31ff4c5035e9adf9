#include "certs/client_auth.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>
#include "certs/client_map.h"
#include "certs/info.h"
#include "certs/pem.h"
#include "common/lang.h"
#include "common/utf8.h"

struct client_auth {
    enum client_auth_mode mode;
    X509_STORE *store;
    STACK_OF(X509) * cas;
    STACK_OF(X509_CRL) * crls;
    struct client_map *map;           /* NULL: any certificate, any user */
    uint8_t context[CERT_SHA256_LEN]; /* of the CAs: sessions do not cross between different ones */
};

/* ---- loading ---- */

static int load_cas(struct client_auth *a, const char *path, struct err *e)
{
    size_t len;
    _cleanup_free_ char *data = NULL;
    int r = pem_read_file(path, &data, &len, e);
    if (r == 0)
        r = pem_parse_chain(data, len, path, &a->cas, e);
    for (int i = 0; r == 0 && i < sk_X509_num(a->cas); i++) {
        X509 *x = sk_X509_value(a->cas, i);
        if (X509_check_ca(x) != 1) {
            r = err_set(e, EINVAL,
                "certificate number %d in %s is not that of a CA: client_ca names who issues the clients' certificates, not the certificates themselves",
                i + 1, path);
        } else if (X509_STORE_add_cert(a->store, x) != 1) {
            r = err_ssl(e, "certificate number %d in %s cannot be used", i + 1, path);
        }
    }
    unsigned n = 0;
    if (r == 0 && EVP_Digest(data, len, a->context, &n, EVP_sha256(), NULL) != 1)
        r = err_ssl(e, "%s cannot be hashed", path);
    return r;
}

static bool signed_by_any(X509_CRL *crl, STACK_OF(X509) * cas)
{
    bool good = false;
    for (int i = 0; !good && i < sk_X509_num(cas); i++) {
        X509 *ca = sk_X509_value(cas, i);
        EVP_PKEY *k = X509_get0_pubkey(ca);
        good = k != NULL &&
               X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(ca)) == 0 &&
               X509_CRL_verify(crl, k) == 1;
    }
    ERR_clear_error();
    return good;
}

static int load_crls(struct client_auth *a, const char *path, const char *ca_path, struct err *e)
{
    size_t len;
    _cleanup_free_ char *data = NULL;
    int r = pem_read_file(path, &data, &len, e);
    if (r == 0)
        r = pem_parse_crls(data, len, path, &a->crls, e);
    for (int i = 0; r == 0 && i < sk_X509_CRL_num(a->crls); i++) {
        if (!signed_by_any(sk_X509_CRL_value(a->crls, i), a->cas)) {
            r = err_set(e, EINVAL,
                "revocation list number %d in %s was not signed by a CA in %s: make it anew with `elexgate cert crl`",
                i + 1, path, ca_path);
        }
    }
    return r;
}

int client_auth_load(const struct client_auth_options *o, struct client_auth **out, struct err *e)
{
    struct client_auth *a = xcalloc(1, sizeof *a);
    a->mode = o->mode;
    a->store = X509_STORE_new();
    CHECK(a->store != NULL);
    int r = load_cas(a, o->ca, e);
    if (r == 0 && o->crl != NULL)
        r = load_crls(a, o->crl, o->ca, e);
    if (r == 0 && o->map != NULL)
        r = client_map_load(o->map, &a->map, e);
    if (r < 0) {
        client_auth_free(a);
        return r;
    }
    *out = a;
    return 0;
}

void client_auth_free(struct client_auth *a)
{
    if (a == NULL)
        return;
    X509_STORE_free(a->store);
    sk_X509_pop_free(a->cas, X509_free);
    sk_X509_CRL_pop_free(a->crls, X509_CRL_free);
    client_map_free(a->map);
    free(a);
}

time_t client_auth_list_due(const struct client_auth *a)
{
    time_t first = 0;
    for (int i = 0; i < sk_X509_CRL_num(a->crls); i++) {
        const ASN1_TIME *t = X509_CRL_get0_nextUpdate(sk_X509_CRL_value(a->crls, i));
        struct tm tm;
        if (t != NULL && ASN1_TIME_to_tm(t, &tm) == 1 && (first == 0 || timegm(&tm) < first))
            first = timegm(&tm);
    }
    return first;
}

time_t client_auth_ends(const struct client_auth *a)
{
    time_t last = 0;
    for (int i = 0; i < sk_X509_num(a->cas); i++) {
        struct tm tm;
        if (ASN1_TIME_to_tm(X509_get0_notAfter(sk_X509_value(a->cas, i)), &tm) == 1 &&
            timegm(&tm) > last)
            last = timegm(&tm);
    }
    return last;
}

/* ---- the handshake ---- */

/* Lets the handshake go on; OpenSSL remembers the verdict for SSL_get_verify_result. */
static int keep_verdict(int ok, X509_STORE_CTX *ctx)
{
    (void)ok;
    (void)ctx;
    return 1;
}

int client_auth_apply(const struct client_auth *a, SSL_CTX *ctx, struct err *e)
{
    ERR_clear_error();
    /* So the client can choose the right certificate if it has several. */
    for (int i = 0; i < sk_X509_num(a->cas); i++)
        if (SSL_CTX_add_client_CA(ctx, sk_X509_value(a->cas, i)) != 1)
            return err_ssl(e, "the names of the client CAs cannot be set");
    if (SSL_CTX_set1_verify_cert_store(ctx, a->store) != 1 ||
        SSL_CTX_set_session_id_context(ctx, a->context, SSL_MAX_SID_CTX_LENGTH) != 1)
        return err_ssl(e, "the client CAs cannot be set");
    /* A client's common name is no host name, whatever it looks like. */
    X509_VERIFY_PARAM_set_hostflags(SSL_CTX_get0_param(ctx), X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, keep_verdict);
    return 0;
}

/* ---- the verdict ---- */

char *client_auth_name(const SSL *ssl)
{
    X509 *x = SSL_get0_peer_certificate(ssl);
    _cleanup_cert_info_ struct cert_info *i = NULL;
    if (x == NULL || cert_info_new(x, &i, NULL) < 0)
        return xstrdup("");
    return xstrdup(i->common_name);
}

static bool is_revoked(const struct client_auth *a, X509 *x)
{
    for (int i = 0; i < sk_X509_CRL_num(a->crls); i++) {
        X509_CRL *crl = sk_X509_CRL_value(a->crls, i);
        X509_REVOKED *entry = NULL;
        if (X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_issuer_name(x)) == 0 &&
            X509_CRL_get0_by_cert(crl, &entry, x) == 1)
            return true;
    }
    return false;
}

static int refuse_broken(long verdict, struct err *e)
{
    if (verdict == X509_V_ERR_CERT_HAS_EXPIRED)
        return err_set(e, EACCES, N_("this workstation's certificate has expired"));
    if (verdict == X509_V_ERR_CERT_NOT_YET_VALID)
        return err_set(e, EACCES, N_("this workstation's certificate is not valid yet"));
    return err_set(e, EACCES, N_("this workstation's certificate is not accepted here (%s)"),
        X509_verify_cert_error_string(verdict));
}

/* OpenSSL judged the dates in the first handshake; a resumed session may be hours older. The
 * revocation list is always today's. */
static int check_certificate(const struct client_auth *a, const SSL *ssl, X509 *x, struct err *e)
{
    long verdict = SSL_get_verify_result(ssl);
    if (verdict == X509_V_OK && X509_cmp_current_time(X509_get0_notAfter(x)) < 0)
        verdict = X509_V_ERR_CERT_HAS_EXPIRED;
    if (verdict != X509_V_OK)
        return refuse_broken(verdict, e);
    if (is_revoked(a, x))
        return err_set(e, EACCES, N_("this workstation's certificate has been revoked"));
    return 0;
}

int client_auth_check(const struct client_auth *a, const SSL *ssl, const char *user, struct err *e)
{
    X509 *x = SSL_get0_peer_certificate(ssl);
    if (x == NULL) {
        return a->mode == CLIENT_AUTH_REQUEST
                   ? 0
                   : err_set(e, EACCES, N_("this listener requires a client certificate"));
    }
    int r = check_certificate(a, ssl, x, e);
    if (r < 0 || a->map == NULL)
        return r;
    _cleanup_free_ char *name = client_auth_name(ssl);
    switch (client_map_check(a->map, name, user)) {
    case CLIENT_MAP_ALLOWED:
        return 0;
    case CLIENT_MAP_UNKNOWN:
        return err_set(e, EACCES, N_("the certificate \"%s\" is not mapped to any user"),
            UTF8_SHORT(name, 64));
    case CLIENT_MAP_OTHER_USER:
        return err_set(e, EACCES, N_("the certificate \"%s\" is not for the user \"%s\""),
            UTF8_SHORT(name, 64), UTF8_SHORT(user, 64));
    }
    return -EACCES;
}
