/*
 * Who may not log in here, whatever the server says: at the login, and at a later change of user.
 */
#include "common/error_phrase.h"
#include "common/lang.h"
#include "proxy/session/session.h"
#include "proxy/wire/user_name.h"

#define ERROR_DENIED 1045 /* ER_ACCESS_DENIED_ERROR */

/* A client may announce one set with its SSLRequest and another with its name; later it may set any
 * by SQL. */
static uint8_t session_charset(const struct session *s)
{
    const struct session_login *l = s->login;
    return l && l->charset == l->head.charset ? l->charset : USER_NAME_CHARSET_ANY;
}

static bool refuse(struct session *s, const char *text, const char *reason, const char *detail)
{
    SLOT_ADD(s->worker->totals.logins_failed, 1);
    session_refuse(s, ERROR_DENIED, "28000", text, reason, detail);
    return true;
}

/* Takes the server this name for the account's, or may it? */
static bool is_refused_as(struct session *s, const char *user, const char *account,
    const char *text, const char *reason, const char *detail)
{
    switch (user_name_match(user, session_charset(s), account)) {
    case USER_NAME_SAME:
        return refuse(s, text, reason, detail);
    case USER_NAME_UNCLEAR:
        return refuse(s, N_("The user name cannot be read clearly (character set)."),
            "a user name that is not clear", reason);
    default:
        return false;
    }
}

/* At the other end of a unix socket the server sees the user that we run as. An account IDENTIFIED
 * VIA unix_socket lets that user in without a password: here it would let in everybody. */
static bool takes_us_for_the_client(struct session *s, const char *user)
{
    const char *own = s->settings->own_user;
    return own && s->server_local &&
           is_refused_as(s, user, own,
               N_("Nobody can log in here under this name: Elexgate itself runs under it."),
               "the proxy's own user", "see allow_own_user in elexgate.ini(5)");
}

static bool is_denied(struct session *s, const char *user)
{
    for (const char *const *account = s->listener->deny_users; *account; account++)
        if (is_refused_as(s, user, *account, N_("This account cannot log in here (deny_users)."),
                "an account that is denied here", "see [listen] deny_users in elexgate.ini(5)"))
            return true;
    return false;
}

bool session_user_is_watched(const struct session *s)
{
    return s->listener->client_auth || s->listener->deny_users[0] ||
           (s->settings->own_user && s->server_local);
}

static bool certificate_may(struct session *s, const char *user)
{
    const struct client_auth *a = s->listener->client_auth;
    struct err e;
    /* Without TLS there is no certificate; settings allow that with client_auth = request only. */
    if (!a || !s->client.ssl || client_auth_check(a, s->client.ssl, user, &e) == 0)
        return true;
    SLOT_ADD(s->worker->totals.logins_failed, 1);
    _cleanup_free_ char *name = session_certificate(s);
    _cleanup_free_ char *detail = xasprintf(
        "certificate %s, user %s: %s", name ? name : "(none)", user, e.text);
    session_refuse_phrase(
        s, ERROR_DENIED, "28000", error_phrase_json(&e), "client certificate refused", detail);
    return false;
}

bool session_user_may(struct session *s, const char *user)
{
    return !takes_us_for_the_client(s, user) && !is_denied(s, user) && certificate_may(s, user);
}
