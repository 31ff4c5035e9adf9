/*
 * The answers of request.h: pages, JSON, redirects, and the headers that all of them carry.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/utf8.h"
#include "common/json_get.h"
#include "common/error_phrase.h"
#include "console/view/parts.h"
#include "console/ask.h"
#include "console/http/assets.h"
#include "console/http/request.h"
#include "console/view/template.h"
#include "console/view/texts.h"
#include "console/view/view.h"

#define CSP                                                                                        \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "              \
    "font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; "            \
    "base-uri 'none'"

/* --- headers ---------------------------------------------------------------------------------- */

/* Strict-Transport-Security is not among them: it would hold for every port of the machine, also
 * for other programs of the practice that speak plain HTTP. Here nothing speaks plain HTTP. */
static const char *const headers[][2] = {
    {"Content-Security-Policy", CSP},
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "same-origin"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=()"},
};

static void add_cookies(struct request *rq)
{
    char cookie[200];
    if (rq->new_id) {
        utf8_format(cookie, sizeof cookie,
            "__Host-elexgate=%s; Path=/; Secure; HttpOnly; SameSite=Strict", rq->id);
        (void)MHD_add_response_header(rq->response, "Set-Cookie", cookie);
    }
    char device[HASH_LEN];
    if (rq->new_device && rq->name && device_sign(rq, rq->name, device)) {
        utf8_format(cookie, sizeof cookie,
            COOKIE_DEVICE "=%s; Path=/; Max-Age=31536000; Secure; HttpOnly; SameSite=Strict",
            device);
        (void)MHD_add_response_header(rq->response, "Set-Cookie", cookie);
    }
    if (rq->set_lang) {
        utf8_format(cookie, sizeof cookie,
            "__Host-elexgate-lang=%s; Path=/; Max-Age=31536000; Secure; HttpOnly; SameSite=Strict",
            lang_code(rq->lang));
        (void)MHD_add_response_header(rq->response, "Set-Cookie", cookie);
    }
}

void answer_response(struct request *rq, unsigned status, struct MHD_Response *response)
{
    CHECK(response && !rq->response); /* whoever answers returns; no input decides that */
    rq->response = response;
    rq->status = status;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        (void)MHD_add_response_header(response, headers[i][0], headers[i][1]);
    if (!MHD_get_response_header(response, "Cache-Control"))
        (void)MHD_add_response_header(response, "Cache-Control", "no-store");
    add_cookies(rq);
}

/* Takes over the text. */
static void answer_text(
    struct request *rq, unsigned status, const char *type, char *text, size_t len)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);
    CHECK(r);
    (void)MHD_add_response_header(r, "Content-Type", type);
    answer_response(rq, status, r);
}

void answer_redirect(struct request *rq, const char *path)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    /* path: a constant, or one of letters and slashes (sign_in_good_next) */
    CHECK(r && MHD_add_response_header(r, "Location", path) == MHD_YES);
    answer_response(rq, MHD_HTTP_SEE_OTHER, r);
}

void answer_json(struct request *rq, unsigned status, json_t *object)
{
    view_localise(object, rq->lang);
    char *text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    if (!text) { /* something in it was no UTF-8, so that it could not be made */
        status = MHD_HTTP_INTERNAL_SERVER_ERROR;
        text = xstrdup("{\"ok\":false,\"error\":\"the answer cannot be shown\"}");
    }
    answer_text(rq, status, "application/json", text, strlen(text));
}

/* --- messages --------------------------------------------------------------------------------- */

/* Replaces each {name} in text. */
static char *fill(const char *text, va_list ap)
{
    char *filled = xstrdup(text);
    const char *name;
    while ((name = va_arg(ap, const char *))) {
        const char *value = va_arg(ap, const char *);
        _cleanup_free_ char *mark = xasprintf("{%s}", name);
        char *at = strstr(filled, mark);
        if (!at)
            continue;
        char *next = xasprintf(
            "%.*s%s%s", (int)(at - filled), filled, value ? value : "", at + strlen(mark));
        free(filled);
        filled = next;
    }
    return filled;
}

