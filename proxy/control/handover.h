/*
 * Handing over to a new process without losing anybody: the side of the process that runs.
 *
 *   successor                          we
 *   {"cmd":"handover","version":1} ──▶ may it? ──▶ the listening sockets (SCM_RIGHTS)
 *   prepares everything                still accept
 *   {"cmd":"handover-take"} ─────────▶ accept no more; a second control socket; what only memory
 * knew publishes its control socket, accepts
 *   {"cmd":"handover-done"} ─────────▶ close the listening sockets, keep the sessions: "leaving"
 *
 * Until "done" everything can be taken back: when the connection ends, the process serves on as if
 * nothing had been. In between clients wait in the kernel's queue for some milliseconds; none is
 * refused. A leaving process ends with its last session, or after handover_timeout. The other side
 * is takeover.h. Main thread only.
 */
#ifndef ELEXGATE_PROXY_CONTROL_HANDOVER_H
#define ELEXGATE_PROXY_CONTROL_HANDOVER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>
#include "common/error.h"

/* Of the messages. Who does not know a version refuses it and nothing changes. */
#define HANDOVER_VERSION 1

struct proxy;
struct control_client;

struct handover {                     /* zero-initialise, then handover_init */
    struct control_client *successor; /* has asked; NULL = none */
    int64_t gate_since_ms;            /* the gate must not change meanwhile */
    bool paused, leaving;
    int64_t since_ms, until_ms; /* of the leaving, wall clock */
    uint64_t end_at_ms;
    uv_timer_t timer; /* the limit of the pause; later looks whether all have left */

    /* a successor that we started */
    char *program; /* our own executable, as it was called when we started */
    uv_process_t child;
    bool child_runs;
    struct control_client *given; /* its connection; NULL = none */
    struct control_client *asker; /* of "upgrade" */
    int pid;                      /* its process, which is no child of ours; 0 = not known yet */
    struct err why, how;          /* its own words; how it ended, if as our child */
    uv_timer_t child_timer;
};

void handover_init(struct proxy *p);
void handover_close(struct proxy *p);
/* {"since","until"} while leaving, else null; a new reference. */
json_t *handover_json(const struct proxy *p) MUSTCHECK;
/* From control.c: a successor's connection is over. */
void handover_lost(struct proxy *p, const struct control_client *c);

/* The commands; each answers. ask: version, program_version, pid, state, sockets (name, address,
 * port of each, their descriptors in the same order), or EBUSY, EPROTONOSUPPORT. take: last_id,
 * controls (sockets of all older processes, this one last), stale_addresses, stale_ms; what follows
 * has 5 s. done, with timeout_ms: no listeners any more. failed, with error: what "upgrade" answers
 * with. */
void handover_cmd_ask(struct control_client *c, const json_t *request);
void handover_cmd_take(struct control_client *c, const json_t *request);
void handover_cmd_done(struct control_client *c, const json_t *request);
void handover_cmd_failed(struct control_client *c, const json_t *request);
/* Starts our own program anew, which then takes over. */
void handover_cmd_upgrade(struct control_client *c, const json_t *request);

#endif
