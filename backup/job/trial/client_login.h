/*
 * A login for the stock client programs: an option file in memory that only we can open. Never
 * argv, never the environment.
 */
#ifndef ELEXGATE_BACKUP_JOB_TRIAL_CLIENT_LOGIN_H
#define ELEXGATE_BACKUP_JOB_TRIAL_CLIENT_LOGIN_H

#include "backup/server/server.h"

/* *fd is the caller's. Give it to the child as process_options.keep, and the program
 * --defaults-file=/proc/self/fd/N as its first argument. */
int client_login(const struct server_target *t, int *fd, struct err *e) MUSTCHECK;

#endif
