#include "console/http/request.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "common/utf8.h"
#include "console/pages/forms.h"

#define COOKIE      "__Host-elexgate"
#define COOKIE_LANG "__Host-elexgate-lang"

static bool is_text(const char *s)
{
    return utf8_check(s, strlen(s)) == strlen(s);
}

const char *request_query(const struct request *rq, const char *key)
{
    const char *value = MHD_lookup_connection_value(rq->mhd, MHD_GET_ARGUMENT_KIND, key);
    return value && is_text(value) ? value : NULL;
}

const char *request_header(const struct request *rq, const char *key)
{
    return MHD_lookup_connection_value(rq->mhd, MHD_HEADER_KIND, key);
}

/* --- who and in what language ----------------------------------------------------------------- */

static void take_address(struct request *rq)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        rq->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *sa = info ? info->client_addr : NULL;
    if (sa && sa->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, rq->address,
            sizeof rq->address);
    else if (sa && sa->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr,
            rq->address, sizeof rq->address);
}

static enum lang language_known(const char *code)
{
    enum lang lang = lang_parse(code);
    return lang < LANG_COUNT && strcmp(lang_code(lang), code) == 0 ? lang : LANG_COUNT;
}

static void take_language(struct request *rq)
{
    const char *asked = request_query(rq, "lang");
    _cleanup_free_ char *cookie = cookie_find(request_header(rq, "Cookie"), COOKIE_LANG);
    enum lang wanted = language_known(asked), kept = language_known(cookie);
    rq->set_lang = wanted < LANG_COUNT;
    enum lang chosen = rq->name ? accounts_language(rq->console->accounts, rq->name) : LANG_COUNT;
    kept = chosen < LANG_COUNT ? chosen : kept;
    rq->lang = rq->set_lang        ? wanted
               : kept < LANG_COUNT ? kept
                                   : language_choose(request_header(rq, "Accept-Language"));
}

bool device_sign(const struct request *rq, const char *account, char out[static HASH_LEN])
{
    long generation = accounts_generation(rq->console->accounts, account);
    _cleanup_free_ char *text = xasprintf("device|%s|%ld", account, generation);
    token_sign(text, sessions_key(rq->console->sessions), out);
    return generation != 0;
}

static bool good_id(const char *id)
{
    size_t n = 0;
    for (; id && (isalnum((unsigned char)id[n]) || id[n] == '-' || id[n] == '_'); n++)
        ;
    return id && n == TOKEN_LEN - 1 && id[n] == '\0';
}

/* The CSRF token belongs to the cookie's value, whether that is a session's or nobody's yet: the
 * sign-in form is guarded in the same way. */
static void sign(struct request *rq)
{
    token_sign(rq->id, sessions_key(rq->console->sessions), rq->csrf);
}

static void take_session(struct request *rq)
{
    struct console *c = rq->console;
    const struct session_times times = {
        rq->settings->session_idle_ms, rq->settings->session_max_ms};
    _cleanup_free_ char *id = cookie_find(request_header(rq, "Cookie"), COOKIE);
    if (!good_id(id)) {
        token_make(rq->id);
        rq->new_id = true;
        sign(rq);
        return;
    }
    memcpy(rq->id, id, TOKEN_LEN);
    sign(rq);
    long generation = 0;
    /* what the page asks for by itself does not keep anybody signed in */
    bool by_hand = strcmp(rq->path, "/events") != 0 && !request_header(rq, "Elexgate-Background");
    rq->name = sessions_find(c->sessions, rq->id, times, by_hand, &generation);
    if (rq->name && accounts_generation(c->accounts, rq->name) == generation)
        rq->role = accounts_role(c->accounts, rq->name);
    if (rq->role == ROLE_NONE) {
        free(rq->name);
        rq->name = NULL;
    }
}

void request_sign_in(struct request *rq, const char *name, enum role role)
{
    struct console *c = rq->console;
    sessions_end(c->sessions, rq->id); /* whatever the browser was before */
    sessions_begin(c->sessions, name, accounts_generation(c->accounts, name), rq->address, rq->id);
    rq->new_id = true;
    free(rq->name);
    rq->name = xstrdup(name);
    rq->role = role;
    sign(rq);
}

/* The cookie holds a token; what it is worth is signed with the console's own key, for one account
 * and its present password. */
const char *request_device(const struct request *rq, const char *account, char out[static HASH_LEN])
{
    _cleanup_free_ char *cookie = cookie_find(request_header(rq, "Cookie"), COOKIE_DEVICE);
    char right[HASH_LEN];
    if (!cookie || !device_sign(rq, account, right) || !token_equal(cookie, right))
        return NULL;
    return token_hash(cookie, out);
}

bool request_code_missing(const struct request *rq)
{
    return rq->name && config_bool(rq->settings->config, "console", NULL, "require_totp") &&
           !accounts_has_code(rq->console->accounts, rq->name);
}

void request_sign_out(struct request *rq)
{
    sessions_end(rq->console->sessions, rq->id);
    token_make(rq->id);
    rq->new_id = true;
    free(rq->name);
    rq->name = NULL;
    rq->role = ROLE_NONE;
    sign(rq);
}

/* --- from begin to end -------------------------------------------------------------------------
 */

struct request *request_begin(
    struct console *console, struct MHD_Connection *mhd, const char *method, const char *path)
{
    struct request *rq = xcalloc(1, sizeof *rq);
    rq->console = console;
    rq->settings = console_settings(console);
    rq->mhd = mhd;
    rq->method = method;
    rq->path = xstrdup(is_text(path) ? path : "?"); /* a page that there is not */
    const char *accept = request_header(rq, "Accept");
    rq->json = strncmp(path, "/api/", 5) == 0 ||
               (accept && strstr(accept, "application/json") != NULL);
    take_address(rq);
    take_session(rq);
    take_language(rq);
    return rq;
}

void request_end(struct request *rq)
{
    if (rq->response)
        MHD_destroy_response(rq->response);
    console_settings_drop(rq->console, rq->settings);
    json_decref(rq->form);
    json_decref(rq->texts);
    if (rq->body)
        explicit_bzero(rq->body, rq->capacity); /* passwords */
    free(rq->body);
    free(rq->name);
    free(rq->path);
    free(rq);
}
