/*
 * The commands of the control socket. Each checks its arguments and answers exactly once, some
 * after the workers have answered.
 */
#include <errno.h>
#include <string.h>
#include "common/clock.h"
#include "common/json_lines.h"
#include "common/log.h"
#include "proxy/control.h"

static void answer_error(struct control_client *c, const struct err *e)
{
    control_answer(c, json_error(e->code, "%s", e->text));
}

static json_t *ok(void)
{
    return json_pack("{s:b}", "ok", 1);
}

/* An optional whole number. false: it is there and is none, or out of range; then answered. */
static bool arg_ms(struct control_client *c, const json_t *request, const char *key, int64_t def,
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

#define DAY_MS (INT64_C(24) * 60 * 60 * 1000)

/* Answers that come later: the context keeps the connection. */
static void answer_later(void *ctx, json_t *object)
{
    control_answer(ctx, object);
    control_client_unref(ctx);
}

static void cmd_status(struct control_client *c, const json_t *request)
{
    (void)request;
    control_answer(c, proxy_status(control_client_proxy(c)));
}

struct listing {
    struct control_client *c;
    json_t *all;
    unsigned waiting;
};

static void on_listed(void *ctx, json_t *array)
{
    struct listing *l = ctx;
    (void)json_array_extend(l->all, array);
    json_decref(array);
    if (--l->waiting > 0)
        return;
    control_answer(l->c, json_pack("{s:b, s:o}", "ok", 1, "sessions", l->all));
    control_client_unref(l->c);
    free(l);
}

static void cmd_sessions(struct control_client *c, const json_t *request)
{
    struct proxy *p = control_client_proxy(c);
    (void)request;
    struct listing *l = xcalloc(1, sizeof *l);
    *l = (struct listing){.c = control_client_ref(c), .all = json_array(), .waiting = p->n_workers};
    for (unsigned i = 0; i < p->n_workers; i++)
        worker_list(&p->workers[i], on_listed, l);
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
    if (!arg_ms(c, request, "interval_ms", 1000, DAY_MS, &interval))
        return;
    json_t *all = json_pack("[s,s,s,s]", "state", "session", "write", "idle");
    control_answer(c, ok());
    control_watch(c, kinds ? kinds : all, interval < 10 ? 10 : interval);
    json_decref(all);
}

static void publish_state(struct proxy *p)
{
    control_publish(p->control, "state",
        json_pack("{s:s, s:s, s:s*, s:s*}", "event", "state", "state", gate_state_name(&p->gate),
            "reason", p->gate.notice ? p->gate.reason : NULL, "reason_de",
            p->gate.notice ? p->gate.reason_de : NULL));
}

static void cmd_block(struct control_client *c, const json_t *request)
{
    struct proxy *p = control_client_proxy(c);
    struct err e;
    struct gate_block b = {
        .reason = json_string_value(json_object_get(request, "reason")),
        .reason_de = json_string_value(json_object_get(request, "reason_de")),
    };
    const char *until = json_string_value(json_object_get(request, "until"));
    if (until && clock_parse(until, &b.until_ms) < 0) {
        control_answer(c, json_error(EINVAL,
                              "\"until\": \"%s\" is no time; write it as 14:30 or "
                              "2026-11-22T14:30:00Z",
                              until));
        return;
    }
    if (!arg_ms(c, request, "grace_ms", (int64_t)p->settings->grace_ms, DAY_MS, &b.grace_ms))
        return;
    int r = gate_block(&p->gate, &b, answer_later, control_client_ref(c), &e);
    if (r < 0) {
        control_client_unref(c);
        answer_error(c, &e);
    } else
        publish_state(p);
}

static void cmd_drain(struct control_client *c, const json_t *request)
{
    struct proxy *p = control_client_proxy(c);
    struct err e;
    uint64_t timeout;
    if (!arg_ms(c, request, "timeout_ms", (int64_t)p->settings->drain_timeout_ms, DAY_MS, &timeout))
        return;
    if (gate_drain(&p->gate, timeout, answer_later, control_client_ref(c), &e) < 0) {
        control_client_unref(c);
        answer_error(c, &e);
    } else
        publish_state(p);
}

/* Reads "stale_addresses". -EINVAL with words. */
static int stale_list(const json_t *array, struct address **out, unsigned *n, struct err *e)
{
    size_t count = json_array_size(array), i;
    struct address *list = xcalloc(count ? count : 1, sizeof *list);
    const json_t *v;
    json_array_foreach (array, i, v) {
        struct cidr one;
        const char *text = json_string_value(v);
        if (!text || cidr_parse(text, &one, NULL) < 0) {
            free(list);
            return err_set(
                e, EINVAL, "\"stale_addresses\": %s is no address", text ? text : "that");
        }
        list[i] = one.net;
    }
    *out = list;
    *n = (unsigned)count;
    return 0;
}

static void cmd_open(struct control_client *c, const json_t *request)
{
    struct proxy *p = control_client_proxy(c);
    const json_t *stale = json_object_get(request, "stale_addresses");
    _cleanup_free_ struct address *list = NULL;
    unsigned n = 0;
    uint64_t silence;
    struct err e;
    if (!arg_ms(c, request, "stale_ms", 90000, DAY_MS, &silence))
        return;
    if ((stale && stale_list(stale, &list, &n, &e) < 0) || gate_open(&p->gate, &e) < 0)
        answer_error(c, &e);
    else {
        stale_set(&p->stale, list, n, silence, clock_mono_ms());
        control_answer(c, ok());
        publish_state(p);
    }
}

static void on_hold_done(void *ctx, json_t *object)
{
    struct control_client *c = ctx;
    if (!json_is_true(json_object_get(object, "ok")))
        control_set_holder(c, false);
    answer_later(c, object);
}

static void cmd_hold(struct control_client *c, const json_t *request)
{
    struct proxy *p = control_client_proxy(c);
    struct err e;
    uint64_t timeout, max;
    if (!arg_ms(c, request, "timeout_ms", 2000, 60000, &timeout) ||
        !arg_ms(c, request, "max_ms", 5000, 60000, &max))
        return;
    if (gate_hold(&p->gate, timeout, max, on_hold_done, control_client_ref(c), &e) < 0) {
        control_client_unref(c);
        answer_error(c, &e);
    } else
        control_set_holder(c, true);
}

static void cmd_release(struct control_client *c, const json_t *request)
{
    (void)request;
    gate_release(&control_client_proxy(c)->gate);
    control_set_holder(c, false);
    control_answer(c, ok());
}

struct killing {
    struct control_client *c;
    uint64_t id;
    unsigned waiting;
    bool found;
};

static void on_killed(void *ctx, bool found)
{
    struct killing *k = ctx;
    k->found |= found;
    if (--k->waiting > 0)
        return;
    control_answer(
        k->c, k->found ? ok()
                       : json_error(ENOENT, "there is no session %llu", (unsigned long long)k->id));
    control_client_unref(k->c);
    free(k);
}

static void cmd_kill(struct control_client *c, const json_t *request)
{
    struct proxy *p = control_client_proxy(c);
    json_int_t id = json_integer_value(json_object_get(request, "session"));
    if (id <= 0) {
        control_answer(c, json_error(EINVAL, "\"session\" must be the number of a session"));
        return;
    }
    struct killing *k = xcalloc(1, sizeof *k);
    *k = (struct killing){.c = control_client_ref(c), .id = (uint64_t)id, .waiting = p->n_workers};
    struct notice *n = notice_make("Die Sitzung wurde von der Administration beendet",
        "The session was ended by the administrator");
    for (unsigned i = 0; i < p->n_workers; i++)
        worker_kill(&p->workers[i], k->id, n, on_killed, k);
    notice_unref(n);
}

static void cmd_reload(struct control_client *c, const json_t *request)
{
    struct err e;
    json_t *changed, *restart;
    (void)request;
    if (proxy_reload(control_client_proxy(c), &changed, &restart, &e) < 0)
        answer_error(c, &e);
    else
        control_answer(c,
            json_pack("{s:b, s:o, s:o}", "ok", 1, "changed", changed, "restart_needed", restart));
}

static void cmd_log_level(struct control_client *c, const json_t *request)
{
    enum log_level level;
    const char *name = json_string_value(json_object_get(request, "level"));
    if (!name || !log_level_parse(name, &level)) {
        control_answer(c, json_error(EINVAL, "\"level\" must be error, warning, info or debug"));
        return;
    }
    log_set_level(level);
    log_event(LOG_INFO, "log-level", LOG_S("level", name));
    control_answer(c, ok());
}

static const struct {
    const char *name;
    void (*run)(struct control_client *c, const json_t *request);
} commands[] = {
    {"status", cmd_status},
    {"sessions", cmd_sessions},
    {"watch", cmd_watch},
    {"block", cmd_block},
    {"drain", cmd_drain},
    {"open", cmd_open},
    {"hold", cmd_hold},
    {"release", cmd_release},
    {"kill", cmd_kill},
    {"reload", cmd_reload},
    {"log-level", cmd_log_level},
};

void command_run(struct control_client *c, const json_t *request)
{
    const char *name = json_string_value(json_object_get(request, "cmd"));
    for (size_t i = 0; name && i < sizeof commands / sizeof commands[0]; i++)
        if (!strcmp(commands[i].name, name)) {
            commands[i].run(c, request);
            return;
        }
    control_answer(c, name ? json_error(EINVAL, "there is no command \"%s\"", name)
                           : json_error(EINVAL, "a request is {\"cmd\":\"...\"}"));
}
