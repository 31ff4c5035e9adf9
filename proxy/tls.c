#include "proxy/tls.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

/* AES-128 first: as safe here, and a third cheaper in bulk. Clients without AES in hardware put
 * ChaCha20 first and get it (SSL_OP_PRIORITIZE_CHACHA). */
#define SUITES_13 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define SUITES_12                                                                                  \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                                   \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                                   \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
/* Not const: OpenSSL's macro casts const away, which clang takes for ours. */
static char groups[] = "X25519:P-256:P-384";

static int context_set(SSL_CTX *ctx, const char *listener, struct err *e)
{
    uint8_t id[32];
    if (EVP_Digest(listener, strlen(listener), id, NULL, EVP_sha256(), NULL) != 1 ||
        SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(ctx, SUITES_12) != 1 ||
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

int tls_context(const struct cert_pair *pair, struct tickets *tickets, const char *listener,
    SSL_CTX **out, struct err *e)
{
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx)
        return err_ssl(e, "cannot set up TLS");
    int r = context_set(ctx, listener, e);
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
