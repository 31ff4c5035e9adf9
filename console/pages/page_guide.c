/*
 * What workstations are given: the guide, and the files one by one.
 */
#include <sodium.h>
#include <string.h>

#include "common/json_get.h"
#include "console/pages/certificates.h"
#include "console/pages/pages.h"

#define PAGE CERTIFICATES_PAGE

static bool ends_with(const char *name, const char *ending)
{
    size_t n = strlen(name), m = strlen(ending);
    return n > m && name[n - m - 1] == '.' && strcmp(name + n - m, ending) == 0;
}

char *certificates_file(const json_t *result, const char *ending, size_t *len, const char **name)
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
    if (strcmp(request_query(rq, "ending") ?: "", "zip") == 0)
        target = "package";
    return certificates_ask(
        rq, "export", json_pack("{ssss}", "for", target, "lang", lang_code(rq->lang)), result, e);
}

json_t *model_guide(struct request *rq)
{
    json_t *model = json_object();
    _cleanup_json_ json_t *result = NULL;
    struct err e = {0};
    size_t len = 0;
    if (export(rq, &result, &e) < 0) {
        _cleanup_free_ char *text = answer_words(rq, "keeper", &e);
        (void)json_object_set_new(model, "error", json_string(text));
    } else {
        _cleanup_free_ char *text = certificates_file(result, "txt", &len, NULL);
        (void)json_object_set_new(model, "text", json_string(text ? text : ""));
    }
    return model;
}

void certificates_answer_file(struct request *rq, char *data, size_t len, const char *name)
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
    _cleanup_json_ json_t *result = NULL;
    struct err e = {0};
    size_t len = 0;
    if (export(rq, &result, &e) < 0) {
        answer_failed(rq, PAGE, "keeper", &e);
        return;
    }
    char *data = ending ? certificates_file(result, ending, &len, &name) : NULL;
    if (data)
        certificates_answer_file(rq, data, len, name);
    else
        answer_error(rq, MHD_HTTP_NOT_FOUND, "no-such-page");
}
