/* The decision whether a due backup may run now. */
#include "backup/rules/idle_rule.h"

#include "common/lang.h"

/* InnoDB's statistics thread writes about 9.4 s after a large change; below this no quiet counts.
 */
#define SHORTEST_QUIET_MS INT64_C(15000)
#define ASK_AGAIN_MS      INT64_C(1000)

void idle_watch_update(struct idle_watch *w, const struct idle_proxy *proxy,
    const struct idle_server *server, int64_t now_ms)
{
    if (!server->known) {
        w->server_seen = false;
    } else if (!w->server_seen || w->last_counters != server->write_counters ||
               server->transactions > 0) {
        w->server_seen = true;
        w->last_counters = server->write_counters;
        w->server_since = now_ms;
    }
    if (!proxy->known || proxy->sessions > 0) {
        w->no_sessions = false;
    } else if (!w->no_sessions) {
        w->no_sessions = true;
        w->no_sessions_since = now_ms;
    }
}

struct obstacle {
    const char *reason, *words;
    int64_t left_ms; /* until time alone removes it; 0 = it will not */
};

static struct obstacle obstacle(const char *reason, const char *words, int64_t left_ms)
{
    return (struct obstacle){reason, words, left_ms > 0 ? left_ms : 0};
}

/* What stands in the way now; reason NULL = nothing does. */
static struct obstacle find_obstacle(const struct idle_settings *s, const struct idle_times *t,
    const struct idle_proxy *p, const struct idle_server *v, const struct idle_watch *w)
{
    int64_t quiet = s->minutes_ms > SHORTEST_QUIET_MS ? s->minutes_ms : SHORTEST_QUIET_MS;

    if (!p->known)
        return obstacle(
            "proxy-unknown", N_("the proxy cannot be asked, so it is not known to be idle"), 0);
    if (!v->known || !w->server_seen)
        return obstacle(
            "server-unknown", N_("the server cannot be asked, so it is not known to be idle"), 0);
    if (p->write_in_flight > 0)
        return obstacle("writing", N_("a client is writing"), 0);
    if (p->transactions > 0)
        return obstacle("transaction", N_("a client's transaction is open"), 0);
    if (v->transactions > 0)
        return obstacle("server-transaction", N_("a transaction is open on the server"), 0);
    if (s->mode == IDLE_NO_CLIENTS) {
        if (p->sessions > 0)
            return obstacle("sessions", N_("clients are connected"), 0);
        int64_t left = w->no_sessions ? w->no_sessions_since + quiet - t->now_ms : quiet;
        if (left > 0)
            return obstacle(
                "recent-session", N_("the last client left only a short time ago"), left);
    }
    if (p->in_flight > 0)
        return obstacle("in-flight", N_("a statement is running"), 0);
    if (p->write_ms < quiet)
        return obstacle(
            "recent-write", N_("the last write was only a short time ago"), quiet - p->write_ms);
    int64_t server_quiet = t->now_ms - w->server_since;
    if (server_quiet < quiet)
        return obstacle("server-write",
            N_("the server's own counters have not stood still for long enough"),
            quiet - server_quiet);
    return (struct obstacle){0};
}

static enum idle_action after_deadline(const struct idle_settings *s, const struct idle_server *v)
{
    /* Without the server neither a dump nor a lock can be had. */
    if (!v->known)
        return IDLE_SKIP;
    switch (s->policy) {
    case IDLE_POLICY_DUMP:
        return IDLE_DUMP;
    case IDLE_POLICY_LOCK:
        return IDLE_LOCK;
    case IDLE_POLICY_SKIP:
        break;
    }
    return IDLE_SKIP;
}

static int64_t ask_again(int64_t left_ms, const struct idle_times *t)
{
    int64_t again = left_ms > ASK_AGAIN_MS ? left_ms : ASK_AGAIN_MS;
    int64_t to_deadline = t->deadline_ms - t->now_ms;
    return again > to_deadline && to_deadline > 0 ? to_deadline : again;
}

struct idle_decision idle_decide(const struct idle_settings *s, const struct idle_times *t,
    const struct idle_proxy *proxy, const struct idle_server *server, const struct idle_watch *w)
{
    if (t->now_ms < t->due_ms)
        return (struct idle_decision){IDLE_NOT_DUE, "not-due", N_("the run is not due yet"),
            ask_again(t->due_ms - t->now_ms, t)};

    struct obstacle o = find_obstacle(s, t, proxy, server, w);
    if (!o.reason)
        return (struct idle_decision){IDLE_RUN, "idle", N_("the database is idle"), 0};
    if (t->now_ms >= t->deadline_ms)
        return (struct idle_decision){after_deadline(s, server), o.reason, o.words, 0};
    return (struct idle_decision){IDLE_WAIT, o.reason, o.words, ask_again(o.left_ms, t)};
}
