/*
 * What needs no sign-in: /assets/..., /healthz, /metrics.
 */
#include <string.h>

#include "common/metrics_text.h"
#include "console/ask.h"
#include "console/http/assets.h"
#include "console/http/network.h"
#include "console/http/static_files.h"

/* With the version in the address (?v=) a file never changes. */
static const char *lifetime(const struct request *rq)
{
    const char *version = request_query(rq, "v");
    return version && strcmp(version, embedded_assets_version) == 0 && !rq->console->assets_dir
               ? "public, max-age=31536000, immutable"
               : "no-cache";
}

void get_asset(struct request *rq)
{
    const char *name = rq->path + 1, *type = asset_type(name), *text;
    char *owned = NULL;
    size_t len;
    struct MHD_Response *r;
    if (!type || asset_get(rq->console->assets_dir, name, &text, &len, &owned, NULL) < 0) {
        answer_error(rq, MHD_HTTP_NOT_FOUND, "no-such-page");
        return;
    }
    r = owned
            ? MHD_create_response_from_buffer(len, owned, MHD_RESPMEM_MUST_FREE)
            : MHD_create_response_from_buffer(len, (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);
    CHECK(r);
    (void)MHD_add_response_header(r, "Content-Type", type);
    (void)MHD_add_response_header(r, "Cache-Control", lifetime(rq));
    answer_response(rq, MHD_HTTP_OK, r);
}

/* Says that the console runs, and nothing about the practice: anybody may ask. */
void get_healthz(struct request *rq)
{
    answer_json(rq, MHD_HTTP_OK, json_pack("{sbss}", "ok", 1, "program", "elexgate-console"));
}

/* --- metrics ---------------------------------------------------------------------------------- */

/* Behind a proxy on this machine everybody comes from here; it says so (RFC 7239, RFC 9110 7.6.3).
 */
static bool from_here(const struct request *rq)
{
    static const char *const forwarded[] = {"Forwarded", "Via", "X-Forwarded-For",
        "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP"};
    for (size_t i = 0; i < sizeof forwarded / sizeof forwarded[0]; i++)
        if (request_header(rq, forwarded[i]))
            return false;
    return network_is_loopback(rq->address);
}

static bool has_token(const struct request *rq)
{
    const char *given = request_header(rq, "Authorization"), *token = rq->settings->metrics_token;
    return token && given && strncmp(given, "Bearer ", 7) == 0 && token_equal(given + 7, token);
}

/* GET /metrics for Prometheus: this machine, or whoever has the token. */
void get_metrics(struct request *rq)
{
    json_t *proxy = NULL, *keeper = NULL;
    if (!from_here(rq) && !has_token(rq)) {
        rq->json = true;
        answer_error(rq, MHD_HTTP_UNAUTHORIZED, "metrics-token");
        return;
    }
    if (ask_proxy(rq, json_pack("{ss}", "cmd", "status"), &proxy, &(struct err){0}) < 0)
        proxy = NULL;
    if (ask_keeper(rq, json_pack("{ss}", "cmd", "status"), &keeper, &(struct err){0}) < 0)
        keeper = NULL;
    char *text = metrics_text(proxy, keeper);
    json_decref(proxy);
    json_decref(keeper);
    struct MHD_Response *r = MHD_create_response_from_buffer(
        strlen(text), text, MHD_RESPMEM_MUST_FREE);
    CHECK(r);
    (void)MHD_add_response_header(r, "Content-Type", METRICS_CONTENT_TYPE);
    answer_response(rq, MHD_HTTP_OK, r);
}
