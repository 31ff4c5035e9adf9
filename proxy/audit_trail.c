#include "proxy/audit_trail.h"

#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include "common/audit.h"
#include "common/clock.h"
#include "link/rights.h"
#include "common/json_get.h"
#include "common/log_limit.h"
#include "proxy/session/session.h"

/* Lines a minute about clients that never logged in. */
#define STRANGERS_MAX 600u

static struct log_limit *strangers;
static pthread_once_t strangers_once = PTHREAD_ONCE_INIT;

static void make_strangers(void)
{
    strangers = log_limit_new(STRANGERS_MAX);
}

const char *audit_trail_file(const struct config *c)
{
    const char *path = config_str(c, "audit", NULL, "proxy_file");
    return path && strcmp(path, "off") != 0 ? path : NULL;
}

void audit_trail_open(const struct config *c)
{
    audit_use(audit_trail_file(c));
}

/* May a line about somebody who is not logged in be written? */
static bool stranger_may(void)
{
    uint64_t now = clock_mono_ms();
    pthread_once(&strangers_once, make_strangers);
    unsigned kept_back = log_limit_kept_back(strangers, now);
    if (kept_back)
        audit_event("kept-back", LOG_U("lines", kept_back));
    return log_limit_may(strangers, now);
}

void audit_trail_login(const struct session *s)
{
    char peer[ADDRESS_TEXT_MAX];
    _cleanup_free_ char *certificate = session_certificate(s);
    audit_event("login", LOG_U("session", s->id), LOG_S("listener", s->listener->name),
        LOG_S("peer", address_text(&s->peer, peer)), LOG_U("port", s->peer_port),
        LOG_S("user", s->names.user), LOG_S("database", s->names.database),
        LOG_S("client", s->names.program),
        LOG_S("tls", s->client.ssl ? SSL_get_version(s->client.ssl) : "none"),
        LOG_S("certificate", certificate));
}

void audit_trail_user_changed(const struct session *s)
{
    char peer[ADDRESS_TEXT_MAX];
    audit_event("user-changed", LOG_U("session", s->id), LOG_S("listener", s->listener->name),
        LOG_S("peer", address_text(&s->peer, peer)), LOG_S("user", s->names.user),
        LOG_S("database", s->names.database));
}

void audit_trail_end(const struct session *s, int64_t ms)
{
    char peer[ADDRESS_TEXT_MAX];
    if (s->login_done)
        audit_event("logout", LOG_U("session", s->id), LOG_S("listener", s->listener->name),
            LOG_S("peer", address_text(&s->peer, peer)), LOG_S("user", s->names.user),
            LOG_S("reason", s->end_reason), LOG_U("reads", s->dialogue.reads),
            LOG_U("writes", s->dialogue.writes), LOG_U("bytes_in", s->client.bytes_in),
            LOG_U("bytes_out", s->client.bytes_out), LOG_I("ms", ms));
    else if (stranger_may())
        audit_event(s->names.user ? "login-failed" : "no-login", LOG_U("session", s->id),
            LOG_S("listener", s->listener->name), LOG_S("peer", address_text(&s->peer, peer)),
            LOG_U("port", s->peer_port), LOG_S("user", s->names.user),
            LOG_S("database", s->names.database), LOG_S("reason", s->end_reason),
            LOG_S("detail", s->end_detail));
}

void audit_trail_refused(const struct address *peer, const char *listener, enum refusal reason)
{
    char text[ADDRESS_TEXT_MAX];
    if (stranger_may())
        audit_event("refused", LOG_S("listener", listener), LOG_S("peer", address_text(peer, text)),
            LOG_S("reason", refusal_name(reason)));
}

void audit_trail_command(unsigned uid, const json_t *request)
{
    struct right right;
    if (!rights_find(RIGHTS_PROXY, request, &right) || !right.logged)
        return;
    const char *account = rights_account(request);
    struct passwd pw, *found = NULL;
    char names[1024], who[32];
    snprintf(who, sizeof who, "%u", uid);
    (void)getpwuid_r(uid, &pw, names, sizeof names, &found);
    json_int_t session = json_get_int(request, "session");
    char number[32];
    snprintf(number, sizeof number, "%lld", (long long)session);
    audit_event("command", LOG_S("who", found ? found->pw_name : who),
        LOG_S("account", *account ? account : NULL), LOG_S("action", right.cmd),
        LOG_S("session", session > 0 ? number : NULL),
        LOG_S("reason", json_get_str(request, "reason")),
        LOG_S("level", json_get_str(request, "level")));
}
