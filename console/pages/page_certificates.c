/*
 * /certificates: what is in use; make one, install one; what a workstation needs. The keeper runs
 * `elexgate cert` for it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "console/ask.h"
#include "common/utf8.h"
#include "common/json_get.h"
#include "common/phrase.h"
#include "common/json_lines.h"
#include "console/pages/certificates.h"
#include "console/pages/forms.h"
#include "console/pages/pages.h"
#include "console/view/parts.h"

#define PAGE      CERTIFICATES_PAGE
#define CERT_MS   60000 /* an RSA key takes its time */
#define NAMES_MAX 50

int certificates_ask(
    struct request *rq, const char *action, json_t *options, json_t **result, struct err *e)
{
    json_t *answer = NULL;
    json_decref(*result);
    *result = NULL;
    json_t *request = json_pack(
        "{ssssso}", "cmd", "cert", "action", action, "options", options ? options : json_object());
    int r = ask_keeper_raw(rq, request, CERT_MS, &answer, e);
    if (r < 0)
        return r;
    if (json_get_true(answer, "ok")) {
        *result = json_incref(json_object_get(answer, "result"));
    } else {
        _cleanup_free_ char *words = phrase_in(rq->lang, answer, "error");
        r = err_set(e, json_answer_errno(answer), "%s", words);
        *result = json_incref(answer);
    }
    json_decref(answer);
    return r;
}

/* --- what is in use --------------------------------------------------------------------------- */

static json_t *names_text(const json_t *names)
{
    char *all = xstrdup("");
    const json_t *lists[] = {names, json_object_get(names, "dns"), json_object_get(names, "ip")};
    for (size_t l = 0; l < 3; l++) {
        for (size_t i = 0; i < json_array_size(lists[l]); i++) {
            const char *name = json_string_value(json_array_get(lists[l], i));
            char *more = xasprintf("%s%s%s", all, *all ? ", " : "", name ? name : "");
            free(all);
            all = more;
        }
    }
    json_t *text = json_string(all);
    free(all);
    return text;
}

/* "AB12..." -> "AB:12:...", as browsers show it */
static json_t *with_colons(const char *hex)
{
    char text[200];
    size_t n = 0;
    for (size_t i = 0; hex[i] && n + 3 < sizeof text; i++) {
        if (i > 0 && i % 2 == 0 && hex[i] != ':' && hex[i - 1] != ':')
            text[n++] = ':';
        text[n++] = hex[i];
    }
    return json_stringn(text, n);
}

void certificates_complete(struct request *rq, json_t *certificate)
{
    add_certificate_dates(rq, certificate);
    (void)json_object_set_new(
        certificate, "names_text", names_text(json_object_get(certificate, "names")));
    (void)json_object_set_new(
        certificate, "fingerprint", with_colons(json_get_text(certificate, "fingerprint_sha256")));
    (void)json_object_set_new(certificate, "self_signed",
        json_boolean(strcmp(json_get_text(certificate, "subject"),
                         json_get_text(certificate, "issuer")) == 0));
}

/* The ways to another one, and what each means for the workstations. */
static void add_ways(struct request *rq, json_t *model, const json_t *shown)
{
    const json_t *previous = json_object_get(shown, "previous");
    (void)json_object_set_new(model, "renewable", json_boolean(json_get_true(shown, "renewable")));
    if (!json_get_true(previous, "fits"))
        return;
    json_t *back = json_deep_copy(json_object_get(previous, "certificate"));
    _cleanup_free_ char *effect = certificates_effect(rq, previous);
    certificates_complete(rq, back);
    (void)json_object_set_new(back, "effect", json_string(effect));
    (void)json_object_set_new(back, "same",
        json_boolean(strcmp(json_get_text(previous, "workstations"), "same-ca") == 0));
    (void)json_object_set_new(model, "back", back);
}

static void add_current(struct request *rq, json_t *model)
{
    _cleanup_json_ json_t *result = NULL, *status = NULL;
    json_t *current = NULL;
    struct err e = {0};
    if (certificates_ask(rq, "show", NULL, &result, &e) == 0) {
        add_ways(rq, model, result);
        current = json_deep_copy(json_array_get(json_object_get(result, "certificates"), 0));
    } else if (ask_proxy(rq, json_pack("{ss}", "cmd", "status"), &status, NULL) == 0)
        current = json_deep_copy(json_object_get(status, "certificate"));
    if (!json_is_object(current)) {
        _cleanup_free_ char *text = say(
            rq, ask_unreachable(&e) ? "keeper-away" : "no-certificate", NULL);
        (void)json_object_set_new(model, "current_error", json_string(text));
        json_decref(current);
        return;
    }
    certificates_complete(rq, current);
    (void)json_object_set(model, "warnings", json_object_get(current, "warnings"));
    (void)json_object_set_new(model, "current", current);
}

