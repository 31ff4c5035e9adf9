#include "proxy/control/commands.h"

#include <errno.h>
#include <string.h>
#include "common/audit_read.h"
#include "common/json_lines.h"
#include "common/log.h"
#include "common/log_line.h"
#include "common/log_ring.h"
#include "link/rights.h"
#include "common/json_get.h"
#include "proxy/audit_trail.h"
#include "proxy/roster.h"
#include "proxy/writers.h"

void command_error(struct control_client *c, const struct err *e)
{
    control_answer(c, json_error_of(e->code, e));
}

json_t *command_ok(void)
{
    return json_pack("{s:b}", "ok", 1);
}

bool command_ms(struct control_client *c, const json_t *request, const char *key, int64_t def,
    int64_t max, uint64_t *out)
{
    const json_t *v = json_object_get(request, key);
    json_int_t n = json_is_integer(v) ? json_integer_value(v) : def;
    if ((v && !json_is_null(v) && !json_is_integer(v)) || n < 0 || n > max) {
        control_answer(c, json_error(EINVAL, "\"%s\" must be a whole number from 0 to %lld", key,
                              (long long)max));
        return false;
    }
    *out = (uint64_t)n;
    return true;
}

static void cmd_watch(struct control_client *c, const json_t *request)
{
    uint64_t interval;
    const json_t *kinds = json_object_get(request, "events");
    if (kinds && !json_is_array(kinds)) {
        control_answer(
            c, json_error(EINVAL, "\"events\" must be a list of state, session, write, idle"));
        return;
    }
    if (!command_ms(c, request, "interval_ms", 1000, COMMAND_DAY_MS, &interval))
        return;
    _cleanup_json_ json_t *all = json_pack("[s,s,s,s]", "state", "session", "write", "idle");
    control_answer(c, command_ok());
    control_socket_watch(c, kinds ? kinds : all, interval < 10 ? 10 : interval);
}

static void cmd_reload(struct control_client *c, const json_t *request)
{
    struct err e;
    json_t *changed, *restart;
    bool force = json_get_true(request, "force");
    if (proxy_reload(control_socket_proxy(c), force, &changed, &restart, &e) < 0)
        command_error(c, &e);
    else
        control_answer(c,
            json_pack("{s:b, s:o, s:o}", "ok", 1, "changed", changed, "restart_needed", restart));
}

static void cmd_log_level(struct control_client *c, const json_t *request)
{
    enum log_level level;
    const char *name = json_get_str(request, "level");
    if (!name || !log_level_parse(name, &level)) {
        control_answer(c, json_error(EINVAL, "\"level\" must be error, warning, info or debug"));
        return;
    }
    log_set_level(level);
    log_event(LOG_INFO, "log-level", LOG_S("level", name));
    control_answer(c, command_ok());
}

static void cmd_workstations(struct control_client *c, const json_t *request)
{
    (void)request;
    control_answer(c, json_pack("{s:b, s:o}", "ok", 1, "workstations", roster_json()));
}

/* {"cmd":"writers","from":SECONDS,"to":SECONDS} */
static void cmd_writers(struct control_client *c, const json_t *request)
{
    const json_t *from = json_object_get(request, "from"), *to = json_object_get(request, "to");
    if (!json_is_integer(from) || !json_is_integer(to)) {
        control_answer(c, json_error(EINVAL, "\"from\" and \"to\" must be seconds since 1970"));
        return;
    }
    writers_save(!control_socket_proxy(c)->handover.leaving);
    control_answer(c, writers_json(json_integer_value(from), json_integer_value(to)));
}

/* {"cmd":"workstation","address":IP,"name":TEXT} or "forget":true */
static void cmd_workstation(struct control_client *c, const json_t *request)
{
    struct cidr one;
    struct err e = {0};
    const char *name = json_get_str(request, "name");
    bool forget = json_get_true(request, "forget");
    int r = 0;
    if (cidr_parse(json_get_text(request, "address"), &one, NULL) < 0 || one.bits != 128)
        r = err_set(&e, EINVAL, "\"address\" must be an IP address");
    else if (!name == !forget)
        r = err_set(&e, EINVAL, "either \"name\" or \"forget\"");
    else
        r = forget ? roster_forget(&one.net, &e) : roster_name(&one.net, name, &e);
    if (r < 0)
        command_error(c, &e);
    else
        control_answer(c, command_ok());
}

static void cmd_audit_log(struct control_client *c, const json_t *request)
{
    const struct proxy *p = control_socket_proxy(c);
    control_answer(c, audit_read_answer(audit_trail_file(p->settings->config), request));
}

static void cmd_log(struct control_client *c, const json_t *request)
{
    control_answer(c, log_ring_answer("elexgate-proxy", request));
}

/* From our successor, when it is stopped itself. */
static void cmd_stop(struct control_client *c, const json_t *request)
{
    (void)request;
    if (!control_client_owner(c)) {
        control_answer(c, json_error(EACCES, "only root and the proxy's own user may stop it"));
        return;
    }
    log_event(LOG_INFO, "stop-asked");
    control_answer(c, command_ok());
    proxy_stop(control_socket_proxy(c));
}

static const struct {
    const char *name;
    void (*run)(struct control_client *c, const json_t *request);
} commands[] = {
    {"status", command_status},
    {"sessions", command_sessions},
    {"workstations", cmd_workstations},
    {"workstation", cmd_workstation},
    {"writers", cmd_writers},
    {"watch", cmd_watch},
    {"block", command_block},
    {"drain", command_drain},
    {"open", command_open},
    {"hold", command_hold},
    {"release", command_release},
    {"kill", command_kill},
    {"reload", cmd_reload},
    {"log-level", cmd_log_level},
    {"log", cmd_log},
    {"audit-log", cmd_audit_log},
    {"stop", cmd_stop},
    {"handover", handover_cmd_ask},
    {"handover-take", handover_cmd_take},
    {"handover-done", handover_cmd_done},
    {"handover-failed", handover_cmd_failed},
    {"upgrade", handover_cmd_upgrade},
};

void command_run(struct control_client *c, const json_t *request)
{
    const char *name = json_get_str(request, "cmd");
    struct err e = {0};
    enum rights_level level = rights_level(control_client_page(c), request);
    int r = name ? rights_check(RIGHTS_PROXY, level, request, NULL, &e) : 0;
    if (r == -EPERM) {
        control_client_refused(c, name, rights_account(request));
        command_error(c, &e);
        return;
    }
    audit_trail_command(control_client_uid(c), request);
    for (size_t i = 0; name && i < sizeof commands / sizeof commands[0]; i++)
        if (!strcmp(commands[i].name, name)) {
            commands[i].run(c, request);
            return;
        }
    control_answer(c, name ? json_error(EINVAL, "there is no command \"%s\"", name)
                           : json_error(EINVAL, "a request is {\"cmd\":\"...\"}"));
}
