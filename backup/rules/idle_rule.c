/* The decision whether a due backup may run now. */
#include "backup/rules/idle_rule.h"

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
    const char *reason, *words, *words_de;
    int64_t left_ms; /* until time alone removes it; 0 = it will not */
};

static struct obstacle obstacle(
    const char *reason, const char *words, const char *words_de, int64_t left_ms)
{
    return (struct obstacle){reason, words, words_de, left_ms > 0 ? left_ms : 0};
}

/* What stands in the way now; reason NULL = nothing does. */
static struct obstacle find_obstacle(const struct idle_settings *s, const struct idle_times *t,
    const struct idle_proxy *p, const struct idle_server *v, const struct idle_watch *w)
{
    int64_t quiet = s->minutes_ms > SHORTEST_QUIET_MS ? s->minutes_ms : SHORTEST_QUIET_MS;

    if (!p->known)
        return obstacle("proxy-unknown", "the proxy cannot be asked, so it is not known to be idle",
            "der Proxy gibt keine Auskunft, also ist nicht bekannt, ob Ruhe ist", 0);
    if (!v->known || !w->server_seen)
        return obstacle("server-unknown",
            "the server cannot be asked, so it is not known to be idle",
            "der Datenbankserver gibt keine Auskunft, also ist nicht bekannt, ob Ruhe ist", 0);
    if (p->write_in_flight > 0)
        return obstacle("writing", "a client is writing", "ein Programm schreibt gerade", 0);
    if (p->transactions > 0)
        return obstacle("transaction", "a client's transaction is open",
            "bei einem Programm ist eine Transaktion offen", 0);
    if (v->transactions > 0)
        return obstacle("server-transaction", "a transaction is open on the server",
            "auf dem Server ist eine Transaktion offen", 0);
    if (s->mode == IDLE_NO_CLIENTS) {
        if (p->sessions > 0)
            return obstacle("sessions", "clients are connected", "es sind Programme verbunden", 0);
        int64_t left = w->no_sessions ? w->no_sessions_since + quiet - t->now_ms : quiet;
        if (left > 0)
            return obstacle("recent-session", "the last client left only a short time ago",
                "das letzte Programm hat sich erst vor Kurzem abgemeldet", left);
    }
    if (p->in_flight > 0)
        return obstacle("in-flight", "a statement is running", "eine Abfrage läuft noch", 0);
    if (p->write_ms < quiet)
        return obstacle("recent-write", "the last write was only a short time ago",
            "zuletzt wurde erst vor Kurzem geschrieben", quiet - p->write_ms);
    int64_t server_quiet = t->now_ms - w->server_since;
    if (server_quiet < quiet)
        return obstacle("server-write",
            "the server's own counters have not stood still for long enough",
            "die Zähler des Servers stehen noch nicht lange genug still", quiet - server_quiet);
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
        return (struct idle_decision){IDLE_NOT_DUE, "not-due", "the run is not due yet",
            "der Lauf ist noch nicht fällig", ask_again(t->due_ms - t->now_ms, t)};

    struct obstacle o = find_obstacle(s, t, proxy, server, w);
    if (!o.reason)
        return (struct idle_decision){
            IDLE_RUN, "idle", "the database is idle", "die Datenbank ruht", 0};
    if (t->now_ms >= t->deadline_ms)
        return (struct idle_decision){after_deadline(s, server), o.reason, o.words, o.words_de, 0};
    return (struct idle_decision){
        IDLE_WAIT, o.reason, o.words, o.words_de, ask_again(o.left_ms, t)};
}
