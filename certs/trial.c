#include "certs/trial.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <stdbool.h>

/* What the gate offers, and what Java and OpenSSL take by themselves: no brainpool curves, no
 * secp256k1. Not const: OpenSSL's macro casts const away. */
static char server_groups[] = "X25519:P-256:P-384";
static char client_groups[] = "X25519:P-256:P-384:P-521:X448";
#define SECURITY_LEVEL 2
#define ROUNDS_MAX     20

/* Both sides in turn, until both are done or one of them gives up. */
static bool shake(SSL *server, SSL *client)
{
    int s = 0, c = 0;
    for (int i = 0; i < ROUNDS_MAX && (s != 1 || c != 1); i++) {
        c = c == 1 ? c : SSL_do_handshake(client);
        if (c != 1 && SSL_get_error(client, c) != SSL_ERROR_WANT_READ)
            return false;
        s = s == 1 ? s : SSL_do_handshake(server);
        if (s != 1 && SSL_get_error(server, s) != SSL_ERROR_WANT_READ)
            return false;
    }
    return s == 1 && c == 1;
}

static const char *reason_of(const SSL *client)
{
    long code = SSL_get_verify_result(client);
    const char *why = ERR_reason_error_string(ERR_peek_error());
    return code != X509_V_OK ? X509_verify_cert_error_string(code)
           : why != NULL     ? why
                             : "no agreement";
}

int trial_failed(const char *name, const char *version, const char *reason, struct err *e)
{
    return err_set(e, EINVAL,
        "nobody could connect with the certificate in %s: a trial handshake with %s failed (%s); have it issued for a key of EC P-256 or RSA 3072, with the issuer's own chain",
        name, version, reason);
}

static int one_version(SSL_CTX *server_ctx, SSL_CTX *client_ctx, int version, const char *word,
    const char *name, struct err *e)
{
    SSL *server = SSL_new(server_ctx), *client = SSL_new(client_ctx);
    BIO *a = NULL, *b = NULL;
    CHECK(server != NULL && client != NULL && BIO_new_bio_pair(&a, 0, &b, 0) == 1);
    CHECK(SSL_set_min_proto_version(client, version) == 1 &&
          SSL_set_max_proto_version(client, version) == 1);
    SSL_set_bio(server, a, a);
    SSL_set_bio(client, b, b);
    SSL_set_accept_state(server);
    SSL_set_connect_state(client);
    ERR_clear_error();
    int r = 0;
    if (!shake(server, client))
        r = trial_failed(name, word, reason_of(client), e);
    SSL_free(server);
    SSL_free(client);
    ERR_clear_error();
    return r;
}

SSL_CTX *trial_server(void)
{
    SSL_CTX *server = SSL_CTX_new(TLS_server_method());
    CHECK(server != NULL);
    SSL_CTX_set_security_level(server, SECURITY_LEVEL);
    SSL_CTX_set_options(server, SSL_OP_NO_TICKET);
    CHECK(SSL_CTX_set1_groups_list(server, server_groups) == 1);
    return server;
}

int trial_handshake(SSL_CTX *server, X509 *top, const char *name, struct err *e)
{
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());
    CHECK(client != NULL);
    SSL_CTX_set_security_level(client, SECURITY_LEVEL);
    CHECK(SSL_CTX_set1_groups_list(client, client_groups) == 1 &&
          X509_STORE_add_cert(SSL_CTX_get_cert_store(client), top) == 1);
    X509_VERIFY_PARAM_set_flags(
        SSL_CTX_get0_param(client), X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME);
    SSL_CTX_set_verify(client, SSL_VERIFY_PEER, NULL);
    int r = one_version(server, client, TLS1_2_VERSION, "TLS 1.2", name, e);
    if (r == 0)
        r = one_version(server, client, TLS1_3_VERSION, "TLS 1.3", name, e);
    SSL_CTX_free(client);
    return r;
}
