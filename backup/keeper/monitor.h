/*
 * The keeper's way to elexgate-monitor, which does what needs root's rights (monitor/monitor.h).
 */
#ifndef ELEXGATE_BACKUP_KEEPER_MONITOR_H
#define ELEXGATE_BACKUP_KEEPER_MONITOR_H

#include <uv.h>
#include "backup/monitor/monitor.h"

struct keeper_monitor;

/* A job that was started has ended. */
typedef void keeper_monitor_end_fn(void *ctx, const struct monitor_event *event);
/* It has ended, which it never does by itself: nothing can be done any more. */
typedef void keeper_monitor_lost_fn(void *ctx);

/* Starts the program; to be called before there are other threads. */
int keeper_monitor_start(
    const char *config_path, struct keeper_monitor **out, struct err *e) MUSTCHECK;
/* From now on jobs' ends are told on the loop. */
void keeper_monitor_listen(struct keeper_monitor *m, uv_loop_t *loop, keeper_monitor_end_fn *end,
    keeper_monitor_lost_fn *lost, void *ctx);
/* One request and its answer; blocks for the moment that it takes. given: a descriptor that goes
 * with it, -1 = none. *got (NULL allowed where none is expected): one that came back, the caller's,
 * -1 = none. Its words where it refuses. */
int keeper_monitor_ask(struct keeper_monitor *m, const struct monitor_request *q, int given,
    struct monitor_answer *answer, int *got, struct err *e) MUSTCHECK;
/* How things stand; all zero where it cannot be asked. */
void keeper_monitor_state(struct keeper_monitor *m, struct monitor_state *out);
/* An act without arguments; failures are told in the log. */
void keeper_monitor_do(struct keeper_monitor *m, enum monitor_act act);
/* What it hands out, malloc'ed: the configuration file as it is now (MONITOR_CONFIG; *whole: our
 * own editor wrote it), the page's accounts (MONITOR_PEOPLE; whole NULL). */
int keeper_monitor_text(struct keeper_monitor *m, enum monitor_act act, char **text, size_t *len,
    bool *whole, struct err *e) MUSTCHECK;
/* No ends are told any more. */
void keeper_monitor_close(struct keeper_monitor *m);
/* Ends it, and waits for that. After the loop has closed what is left; NULL allowed. */
void keeper_monitor_free(struct keeper_monitor *m);

#endif
