#include "console/http/dispatch.h"

#include <errno.h>
#include <string.h>

#include "console/audit.h"
#include "console/http/routes.h"
#include "console/http/uploads.h"
#include "console/pages/forms.h"
#include "console/who/sign_in.h"

#define BODY_LIMIT(route) ((route)->body_max ? (route)->body_max : BODY_MAX)

/* --- the head --------------------------------------------------------------------------------- */

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

static void ask_to_sign_in(struct request *rq)
{
    bool post = strcmp(rq->method, "POST") == 0;
    if (post && !rq->json && rq->route->kind == ROUTE_ACTION) {
        /* Whoever posts after the end of the session signs in on the answer itself; what was typed
         * waits in the browser (assets/forms.js). */
        const char *from = page_of_form(rq);
        _cleanup_free_ char *next = xasprintf("%.*s", (int)strcspn(from, "?#"), from);
        rq->refused = true;
        answer_page(rq, MHD_HTTP_UNAUTHORIZED, "login",
            json_pack("{sssb}", "next", sign_in_good_next(next) ? next : "/", "over", 1));
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
           strcmp(path, "/account/password") == 0 || strcmp(path, "/account/language") == 0 ||
           strcmp(path, "/logout") == 0;
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
    /* who has not signed in gets nothing that may last: it would hold a connection for ever */
    rq->phase = rq->route && rq->response && rq->status == MHD_HTTP_OK &&
                        rq->route->kind == ROUTE_GET && rq->route->role != ROLE_NONE
                    ? CONNECTION_STREAM
                    : CONNECTION_ANSWER;
    bool sent = MHD_queue_response(rq->mhd, rq->status, rq->response) == MHD_YES;
    MHD_destroy_response(rq->response);
    rq->response = NULL;
    return sent;
}

bool dispatch_head(struct request *rq)
{
    check_head(rq);
    /* With a body to come, an answer now ends the connection; without one it can wait a moment. */
    if (rq->response && (strcmp(rq->method, "GET") != 0 && strcmp(rq->method, "HEAD") != 0))
        return send_answer(rq);
    rq->phase = rq->append ? CONNECTION_STREAM : CONNECTION_BODY;
    return true;
}

/* --- the body --------------------------------------------------------------------------------- */

bool dispatch_body(struct request *rq, const char *data, size_t len)
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

bool dispatch_answer(struct request *rq)
{
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

void dispatch_end(struct request *rq)
{
    if (rq->append)
        uploads_broken_off(rq);
    request_end(rq);
}
