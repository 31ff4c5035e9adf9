/*
 * Files of tables that lie outside the data directory. Whoever may make a table may say where (DATA
 * DIRECTORY, INDEX DIRECTORY); in the folder of its database stands a link instead, or, of InnoDB,
 * NAME.isl with the path as text. A copy that has the file itself in the link's place is whole:
 * MariaDB 10.11 and 11.8 take it from there, whether the other one is still there or not.
 */
#ifndef ELEXGATE_BACKUP_ARCHIVE_ELSEWHERE_H
#define ELEXGATE_BACKUP_ARCHIVE_ELSEWHERE_H

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>
#include "common/error.h"

struct elsewhere {
    int folder;              /* where the file lies (O_PATH); the caller closes it */
    char name[NAME_MAX + 1]; /* its name there */
    char as[NAME_MAX + 1];   /* what it is called in the folder of its database */
    struct stat st;
};

/* Does this name stand for a file elsewhere: an .isl, or any link in the folder of a database (of
 * whatever engine)? path: relative to the data directory; st: of the name itself. */
bool elsewhere_is(const char *path, const struct stat *st);
/* The file that `name` in the folder dirfd stands for. It must belong to whom the folder belongs
 * to, and be reached without a link and by folders that nobody but root and he can change: who can
 * make a table there is not shown others' files by our copy, nor the server's from other folders.
 * -ENOLINK: it cannot be had, the words name it and say why; -ENOENT: the name itself is gone.
 * path: for the words. */
int elsewhere_find(
    int dirfd, const char *name, const char *path, struct elsewhere *out, struct err *e) MUSTCHECK;

#endif
