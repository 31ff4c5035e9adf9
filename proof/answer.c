#include "proof/answer.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>
#include "certs/server_leaf.h"
#include "common/json_lines.h"
#include "common/log.h"
#include "common/json_get.h"
#include "common/lang.h"

/* A proof that no account fits means a new certificate of the server, or nonsense. After nonsense
 * the server is not asked again for so long. */
#define LEAF_AGAIN_MS 1000u

struct question {
    const char *user;
    size_t user_len;
    uint8_t scramble[SCRAMBLE_LEN];
    uint8_t proof[PROOF_LEN / 2];
    uint8_t certificate[LEAF_LEN];
};

static bool take_hex(const json_t *request, const char *key, uint8_t *out, size_t want)
{
    const json_t *text = json_object_get(request, key);
    size_t n = 0;
    return json_is_string(text) && json_string_length(text) == 2 * want &&
           OPENSSL_hexstr2buf_ex(out, want, &n, json_string_value(text), '\0') == 1 && n == want;
}

static int question_read(const json_t *request, struct question *q, struct err *e)
{
    const char *cmd = json_get_text(request, "cmd");
    const json_t *user = json_object_get(request, "user");
    if (strcmp(cmd, "proof") != 0)
        return err_set(e, EINVAL, "the only command is \"proof\"");
    if (!json_is_string(user))
        return err_set(e, EINVAL, "no user");
    q->user = json_string_value(user);
    q->user_len = json_string_length(user);
    if (!take_hex(request, "scramble", q->scramble, sizeof q->scramble) ||
        !take_hex(request, "proof", q->proof, sizeof q->proof) ||
        !take_hex(request, "certificate", q->certificate, sizeof q->certificate))
        return err_set(e, EINVAL, "scramble, proof or certificate is not as long as it must be");
    return 0;
}

/* The salt from which the server made its proof; NULL: none of these. */
static const struct salt *salt_used(
    const struct answer_server *a, const struct question *q, const struct salt *salts, size_t n)
{
    for (size_t i = 0; a->leaf_known && i < n; i++) {
        char text[PROOF_LEN + 1];
        uint8_t bytes[PROOF_LEN / 2];
        size_t len;
        proof_make(&salts[i], q->scramble, a->leaf, text);
        if (OPENSSL_hexstr2buf_ex(bytes, sizeof bytes, &len, text, '\0') == 1 &&
            CRYPTO_memcmp(bytes, q->proof, sizeof bytes) == 0)
            return &salts[i];
    }
    return NULL;
}

/* As salt_used, with the server's certificate as it is now. 0, too, when it was no help. */
static int salt_used_now(struct answer_server *a, const struct question *q, uint64_t now_ms,
    const struct salt *salts, size_t n, const struct salt **used, struct err *e)
{
    if (a->leaf_in_vain_ms && now_ms - a->leaf_in_vain_ms < LEAF_AGAIN_MS)
        return 0;
    int r = server_leaf(a->target.socket, a->target.host, a->target.port, a->leaf, e);
    a->leaf_known = r == 0;
    *used = salt_used(a, q, salts, n);
    a->leaf_in_vain_ms = *used ? 0 : now_ms;
    return r;
}

static int find_proof(struct answer_server *a, const struct question *q, uint64_t now_ms,
    const struct salt *salts, size_t n, char *out, struct err *e)
{
    const struct salt *used = salt_used(a, q, salts, n);
    int r = n && !used ? salt_used_now(a, q, now_ms, salts, n, &used, e) : 0;
    if (r < 0)
        return r;
    if (!used)
        return err_set(e, ENOENT, "%s",
            n ? N_("the proof is not one that the database server made for this user")
              : N_("no account of this name has a password of a kind that makes proofs"));
    proof_make(used, q->scramble, q->certificate, out);
    return 0;
}

static int ask_server(
    struct answer_server *a, const struct question *q, uint64_t now_ms, char *out, struct err *e)
{
    struct salt salts[ACCOUNTS_SALTS_MAX];
    size_t n = 0;
    int r = accounts_salts(a->accounts, q->user, q->user_len, salts, &n, e);
    if (r == 0)
        r = find_proof(a, q, now_ms, salts, n, out, e);
    OPENSSL_cleanse(salts, sizeof salts);
    return r;
}

/* The gate does not say with which of its servers the client is: the proof does. */
static int ask_servers(
    struct answerer *a, const struct question *q, uint64_t now_ms, char *out, struct err *e)
{
    int r = -ENOENT;
    for (size_t i = 0; i < a->n && r < 0; i++) {
        size_t at = (a->last + i) % a->n;
        r = ask_server(&a->servers[at], q, now_ms, out, e);
        if (r == 0)
            a->last = at;
    }
    return r;
}

json_t *answer_make(struct answerer *a, const json_t *request, uint64_t now_ms)
{
    struct question q;
    char proof[PROOF_LEN + 1];
    struct err e;
    int r = question_read(request, &q, &e);
    if (r == 0)
        r = ask_servers(a, &q, now_ms, proof, &e);
    if (r < 0) {
        log_err(LOG_WARNING, "no-proof", &e, LOG_S("user", json_get_str(request, "user")));
        return json_error_of(-r, &e);
    }
    log_event(LOG_DEBUG, "proof", LOG_S("user", q.user));
    return json_pack("{s:b, s:s}", "ok", 1, "proof", proof);
}
