#include "proxy/session/session.h"

#include <string.h>
#include "common/clock.h"
#include "common/json_lines.h"
#include "common/log.h"
#include "proxy/audit_trail.h"
#include "proxy/roster.h"
#include "proxy/warnings.h"

static const char *tls_version(const struct session *s)
{
    return s->client.ssl ? SSL_get_version(s->client.ssl) : NULL;
}

static const char *tls_cipher(const struct session *s)
{
    return s->client.ssl ? SSL_get_cipher_name(s->client.ssl) : NULL;
}

char *session_certificate(const struct session *s)
{
    if (!s->listener->client_auth || !s->client.ssl)
        return NULL;
    char *name = client_auth_name(s->client.ssl);
    if (*name)
        return name;
    free(name);
    return NULL;
}

static json_t *event_json(const struct session *s, const char *event)
{
    char peer[ADDRESS_TEXT_MAX];
    return json_pack("{s:s, s:I, s:s, s:i, s:o, s:o, s:o}", "event", event, "session",
        (json_int_t)s->id, "peer", address_text(&s->peer, peer), "peer_port", (int)s->peer_port,
        "user", json_text(s->names.user), "database", json_text(s->names.database), "program",
        json_text(s->names.program));
}

/* For the board of the roll-out: how somebody came. */
static void note_visit(const struct session *s, enum roster_how how)
{
    struct roster_visit v = {.how = how,
        .listener = s->listener->name,
        .user = s->names.user,
        .program = s->names.program,
        .tls_off = s->listener->tls == TLS_OFF};
    roster_note(&s->peer, &v, clock_wall_ms());
}

/* The alerts of a client that looked at our certificate and did not like it; the words are
 * OpenSSL's. */
static bool distrusts(const struct session *s)
{
    static const char *const alerts[] = {"alert unknown ca", "alert certificate unknown",
        "alert bad certificate", "alert certificate expired"};
    for (size_t i = 0; s->end_detail && i < sizeof alerts / sizeof alerts[0]; i++)
        if (strstr(s->end_detail, alerts[i]))
            return true;
    return false;
}

static void note_failure(const struct session *s)
{
    if (s->end_reason && !strcmp(s->end_reason, "client refused TLS"))
        note_visit(s, ROSTER_NO_TLS);
    else if (distrusts(s))
        note_visit(s, ROSTER_DISTRUST);
}

void session_log_login(const struct session *s)
{
    char peer[ADDRESS_TEXT_MAX];
    _cleanup_free_ char *certificate = session_certificate(s);
    log_event(LOG_INFO, "login", LOG_U("session", s->id), LOG_S("listener", s->listener->name),
        LOG_S("peer", address_text(&s->peer, peer)), LOG_U("port", s->peer_port),
        LOG_S("user", s->names.user), LOG_S("database", s->names.database),
        LOG_S("program", s->names.program), LOG_S("tls", tls_version(s)),
        LOG_S("cipher", tls_cipher(s)), LOG_B("resumed", s->resumed),
        LOG_S("certificate", certificate), LOG_U("thread_id", s->thread_id));
    audit_trail_login(s);
    note_visit(s, certificate ? ROSTER_CERTIFICATE : s->client.ssl ? ROSTER_TLS : ROSTER_PLAIN);
    if (atomic_load_explicit(&s->worker->watch_sessions, memory_order_relaxed))
        worker_tell_session(s->worker, event_json(s, "connect"));
}

/* A client that failed before its login: a workstation that distrusts the certificate, but also any
 * scanner, as often as it likes. */
static enum log_level failure_level(const struct session *s)
{
    struct log_limit *l = s->listener->failures;
    uint64_t now = clock_mono_ms();
    warnings_log_kept_back(s->listener, now);
    return log_limit_may(l, now) ? LOG_WARNING : LOG_DEBUG;
}

void session_log_end(const struct session *s)
{
    char peer[ADDRESS_TEXT_MAX];
    int64_t ms = clock_wall_ms() - s->since_wall_ms;
    /* A session that never logged in, for a reason of its own, is worth the admin's eye. */
    enum log_level level = s->login_done                                          ? LOG_INFO
                           : s->state == SESSION_FIRST || s->state == SESSION_TLS ? failure_level(s)
                                                                                  : LOG_WARNING;
    log_event(level, "end", LOG_U("session", s->id), LOG_S("listener", s->listener->name),
        LOG_S("peer", address_text(&s->peer, peer)), LOG_U("port", s->peer_port),
        LOG_S("user", s->names.user), LOG_S("reason", s->end_reason),
        LOG_S("detail", s->end_detail), LOG_U("bytes_in", s->client.bytes_in),
        LOG_U("bytes_out", s->client.bytes_out), LOG_U("reads", s->dialogue.reads),
        LOG_U("writes", s->dialogue.writes), LOG_I("ms", ms));
    audit_trail_end(s, ms);
    if (!s->login_done)
        note_failure(s);
    if (s->login_done && atomic_load_explicit(&s->worker->watch_sessions, memory_order_relaxed)) {
        json_t *o = event_json(s, "disconnect");
        (void)json_object_set_new(o, "reason", json_string(s->end_reason));
        worker_tell_session(s->worker, o);
    }
}

static json_t *attributes_json(const struct login_names *n)
{
    json_t *o = json_object();
    const char *p = n->attributes, *end = p ? p + n->attributes_len : p;
    while (p < end) {
        const char *value = p + strlen(p) + 1;
        if (value >= end)
            break;
        (void)json_object_set_new(o, p, json_text(value)); /* a key that is no UTF-8 is left out */
        p = value + strlen(value) + 1;
    }
    return o;
}

json_t *session_json(const struct session *s)
{
    static const char *const kinds[] = {"none", "read", "write"};
    char peer[ADDRESS_TEXT_MAX], since[CLOCK_ISO_LEN];
    _cleanup_free_ char *certificate = session_certificate(s);
    uint64_t now = uv_now(&s->worker->loop);
    uint64_t quiet = now > s->last_activity_ms ? now - s->last_activity_ms : 0;
    json_t *o = json_pack(
        "{s:I, s:s, s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:I, s:o, s:b, s:I, s:i}",
        "id", (json_int_t)s->id, "listener", s->listener->name, "peer",
        address_text(&s->peer, peer), "peer_port", (int)s->peer_port, "user",
        json_text(s->names.user), "database", json_text(s->names.database), "program",
        json_text(s->names.program), "attributes", attributes_json(&s->names), "tls_version",
        json_text(tls_version(s)), "cipher", json_text(tls_cipher(s)), "resumed", s->resumed,
        "client_certificate", json_text(certificate), "since", clock_iso(s->since_wall_ms, since),
        "state", session_state_name(s->state), "bytes_in", (json_int_t)s->client.bytes_in,
        "bytes_out", (json_int_t)s->client.bytes_out, "reads", (json_int_t)s->dialogue.reads,
        "writes", (json_int_t)s->dialogue.writes, "last_kind",
        kinds[s->dialogue.last_kind < 3 ? s->dialogue.last_kind : 0], "last_activity_ms",
        (json_int_t)quiet, "in_transaction",
        s->counted_unknown ? json_null() : json_boolean(s->counted_transaction), "in_flight",
        s->counted_flight, "thread_id", (json_int_t)s->thread_id, "worker", (int)s->worker->index);
    if (s->backend)
        (void)json_object_set_new(o, "backend", json_string(s->backend->name));
    return o;
}