char *say(const struct request *rq, const char *key, ...)
{
    const char *english = json_get_str(rq->console->messages, key);
    va_list ap;
    va_start(ap, key);
    char *filled = fill(english ? lang_text(rq->lang, english) : key, ap);
    va_end(ap);
    /* words of other programs may have been cut off in the middle of a character */
    for (size_t bad; (bad = utf8_check(filled, strlen(filled))) < strlen(filled);)
        filled[bad] = '?';
    return filled;
}

/* --- pages ------------------------------------------------------------------------------------ */

struct partials {
    const char *dir;
    char *owned[64]; /* read from disk; freed after the rendering */
    size_t n;
};

static const char *find_page(void *ctx, const char *name, size_t *len)
{
    struct partials *p = ctx;
    char *owned = NULL;
    const char *text;
    _cleanup_free_ char *path = xasprintf("pages/%s.html", name);
    if (p->n == sizeof p->owned / sizeof p->owned[0] ||
        asset_get(p->dir, path, &text, len, &owned, NULL) < 0)
        return NULL;
    if (owned)
        p->owned[p->n++] = owned;
    return text;
}

static int render(struct partials *p, const char *name, const json_t *model, char **out,
    size_t *len, struct err *e)
{
    size_t n;
    const char *text = find_page(p, name, &n);
    if (!text)
        return err_set(e, ENOENT, "there is no template %s", name);
    return template_render(name, text, n, model, find_page, p, out, len, e);
}

/* Those that the reader does not read now: [{"code","name"}]. */
static json_t *other_languages(const struct request *rq)
{
    json_t *list = json_array();
    for (enum lang lang = LANG_EN; lang < LANG_COUNT; lang++)
        if (lang != rq->lang)
            (void)json_array_append_new(
                list, json_pack("{ssss}", "code", lang_code(lang), "name", lang_name(lang)));
    return list;
}

/* Minutes that local time is ahead of UTC now: the page's scripts show the server's time. */
static long zone_offset(void)
{
    time_t now = (time_t)(clock_wall_ms() / 1000);
    struct tm local;
    return localtime_r(&now, &local) ? local.tm_gmtoff / 60 : 0;
}

/* What every template can use; docs/console.md lists it. */
static int add_common(struct request *rq, const char *page, json_t *model, struct err *e)
{
    json_t *texts;
    char now[CLOCK_ISO_LEN];
    int r = texts_load(rq->console->assets_dir, "page", rq->lang, &texts, e);
    if (r < 0)
        return r;
    json_t *common = json_pack("{sosssss{sb}sssssssssoss}", "t", texts, "lang", lang_code(rq->lang),
        "page", page, "is", page, 1, "path", rq->path, "csrf", rq->csrf, "version",
        ELEXGATE_VERSION, "asset_version",
        rq->console->assets_dir ? "dev" : embedded_assets_version, "languages", other_languages(rq),
        "now", clock_iso(clock_wall_ms(), now));
    CHECK(common); /* all UTF-8: request_begin replaces a path that is not */
    const char *support = config_str(rq->settings->config, "console", NULL, "support");
    (void)json_object_set_new(common, "zone_offset", json_integer(zone_offset()));
    if (support)
        (void)json_object_set_new(common, "support", json_string(support));
    if (rq->name)
        (void)json_object_set_new(common, "services", services(rq));
    if (rq->name)
        (void)json_object_set_new(common, "me",
            json_pack("{sssssb}", "name", rq->name, "role", role_name(rq->role), "admin",
                rq->role == ROLE_ADMIN));
    /* not for what a page asks by itself: the message is for who pressed a button */
    bool by_hand = rq->name && !request_header(rq, "Elexgate-Background");
    json_t *flash = by_hand ? sessions_take_flash(rq->console->sessions, rq->id) : NULL;
    if (flash)
        (void)json_object_set_new(common, "flash", flash);
    view_words(model, texts);
    (void)json_object_update(model, common);
    json_decref(common);
    return 0;
}

