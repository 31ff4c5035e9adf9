/*
 * Writing beneath an opened folder, and nowhere else: what extraction stands on.
 *
 * Every path is checked, then walked part by part with openat(O_NOFOLLOW | O_DIRECTORY): a symlink
 * in the way, put there by the archive or by anybody, is an error. Files and folders are made
 * exclusively, so a name that comes twice is an error too. Modes and times of folders, and
 * symlinks, are kept for the end: nothing is ever written through a link, and a read-only folder
 * does not stop its own files.
 */
#ifndef ELEXGATE_BACKUP_ARCHIVE_PLACE_H
#define ELEXGATE_BACKUP_ARCHIVE_PLACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "common/error.h"

#define PLACE_UNSAFE 3 /* = UNPACK_UNSAFE */

struct archive_entry;
struct place;

struct place_meta {
    uint32_t mode;
    uid_t uid;
    gid_t gid;
    int64_t mtime_ns;
    struct archive_entry *attributes; /* borrowed: ACLs and extended attributes; NULL = none */
};

/* fd stays the caller's. owners: set owner and group; sync: fsync files and folders. */
struct place *place_open(int fd, bool owners, bool sync) MUSTCHECK;
int place_folder(
    struct place *p, const char *path, const struct place_meta *m, struct err *e) MUSTCHECK;
/* A new file, opened for writing; finish it with place_file_done, which closes it. Folders in front
 * that the archive does not have are made, mode 0700. */
int place_file(struct place *p, const char *path, int *fd, struct err *e) MUSTCHECK;
int place_file_done(
    struct place *p, int fd, uint64_t size, const struct place_meta *m, struct err *e) MUSTCHECK;
/* Kept until place_finish. A link has owner and time, no mode. */
void place_symlink(
    struct place *p, const char *path, const char *target, const struct place_meta *m);
/* Makes the symlinks and sets what was kept for folders. */
int place_finish(struct place *p, struct err *e) MUSTCHECK;
/* Attributes that could not be set. */
uint64_t place_attributes_left_out(const struct place *p);
void place_drop(struct place *p); /* NULL allowed */

/* true: relative, and does not lead out of the folder from where the link lies (by its text). */
bool place_symlink_safe(const char *path, const char *target);

#endif
