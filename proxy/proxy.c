#include "proxy/proxy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "common/audit.h"
#include "common/clock.h"
#include "common/config_intent.h"
#include "common/log.h"
#include "common/phrase.h"
#include "common/program.h"
#include "common/utf8.h"
#include "proxy/audit_trail.h"
#include "proxy/control/control_socket.h"
#include "proxy/listener.h"

static struct idle_report report(const struct proxy *p)
{
    struct idle_slot *slots[256];
    for (unsigned i = 0; i < p->n_workers; i++)
        slots[i] = &p->workers[i].idle;
    return idle_clock_report(slots, p->n_workers, clock_mono_ms(),
        p->quiet_from_ms > p->started_ms ? p->quiet_from_ms : p->started_ms);
}

static json_t *idle_json(const struct idle_report *r)
{
    return json_pack("{s:I, s:I, s:i, s:i, s:i, s:i, s:i}", "write_ms", (json_int_t)r->write_ms,
        "statement_ms", (json_int_t)r->statement_ms, "in_flight", (int)r->in_flight, "transactions",
        (int)r->transactions, "transactions_unknown", (int)r->unknown, "sessions", (int)r->sessions,
        "write_in_flight", (int)r->write_in_flight);
}

json_t *proxy_idle_json(const struct proxy *p)
{
    struct idle_report r = report(p);
    return idle_json(&r);
}

static json_t *listeners_json(const struct proxy *p)
{
    static const char *const modes[] = {"required", "preferred", "off"};
    json_t *array = json_array();
    for (size_t i = 0; i < p->settings->n_listeners; i++) {
        const struct listen_settings *l = &p->settings->listeners[i];
        char addresses[256] = "";
        size_t n = 0;
        for (const char *const *a = l->addresses; *a && n < sizeof addresses; a++)
            n += utf8_format(addresses + n, sizeof addresses - n, n ? ", %s" : "%s", *a);
        (void)json_array_append_new(
            array, json_pack("{s:s, s:s, s:i, s:s, s:s}", "name", l->name, "address", addresses,
                       "port", (int)l->port, "tls", modes[l->tls], "announce", l->announce));
    }
    return array;
}

static json_t *totals_json(const struct proxy *p)
{
    json_t *o = json_object();
#define SUM(field)                                                                                 \
    do {                                                                                           \
        json_int_t sum = 0;                                                                        \
        for (unsigned i = 0; i < p->n_workers; i++)                                                \
            sum += (json_int_t)SLOT_GET(p->workers[i].totals.field);                               \
        (void)json_object_set_new(o, #field, json_integer(sum));                                   \
    } while (0)
    SUM(handshakes_ok);
    SUM(handshakes_failed);
    SUM(resumed);
    SUM(tls13);
    SUM(tls12);
    SUM(tls_older);
    SUM(logins_ok);
    SUM(logins_failed);
    SUM(server_blocked);
    SUM(server_logins_cut);
    SUM(bytes_in);
    SUM(bytes_out);
    SUM(statements_read);
    SUM(statements_write);
#undef SUM
    json_int_t refused = 0;
    json_t *by = json_object();
    for (enum refusal r = 0; r < REFUSAL_COUNT; r++) {
        json_int_t n = (json_int_t)p->refused[r];
        for (unsigned i = 0; i < p->n_workers; i++)
            n += (json_int_t)SLOT_GET(p->workers[i].totals.refused[r]);
        (void)json_object_set_new(by, refusal_name(r), json_integer(n));
        refused += n;
    }
    (void)json_object_set_new(o, "refused", json_integer(refused));
    (void)json_object_set_new(o, "refused_by", by);
    (void)json_object_set_new(o, "accepted", json_integer((json_int_t)p->accepted));
    return o;
}

/* What waits for each thread, and how late it is. */
static json_t *loops_json(struct proxy *p)
{
    json_t *array = json_pack("[{s:s, s:i, s:I, s:i}]", "name", "main", "queue",
        (int)mailbox_depth(&p->mail), "lag_us", (json_int_t)loop_lag_us(&p->lag), "sessions", 0);
    for (unsigned i = 0; i < p->n_workers; i++) {
        struct worker *w = &p->workers[i];
        (void)json_array_append_new(array,
            json_pack("{s:o, s:i, s:I, s:I}", "name", json_sprintf("worker-%u", i), "queue",
                (int)mailbox_depth(&w->mail), "lag_us", (json_int_t)loop_lag_us(&w->lag),
                "sessions", (json_int_t)atomic_load_explicit(&w->assigned, memory_order_relaxed)));
    }
    return array;
}

static json_t *certificate_json(const struct proxy *p)
{
    if (!p->settings->certificate)
        return json_null();
    const struct cert_info *i = cert_pair_info(p->settings->certificate);
    const struct cert_info *end = cert_pair_ends(p->settings->certificate);
    char until[CLOCK_ISO_LEN];
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:o}", "subject", i->subject, "issuer",
        i->issuer, "not_after", clock_iso((int64_t)end->not_after * 1000, until), "ends_first",
        end->subject, "fingerprint_sha256", i->fingerprint_sha256, "days_left",
        cert_info_days_left(end, time(NULL)), "warnings",
        warnings_certificate_json(p->settings, time(NULL)));
}