static json_t *downloads(struct request *rq)
{
    static const char *const endings[] = {"zip", "pem", "cer", "p12"};
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        _cleanup_free_ char *href = xasprintf("/certificates/file?ending=%s", endings[i]);
        (void)json_array_append_new(list, json_pack("{sssssb}", "href", href, "label",
                                              label(rq, "file-", endings[i]), "first", i == 0));
    }
    return list;
}

/* The fields as they were typed, or empty. */
static json_t *form_of(struct request *rq, const json_t *typed)
{
    static const char *const kinds[] = {"init", "self-signed", "csr", NULL};
    static const char *const names[] = {
        "name", "country", "canton", "place", "organisation", "department", "names"};
    json_t *form = json_object();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        (void)json_object_set_new(form, names[i], json_string(json_get_text(typed, names[i])));
    const char *kind = json_get_text(typed, "kind");
    (void)json_object_set_new(
        form, "kind_options", options(rq, "cert_kind_", kinds, *kind ? kind : "init"));
    return form;
}

json_t *model_certificates(struct request *rq)
{
    json_t *model = json_object();
    add_current(rq, model);
    (void)json_object_set_new(model, "downloads", downloads(rq));
    (void)json_object_set_new(model, "form", form_of(rq, rq->form));
    return model;
}

/* --- making one ------------------------------------------------------------------------------- */

/* Puts a name into host or ip. */
static void add_name(json_t *hosts, json_t *ips, const char *name, size_t n)
{
    unsigned char address[16];
    char text[256];
    while (n > 0 && strchr(" \t\r,;", name[n - 1]))
        n--;
    while (n > 0 && strchr(" \t\r,;", *name)) {
        name++;
        n--;
    }
    if (n == 0 || n >= sizeof text)
        return;
    snprintf(text, sizeof text, "%.*s", (int)n, name);
    bool ip = inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
    if (json_array_size(ip ? ips : hosts) < NAMES_MAX)
        (void)json_array_append_new(ip ? ips : hosts, json_string(text));
}

/* The server's name, and those of the text field, one a line or with commas. */
static json_t *names_of_form(const json_t *form)
{
    json_t *hosts = json_array(), *ips = json_array();
    const char *name = json_get_text(form, "name"), *at = json_get_text(form, "names");
    add_name(hosts, ips, name, strlen(name));
    while (*at) {
        size_t n = strcspn(at, "\n,; ");
        add_name(hosts, ips, at, n);
        at += n + (at[n] != '\0');
    }
    return json_pack("{soso}", "host", hosts, "ip", ips);
}

static json_t *options_of_form(const json_t *form)
{
    static const char *const names[] = {
        "name", "country", "canton", "place", "organisation", "department"};
    json_t *o = names_of_form(form);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *v = form_text(form, names[i]);
        if (v && *v)
            (void)json_object_set_new(o, names[i], json_string(v));
    }
    return o;
}

/* A new one of the practice's own CA where there is one already; else the CA first. */
static int make_own(struct request *rq, json_t **result, struct err *e)
{
    int r = certificates_ask(rq, "renew", names_of_form(rq->form), result, e);
    return r == -ENOENT ? certificates_ask(rq, "init", options_of_form(rq->form), result, e) : r;
}

void action_certificate_make(struct request *rq)
{
    const char *kind = form_text(rq->form, "kind"), *name = "request.csr";
    _cleanup_json_ json_t *result = NULL;
    struct err e = {0};
    size_t len = 0;
    int r;
    kind = kind ? kind : "init";
    utf8_format(rq->object, sizeof rq->object, "%s %s", UTF8_SHORT(kind, 20),
        UTF8_SHORT(json_get_text(rq->form, "name"), 120));
    if (!form_flag(rq->form, "sure")) {
        answer_refused(rq, MHD_HTTP_UNPROCESSABLE_CONTENT, PAGE, say(rq, "not-sure", NULL));
        return;
    }
    if (strcmp(kind, "csr") == 0 || strcmp(kind, "self-signed") == 0)
        r = certificates_ask(rq, kind, options_of_form(rq->form), &result, &e);
    else
        r = make_own(rq, &result, &e);
    if (r < 0) {
        certificates_again(rq, &e, result);
        return;
    }
    char *request = strcmp(kind, "csr") == 0 ? certificates_file(result, "csr", &len, &name) : NULL;
    if (request && !rq->json) {
        certificates_answer_file(rq, request, len, name);
    } else {
        free(request);
        answer_done(rq, PAGE, say(rq, "certificate-made", NULL), json_incref(result));
    }
}