void answer_page(struct request *rq, unsigned status, const char *name, json_t *model)
{
    struct err e = {0};
    struct partials p = {.dir = rq->console->assets_dir};
    char *content = NULL, *page = NULL;
    size_t len = 0;
    view_localise(model, rq->lang);
    int r = add_common(rq, name, model, &e);
    if (r == 0)
        r = render(&p, name, model, &content, &len, &e);
    if (r == 0) {
        (void)json_object_set_new(model, "content", json_stringn(content, len));
        r = render(&p, "layout", model, &page, &len, &e);
    }
    for (size_t i = 0; i < p.n; i++)
        free(p.owned[i]);
    free(content);
    json_decref(model);
    if (r < 0) {
        log_err(LOG_ERROR, "page-failed", &e, LOG_S("page", name));
        status = MHD_HTTP_INTERNAL_SERVER_ERROR;
        page = xasprintf("%s\n",
            lang_text(rq->lang, "The page cannot be shown; the log of elexgate-console says why."));
        len = strlen(page);
        answer_text(rq, status, "text/plain; charset=utf-8", page, len);
        return;
    }
    answer_text(rq, status, "text/html; charset=utf-8", page, len);
}

/* --- errors and results ----------------------------------------------------------------------- */

static json_t *result(bool ok, const char *text)
{
    return json_pack("{sbss}", "ok", ok, ok ? "text" : "error", text);
}

void answer_error(struct request *rq, unsigned status, const char *message)
{
    _cleanup_free_ char *text = say(rq, message, NULL);
    rq->refused = true;
    if (rq->json)
        answer_json(rq, status, result(false, text));
    else
        answer_page(rq, status, "error", json_pack("{siss}", "status", (int)status, "text", text));
}

/* begun: the part of the page that shows what it tells of; the page takes it away with that. NULL:
 * it stays. */
static void flash(struct request *rq, const char *kind, const char *text, const char *begun)
{
    sessions_set_flash(rq->console->sessions, rq->id,
        json_pack("{s:s, s:s, s:s, s:s*}", "kind", kind, kind, "1", "text", text, "begun", begun));
}

static void done(struct request *rq, const char *back, char *text, json_t *extra, const char *begun)
{
    if (rq->json) {
        json_t *o = result(true, text);
        if (extra)
            (void)json_object_update(o, extra);
        answer_json(rq, MHD_HTTP_OK, o);
    } else {
        flash(rq, "good", text, begun);
        answer_redirect(rq, back);
    }
    json_decref(extra);
    free(text);
}

void answer_done(struct request *rq, const char *back, char *text, json_t *extra)
{
    done(rq, back, text, extra, NULL);
}

void answer_begun(struct request *rq, const char *back, const char *part, char *text)
{
    done(rq, back, text, NULL, part);
}

void answer_refused(struct request *rq, unsigned status, const char *back, char *text)
{
    rq->refused = true;
    if (rq->json) {
        answer_json(rq, status, result(false, text));
    } else {
        flash(rq, "bad", text, NULL);
        answer_redirect(rq, back);
    }
    free(text);
}

/* Of a program's refusal. */
static unsigned status_of(int code)
{
    switch (code) {
    case EBUSY:
    case ESTALE:
    case EEXIST:
        return MHD_HTTP_CONFLICT;
    case EINVAL:
    case EBADMSG:
    case EKEYEXPIRED:
    case EFBIG:
        return MHD_HTTP_UNPROCESSABLE_CONTENT;
    case ENOENT:
        return MHD_HTTP_NOT_FOUND;
    case EPERM:
    case EACCES:
    case ENOKEY:
        return MHD_HTTP_FORBIDDEN;
    default:
        return MHD_HTTP_BAD_GATEWAY;
    }
}

char *answer_words(struct request *rq, const char *what, const struct err *error)
{
    if (error->code == EACCES || error->code == ENOKEY)
        return say(rq, error->code == EACCES ? "confirm-password-wrong" : "confirm-password", NULL);
    _cleanup_free_ char *key = xasprintf("%s-%s", what, ask_unreachable(error) ? "away" : "says");
    _cleanup_free_ char *words = error_phrase_words(rq->lang, error);
    return say(rq, key, "text", words, NULL);
}

void answer_failed(struct request *rq, const char *back, const char *what, const struct err *error)
{
    unsigned status = ask_unreachable(error) ? MHD_HTTP_SERVICE_UNAVAILABLE
                                             : status_of(error->code);
    answer_refused(rq, status, back, answer_words(rq, what, error));
}