/* Who is told to restart Elexis, and for how long. */
static json_t *stale_json(struct proxy *p)
{
    json_t *list = json_array();
    char text[ADDRESS_TEXT_MAX];
    uint64_t now = clock_mono_ms();
    stale_drop_expired(&p->stale, now);
    for (unsigned i = 0; i < p->stale.n; i++)
        (void)json_array_append_new(
            list, json_pack("{s:s, s:I}", "address", address_text(&p->stale.items[i].addr, text),
                      "left_s", (json_int_t)((p->stale.items[i].until_ms - now + 999) / 1000)));
    return list;
}

json_t *proxy_status(struct proxy *p)
{
    const struct gate *g = &p->gate;
    struct idle_report idle = report(p);
    char since[CLOCK_ISO_LEN], until[CLOCK_ISO_LEN];
    json_t *o = json_pack("{s:b, s:s, s:s, s:i, s:I, s:s, s:n, s:o, s:s}", "ok", 1, "program",
        "elexgate-proxy", "version", ELEXGATE_VERSION, "pid", (int)getpid(), "uptime_ms",
        (json_int_t)(clock_mono_ms() - p->started_ms), "state", gate_state_name(g), "reason",
        "until", g->until_ms ? json_string(clock_iso(g->until_ms, until)) : json_null(), "since",
        clock_iso(g->since_ms, since));
    phrase_put(o, "reason", g->notice ? json_incref(g->reason) : NULL);
    json_t *more = json_pack("{s:i, s:i, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "sessions",
        (int)idle.sessions, "logins_pending", (int)idle.pending, "workers", (int)p->n_workers,
        "listeners", listeners_json(p), "idle", idle_json(&idle), "totals", totals_json(p), "loops",
        loops_json(p), "certificate", certificate_json(p), "warnings", warnings_json(p->settings),
        "held", g->holding && g->hold_waiting == 0);
    /* Built of numbers and of text that was checked for UTF-8 when it was read. */
    CHECK(o && more && json_object_update(o, more) == 0);
    (void)json_object_set_new(o, "audit", audit_status());
    json_decref(more);
    (void)json_object_set_new(o, "waiting_for_restart", stale_json(p));
    (void)json_object_set_new(o, "handed_over", handover_json(p));
    (void)json_object_set_new(o, "backends", backends_json(p));
    backends_warn(p, json_object_get(o, "warnings"));
    warnings_server_blocked(json_object_get(o, "warnings"), p->workers, p->n_workers);
    return o;
}

/* Sockets stay as they are: what they stand on must not change under them. */
static int same_sockets(const struct settings *a, const struct settings *b, struct err *e)
{
    bool same = a->n_listeners == b->n_listeners;
    for (size_t i = 0; same && i < a->n_listeners; i++)
        same = !strcmp(a->listeners[i].name, b->listeners[i].name);
    return same ? 0
                : err_set(e, EINVAL,
                      "[listen ...] sections were added, removed or moved: that needs a restart");
}

struct diff {
    json_t *changed, *restart;
};

static void on_diff(void *ctx, const struct option *o, const char *name, const char *old_value,
    const char *new_value)
{
    struct diff *d = ctx;
    char what[256];
    utf8_format(
        what, sizeof what, name ? "[%s %s] %s" : "[%s%s] %s", o->section, name ? name : "", o->key);
    log_event(o->reloadable ? LOG_INFO : LOG_WARNING, o->reloadable ? "changed" : "restart-needed",
        LOG_S("option", what), LOG_S("old", old_value), LOG_S("new", new_value));
    (void)json_array_append_new(o->reloadable ? d->changed : d->restart, json_string(what));
}

int proxy_reload(struct proxy *p, bool force, json_t **changed, json_t **restart, struct err *e)
{
    struct config *config;
    struct settings *next;
    if (p->handover.leaving)
        return err_set(e, EPERM, "this process has handed over; its successor has the settings");
    int r = config_load(p->config_path, &config, e);
    if (r == 0)
        r = settings_make(config, p->tickets, &next, e);
    if (r == 0) {
        r = same_sockets(p->settings, next, e);
        if (r == 0 && !force)
            r = config_intent_check(p->settings->config, next->config, e);
        if (r == 0)
            r = cert_pair_replaces(p->settings->certificate, next->certificate,
                config_str(next->config, "tls", NULL, "certificate"), time(NULL), e);
        if (r < 0)
            settings_unref(next);
    }
    if (r < 0) {
        log_err(LOG_ERROR, "reload-failed", e, LOG_S("meaning", "the old settings serve on"));
        return r;
    }
    struct diff d = {json_array(), json_array()};
    config_diff(p->settings->config, next->config, on_diff, &d);
    backends_keep(p, next);
    next->workers = p->n_workers; /* limits are shared out over the workers that there are */
    for (size_t i = 0; i < p->settings->n_listeners; i++)
        warnings_log_kept_back(&p->settings->listeners[i], UINT64_MAX); /* counts start anew */
    settings_unref(p->settings);
    p->settings = next;
    backends_update(p);
    listeners_update(p->listeners);
    if (p->control)
        control_socket_settings(p->control);
    program_log_level(next->config);
    const struct cert_info *i = next->certificate ? cert_pair_info(next->certificate) : NULL;
    audit_trail_open(next->config);
    log_event(LOG_INFO, "reloaded", LOG_S("certificate", i ? i->fingerprint_sha256 : NULL));
    warnings_log(next);
    p->alarm = RENEW_ALARM_NONE; /* another certificate, or a reminder: told again */
    warnings_log_certificate(next, time(NULL), &p->alarm);
    *changed = d.changed;
    *restart = d.restart;
    return 0;
}
