#include "proxy/tls.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509_vfy.h>
#include <string.h>
#include <strings.h>

/* AES-128 first: as safe here, and a third cheaper in bulk. Clients without AES in hardware put
 * ChaCha20 first and get it (SSL_OP_PRIORITIZE_CHACHA). */
#define SUITES_13 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define SUITES_12                                                                                  \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                                   \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                                   \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
/* Behind the good ones, so that nobody gets these who can do better. */
#define SUITES_OLD                                                                                 \
    SUITES_12 ":ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256:"                                \
              "ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384:"                                 \
              "ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:"                                       \
              "ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:"                                       \
              "AES128-GCM-SHA256:AES256-GCM-SHA384:"                                               \
              "AES128-SHA256:AES256-SHA256:AES128-SHA:AES256-SHA"
/* OpenSSL 3 does TLS 1.0 and 1.1 at level 0 only: their handshake signs with SHA-1. */
#define SECURITY_OLD      0
#define SECURITY_STANDARD 2

static const struct {
    int min_version, security;
    const char *suites_12;
} profiles[] = {
    [TLS_PROFILE_MODERN] = {TLS1_3_VERSION, SECURITY_STANDARD, SUITES_12},
    [TLS_PROFILE_INTERMEDIATE] = {TLS1_2_VERSION, SECURITY_STANDARD, SUITES_12},
    [TLS_PROFILE_OLD] = {TLS1_VERSION, SECURITY_OLD, SUITES_OLD},
};

enum tls_profile tls_profile_of(const char *word)
{
    if (!strcasecmp(word, "modern"))
        return TLS_PROFILE_MODERN;
    return strcasecmp(word, "old") ? TLS_PROFILE_INTERMEDIATE : TLS_PROFILE_OLD;
}

/* Not const: OpenSSL's macro casts const away, which clang takes for ours. */
static char groups[] = "X25519:P-256:P-384";

static int context_set(SSL_CTX *ctx, enum tls_profile profile, const char *listener, struct err *e)
{
    uint8_t id[32];
    SSL_CTX_set_security_level(ctx, profiles[profile].security);
    /* What is weak in the handshake is not welcome in the workstations' own certificates. */
    X509_VERIFY_PARAM_set_auth_level(SSL_CTX_get0_param(ctx), SECURITY_STANDARD);
    if (EVP_Digest(listener, strlen(listener), id, NULL, EVP_sha256(), NULL) != 1 ||
        SSL_CTX_set_min_proto_version(ctx, profiles[profile].min_version) != 1 ||
        SSL_CTX_set_cipher_list(ctx, profiles[profile].suites_12) != 1 ||
        SSL_CTX_set_ciphersuites(ctx, SUITES_13) != 1 ||
        SSL_CTX_set1_groups_list(ctx, groups) != 1 ||
        SSL_CTX_set_session_id_context(ctx, id, sizeof id) != 1 ||
        SSL_CTX_set_num_tickets(ctx, 1) != 1)
        return err_ssl(e, "cannot set up TLS");
    SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                 SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_IGNORE_UNEXPECTED_EOF);
    /* A quiet session holds no record buffers; a batch costs one allocation, not one a record. */
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    /* Tickets only: nothing to remember here. */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    return 0;
}

int tls_context(const struct cert_pair *pair, struct tickets *tickets, enum tls_profile profile,
    const char *listener, SSL_CTX **out, struct err *e)
{
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx)
        return err_ssl(e, "cannot set up TLS");
    int r = context_set(ctx, profile, listener, e);
    if (r == 0)
        r = cert_pair_apply(pair, ctx, e);
    if (r < 0) {
        SSL_CTX_free(ctx);
        return r;
    }
    tickets_use(tickets, ctx);
    *out = ctx;
    return 0;
}
