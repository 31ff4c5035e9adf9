#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "certs/secure_heap.h"
#include "common/loop.h"
#include "common/audit.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/log.h"
#include "common/log_ring.h"
#include "common/program.h"
#include "common/systemd.h"
#include "proxy/audit_trail.h"
#include "proxy/control/commands.h"
#include "proxy/roster.h"
#include "proxy/writers.h"
#include "proxy/listener.h"
#include "proxy/proxy.h"
#include "proxy/record_pool.h"
#include "proxy/control/takeover.h"

#define DYING_MS        2000u
#define ROSTER_MS       5000u /* at most so much of it is lost in a crash */
#define HOUSEKEEPING_MS (10u * 60u * 1000u)

static const char usage[] =
    "usage: elexgate-proxy [--config FILE] [--takeover]\n\n"
    "Terminates TLS for MariaDB clients and forwards them to the plaintext server.\n\n"
    "  -c, --config FILE  configuration (default /etc/elexgate/elexgate.ini)\n"
    "      --check        check the configuration and the certificate, then exit\n"
    "      --takeover     take over from the running process, whose sessions live on; without\n"
    "                     one start as always (`elexgate upgrade` does this for you)\n"
    "  -h, --help         this text\n"
    "  -V, --version      the version\n\n"
    "Signals: SIGHUP reads configuration and certificate again; SIGTERM lets sessions end\n"
    "for [proxy] drain_timeout; a second SIGTERM ends them. See elexgate-proxy(8).\n";

static struct proxy proxy;
static uv_signal_t on_term, on_int, on_hup;
static uv_timer_t housekeeping_timer, watchdog_timer, roster_timer;
static bool quitting, stopping;

/* What a process says that has handed over would be taken for its successor's. */
static void tell_systemd(const char *state)
{
    if (!proxy.handover.leaving)
        systemd_tell(state);
}

/* News from the workers. */

static void gone(void *ctx)
{
    struct proxy *p = ctx;
    gate_on_session_gone(&p->gate);
}

static void tell_watchers(struct proxy *p, const char *kind, json_t *object)
{
    if (p->control)
        control_socket_tell(p->control, kind, object);
    else
        json_decref(object);
}

static void session_event(void *ctx, json_t *object)
{
    tell_watchers(ctx, "session", object);
}

static void wrote(void *ctx, uint64_t session)
{
    tell_watchers(
        ctx, "write", json_pack("{s:s, s:I}", "event", "write", "session", (json_int_t)session));
}

static void blocked(void *ctx, uint64_t round, unsigned n, json_t *addresses)
{
    struct proxy *p = ctx;
    gate_on_blocked(&p->gate, round, n, addresses);
}

static void held(void *ctx, uint64_t round)
{
    struct proxy *p = ctx;
    gate_on_held(&p->gate, round);
}

static const struct worker_events events = {.ctx = &proxy,
    .gone = gone,
    .session_event = session_event,
    .wrote = wrote,
    .blocked = blocked,
    .held = held};

void proxy_quit(struct proxy *p)
{
    if (quitting)
        return;
    quitting = true;
    tell_systemd("STOPPING=1");
    if (p->listeners)
        listeners_close(p->listeners);
    p->listeners = NULL;
    for (unsigned i = 0; i < p->n_workers; i++)
        worker_stop(&p->workers[i]);
    if (p->control)
        control_socket_close(p->control);
    p->control = NULL;
    backends_close(p);
    predecessors_close(&p->predecessors);
    handover_close(p);
    gate_close(&p->gate);
    uv_close((uv_handle_t *)&on_term, NULL);
    uv_close((uv_handle_t *)&on_int, NULL);
    uv_close((uv_handle_t *)&on_hup, NULL);
    uv_close((uv_handle_t *)&housekeeping_timer, NULL);
    uv_close((uv_handle_t *)&watchdog_timer, NULL);
    uv_close((uv_handle_t *)&roster_timer, NULL);
    loop_lag_stop(&proxy.lag);
    mailbox_close(&p->mail);
}

static void on_drained(void *ctx, json_t *object)
{
    json_decref(object);
    proxy_quit(ctx);
}

/* Older processes know by now that they are to end as well. */
static void on_told(void *ctx, json_t *answers)
{
    struct proxy *p = ctx;
    struct err e;
    json_decref(answers);
    if (!quitting &&
        (p->gate.state == GATE_BLOCKED ||
            gate_drain(&p->gate, NULL, p->settings->drain_timeout_ms, on_drained, p, &e) < 0))
        proxy_quit(p);
}

/* The first asks sessions to end, the second ends them. */
void proxy_stop(struct proxy *p)
{
    if (stopping) {
        proxy_quit(p);
        return;
    }
    stopping = true;
    predecessors_ask(
        &p->predecessors, json_pack("{s:s}", "cmd", "stop"), PREDECESSOR_MS, on_told, p);
}

