/*
 * A password that must not go over the line to the server as it is: encrypted for the server's RSA
 * key (wire/sha2_login.h). The gate sees it for that moment, as it sees everything inside the TLS
 * that it ends; it is wiped at once.
 */
#include "proxy/session/session.h"

#include <errno.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <string.h>
#include "common/json_get.h"
#include "common/lang.h"
#include "common/phrase.h"

#define KEY_BITS_MIN 2048
#define KEY_BITS_MAX 16384
#define OAEP_LOSS    42 /* bytes of the key's size that SHA-1's OAEP takes */
#define ERROR_DENIED 1045

/* Over a unix socket the server takes the password as it is, and nobody is in between. Without TLS
 * the client knows by itself what to do. */
static bool has_to_step_in(const struct session *s)
{
    return s->client.ssl && !s->server_local;
}

static void refuse(struct session *s, const char *why)
{
    session_refuse(s, ERROR_DENIED, "28000",
        N_("This account (caching_sha2_password) cannot log in here: the server does not give its RSA key."),
        "no RSA key for caching_sha2_password", why);
}

static void send_server(struct session *s, const uint8_t *payload, size_t n, uint8_t seq)
{
    uint8_t packet[PACKET_HEADER + KEY_BITS_MAX / 8];
    struct err e;
    /* Callers: one byte, or an RSA block of at most KEY_BITS_MAX, which is checked before. */
    CHECK(n <= sizeof packet - PACKET_HEADER);
    packet_header(packet, (uint32_t)n, seq);
    memcpy(packet + PACKET_HEADER, payload, n);
    if (link_write(&s->server, packet, PACKET_HEADER + n, &e) < 0)
        session_close_softly(s, "server lost", e.text);
}

bool session_sha2_password(struct session *s, uint8_t *packet, size_t n)
{
    struct session_login *l = s->login;
    static const uint8_t ask = SHA2_ASK_KEY;
    if (l->sha2.step != SHA2_PASSWORD || !has_to_step_in(s))
        return false;
    size_t len = n - PACKET_HEADER;
    l->client_seq = packet[3];
    l->client_turn = false;
    if (len == 0 || len > sizeof l->password) {
        explicit_bzero(packet, n);
        refuse(s, "the client sent no password, or one that is too long");
        return true;
    }
    l->server_waits = false;
    memcpy(l->password, packet + PACKET_HEADER, len);
    l->password_len = len;
    explicit_bzero(packet, n);
    buffer_consume(&l->from_client, n);
    l->sha2.step = SHA2_KEY;
    send_server(s, &ask, 1, (uint8_t)(l->client_seq - l->shift));
    return true;
}

/* *out_len: in, the room; out, what it took. */
static int encrypt(
    EVP_PKEY *key, const uint8_t *text, size_t n, uint8_t *out, size_t *out_len, struct err *e)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    int r = 0;
    /* OAEP's own default hash, SHA-1, is what the server expects. */
    if (!ctx || EVP_PKEY_encrypt_init(ctx) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) != 1 ||
        EVP_PKEY_encrypt(ctx, out, out_len, text, n) != 1)
        r = err_ssl(e, "encryption failed");
    EVP_PKEY_CTX_free(ctx);
    return r;
}

static int encrypt_password(struct session_login *l, const char *pem, size_t pem_len, uint8_t *out,
    size_t *out_len, struct err *e)
{
    BIO *bio = BIO_new_mem_buf(pem, (int)pem_len);
    EVP_PKEY *key = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;
    int r;
    for (size_t i = 0; i < l->password_len; i++)
        l->password[i] ^= l->sha2.scramble[i % SHA2_SCRAMBLE_LEN];
    if (!key)
        r = err_ssl(e, "the server's key cannot be read");
    else if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA || EVP_PKEY_get_bits(key) < KEY_BITS_MIN ||
             EVP_PKEY_get_bits(key) > KEY_BITS_MAX)
        r = err_set(e, EPROTO, "the server's key is not RSA of at least %d bits", KEY_BITS_MIN);
    else if (l->password_len + OAEP_LOSS > (size_t)EVP_PKEY_get_size(key))
        r = err_set(e, EMSGSIZE, "the password is too long for the server's key");
    else
        r = encrypt(key, l->password, l->password_len, out, out_len, e);
    session_sha2_forget(l);
    EVP_PKEY_free(key);
    BIO_free(bio);
    return r;
}

bool session_sha2_key(struct session *s, const uint8_t *packet, size_t n)
{
    struct session_login *l = s->login;
    uint8_t out[KEY_BITS_MAX / 8];
    size_t out_len = sizeof out, pem_len;
    struct err e;
    if (l->sha2.step != SHA2_KEY)
        return false;
    const char *pem = sha2_login_key(packet + PACKET_HEADER, n - PACKET_HEADER, &pem_len);
    if (!pem) { /* an error, most likely: for the client */
        session_sha2_forget(l);
        l->sha2.step = SHA2_DONE;
        return false;
    }
    uint8_t seq = packet[3];
    int r = encrypt_password(l, pem, pem_len, out, &out_len, &e);
    if (r < 0) {
        refuse(s, e.text);
        return true;
    }
    l->sha2.step = SHA2_DONE;
    buffer_consume(&l->from_server, n);
    send_server(s, out, out_len, (uint8_t)(seq + 1));
    return true;
}

void session_sha2_forget(struct session_login *l)
{
    explicit_bzero(l->password, sizeof l->password);
    l->password_len = 0;
}

bool session_sha2_refuses(struct session *s, uint8_t seq)
{
    uint8_t packet[ERROR_PACKET_MAX];
    if (!has_to_step_in(s))
        return false;
    _cleanup_json_ json_t *said = phrase_of(
        N_("A change to this account (caching_sha2_password) is not possible here; reconnect."));
    _cleanup_free_ char *words = notice_words(&s->settings->tongues, said);
    size_t n = error_packet(packet, seq, ERROR_DENIED, "28000", words);
    if (link_write(&s->client, packet, n, NULL) < 0)
        session_drop(s, "change of user with a password in clear", NULL);
    else
        session_close_softly(s, "change of user with a password in clear", NULL);
    return true;
}

/* The client sends its password in clear inside its TLS, the server behind our line without TLS
 * waits for it encrypted, and says 1045 as if it were wrong. MySQL has given the method up. */
bool session_sha256_refuses(
    struct session *s, enum login_reply reply, const uint8_t *payload, size_t n)
{
    static const char name[] = "sha256_password";
    bool asked = reply == LOGIN_SWITCH && n > sizeof name &&
                 memcmp(payload + 1, name, sizeof name) == 0;
    if (!s->client.ssl || (!asked && !(reply == LOGIN_ERROR && strcmp(s->names.plugin, name) == 0)))
        return false;
    SLOT_ADD(s->worker->totals.logins_failed, 1);
    session_refuse(s, ERROR_DENIED, "28000",
        N_("An account with sha256_password cannot log in here; change it to caching_sha2_password."),
        "sha256_password", NULL);
    return true;
}
