#include "console/http/uploads.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/units.h"
#include "common/utf8.h"
#include "console/audit.h"

#define FOLDER      "/api/uploads"
#define TUS_VERSION "1.0.0"

static const char *upload_id(const struct request *rq)
{
    size_t n = strlen(FOLDER);
    return rq->path[n] == '/' ? rq->path + n + 1 : NULL;
}

static bool is(const struct request *rq, const char *method)
{
    return strcmp(rq->method, method) == 0;
}

/* --- answers ---------------------------------------------------------------------------------- */

static void add_number(struct MHD_Response *r, const char *key, int64_t n)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, n);
    (void)MHD_add_response_header(r, key, text);
}

static struct MHD_Response *empty(void)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    CHECK(r);
    return r;
}

static void answer(struct request *rq, unsigned status, struct MHD_Response *r)
{
    (void)MHD_add_response_header(r, "Tus-Resumable", TUS_VERSION);
    answer_response(rq, status, r);
}

static void answer_failure(struct request *rq, const struct err *e)
{
    unsigned status = MHD_HTTP_INTERNAL_SERVER_ERROR;
    const char *message = "upload-failed";
    switch (e->code) {
    case ENOENT:
        status = MHD_HTTP_NOT_FOUND;
        message = "upload-unknown";
        break;
    case ESTALE:
        status = MHD_HTTP_CONFLICT;
        message = "upload-offset";
        break;
    case EBUSY:
        status = MHD_HTTP_LOCKED;
        message = "upload-busy";
        break;
    case EFBIG:
        status = MHD_HTTP_CONTENT_TOO_LARGE;
        message = "upload-too-long";
        break;
    case ENOSPC:
        status = MHD_HTTP_INSUFFICIENT_STORAGE;
        message = "upload-no-space";
        break;
    case EINVAL:
        status = MHD_HTTP_BAD_REQUEST;
        message = "upload-wrong";
        break;
    default:
        log_err(LOG_ERROR, "upload-failed", e);
    }
    rq->json = true;
    answer_error(rq, status, message);
    (void)MHD_add_response_header(rq->response, "Tus-Resumable", TUS_VERSION);
}

/* --- the head --------------------------------------------------------------------------------- */

static void answer_options(struct request *rq)
{
    struct MHD_Response *r = empty();
    (void)MHD_add_response_header(r, "Tus-Version", TUS_VERSION);
    (void)MHD_add_response_header(r, "Tus-Extension", "creation,termination");
    add_number(r, "Tus-Max-Size", rq->settings->upload_max);
    answer(rq, MHD_HTTP_NO_CONTENT, r);
}

static bool guard(struct request *rq)
{
    const char *version = request_header(rq, "Tus-Resumable");
    const char *token = request_header(rq, "X-CSRF-Token");
    rq->json = true;
    if (!is(rq, "GET") && !is(rq, "HEAD") &&
        (!token || rq->new_id || !token_equal(token, rq->csrf)))
        answer_error(rq, MHD_HTTP_FORBIDDEN, "csrf");
    else if (!is(rq, "GET") && (!version || strcmp(version, TUS_VERSION) != 0)) {
        answer_error(rq, MHD_HTTP_PRECONDITION_FAILED, "tus-version");
        (void)MHD_add_response_header(rq->response, "Tus-Version", TUS_VERSION);
    }
    return !rq->response;
}

static void begin_append(struct request *rq)
{
    const char *type = request_header(rq, "Content-Type");
    const char *text = request_header(rq, "Upload-Offset");
    struct err e = {0};
    int64_t offset;
    if (!type || strcmp(type, "application/offset+octet-stream") != 0) {
        answer_error(rq, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "wrong-type");
        return;
    }
    if (!text || units_parse_int(text, &offset) < 0 || offset < 0) {
        answer_error(rq, MHD_HTTP_BAD_REQUEST, "upload-wrong");
        return;
    }
    if (upload_store_append_begin(rq->console->uploads, upload_id(rq), offset, &rq->append, &e) < 0)
        answer_failure(rq, &e);
}

void uploads_head(struct request *rq)
{
    const char *id = upload_id(rq);
    if (is(rq, "OPTIONS")) {
        answer_options(rq);
    } else if (!guard(rq)) {
        return;
    } else if (id ? is(rq, "HEAD") || is(rq, "DELETE") : is(rq, "GET") || is(rq, "POST")) {
        return; /* answered once the (empty) body is here */
    } else if (id && is(rq, "PATCH")) {
        begin_append(rq);
    } else {
        answer_error(rq, MHD_HTTP_METHOD_NOT_ALLOWED, "wrong-method");
        (void)MHD_add_response_header(
            rq->response, "Allow", id ? "OPTIONS, HEAD, PATCH, DELETE" : "OPTIONS, GET, POST");
    }
}

