/*
 * The main thread's whole: what listeners, gate and control work on. One a process.
 */
#ifndef ELEXGATE_PROXY_PROXY_H
#define ELEXGATE_PROXY_PROXY_H

#include <uv.h>
#include "proxy/backend/backends.h"
#include "proxy/gate.h"
#include "proxy/control/handover.h"
#include "proxy/mailbox.h"
#include "proxy/peers.h"
#include "proxy/control/predecessors.h"
#include "proxy/settings.h"
#include "proxy/stale.h"
#include "proxy/tickets.h"
#include "proxy/warnings.h"
#include "proxy/worker.h"

struct listeners;
struct control_socket;

struct proxy {
    uv_loop_t loop;
    struct mailbox mail;
    const char *config_path; /* NULL = default */
    struct settings *settings;
    struct tickets *tickets;
    struct worker *workers;
    unsigned n_workers;
    struct listeners *listeners;
    struct control_socket *control;
    struct peers *peers;
    struct gate gate;
    struct stale stale;
    struct handover handover;
    struct predecessors predecessors;
    struct backends backends;
    uint64_t next_id;
    uint64_t started_ms;
    uint64_t quiet_from_ms; /* nothing is known of what was written before */
    enum renew_alarm alarm; /* what the log was last told of the certificate's end */
    struct loop_lag lag;
    uint64_t accepted, refused[REFUSAL_COUNT]; /* clients: handed to a worker; turned away before */
};

/* Reads the configuration again. On failure the old one serves on. restart: new array of options
 * that need a restart; changed: those that took effect. */
int proxy_reload(
    struct proxy *p, bool force, json_t **changed, json_t **restart, struct err *e) MUSTCHECK;
/* As a SIGTERM: sessions may end by themselves for drain_timeout, also those of older processes; a
 * second call is proxy_quit. */
void proxy_stop(struct proxy *p);
/* Ends the loop: no new clients, sessions dropped, workers joined. */
void proxy_quit(struct proxy *p);
/* {"ok":true,...} of the status command. */
json_t *proxy_status(struct proxy *p);
json_t *proxy_idle_json(const struct proxy *p);

#endif