static void on_stop_signal(uv_signal_t *s, int signum)
{
    log_event(LOG_INFO, "signal", LOG_S("name", signum == SIGTERM ? "SIGTERM" : "SIGINT"));
    proxy_stop(s->data);
}

static void on_reload_signal(uv_signal_t *s, int signum)
{
    (void)signum;
    struct err e;
    json_t *changed, *restart;
    tell_systemd("RELOADING=1");
    if (proxy_reload(s->data, false, &changed, &restart, &e) == 0) {
        json_decref(changed);
        json_decref(restart);
    } else
        audit_trail_open(
            ((struct proxy *)s->data)->settings->config); /* it may have been rotated */
    tell_systemd("READY=1");
}

/* What is due every now and then: ticket keys, the certificate's last days. */
static void on_housekeeping(uv_timer_t *t)
{
    struct proxy *p = t->data;
    struct err e;
    /* The keys' file belongs to the successor, once there is one. */
    if (!p->handover.leaving && tickets_rotate(p->tickets, clock_wall_ms() / 1000, &e) < 0)
        log_err(LOG_WARNING, "ticket-keys", &e);
    warnings_log_certificate(p->settings, clock_wall_ms() / 1000, &p->alarm);
    for (size_t i = 0; i < p->settings->n_listeners; i++)
        warnings_log_kept_back(&p->settings->listeners[i], clock_mono_ms());
}

/* The board belongs to the successor, once there is one; who wrote, both of them add. */
static void on_roster(uv_timer_t *t)
{
    const struct proxy *p = t->data;
    if (!p->handover.leaving)
        roster_save();
    writers_save(!p->handover.leaving);
}

static void on_watchdog(uv_timer_t *t)
{
    (void)t;
    tell_systemd("WATCHDOG=1");
}

static void signal_on(uv_signal_t *s, uv_signal_cb cb, int signum)
{
    CHECK(uv_signal_init(&proxy.loop, s) == 0);
    s->data = &proxy;
    CHECK(uv_signal_start(s, cb, signum) == 0);
}

static int load(struct proxy *p, struct err *e)
{
    struct config *config;
    int r = config_load(p->config_path, &config, e);
    if (r < 0)
        return r;
    program_log("elexgate-proxy", config);
    const char *state = config_str(config, "proxy", NULL, "state_dir");
    r = file_mkdirs(state, 0700, e);
    if (r == 0) {
        roster_open(state);
        writers_open(state);
    }
    if (r == 0)
        r = tickets_open(state, &p->tickets, e);
    if (r < 0) {
        config_free(config);
        return r;
    }
    return settings_make(config, p->tickets, &p->settings, e);
}

static int start_workers(struct proxy *p, struct err *e)
{
    p->peers = peers_new();
    p->started_ms = clock_mono_ms();
    p->workers = xcalloc(p->settings->workers, sizeof *p->workers);
    for (; p->n_workers < p->settings->workers; p->n_workers++) {
        int r = worker_start(
            &p->workers[p->n_workers], p->n_workers, p->peers, &p->mail, &events, e);
        if (r < 0)
            return r;
    }
    return 0;
}

static void start_timers(struct proxy *p)
{
    signal_on(&on_term, on_stop_signal, SIGTERM);
    signal_on(&on_int, on_stop_signal, SIGINT);
    signal_on(&on_hup, on_reload_signal, SIGHUP);
    CHECK(uv_timer_init(&p->loop, &housekeeping_timer) == 0);
    CHECK(uv_timer_init(&p->loop, &watchdog_timer) == 0);
    CHECK(uv_timer_init(&p->loop, &roster_timer) == 0);
    roster_timer.data = housekeeping_timer.data = p;
    CHECK(uv_timer_start(&roster_timer, on_roster, ROSTER_MS, ROSTER_MS) == 0);
    loop_lag_start(&p->lag, &p->loop);
    CHECK(uv_timer_start(&housekeeping_timer, on_housekeeping, HOUSEKEEPING_MS, HOUSEKEEPING_MS) ==
          0);
    handover_init(p);
}

/* A new state_dir would forget a block that the running process enforces. */
static int same_state(const struct proxy *p, const struct takeover *t, struct err *e)
{
    if (!t->active || t->blocked == (p->gate.state == GATE_BLOCKED))
        return 0;
    return err_set(e, EINVAL,
        "the running process is %s, and [proxy] state_dir says otherwise: is it another folder?",
        t->blocked ? "blocked" : "open");
}

/* One that has just died may still be closing its sockets. */
static int open_listeners(struct proxy *p, struct takeover *t, bool takeover, struct err *e)
{
    int r = listeners_open(p, t->sockets, t->n_sockets, &p->listeners, e);
    for (unsigned i = 0; r == -EADDRINUSE && takeover && !t->active && i < DYING_MS / 50; i++) {
        uv_sleep(50);
        r = listeners_open(p, t->sockets, t->n_sockets, &p->listeners, e);
    }
    return r;
}

