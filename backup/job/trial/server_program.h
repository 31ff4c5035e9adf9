/*
 * The server program that drills and trials start, and what it is beside the live server. What a
 * trial server has written goes live in a restore, so both are of the same series there.
 */
#ifndef ELEXGATE_BACKUP_JOB_TRIAL_SERVER_PROGRAM_H
#define ELEXGATE_BACKUP_JOB_TRIAL_SERVER_PROGRAM_H

#include "backup/job/run.h"
#include "backup/server/server.h"

/* "11.8.9-MariaDB-0+deb13u1": what the program says of itself, malloc'ed; NULL when it does not
 * start. It runs as a trial does, in a sandbox where nothing is, never as root. */
char *server_program_version(const struct config *c, const char *program) MUSTCHECK;
/* The mysqld that a dump of MySQL is tried in: [drill] server_program if it is one, or else one in
 * PATH; malloc'ed, NULL: none is installed. (Debian's MariaDB has a link of that name, which is
 * none.) */
char *server_program_of_mysql(const struct config *c) MUSTCHECK;
/* Of a program that is none of the system's (/opt/mariadb/bin/mariadbd): the folder beside it with
 * its words and character sets, which it looks for elsewhere. malloc'ed; NULL = none, or not
 * needed. Without them a server refuses even SET lc_time_names. */
char *server_program_share(const char *program) MUSTCHECK;
/* trial runs on data that go live under a server of this version (NULL = not known). EXIT_REFUSED
 * with words: they are of different series. */
int server_program_fits(const char *live, const struct server *trial, struct err *e) MUSTCHECK;

#endif
