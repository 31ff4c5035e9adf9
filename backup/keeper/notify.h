/*
 * Tells people what the verdict (health.h) finds worth a message. Whether one is due is decided by
 * backup/rules/notice_rule.h, and elexgate-notify sends it, in a process of its own: neither a mail
 * server nor a web server that hangs holds a backup up.
 */
#ifndef ELEXGATE_BACKUP_KEEPER_NOTIFY_H
#define ELEXGATE_BACKUP_KEEPER_NOTIFY_H

#include "backup/keeper/keeper.h"
#include "backup/rules/health.h"
#include "common/notify_check.h"

struct keeper_notify;

/* Reads what it remembers from notify.json in the own folder. verdict: as keeper_health. */
typedef void keeper_verdict_fn(struct keeper *k, struct health *out);
struct keeper_notify *keeper_notify_new(struct keeper *k, keeper_verdict_fn *verdict);
/* Looks, every few seconds, and sends what is due. */
void keeper_notify_tick(struct keeper_notify *n);
/* false: why nobody would be told, or was not told last time. */
bool keeper_notify_good(const struct keeper_notify *n, struct notify_trouble *why) MUSTCHECK;
/* One of the ways failed last time, and another one did not. */
bool keeper_notify_other_way(const struct keeper_notify *n);
/* When it was first here, UTC in ms: nothing from before is missed. */
int64_t keeper_notify_born(const struct keeper_notify *n);
/* {"good":BOOL,"nobody":BOOL,"text","text_phrase","waiting":N}: whether anybody would be told, and
 * was told last time. New reference. */
json_t *keeper_notify_status(const struct keeper_notify *n) MUSTCHECK;
/* The settings have changed: what could not be sent is tried again at once. */
void keeper_notify_again(struct keeper_notify *n);
/* Ends what is being sent; it is sent again after the next start. */
void keeper_notify_stop(struct keeper_notify *n);
void keeper_notify_free(struct keeper_notify *n); /* after the loop has ended; NULL allowed */

#endif
