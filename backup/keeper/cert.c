/* The control socket's certificate command, which a job answers (job/page_cert.c). */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "backup/keeper/errand.h"
#include "common/file.h"
#include "common/json_lines.h"
#include "common/log.h"

json_t *keeper_told_errand(struct keeper *k, struct control_client *c, const json_t *told,
    enum monitor_kind kind, const struct keeper_errand_options *options)
{
    struct monitor_request q = keeper_job_of(kind);
    struct keeper_errand_options o = *options;
    struct err e = {0};
    _cleanup_free_ char *text = json_dumps(told, JSON_COMPACT);
    size_t len = text ? strlen(text) : 0;
    int in = memfd_create("request", MFD_CLOEXEC);
    int r = in < 0 ? err_sys(&e, errno, "memfd") : fd_write_all(in, text, len, &e);
    if (text)
        explicit_bzero(text, len); /* a key or a passphrase may be in it */
    if (r == 0 && lseek(in, 0, SEEK_SET) < 0)
        r = err_sys(&e, errno, "memfd");
    o.ask = &q;
    o.in = in;
    o.event = "answer";
    if (r < 0 && o.drop)
        o.drop(o.ctx);
    json_t *said = r < 0 ? json_error_of(-r, &e) : keeper_errand(k, c, &o);
    if (in >= 0)
        close(in);
    return said;
}

json_t *keeper_page_errand(struct keeper *k, struct control_client *c, json_t *request,
    enum monitor_kind kind, keeper_errand_fn *answer)
{
    return keeper_told_errand(
        k, c, request, kind, &(struct keeper_errand_options){.request = request, .answer = answer});
}

static json_t *cert_answer(struct keeper *k, void *ctx, json_t *event, json_t *last)
{
    (void)k, (void)ctx, (void)last;
    log_event(LOG_INFO, "cert");
    return json_incref(json_object_get(event, "answer"));
}

json_t *keeper_cert(struct keeper *k, struct control_client *c, json_t *request)
{
    return keeper_page_errand(k, c, request, MONITOR_PAGE_CERT, cert_answer);
}
