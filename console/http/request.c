#include "console/http/request.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "common/log.h"
#include "common/utf8.h"
#include "console/audit.h"
#include "console/pages/forms.h"
#include "console/http/routes.h"
#include "console/http/uploads.h"
#include "console/who/sign_in.h"

#define COOKIE            "__Host-elexgate"
#define COOKIE_LANG       "__Host-elexgate-lang"
#define BODY_LIMIT(route) ((route)->body_max ? (route)->body_max : BODY_MAX)

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
    return lang < LANG_FR && strcmp(lang_code(lang), code) == 0 ? lang : LANG_COUNT;
}

static void take_language(struct request *rq)
{
    const char *asked = request_query(rq, "lang");
    _cleanup_free_ char *cookie = cookie_find(request_header(rq, "Cookie"), COOKIE_LANG);
    enum lang wanted = language_known(asked), kept = language_known(cookie);
    rq->set_lang = wanted < LANG_COUNT;
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

/* --- the head --------------------------------------------------------------------------------- */

struct request *request_begin(struct console *console, struct MHD_Connection *mhd,
    struct connection *connection, const char *method, const char *path)
{
    struct request *rq = xcalloc(1, sizeof *rq);
    rq->console = console;
    rq->settings = console_settings(console);
    rq->mhd = mhd;
    rq->connection = connection;
    rq->method = method;
    rq->path = xstrdup(is_text(path) ? path : "?"); /* a page that there is not */
    const char *accept = request_header(rq, "Accept");
    rq->json = strncmp(path, "/api/", 5) == 0 ||
               (accept && strstr(accept, "application/json") != NULL);
    take_address(rq);
    take_language(rq);
    take_session(rq);
    return rq;
}

/* Another site's page made the browser send this (Fetch Metadata; Origin for older browsers). */
static bool from_elsewhere(const struct request *rq)
{
    const char *site = request_header(rq, "Sec-Fetch-Site");
    const char *origin = request_header(rq, "Origin"), *host = request_header(rq, "Host");
    if (site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0)
        return true;
    if (!origin)
        return false;
    return !host || strncmp(origin, "https://", 8) != 0 || strcmp(origin + 8, host) != 0;
}

static bool good_length(struct request *rq, size_t max)
{
    const char *length = request_header(rq, "Content-Length");
    if (!length)
        return true; /* chunked: counted as it comes */
    errno = 0;
    unsigned long long n = strtoull(length, NULL, 10);
    return errno == 0 && n <= max;
}

/* The page that the form stood on, out of the Referer that our own policy has the browser send. */
static const char *page_of_form(struct request *rq)
{
    const char *referer = request_header(rq, "Referer"), *host = request_header(rq, "Host");
    size_t n = host ? strlen(host) : 0;
    if (!referer || !host || strncmp(referer, "https://", 8) != 0 ||
        strncmp(referer + 8, host, n) != 0 || referer[8 + n] != '/')
        return "/";
    return referer + 8 + n;
}

/* Whoever posts after the end of the session signs in on the answer itself; what was typed waits in
 * the browser (assets/forms.js). */
static void sign_in_and_go_on(struct request *rq)
{
    const char *from = page_of_form(rq);
    _cleanup_free_ char *next = xasprintf("%.*s", (int)strcspn(from, "?#"), from);
    rq->refused = true;
    answer_page(rq, MHD_HTTP_UNAUTHORIZED, "login",
        json_pack("{sssb}", "next", sign_in_good_next(next) ? next : "/", "over", 1));
}

static void ask_to_sign_in(struct request *rq)
{
    bool post = strcmp(rq->method, "POST") == 0;
    if (post && !rq->json && rq->route->kind == ROUTE_ACTION) {
        sign_in_and_go_on(rq);
        return;
    }
    if (rq->json || post) {
        answer_error(rq, MHD_HTTP_UNAUTHORIZED, "sign-in-first");
        return;
    }
    _cleanup_free_ char *to = NULL;
    /* the path alone, and only letters and slashes: it comes back into a Location header */
    if (rq->path[strspn(rq->path, "/abcdefghijklmnopqrstuvwxyz-")] == '\0' && rq->path[1] &&
        rq->path[1] != '/')
        to = xasprintf("/login?next=%s", rq->path);
    answer_redirect(rq, to ? to : "/login");
}

/* What is open before the second factor is set up. */
static bool leads_to_code(const char *path)
{
    return strcmp(path, "/account") == 0 || strncmp(path, "/account/code/", 14) == 0 ||
           strcmp(path, "/account/password") == 0 || strcmp(path, "/logout") == 0;
}

static void check_role(struct request *rq)
{
    if (rq->role >= rq->route->role) {
        if (rq->route->role == ROLE_NONE || leads_to_code(rq->path) || !request_code_missing(rq))
            return;
        if (rq->json || strcmp(rq->method, "POST") == 0)
            answer_error(rq, MHD_HTTP_FORBIDDEN, "code-first");
        else
            answer_redirect(rq, "/account");
        return;
    }
    if (rq->role == ROLE_NONE)
        ask_to_sign_in(rq);
    else
        answer_error(rq, MHD_HTTP_FORBIDDEN, "only-admin");
}

/* Everything that can be told from the head alone. An answer given here closes the connection
 * without the body being read. */
static void check_head(struct request *rq)
{
    bool get = strcmp(rq->method, "GET") == 0 || strcmp(rq->method, "HEAD") == 0;
    rq->route = route_find(rq->path, strcmp(rq->method, "POST") == 0);
    if (!rq->route) {
        answer_error(rq, MHD_HTTP_NOT_FOUND, "no-such-page");
        return;
    }
    check_role(rq);
    if (rq->response)
        return;
    if (rq->route->kind == ROUTE_UPLOAD) {
        uploads_head(rq);
        return;
    }
    if (get != (rq->route->kind != ROUTE_ACTION) || (!get && strcmp(rq->method, "POST") != 0)) {
        answer_error(rq, MHD_HTTP_METHOD_NOT_ALLOWED, "wrong-method");
        (void)MHD_add_response_header(
            rq->response, "Allow", rq->route->kind == ROUTE_ACTION ? "POST" : "GET, HEAD");
        return;
    }
    if (!get && from_elsewhere(rq))
        answer_error(rq, MHD_HTTP_FORBIDDEN, "from-elsewhere");
    else if (!good_length(rq, get ? 0 : BODY_LIMIT(rq->route)))
        answer_error(rq, MHD_HTTP_CONTENT_TOO_LARGE, "too-long");
}

static bool send_answer(struct request *rq)
{
    connection_phase_set(rq->connection,
        /* who has not signed in gets nothing that may last: it would hold a connection for ever */
        rq->route && rq->response && rq->status == MHD_HTTP_OK && rq->route->kind == ROUTE_GET &&
                rq->route->role != ROLE_NONE
            ? CONNECTION_STREAM
            : CONNECTION_ANSWER);
    bool sent = MHD_queue_response(rq->mhd, rq->status, rq->response) == MHD_YES;
    MHD_destroy_response(rq->response);
    rq->response = NULL;
    return sent;
}

static bool has_body(const struct request *rq)
{
    return strcmp(rq->method, "GET") != 0 && strcmp(rq->method, "HEAD") != 0;
}

bool request_head(struct request *rq)
{
    connection_phase_set(rq->connection, CONNECTION_BODY);
    check_head(rq);
    /* With a body to come, an answer now ends the connection; without one it can wait a moment. */
    if (rq->response && has_body(rq))
        return send_answer(rq);
    if (rq->append)
        connection_phase_set(rq->connection, CONNECTION_STREAM);
    return true;
}

/* --- the body --------------------------------------------------------------------------------- */

bool request_body(struct request *rq, const char *data, size_t len)
{
    if (rq->response)
        return true; /* a GET with a body: answered already, the rest is dropped */
    if (rq->route->kind == ROUTE_UPLOAD) {
        uploads_body(rq, data, len);
        return true;
    }
    if (rq->len + len > BODY_LIMIT(rq->route)) {
        rq->too_long = true; /* the rest is read and dropped: an answer now would not arrive */
        return true;
    }
    if (rq->capacity - rq->len < len) {
        rq->capacity = (rq->len + len) * 2;
        rq->body = xrealloc(rq->body, rq->capacity);
    }
    memcpy(rq->body + rq->len, data, len);
    rq->len += len;
    return true;
}

static bool parse_form(struct request *rq)
{
    const char *type = request_header(rq, "Content-Type");
    struct err e = {0};
    int r;
    if (rq->too_long) {
        answer_error(rq, MHD_HTTP_CONTENT_TOO_LARGE, "too-long");
        return false;
    }
    if (type && strncasecmp(type, "application/json", 16) == 0) {
        rq->json = true;
        r = form_parse_json(rq->body ? rq->body : "", rq->len, &rq->form, &e);
    } else if (!type || strncasecmp(type, "application/x-www-form-urlencoded", 33) == 0) {
        r = form_parse(rq->body ? rq->body : "", rq->len, &rq->form, &e);
    } else {
        answer_error(rq, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "wrong-type");
        return false;
    }
    if (r < 0)
        answer_error(rq, MHD_HTTP_BAD_REQUEST, "bad-form");
    return r == 0;
}

static void run_action(struct request *rq)
{
    if (!parse_form(rq))
        return;
    const char *token = form_text(rq->form, "csrf");
    if (!token)
        token = request_header(rq, "X-CSRF-Token");
    if (!token || rq->new_id || !token_equal(token, rq->csrf)) {
        answer_error(rq, MHD_HTTP_FORBIDDEN, "csrf");
        return;
    }
    /* signing out forgets who it was */
    _cleanup_free_ char *name = xstrdup(rq->name);
    enum role role = rq->role;
    rq->route->handle(rq);
    audit_action(rq, rq->name ? rq->name : name, rq->name ? rq->role : role);
}

static void run_page(struct request *rq)
{
    json_t *model = rq->route->model(rq);
    if (!rq->response && strncmp(rq->path, "/api/", 5) == 0)
        answer_json(rq, MHD_HTTP_OK, model);
    else if (!rq->response)
        answer_page(rq, MHD_HTTP_OK, rq->route->name, model);
    else
        json_decref(model);
}

bool request_answer(struct request *rq)
{
    connection_phase_set(rq->connection, CONNECTION_ANSWER);
    if (rq->response)
        return send_answer(rq);
    switch (rq->route->kind) {
    case ROUTE_PAGE:
        run_page(rq);
        break;
    case ROUTE_GET:
        rq->route->handle(rq);
        break;
    case ROUTE_ACTION:
        run_action(rq);
        break;
    case ROUTE_UPLOAD:
        uploads_answer(rq);
        break;
    }
    if (!rq->response) /* a handler's mistake: this request ends, not the page for all */
        answer_error(rq, MHD_HTTP_INTERNAL_SERVER_ERROR, "no-such-page");
    return send_answer(rq);
}

void request_end(struct request *rq)
{
    if (rq->append)
        uploads_broken_off(rq);
    if (rq->response)
        MHD_destroy_response(rq->response);
    connection_phase_set(rq->connection, CONNECTION_HEAD);
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
