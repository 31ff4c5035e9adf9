#include "proxy/control/handover.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "common/clock.h"
#include "common/config_intent.h"
#include "common/json_lines.h"
#include "common/log.h"
#include "common/process.h"
#include "common/systemd.h"
#include "common/json_get.h"
#include "proxy/control/control_socket.h"
#include "proxy/listener.h"
#include "proxy/proxy.h"
#include "proxy/roster.h"

/* How long a successor may take from "take" to "done", in which nobody is let in. */
#define PAUSE_MAX_MS 5000u
/* How often a leaving process looks whether its last session has left. */
#define LEAVING_TICK_MS 500u
/* How long a successor that we started may take in all. */
#define CHILD_MAX_MS  30000u
#define LAST_WORDS_MS 100u
#define DAY_MS        (INT64_C(24) * 60 * 60 * 1000)

void handover_init(struct proxy *p)
{
    struct handover *h = &p->handover;
    CHECK(uv_timer_init(&p->loop, &h->timer) == 0);
    CHECK(uv_timer_init(&p->loop, &h->child_timer) == 0);
    h->timer.data = h->child_timer.data = h->child.data = p;
    h->program = process_self(); /* now: it may be exchanged while we run */
}

static void asker_answer(struct handover *h, json_t *object)
{
    struct control_client *c = h->asker;
    h->asker = NULL;
    if (c) {
        control_answer(c, object);
        control_client_unref(c);
    } else
        json_decref(object);
}

void handover_close(struct proxy *p)
{
    struct handover *h = &p->handover;
    asker_answer(h, json_error(ECANCELED, "the proxy ends"));
    uv_close((uv_handle_t *)&h->timer, NULL);
    uv_close((uv_handle_t *)&h->child_timer, NULL);
    if (h->child_runs)
        uv_close((uv_handle_t *)&h->child, NULL);
    h->child_runs = false;
    free(h->program);
    h->program = NULL;
}

json_t *handover_json(const struct proxy *p)
{
    const struct handover *h = &p->handover;
    char since[CLOCK_ISO_LEN], until[CLOCK_ISO_LEN];
    if (!h->leaving)
        return json_null();
    return json_pack("{s:s, s:s}", "since", clock_iso(h->since_ms, since), "until",
        clock_iso(h->until_ms, until));
}

static bool owner_only(struct control_client *c)
{
    if (control_client_owner(c))
        return true;
    control_answer(
        c, json_error(
               EACCES, "only root and the proxy's own user may put another process in its place"));
    return false;
}

/* What must be over before: each of it belongs to this process alone. */
static int may(const struct proxy *p, struct err *e)
{
    const struct gate *g = &p->gate;
    if (p->handover.leaving)
        return err_set(e, EBUSY, "this process has handed over already");
    if (!p->listeners)
        return err_set(e, EBUSY, "this process is ending");
    if (g->waiting > 0 || g->done || g->state == GATE_DRAINING)
        return err_set(
            e, EBUSY, "a block or drain is being carried out; `elexgate open` calls it off");
    if (g->holding)
        return err_set(e, EBUSY, "a backup holds the clients at this moment; try again");
    return 0;
}

static void refuse(struct control_client *c, const struct err *e)
{
    log_err(LOG_WARNING, "handover-refused", e);
    control_answer(c, json_error_of(e->code, e));
}

void handover_cmd_ask(struct control_client *c, const json_t *request)
{
    struct proxy *p = control_socket_proxy(c);
    struct handover *h = &p->handover;
    struct err e;
    json_int_t version = json_get_int(request, "version");
    if (!owner_only(c))
        return;
    int r = may(p, &e);
    if (r == 0 && (h->successor || (h->given && h->given != c)))
        r = err_set(&e, EBUSY, "another process is taking over already");
    if (r == 0)
        roster_save(); /* the successor reads it when it starts */
    if (r == 0 && version != HANDOVER_VERSION)
        r = err_set(&e, EPROTONOSUPPORT,
            "elexgate-proxy %s hands over by version %d of the messages, not %lld: it must be restarted",
            ELEXGATE_VERSION, HANDOVER_VERSION, (long long)version);
    int fds[LISTENER_SOCKETS_MAX];
    json_t *described = NULL;
    if (r == 0) {
        size_t n = listeners_export(p->listeners, &described, fds);
        json_t *answer = json_pack("{s:b, s:i, s:s, s:i, s:s, s:o}", "ok", 1, "version",
            HANDOVER_VERSION, "program_version", ELEXGATE_VERSION, "pid", (int)getpid(), "state",
            gate_state_name(&p->gate), "sockets", described);
        r = control_answer_fds(c, answer, fds, n, &e);
        json_decref(answer);
    }
    if (r < 0) {
        refuse(c, &e);
        return;
    }
    h->successor = c;
    h->pid = (int)json_get_int(request, "pid");
    h->gate_since_ms = p->gate.since_ms;
    control_socket_successor(c);
    log_event(LOG_INFO, "handover-asked");
}

