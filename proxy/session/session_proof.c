/*
 * [listen NAME] zero_config_proof: the server's proof, which vouches for the server's certificate,
 * is replaced by one for ours before the client sees it. elexgate-proof makes it; here nothing is
 * known that could. The login's OK waits meanwhile; whatever goes wrong, it goes on as it came.
 */
#include "proxy/session/session.h"

#include <string.h>
#include "common/log.h"
#include "common/json_get.h"
#include "link/control_call.h"
#include "proxy/wire/server_proof.h"

/* elexgate-proof answers within a millisecond unless its database does not. */
#define ANSWER_MS 2000u

static void hex(const uint8_t *bytes, size_t n, char *out)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * n] = '\0';
}

/* A user whose name is not UTF-8 cannot be asked for: NULL. */
static json_t *question(const struct session *s, const char *proof)
{
    char scramble[2 * sizeof s->login->greeting.scramble + 1];
    hex(s->login->greeting.scramble, sizeof s->login->greeting.scramble, scramble);
    return json_pack("{s:s, s:s, s:s, s:s%, s:s}", "cmd", "proof", "user", s->names.user,
        "scramble", scramble, "proof", proof, (size_t)SERVER_PROOF_LEN, "certificate",
        cert_pair_info(s->settings->certificate)->fingerprint_sha256);
}

static void no_proof(struct session *s, const char *why)
{
    if (log_limit_may(s->listener->proof_trouble, uv_now(&s->worker->loop)))
        log_event(LOG_WARNING, "no-zero-config-proof", LOG_U("session", s->id),
            LOG_S("user", s->names.user), LOG_S("error", why));
}

/* The OK packet is still the first thing in the buffer. */
static void replace(struct session *s, const char *proof)
{
    struct buffer *b = &s->login->from_server;
    uint8_t *payload = b->data + b->start + PACKET_HEADER;
    size_t at = server_proof_find(payload, packet_length(b->data + b->start));
    /* Found in the same packet before elexgate-proof was asked; only bytes behind it have come
     * since. */
    CHECK(at > 0);
    memcpy(payload + at, proof, SERVER_PROOF_LEN);
}

static void on_answer(void *ctx, const json_t *object, int status)
{
    struct session *s = ctx;
    control_call_drop(s->login->proof_call);
    s->login->proof_call = NULL;
    if (s->state != SESSION_LOGIN)
        return;
    const json_t *proof = json_object_get(object, "proof");
    const char *error = json_get_str(object, "error");
    if (json_is_string(proof) &&
        server_proof_well_formed(json_string_value(proof), json_string_length(proof)))
        replace(s, json_string_value(proof));
    else
        no_proof(s, error    ? error
                    : object ? "elexgate-proof's answer is not understood"
                             : strerror(-status));
    session_on_server_login(s);
    if (s->state != SESSION_CLOSED)
        session_poll(s);
}

bool session_proof_awaited(struct session *s, const uint8_t *payload, size_t n)
{
    struct session_login *l = s->login;
    if (l->proof_asked || !s->listener->zero_config_proof || !s->client.ssl)
        return l->proof_call != NULL;
    size_t at = server_proof_find(payload, n);
    if (at == 0) /* a server without TLS or older than 11.4, an account without a password */
        return false;
    json_t *request = question(s, (const char *)payload + at);
    if (!request) {
        no_proof(s, "the user's name is not UTF-8");
        return false;
    }
    l->proof_asked = true;
    l->proof_call = control_call_start(
        &s->worker->loop, s->settings->proof_socket, request, ANSWER_MS, on_answer, s);
    json_decref(request);
    return true;
}

void session_proof_cancel(struct session *s)
{
    control_call_drop(s->login->proof_call);
    s->login->proof_call = NULL;
}