/* --- the body --------------------------------------------------------------------------------- */

void uploads_body(struct request *rq, const char *data, size_t len)
{
    if (rq->append && rq->append_result == 0)
        rq->append_result = upload_store_append_data(rq->append, data, len, &rq->append_error);
}

void uploads_broken_off(struct request *rq)
{
    struct err e = {0};
    if (upload_store_append_end(rq->append, NULL, &e) < 0)
        log_err(LOG_WARNING, "upload-broken-off", &e);
    rq->append = NULL;
}

/* --- the answer ------------------------------------------------------------------------------- */

/* "filename d29ya2Zsb3c=,filetype ..." -> the name, "" if there is none. */
static void file_name(const char *metadata, char name[static UPLOAD_NAME_MAX + 1])
{
    const char *at = metadata ? strstr(metadata, "filename ") : NULL;
    size_t len = 0;
    name[0] = '\0';
    if (!at || (at != metadata && at[-1] != ',' && at[-1] != ' '))
        return;
    at += strlen("filename ");
    size_t n = strcspn(at, ", ");
    if (sodium_base642bin((unsigned char *)name, UPLOAD_NAME_MAX, at, n, NULL, &len, NULL,
            sodium_base64_VARIANT_ORIGINAL) < 0)
        len = 0;
    name[len] = '\0';
    if (strlen(name) != len || utf8_check(name, len) != len)
        name[0] = '\0';
}

static void create(struct request *rq)
{
    const char *text = request_header(rq, "Upload-Length");
    char name[UPLOAD_NAME_MAX + 1], id[UPLOAD_ID_LEN];
    struct err e = {0};
    int64_t size;
    if (!text || units_parse_int(text, &size) < 0 || size < 0) {
        answer_error(rq, MHD_HTTP_BAD_REQUEST, "upload-wrong");
        return;
    }
    file_name(request_header(rq, "Upload-Metadata"), name);
    if (upload_store_create(rq->console->uploads, size, name, rq->name, id, &e) < 0) {
        answer_failure(rq, &e);
        return;
    }
    struct MHD_Response *r = empty();
    _cleanup_free_ char *location = xasprintf(FOLDER "/%s", id);
    (void)MHD_add_response_header(r, "Location", location);
    add_number(r, "Upload-Offset", 0);
    utf8_format(rq->object, sizeof rq->object, "%s %s", id, UTF8_SHORT(name, 120));
    audit_tell(rq, "upload-begin", "ok");
    answer(rq, MHD_HTTP_CREATED, r);
}

static void tell_offset(struct request *rq)
{
    struct err e = {0};
    int64_t offset, size;
    if (upload_store_offset(rq->console->uploads, upload_id(rq), &offset, &size, &e) < 0) {
        answer_failure(rq, &e);
        return;
    }
    struct MHD_Response *r = empty();
    add_number(r, "Upload-Offset", offset);
    add_number(r, "Upload-Length", size);
    answer(rq, MHD_HTTP_OK, r);
}

static void end_append(struct request *rq)
{
    struct err e = {0};
    int64_t offset;
    int r = upload_store_append_end(rq->append, &offset, &e);
    rq->append = NULL;
    if (rq->append_result < 0) {
        answer_failure(rq, &rq->append_error);
    } else if (r < 0) {
        answer_failure(rq, &e);
    } else {
        struct MHD_Response *response = empty();
        add_number(response, "Upload-Offset", offset);
        answer(rq, MHD_HTTP_NO_CONTENT, response);
    }
}

static void terminate(struct request *rq)
{
    struct err e = {0};
    utf8_copy(rq->object, sizeof rq->object, upload_id(rq));
    if (upload_store_remove(rq->console->uploads, upload_id(rq), &e) < 0) {
        answer_failure(rq, &e);
        return;
    }
    audit_tell(rq, "upload-remove", "ok");
    answer(rq, MHD_HTTP_NO_CONTENT, empty());
}

void uploads_answer(struct request *rq)
{
    if (is(rq, "POST"))
        create(rq);
    else if (is(rq, "GET"))
        answer_json(rq, MHD_HTTP_OK,
            json_pack("{sbso}", "ok", 1, "uploads", upload_store_list(rq->console->uploads, NULL)));
    else if (is(rq, "HEAD"))
        tell_offset(rq);
    else if (is(rq, "PATCH"))
        end_append(rq);
    else
        terminate(rq);
}
