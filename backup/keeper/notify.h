/*
 * Tells people when a backup fails or is missed, a drill fails, the certificate ends soon, or room
 * for backups is short. What is wrong is seen here; whether that is worth a message is decided by
 * backup/rules/notice_rule.h, and elexgate-notify sends it, in a process of its own: neither a mail
 * server nor a web server that hangs holds a backup up.
 */
#ifndef ELEXGATE_BACKUP_KEEPER_NOTIFY_H
#define ELEXGATE_BACKUP_KEEPER_NOTIFY_H

#include "backup/keeper/keeper.h"

struct keeper_notify;

/* Reads what it remembers from state_dir/notify.json. */
struct keeper_notify *keeper_notify_new(struct keeper *k);
/* Looks, every few seconds, and sends what is due. */
void keeper_notify_tick(struct keeper_notify *n);
/* {"good":BOOL,"nobody":BOOL,"text","text_de","waiting":N}: whether anybody would be told, and was
 * told last time. New reference. */
json_t *keeper_notify_status(const struct keeper_notify *n) MUSTCHECK;
/* The settings have changed: what could not be sent is tried again at once. */
void keeper_notify_again(struct keeper_notify *n);
/* Ends what is being sent; it is sent again after the next start. */
void keeper_notify_stop(struct keeper_notify *n);
void keeper_notify_free(struct keeper_notify *n); /* after the loop has ended; NULL allowed */

#endif
