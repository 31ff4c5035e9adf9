#include "console/audit.h"

#include <string.h>

#include "common/json_get.h"
#include "common/log.h"
#include "common/utf8.h"
#include "console/ask.h"
#include "console/http/routes.h"

static void tell_keeper_of(
    struct request *rq, const char *name, enum role role, const char *action, const char *result)
{
    struct err e = {0};
    _cleanup_json_ json_t *answer = NULL;
    /* cut off in the middle of a character, perhaps */
    rq->object[utf8_check(rq->object, strlen(rq->object))] = '\0';
    log_event(LOG_INFO, "action", LOG_S("action", action), LOG_S("who", name),
        LOG_S("address", rq->address), LOG_S("object", rq->object), LOG_S("result", result));
    json_t *request = json_pack("{ss ss ss ss ss s{ss ss}}", "cmd", "audit", "address", rq->address,
        "action", action, "object", rq->object, "result", result, "as", "account", name ? name : "",
        "role", role_name(role));
    if (ask_told(rq->settings->keeper_socket, request, &answer, &e) < 0)
        log_err(LOG_DEBUG, "audit-not-taken", &e);
}

void audit_action(struct request *rq, const char *name, enum role role)
{
    const char *result = !rq->refused                                 ? "ok"
                         : rq->status == MHD_HTTP_BAD_GATEWAY         ? "failed"
                         : rq->status == MHD_HTTP_SERVICE_UNAVAILABLE ? "failed"
                                                                      : "refused";
    /* else anybody could fill the disk with it */
    if (rq->route->name && !rq->throttled)
        tell_keeper_of(rq, name, role, rq->route->name, result);
}

void audit_tell(struct request *rq, const char *action, const char *result)
{
    tell_keeper_of(rq, rq->name, rq->role, action, result);
}
