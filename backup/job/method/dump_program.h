/*
 * The program that writes a dump: [backup] dump_program, mariadb-dump unless it says otherwise. On
 * a MySQL server without such a word it is MySQL's own mysqldump where one is installed;
 * mariadb-dump writes values for generated columns, which MySQL does not take back.
 */
#ifndef ELEXGATE_BACKUP_JOB_METHOD_DUMP_PROGRAM_H
#define ELEXGATE_BACKUP_JOB_METHOD_DUMP_PROGRAM_H

#include "backup/server/server.h"
#include "common/config.h"

struct dump_program {
    char *name;
    bool mysql; /* it is MySQL's */
};

/* -ENOTSUP: what is installed would write a dump of this database that the server does not take
 * back, with words. The name is malloc'ed. */
int dump_program_find(const struct config *c, struct server *s, const char *database,
    struct dump_program *out, struct err *e) MUSTCHECK;

#endif