/* Everything that can fail is tried before the first client is let in, and before a running process
 * stops letting them in. */
static int prepare(struct proxy *p, struct takeover *t, bool takeover, struct err *e)
{
    const struct control_duties duties = {command_run, handover_lost};
    int r = load(p, e);
    if (r == 0 && takeover)
        r = takeover_ask(t, p->settings->control_socket, e);
    if (r == 1) {
        log_event(LOG_INFO, "nothing-to-take-over");
        r = 0;
    }
    if (r == 0)
        r = link_tls_init(e);
    if (r == 0)
        r = mailbox_init(&p->mail, &p->loop, e);
    if (r == 0)
        r = gate_init(&p->gate, p, e);
    if (r == 0)
        r = same_state(p, t, e);
    if (r == 0)
        r = open_listeners(p, t, takeover, e);
    if (r == 0)
        r = control_socket_open(p, t->active, &duties, &p->control, e);
    return r == 0 ? start_workers(p, e) : r;
}

static int start(struct proxy *p, struct takeover *t, bool takeover, struct err *e)
{
    predecessors_init(&p->predecessors, p, tell_watchers);
    int r = prepare(p, t, takeover, e);
    if (r < 0)
        return r;
    start_timers(p);
    _cleanup_free_ char *recent = xasprintf("%s/recent.log", p->settings->state_dir);
    log_ring_keep(recent);
    audit_trail_open(p->settings->config);
    warnings_log(p->settings);
    warnings_log_certificate(p->settings, clock_wall_ms() / 1000, &p->alarm);
    if (t->active)
        r = takeover_take(t, p, e);
    if (r == 0)
        r = control_socket_publish(p->control, e);
    if (r == 0)
        r = takeover_done(t, p, e);
    if (r < 0)
        return r;
    predecessors_find(&p->predecessors); /* those of a process that crashed */
    uint64_t every = systemd_watchdog_ms() / 2;
    if (every > 0)
        CHECK(uv_timer_start(&watchdog_timer, on_watchdog, 0, every) == 0);
    backends_start(p);
    gate_start(&p->gate);
    listeners_start(p->listeners);
    return 0;
}

static int failed(struct proxy *p, struct takeover *t, const struct err *e)
{
    log_err(LOG_ERROR, "cannot-start", e);
    takeover_failed(t, e);
    takeover_end(t);
    if (p->control)
        control_socket_close(p->control);
    return 1;
}

int main(int argc, char **argv)
{
    struct err e = {0};
    bool check = false, take = false;
    const char *fd = NULL; /* from handover.c, never from a person */
    const struct program_option options[] = {{"--check", .flag = &check},
        {"--takeover", .flag = &take}, {"--takeover-fd", .value = &fd}, {0}};
    const struct program program = {
        "elexgate-proxy", usage, &proxy.config_path, .options = options};
    int r = program_begin(&program, argc, argv);
    if (r >= 0)
        return r;
    secure_heap_begin();
    record_pool_install();
    log_ring_start();
    audit_init("elexgate-proxy");
    struct takeover takeover = {.fd = fd ? atoi(fd) : -1};
    if (fd)
        takeover_detach();
    program_raise_open_files(); /* two sockets a session */
    json_object_seed(0);        /* before there are threads */
    CHECK(loop_init(&proxy.loop) == 0);
    r = check ? load(&proxy, &e) : start(&proxy, &takeover, take || fd, &e);
    if (r < 0)
        return failed(&proxy, &takeover, &e);
    if (check) {
        const struct cert_pair *pair = proxy.settings->certificate;
        const char *path = config_str(proxy.settings->config, "tls", NULL, "certificate");
        if (pair && cert_pair_fits(pair, path, time(NULL), &e) < 0)
            printf("it starts, but clients that check refuse the certificate: %s\n", e.text);
        else
            puts("configuration and certificate are good");
        return 0;
    }
    takeover_end(&takeover);
    if (!fd)                /* else it has that of the one before it */
        program_shut(true); /* that starts its successor */
    tell_systemd("READY=1");
    log_event(LOG_INFO, "ready", LOG_S("version", ELEXGATE_VERSION),
        LOG_U("workers", proxy.n_workers), LOG_S("state", gate_state_name(&proxy.gate)));
    uv_run(&proxy.loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&proxy.loop) == 0);
    on_roster(&roster_timer);
    peers_free(proxy.peers);
    stale_clear(&proxy.stale);
    free(proxy.workers);
    tickets_close(proxy.tickets);
    settings_unref(proxy.settings);
    audit_stop();
    log_event(LOG_INFO, "stopped");
    return 0;
}
