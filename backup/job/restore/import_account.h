/*
 * The account that reads SQL text into a database beside the live one: it has that database and
 * nothing else, a password that nobody is told, and is there for as long as that takes. What a
 * killed restore has left of it goes with the next one, or when that one is cleared up.
 *
 * Where there is a binary log, the server lets only who has SUPER make functions and triggers, or
 * everybody who has rights for that; while the account is there it is the latter (globals.h).
 */
#ifndef ELEXGATE_BACKUP_JOB_RESTORE_IMPORT_ACCOUNT_H
#define ELEXGATE_BACKUP_JOB_RESTORE_IMPORT_ACCOUNT_H

#include "backup/server/server.h"

struct import_account {
    char *host; /* from where it comes, as the server names us */
    char password[SERVER_PASSWORD_SIZE];
};

/* s: with the role of a restore (server_take_role), which makes accounts and hands that database
 * on. settings: the journal of globals.h. Fails as server_exec does. */
int import_account_make(struct server *s, const char *settings, const char *database,
    struct import_account *out, struct err *e) MUSTCHECK;
/* All of that name, and their connections. */
int import_account_drop(struct server *s, const char *settings, struct err *e) MUSTCHECK;
/* With a binary log, who has not SUPER makes no functions and triggers: from here on he may, until
 * the second one, which passes on what came of it meanwhile, and fails by itself if that was good.
 */
int import_account_trust(struct server *s, const char *settings, struct err *e) MUSTCHECK;
int import_account_distrust(
    struct server *s, const char *settings, int code, struct err *e) MUSTCHECK;
void import_account_clear(struct import_account *a);

#endif
