/*
 * Files: published whole or not at all, secrets kept to their owner.
 */
#ifndef ELEXGATE_COMMON_FILE_H
#define ELEXGATE_COMMON_FILE_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "common/error.h"

#define _cleanup_dir_ CLEANUP(cleanup_dir)
void cleanup_dir(DIR **d);

/* Reads a whole file of at most max bytes; *out is malloc'ed and has a NUL after its *len bytes.
 * -EFBIG when longer. */
int file_read(const char *path, size_t max, char **out, size_t *len, struct err *e) MUSTCHECK;
/* Writes to a temporary name beside path, fsyncs, renames over path, fsyncs the folder. */
int file_publish(
    const char *path, const void *data, size_t len, mode_t mode, struct err *e) MUSTCHECK;
/* The same for somebody else (-1 = unchanged): it is theirs before it has its name. */
int file_publish_for(const char *path, const void *data, size_t len, mode_t mode, uid_t uid,
    gid_t gid, struct err *e) MUSTCHECK;
/* The folder that holds path, malloc'ed; "." where the path names none. */
char *file_parent(const char *path) MUSTCHECK;
/* The path of what need not be there yet, with the real path of the folder that is to hold it;
 * malloc'ed. */
int file_in_real_parent(const char *path, char **out, struct err *e) MUSTCHECK;
/* How many bytes there is room for where path lies. */
int file_space(const char *path, uint64_t *bytes, struct err *e) MUSTCHECK;
/* fsync of the folder that holds path. */
int file_sync_parent(const char *path, struct err *e) MUSTCHECK;
/* rename + fsync of both folders. */
int file_rename_durable(const char *from, const char *to, struct err *e) MUSTCHECK;
/* Makes a folder and its missing parents. */
int file_mkdirs(const char *path, mode_t mode, struct err *e) MUSTCHECK;
/* Removes a tree beneath an opened folder; never follows a symlink, never crosses a file system. A
 * missing one is success. */
int file_remove_tree(int dirfd, const char *name, struct err *e) MUSTCHECK;
/* The same by an absolute path. */
int file_remove_path(const char *path, struct err *e) MUSTCHECK;
/* 0 if only the owner (or root) can read it; -EACCES with a message that says which chmod is right.
 */
int file_check_private(const char *path, struct err *e) MUSTCHECK;
/* The same for an open file; path stands in the message. */
int fd_check_private(int fd, const char *path, struct err *e) MUSTCHECK;
/* Writes all of it, through EINTR and short writes. */
int fd_write_all(int fd, const void *data, size_t len, struct err *e) MUSTCHECK;
/* 1 while another process holds the lock, which it is in *holder (0: not seen from here); else 0.
 * The lock is not touched. By one that holds it itself: never, its own would go. */
int file_lock_held(const char *path, pid_t *holder);
/* To the process that holds it, as the kernel knows it, and to no other one. -ESRCH: nobody does.
 */
int file_lock_signal(const char *path, int number, struct err *e) MUSTCHECK;
/* Exclusive lock on a lock file (fcntl OFD lock; it goes away with the process however it ends).
 * 0: taken, *fd stays open; 1: held by another process, *holder (if not NULL) gets its pid or 0.
 * The file stays empty. */
int file_lock(const char *path, int *fd, pid_t *holder, struct err *e) MUSTCHECK;

#endif