static json_t *stale_json(const struct stale *s)
{
    json_t *array = json_array();
    uint64_t now = clock_mono_ms();
    char text[ADDRESS_TEXT_MAX];
    for (unsigned i = 0; i < s->n; i++)
        if (s->items[i].until_ms > now)
            (void)json_array_append_new(array, json_string(address_text(&s->items[i].addr, text)));
    return array;
}

/* Everything as it was. */
static void take_back(struct proxy *p)
{
    struct handover *h = &p->handover;
    struct err e;
    if (!h->paused)
        return;
    h->paused = false;
    uv_timer_stop(&h->timer);
    if (p->listeners)
        listeners_resume(p->listeners);
    control_socket_close_second(p->control);
    if (control_socket_publish(p->control, &e) < 0)
        log_err(LOG_ERROR, "control-socket", &e);
}

static void on_pause_over(uv_timer_t *t)
{
    struct proxy *p = t->data;
    struct control_client *c = p->handover.successor;
    log_event(LOG_ERROR, "handover-timeout",
        LOG_S("meaning", "the new process did not begin to serve; this one serves on"));
    if (c)
        control_answer(c, json_error(ETIMEDOUT, "it took too long; the old process serves on"));
    p->handover.successor = NULL;
    take_back(p);
}

void handover_cmd_take(struct control_client *c, const json_t *request)
{
    struct proxy *p = control_socket_proxy(c);
    struct handover *h = &p->handover;
    struct err e;
    (void)request;
    int r = c == h->successor && !h->paused ? may(p, &e)
                                            : err_set(&e, EPROTO, "\"handover\" comes first");
    if (r == 0 && h->gate_since_ms != p->gate.since_ms)
        r = err_set(&e, EAGAIN, "the gate was opened or blocked in the mean time; try again");
    if (r == 0)
        r = control_socket_open_second(p->control, &e);
    if (r < 0) {
        refuse(c, &e);
        return;
    }
    h->paused = true;
    listeners_pause(p->listeners);
    CHECK(uv_timer_start(&h->timer, on_pause_over, PAUSE_MAX_MS, 0) == 0);
    json_t *controls = predecessors_paths(&p->predecessors);
    (void)json_array_append_new(controls, json_string(control_socket_second(p->control)));
    control_answer(
        c, json_pack("{s:b, s:I, s:o, s:o, s:I}", "ok", 1, "last_id", (json_int_t)p->next_id,
               "controls", controls, "stale_addresses", stale_json(&p->stale), "stale_ms",
               (json_int_t)stale_longest(&p->stale, clock_mono_ms())));
}

static void on_all_ended(void *ctx, json_t *object)
{
    (void)ctx;
    json_decref(object);
}

/* A leaving process's last duty. One that is blocked has nobody left but those who are being told.
 */
static void on_leaving(uv_timer_t *t)
{
    struct proxy *p = t->data;
    struct handover *h = &p->handover;
    struct err e;
    if (worker_sessions(p->workers, p->n_workers) == 0 && !p->gate.done) {
        log_event(LOG_INFO, "all-left");
        proxy_quit(p);
    } else if (p->gate.state == GATE_OPEN && clock_mono_ms() >= h->end_at_ms) {
        log_event(LOG_WARNING, "handover-timeout",
            LOG_U("sessions", worker_sessions(p->workers, p->n_workers)),
            LOG_S("meaning", "they are ended between two statements"));
        if (gate_drain(&p->gate, NULL, 0, on_all_ended, NULL, &e) < 0)
            log_err(LOG_ERROR, "handover-timeout", &e);
    }
}

