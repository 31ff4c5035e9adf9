#include "proxy/tickets.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include "common/file.h"

#define KEYS       3u
#define KEY_AGE_S  (12 * 60 * 60)
#define FILE_MAGIC "elexgate-tickets-1"

struct ticket_key {
    int64_t made; /* seconds since 1970; 0 = empty slot */
    uint8_t name[16];
    uint8_t cipher[32];
    uint8_t mac[32];
};

struct tickets {
    pthread_rwlock_t lock;
    char *path;
    struct ticket_key keys[KEYS]; /* newest first */
};

struct ticket_file {
    char magic[sizeof FILE_MAGIC];
    struct ticket_key keys[KEYS];
};

static int keys_save(const struct tickets *t, struct err *e)
{
    if (!t->path)
        return 0;
    struct ticket_file f;
    memset(&f, 0, sizeof f);
    memcpy(f.magic, FILE_MAGIC, sizeof f.magic);
    memcpy(f.keys, t->keys, sizeof f.keys);
    int r = file_publish(t->path, &f, sizeof f, 0600, e);
    OPENSSL_cleanse(&f, sizeof f);
    return r;
}

static void keys_load(struct tickets *t)
{
    _cleanup_free_ char *data = NULL;
    size_t n = 0;
    if (!t->path || file_check_private(t->path, NULL) < 0 ||
        file_read(t->path, sizeof(struct ticket_file), &data, &n, NULL) < 0)
        return;
    struct ticket_file f;
    if (n == sizeof f) {
        memcpy(&f, data, sizeof f);
        if (memcmp(f.magic, FILE_MAGIC, sizeof f.magic) == 0)
            memcpy(t->keys, f.keys, sizeof f.keys);
        OPENSSL_cleanse(&f, sizeof f);
    }
    OPENSSL_cleanse(data, n);
}

int tickets_rotate(struct tickets *t, int64_t now, struct err *e)
{
    struct ticket_key k = {.made = now};
    /* A clock that went back must not keep one key for ever. */
    if (t->keys[0].made && now >= t->keys[0].made && now - t->keys[0].made < KEY_AGE_S)
        return 0;
    if (RAND_bytes(k.name, sizeof k.name) != 1 || RAND_priv_bytes(k.cipher, sizeof k.cipher) != 1 ||
        RAND_priv_bytes(k.mac, sizeof k.mac) != 1)
        return err_ssl(e, "cannot make a ticket key");
    pthread_rwlock_wrlock(&t->lock);
    memmove(t->keys + 1, t->keys, sizeof t->keys - sizeof t->keys[0]);
    t->keys[0] = k;
    for (size_t i = 1; i < KEYS; i++)
        if (t->keys[i].made && now - t->keys[i].made > (int64_t)KEYS * KEY_AGE_S)
            OPENSSL_cleanse(&t->keys[i], sizeof t->keys[i]);
    pthread_rwlock_unlock(&t->lock);
    OPENSSL_cleanse(&k, sizeof k);
    return keys_save(t, e);
}

int tickets_open(const char *state_dir, struct tickets **out, struct err *e)
{
    struct tickets *t = xcalloc(1, sizeof *t);
    CHECK(pthread_rwlock_init(&t->lock, NULL) == 0);
    t->path = state_dir ? xasprintf("%s/ticket.keys", state_dir) : NULL;
    keys_load(t);
    int r = tickets_rotate(t, (int64_t)time(NULL), e);
    if (r < 0) {
        tickets_close(t);
        return r;
    }
    *out = t;
    return 0;
}

static int ex_index(void)
{
    static int index = -1;
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock);
    if (index < 0)
        index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    pthread_mutex_unlock(&lock);
    return index;
}

/* Which key: the newest to seal, the named one to open; -1 = unknown. */
static int key_pick(struct tickets *t, const uint8_t *name, bool seal, struct ticket_key *out)
{
    int found = -1;
    pthread_rwlock_rdlock(&t->lock);
    for (int i = 0; i < (int)KEYS && found < 0; i++)
        if (t->keys[i].made && (seal || !memcmp(t->keys[i].name, name, sizeof out->name)))
            found = i;
    if (found >= 0)
        *out = t->keys[found];
    pthread_rwlock_unlock(&t->lock);
    return found;
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb(3): 1 good, 2 good but seal a new ticket, 0 no ticket, -1
 * error. */
static int on_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
    EVP_MAC_CTX *mac, int seal)
{
    static const char digest[] = "SHA256";
    struct tickets *t = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), ex_index());
    struct ticket_key k;
    int which = t ? key_pick(t, name, seal, &k) : -1;
    if (which < 0)
        return 0;
    if (seal) {
        memcpy(name, k.name, sizeof k.name);
        if (RAND_bytes(iv, 16) != 1)
            return -1;
    }
    char digest_name[sizeof digest];
    memcpy(digest_name, digest, sizeof digest);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, k.mac, sizeof k.mac),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest_name, 0),
        OSSL_PARAM_construct_end(),
    };
    bool good = EVP_MAC_CTX_set_params(mac, params) == 1 &&
                EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, k.cipher, iv, seal) == 1;
    OPENSSL_cleanse(&k, sizeof k);
    if (!good)
        return -1;
    /* A TLS 1.3 client uses a ticket once (RFC 8446 appendix C.4), so it needs a new one each time;
     * with this callback OpenSSL sends one only when asked to. */
    return !seal && (which > 0 || SSL_version(ssl) == TLS1_3_VERSION) ? 2 : 1;
}

void tickets_use(struct tickets *t, SSL_CTX *ctx)
{
    SSL_CTX_set_ex_data(ctx, ex_index(), t);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket_key);
}

void tickets_close(struct tickets *t)
{
    if (!t)
        return;
    pthread_rwlock_destroy(&t->lock);
    OPENSSL_cleanse(t->keys, sizeof t->keys);
    free(t->path);
    free(t);
}
