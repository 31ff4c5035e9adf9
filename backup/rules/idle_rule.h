/*
 * The decision whether a due backup may run now.
 *
 * Two witnesses: the proxy, which sees every session, and the server's own write counters and open
 * transactions, since other programs may go past the proxy. What a witness does not answer is
 * "unknown", and unknown is never idle.
 *
 * Pure: the keeper asks the witnesses, fills in the facts, and acts on the answer. idle_watch turns
 * successive answers into "quiet since".
 */
#ifndef ELEXGATE_BACKUP_RULES_IDLE_RULE_H
#define ELEXGATE_BACKUP_RULES_IDLE_RULE_H

#include <stdbool.h>
#include <stdint.h>

enum idle_mode { IDLE_QUIET, IDLE_NO_CLIENTS };
enum idle_policy { IDLE_POLICY_SKIP, IDLE_POLICY_DUMP, IDLE_POLICY_LOCK };

/* What the proxy's status says under "idle". */
struct idle_proxy {
    bool known;
    int64_t write_ms;     /* since the last write statement ended */
    int64_t statement_ms; /* since the last statement of any kind */
    int64_t in_flight, write_in_flight, transactions, sessions;
};
/* What the server says. */
struct idle_server {
    bool known;
    uint64_t write_counters; /* any sum or hash that changes when something was written */
    int64_t transactions;    /* rows in INNODB_TRX that are not the keeper's own */
};

/* Quiet times as seen by the keeper; zero-initialise. All times monotonic, ms. */
struct idle_watch {
    int64_t server_since; /* counters unchanged since */
    int64_t no_sessions_since;
    uint64_t last_counters;
    bool server_seen, no_sessions;
};
/* Tells the watch what the witnesses just said. An unknown answer resets the clock that it feeds.
 */
void idle_watch_update(struct idle_watch *w, const struct idle_proxy *proxy,
    const struct idle_server *server, int64_t now_ms);

struct idle_settings {
    enum idle_mode mode;
    enum idle_policy policy;
    int64_t minutes_ms; /* how long it must have been quiet; below 15 s counts as 15 s */
};
struct idle_times {
    int64_t now_ms, due_ms;
    int64_t deadline_ms; /* absolute, same clock; INT64_MAX = none */
};

enum idle_action {
    IDLE_NOT_DUE,
    IDLE_WAIT, /* ask again; look at reason */
    IDLE_RUN,  /* idle: the physical (or whatever configured) method may start */
    IDLE_SKIP, /* deadline passed: give up this run and raise an alarm */
    IDLE_DUMP, /* deadline passed: take a consistent dump without a lock */
    IDLE_LOCK, /* deadline passed: lock although not idle */
};
struct idle_decision {
    enum idle_action action;
    const char *reason; /* one word for programs: "not-due" "idle" "proxy-unknownserver-unknown"
                           "writing" "in-flight" "transaction" "recent-writesessions"
                           "recent-session" "server-write" "server-transaction" */
    const char *words;  /* a clause for people, of the catalogue: "a transaction is open" */
    int64_t again_ms;   /* WAIT, NOT_DUE: earliest time from now that the answer can change by
                           time alone; at least 1 s, at most to the deadline */
};
struct idle_decision idle_decide(const struct idle_settings *s, const struct idle_times *t,
    const struct idle_proxy *proxy, const struct idle_server *server, const struct idle_watch *w);

#endif