void handover_cmd_done(struct control_client *c, const json_t *request)
{
    struct proxy *p = control_socket_proxy(c);
    struct handover *h = &p->handover;
    json_int_t limit = json_get_int(request, "timeout_ms");
    if (c != h->successor || !h->paused) {
        control_answer(c, json_error(EPROTO, "\"handover-take\" comes first"));
        return;
    }
    limit = limit < 0 ? 0 : limit > 30 * DAY_MS ? 30 * DAY_MS : limit;
    h->paused = false;
    h->leaving = true;
    h->since_ms = clock_wall_ms();
    h->until_ms = h->since_ms + limit;
    h->end_at_ms = clock_mono_ms() + (uint64_t)limit;
    p->gate.handed_over = true;
    listeners_close(p->listeners);
    p->listeners = NULL;
    predecessors_close(&p->predecessors);
    /* One that somebody else started is somebody else's to supervise. */
    char state[32];
    snprintf(state, sizeof state, "MAINPID=%d", h->pid);
    if (h->given && h->pid > 0)
        systemd_tell(state);
    control_answer(c, json_pack("{s:b}", "ok", 1));
    asker_answer(
        h, json_pack("{s:b, s:i, s:i, s:i, s:I}", "ok", 1, "pid", h->pid, "old_pid", (int)getpid(),
               "sessions", (int)worker_sessions(p->workers, p->n_workers), "timeout_ms", limit));
    control_socket_leave_main(p->control);
    uv_timer_stop(&h->child_timer);
    CHECK(uv_timer_start(&h->timer, on_leaving, LEAVING_TICK_MS, LEAVING_TICK_MS) == 0);
    log_event(LOG_INFO, "handed-over", LOG_U("sessions", worker_sessions(p->workers, p->n_workers)),
        LOG_U("limit_ms", (uint64_t)limit));
}

void handover_cmd_failed(struct control_client *c, const json_t *request)
{
    struct handover *h = &control_socket_proxy(c)->handover;
    const char *why = json_get_str(request, "error");
    if (owner_only(c)) {
        (void)err_set(&h->why, EINVAL, "%s", why ? why : N_("no reason given"));
        control_answer(c, json_pack("{s:b}", "ok", 1));
    }
}

/* Once the words that it may have left behind are read. */
static void on_child_failed(uv_timer_t *t)
{
    struct proxy *p = t->data;
    struct handover *h = &p->handover;
    if (!h->why.code && h->how.code)
        (void)err_set(&h->why, EINVAL, "%s ended with %s before it served; its log says why",
            h->program, err_words(&h->how));
    else if (!h->why.code)
        (void)err_set(&h->why, EINVAL, "%s ended before it served; its log says why", h->program);
    log_event(LOG_ERROR, "upgrade-failed", LOG_S("error", h->why.text));
    asker_answer(h, json_error_of(EINVAL, &h->why));
}

void handover_lost(struct proxy *p, const struct control_client *c)
{
    struct handover *h = &p->handover;
    if (c == h->given) {
        h->given = NULL;
        if (!h->leaving)
            CHECK(uv_timer_start(&h->child_timer, on_child_failed, LAST_WORDS_MS, 0) == 0);
    }
    if (c != h->successor)
        return;
    h->successor = NULL;
    if (h->leaving)
        return;
    log_event(LOG_WARNING, "handover-failed",
        LOG_S("meaning", "the new process went away; this one serves on"));
    take_back(p);
}

static void on_child_closed(uv_handle_t *handle)
{
    struct proxy *p = handle->data;
    p->handover.child_runs = false;
}

/* A good one leaves its work to a child of its own, which is then no child of ours but of the
 * supervisor, who hears of its end (takeover.c). */
static void on_child_exit(uv_process_t *child, int64_t status, int signal)
{
    struct proxy *p = child->data;
    struct handover *h = &p->handover;
    uv_close((uv_handle_t *)child, on_child_closed);
    if (signal)
        (void)err_set(&h->how, EIO, "signal %d", signal);
    else if (status != 0)
        (void)err_set(&h->how, EIO, "exit status %d", (int)status);
}

