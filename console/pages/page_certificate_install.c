/*
 * Another certificate for the server: looked at, and what it means for the workstations said,
 * before it is installed; renewed by the practice's own CA; and the one before it, brought back.
 */
#include <sodium.h>
#include <string.h>

#include "common/json_get.h"
#include "common/utf8.h"
#include "console/ask.h"
#include "console/pages/certificates.h"
#include "console/pages/forms.h"
#include "console/pages/pages.h"

#define PAGE CERTIFICATES_PAGE

/* The keeper's working folder says nothing to whoever chose a file: "/.../cert-work/9/key" is
 * "key". */
static void drop_folder(char *text)
{
    char *at;
    while ((at = strstr(text, "/cert-work/"))) {
        char *begin = at, *end = at + strlen("/cert-work/");
        while (begin > text && begin[-1] != ' ')
            begin--;
        end += strspn(end, "0123456789");
        end += *end == '/';
        memmove(begin, end, strlen(end) + 1);
    }
}

void certificates_again(struct request *rq, struct err *e, const json_t *result)
{
    drop_folder(e->text);
    e->phrase[0] = '\0'; /* it has the folder, too; the text is in the reader's language */
    if (rq->json || ask_unreachable(e)) {
        answer_failed(rq, PAGE, "keeper", e);
        return;
    }
    json_t *model = model_certificates(rq);
    _cleanup_free_ char *text = answer_words(rq, "keeper", e);
    rq->refused = true;
    if (strcmp(json_get_text(result, "field"), "names") == 0)
        (void)json_object_set_new(
            json_object_get(model, "form"), "names_error", json_string(e->text));
    (void)json_object_set_new(model, "error", json_string(text));
    answer_page(rq, MHD_HTTP_UNPROCESSABLE_CONTENT, "certificates", model);
}

/* --- what it means ---------------------------------------------------------------------------- */

/* Workstations that have come lately. */
static size_t count_workstations(struct request *rq)
{
    _cleanup_json_ json_t *answer = NULL, *seen = json_object();
    json_t *session;
    struct err e = {0};
    size_t i;
    if (ask_proxy(rq, json_pack("{ss}", "cmd", "sessions"), &answer, &e) == 0)
        json_array_foreach (json_object_get(answer, "sessions"), i, session)
            (void)json_object_set_new(seen, json_get_text(session, "peer"), json_true());
    size_t n = json_object_size(seen);
    return n;
}

char *certificates_effect(struct request *rq, const json_t *exchange)
{
    char number[24];
    if (strcmp(json_get_text(exchange, "workstations"), "same-ca") == 0)
        return say(rq, "same-ca", NULL);
    size_t n = count_workstations(rq);
    utf8_format(number, sizeof number, "%zu", n);
    return say(rq, n > 0 ? "new-ca-n" : "new-ca", "n", number, NULL);
}

/* A file as base64, or text that was pasted. */
static void take_content(const json_t *form, json_t *o, const char *key, const char *text_key)
{
    const char *base64 = form_text(form, key), *text = form_text(form, text_key);
    if (base64 && *base64) {
        (void)json_object_set_new(o, key, json_string(base64));
    } else if (text && *text) {
        size_t n = strlen(text);
        size_t size = sodium_base64_ENCODED_LEN(n, sodium_base64_VARIANT_ORIGINAL);
        char *encoded = xmalloc(size);
        sodium_bin2base64(
            encoded, size, (const unsigned char *)text, n, sodium_base64_VARIANT_ORIGINAL);
        (void)json_object_set_new(o, key, json_string(encoded));
        sodium_memzero(encoded, size);
        free(encoded);
    }
}

static json_t *options_of(struct request *rq)
{
    const char *password = json_get_str(rq->form, "password");
    json_t *o = json_object();
    take_content(rq->form, o, "certificate", "certificate_text");
    take_content(rq->form, o, "key", "key_text");
    take_content(rq->form, o, "chain", "chain_text");
    if (password && *password)
        (void)json_object_set_new(o, "password", json_string(password));
    return o;
}

/* What was sent goes out once more, hidden in the question, so that nothing of it needs to be kept
 * here; the answer is no-store, as every page is. */
static void ask_first(struct request *rq, const json_t *options, const json_t *exchange)
{
    json_t *model = model_certificates(rq), *sent = json_copy((json_t *)(uintptr_t)options);
    json_t *asked = json_deep_copy(json_object_get(exchange, "certificate"));
    _cleanup_free_ char *effect = certificates_effect(rq, exchange);
    certificates_complete(rq, asked);
    if (json_object_get(sent, "key")) /* "key" of a certificate is its kind */
        (void)json_object_set(sent, "key_sent", json_object_get(sent, "key"));
    (void)json_object_update(sent, asked);
    json_decref(asked);
    (void)json_object_set_new(sent, "effect", json_string(effect));
    (void)json_object_set_new(sent, "same",
        json_boolean(strcmp(json_get_text(exchange, "workstations"), "same-ca") == 0));
    if (json_object_get(exchange, "lost_names"))
        (void)json_object_set(sent, "lost_names", json_object_get(exchange, "lost_names"));
    (void)json_object_set_new(model, "asked", sent);
    answer_page(rq, MHD_HTTP_OK, "certificates", model);
}

static void check(struct request *rq, json_t *options)
{
    _cleanup_json_ json_t *result = NULL;
    struct err e = {0};
    utf8_copy(rq->object, sizeof rq->object, "looked at");
    if (certificates_ask(rq, "check", json_incref(options), &result, &e) < 0) {
        certificates_again(rq, &e, result);
    } else if (rq->json) {
        rq->refused = true;
        _cleanup_free_ char *effect = certificates_effect(rq, result);
        answer_json(rq, MHD_HTTP_UNPROCESSABLE_CONTENT,
            json_pack("{sbsssO}", "ok", 0, "error", effect, "check", result));
    } else {
        ask_first(rq, options, result);
    }
}

void action_certificate_install(struct request *rq)
{
    _cleanup_json_ json_t *o = options_of(rq), *result = NULL;
    struct err e = {0};
    if (!json_object_get(o, "certificate")) {
        answer_refused(
            rq, MHD_HTTP_UNPROCESSABLE_CONTENT, PAGE, say(rq, "certificate-missing", NULL));
    } else if (!form_flag(rq->form, "sure")) {
        check(rq, o);
    } else {
        if (form_flag(rq->form, "other_names"))
            (void)json_object_set_new(o, "other_names", json_true());
        if (certificates_ask(rq, "install", json_incref(o), &result, &e) < 0)
            certificates_again(rq, &e, result);
        else
            answer_done(rq, PAGE, say(rq, "certificate-installed", NULL), NULL);
    }
}

static void simply(struct request *rq, const char *action, const char *done)
{
    _cleanup_json_ json_t *result = NULL;
    struct err e = {0};
    if (!form_flag(rq->form, "sure"))
        answer_refused(rq, MHD_HTTP_UNPROCESSABLE_CONTENT, PAGE, say(rq, "not-sure", NULL));
    else if (certificates_ask(rq, action, NULL, &result, &e) < 0)
        certificates_again(rq, &e, result);
    else
        answer_done(rq, PAGE, say(rq, done, NULL), NULL);
}

void action_certificate_renew(struct request *rq)
{
    simply(rq, "renew", "certificate-made");
}

void action_certificate_back(struct request *rq)
{
    simply(rq, "back", "certificate-back");
}
