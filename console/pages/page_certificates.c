/*
 * /certificates: what is in use; make one, install one; what a workstation needs. The keeper runs
 * `elexgate cert` for it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "console/ask.h"
#include "common/utf8.h"
#include "common/json_get.h"
#include "console/pages/forms.h"
#include "console/pages/pages.h"
#include "console/view/parts.h"

#define PAGE      "/certificates"
#define CERT_MS   60000 /* an RSA key takes its time */
#define NAMES_MAX 50

/* options: taken over, may be NULL. */
static int cert(
    struct request *rq, const char *action, json_t *options, json_t **result, struct err *e)
{
    json_t *answer = NULL;
    json_t *request = json_pack(
        "{ssssso}", "cmd", "cert", "action", action, "options", options ? options : json_object());
    int r = ask_keeper_long(rq, request, CERT_MS, &answer, e);
    if (r == 0)
        *result = json_incref(json_object_get(answer, "result"));
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

static void add_current(struct request *rq, json_t *model)
{
    json_t *result = NULL, *current = NULL, *status = NULL;
    struct err e = {0};
    if (cert(rq, "show", NULL, &result, &e) == 0)
        current = json_deep_copy(json_array_get(json_object_get(result, "certificates"), 0));
    else if (ask_proxy(rq, json_pack("{ss}", "cmd", "status"), &status, NULL) == 0)
        current = json_deep_copy(json_object_get(status, "certificate"));
    json_decref(result);
    json_decref(status);
    if (!json_is_object(current)) {
        _cleanup_free_ char *text = say(
            rq, ask_unreachable(&e) ? "keeper-away" : "no-certificate", NULL);
        (void)json_object_set_new(model, "current_error", json_string(text));
        json_decref(current);
        return;
    }
    add_certificate_dates(rq, current);
    (void)json_object_set_new(current, "names_text", names_text(json_object_get(current, "names")));
    (void)json_object_set_new(
        current, "fingerprint", with_colons(json_get_text(current, "fingerprint_sha256")));
    (void)json_object_set_new(current, "self_signed",
        json_boolean(
            strcmp(json_get_text(current, "subject"), json_get_text(current, "issuer")) == 0));
    (void)json_object_set(model, "warnings", json_object_get(current, "warnings"));
    (void)json_object_set_new(model, "current", current);
}

static json_t *downloads(struct request *rq)
{
    static const char *const endings[] = {"pem", "cer", "p12"};
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        _cleanup_free_ char *href = xasprintf("/certificates/file?ending=%s", endings[i]);
        (void)json_array_append_new(
            list, json_pack("{ssss}", "href", href, "label", label(rq, "file-", endings[i])));
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

/* --- files for workstations ------------------------------------------------------------------- */

static bool ends_with(const char *name, const char *ending)
{
    size_t n = strlen(name), m = strlen(ending);
    return n > m && name[n - m - 1] == '.' && strcmp(name + n - m, ending) == 0;
}

/* The content of the first of result.files with that ending; malloc'ed, NULL if there is none. */
static char *file_content(const json_t *result, const char *ending, size_t *len, const char **name)
{
    json_t *file;
    size_t i;
    json_array_foreach (json_object_get(result, "files"), i, file) {
        const char *base64 = json_get_text(file, "content");
        size_t n = strlen(base64);
        if (!ends_with(json_get_text(file, "name"), ending))
            continue;
        char *data = xmalloc(n + 1);
        if (sodium_base642bin((unsigned char *)data, n, base64, n, "\r\n", len, NULL,
                sodium_base64_VARIANT_ORIGINAL) == 0) {
            data[*len] = '\0';
            if (name)
                *name = json_get_text(file, "name");
            return data;
        }
        free(data);
    }
    return NULL;
}

/* for: jdbc (Elexis), windows, macos, linux, webelexis */
static int export(struct request *rq, json_t **result, struct err *e)
{
    static const char *const targets[] = {"jdbc", "windows", "macos", "linux", "webelexis"};
    const char *asked = request_query(rq, "for"), *target = targets[0];
    for (size_t i = 0; asked && i < sizeof targets / sizeof targets[0]; i++)
        if (strcmp(asked, targets[i]) == 0)
            target = targets[i];
    return cert(rq, "export", json_pack("{ssss}", "for", target, "lang", rq->lang), result, e);
}

json_t *model_guide(struct request *rq)
{
    json_t *model = json_object(), *result = NULL;
    struct err e = {0};
    size_t len = 0;
    if (export(rq, &result, &e) < 0) {
        _cleanup_free_ char *text = answer_words(rq, "keeper", &e);
        (void)json_object_set_new(model, "error", json_string(text));
    } else {
        _cleanup_free_ char *text = file_content(result, "txt", &len, NULL);
        (void)json_object_set_new(model, "text", json_string(text ? text : ""));
    }
    json_decref(result);
    return model;
}

/* Takes over data. name is plain: it was made by elexgate cert. */
static void answer_file(struct request *rq, char *data, size_t len, const char *name)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(len, data, MHD_RESPMEM_MUST_FREE);
    CHECK(r);
    _cleanup_free_ char *disposition = xasprintf(
        "attachment; filename=\"%s\"", strpbrk(name, "\"\\\r\n/") ? "file" : name);
    (void)MHD_add_response_header(r, "Content-Type", "application/octet-stream");
    (void)MHD_add_response_header(r, "Content-Disposition", disposition);
    answer_response(rq, MHD_HTTP_OK, r);
}

/* GET /certificates/file?ending=p12: what workstations are given; no secret is in it. */
void get_certificate_file(struct request *rq)
{
    const char *ending = request_query(rq, "ending"), *name = "file";
    json_t *result = NULL;
    struct err e = {0};
    size_t len = 0;
    if (export(rq, &result, &e) < 0) {
        answer_failed(rq, PAGE, "keeper", &e);
        return;
    }
    char *data = ending ? file_content(result, ending, &len, &name) : NULL;
    if (data)
        answer_file(rq, data, len, name);
    else
        answer_error(rq, MHD_HTTP_NOT_FOUND, "no-such-page");
    json_decref(result);
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

static void again(struct request *rq, struct err *e)
{
    drop_folder(e->text);
    if (rq->json || ask_unreachable(e)) {
        answer_failed(rq, PAGE, "keeper", e);
        return;
    }
    json_t *model = model_certificates(rq);
    _cleanup_free_ char *text = answer_words(rq, "keeper", e);
    rq->refused = true;
    (void)json_object_set_new(model, "error", json_string(text));
    answer_page(rq, MHD_HTTP_UNPROCESSABLE_CONTENT, "certificates", model);
}

/* A new one of the practice's own CA where there is one already; else the CA first. */
static int make_own(struct request *rq, json_t **result, struct err *e)
{
    int r = cert(rq, "renew", names_of_form(rq->form), result, e);
    return r == -ENOENT ? cert(rq, "init", options_of_form(rq->form), result, e) : r;
}

void action_certificate_make(struct request *rq)
{
    const char *kind = form_text(rq->form, "kind"), *name = "request.csr";
    json_t *result = NULL;
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
        r = cert(rq, kind, options_of_form(rq->form), &result, &e);
    else
        r = make_own(rq, &result, &e);
    if (r < 0) {
        again(rq, &e);
        return;
    }
    char *request = strcmp(kind, "csr") == 0 ? file_content(result, "csr", &len, &name) : NULL;
    if (request && !rq->json) {
        answer_file(rq, request, len, name);
    } else {
        free(request);
        answer_done(rq, PAGE, say(rq, "certificate-made", NULL), json_incref(result));
    }
    json_decref(result);
}

/* --- installing one --------------------------------------------------------------------------- */

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

void action_certificate_install(struct request *rq)
{
    const char *password = json_get_str(rq->form, "password");
    json_t *o = json_object(), *result = NULL;
    struct err e = {0};
    take_content(rq->form, o, "certificate", "certificate_text");
    take_content(rq->form, o, "key", "key_text");
    take_content(rq->form, o, "chain", "chain_text");
    if (password && *password)
        (void)json_object_set_new(o, "password", json_string(password));
    if (form_flag(rq->form, "other_names"))
        (void)json_object_set_new(o, "other_names", json_true());
    if (!json_object_get(o, "certificate")) {
        json_decref(o);
        answer_refused(
            rq, MHD_HTTP_UNPROCESSABLE_CONTENT, PAGE, say(rq, "certificate-missing", NULL));
        return;
    }
    if (cert(rq, "install", o, &result, &e) < 0)
        again(rq, &e);
    else
        answer_done(rq, PAGE, say(rq, "certificate-installed", NULL), NULL);
    json_decref(result);
}

void action_certificate_renew(struct request *rq)
{
    json_t *result = NULL;
    struct err e = {0};
    if (cert(rq, "renew", NULL, &result, &e) < 0)
        again(rq, &e);
    else
        answer_done(rq, PAGE, say(rq, "certificate-made", NULL), NULL);
    json_decref(result);
}