static void on_child_slow(uv_timer_t *t)
{
    struct proxy *p = t->data;
    struct handover *h = &p->handover;
    (void)err_set(
        &h->why, EINVAL, "%s did not take over within %u s", h->program, CHILD_MAX_MS / 1000);
    if (h->child_runs)
        (void)uv_process_kill(&h->child, SIGKILL);
    else if (h->pid > 0)
        (void)kill(h->pid, SIGKILL);
}

/* Our environment without what systemd means for this process only. */
static char **child_environment(void)
{
    static const char *const ours[] = {
        "WATCHDOG_PID=", "LISTEN_PID=", "LISTEN_FDS=", "LISTEN_FDNAMES="};
    size_t n = 0, k = 0;
    while (environ[n])
        n++;
    char **out = xcalloc(n + 1, sizeof *out);
    for (size_t i = 0; i < n; i++) {
        bool skip = false;
        for (size_t j = 0; j < sizeof ours / sizeof ours[0]; j++)
            skip |= !strncmp(environ[i], ours[j], strlen(ours[j]));
        if (!skip)
            out[k++] = environ[i];
    }
    return out;
}

static int spawn(struct proxy *p, int fd, struct err *e)
{
    struct handover *h = &p->handover;
    static char takeover[] = "--takeover-fd", three[] = "3", config[] = "--config";
    _cleanup_free_ char *path = xstrdup(p->config_path);
    _cleanup_free_ char **env = child_environment();
    char *args[] = {h->program, takeover, three, path ? config : NULL, path, NULL};
    uv_stdio_container_t stdio[4] = {
        {.flags = UV_INHERIT_FD, .data.fd = 0},
        {.flags = UV_INHERIT_FD, .data.fd = 1},
        {.flags = UV_INHERIT_FD, .data.fd = 2},
        {.flags = UV_INHERIT_FD, .data.fd = fd},
    };
    uv_process_options_t o = {.exit_cb = on_child_exit,
        .file = h->program,
        .args = args,
        .env = env,
        .stdio = stdio,
        .stdio_count = 4};
    int r = uv_spawn(&p->loop, &h->child, &o);
    h->child_runs = true; /* the handle is open in any case */
    if (r < 0) {
        uv_close((uv_handle_t *)&h->child, on_child_closed);
        return err_uv(e, r, "cannot start %s", h->program);
    }
    return 0;
}

/* The successor starts with whatever the file says. */
static int whole_file(const struct proxy *p, struct err *e)
{
    struct config *next;
    int r = config_load(p->config_path, &next, e);
    if (r < 0)
        return r;
    r = config_intent_check(p->settings->config, next, e);
    config_free(next);
    return r;
}

void handover_cmd_upgrade(struct control_client *c, const json_t *request)
{
    struct proxy *p = control_socket_proxy(c);
    struct handover *h = &p->handover;
    struct err e;
    int pair[2];
    (void)request;
    if (!owner_only(c))
        return;
    int r = may(p, &e);
    if (r == 0 && (h->successor || h->given || h->asker || h->child_runs))
        r = err_set(&e, EBUSY, "another process is taking over already");
    if (r == 0 && getpid() == 1)
        r = err_set(&e, EPERM,
            "this is process 1 of a container, and the container ends with it; start a new container with --takeover (docs/upgrade.md)");
    if (r == 0)
        r = whole_file(p, &e);
    if (r == 0 && !h->program)
        r = err_set(&e, ENOENT, "our own program's path is not known");
    if (r == 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        r = err_sys(&e, errno, "cannot make a socket pair");
    if (r == 0) {
        h->why = h->how = (struct err){0};
        h->pid = 0;
        r = spawn(p, pair[1], &e);
        close(pair[1]);
        if (r < 0)
            close(pair[0]);
    }
    if (r < 0) {
        refuse(c, &e);
        return;
    }
    h->given = control_socket_adopt(p->control, pair[0]);
    h->asker = control_client_ref(c);
    CHECK(uv_timer_start(&h->child_timer, on_child_slow, CHILD_MAX_MS, 0) == 0);
    log_event(LOG_INFO, "upgrade", LOG_S("program", h->program), LOG_I("pid", h->child.pid));
}
