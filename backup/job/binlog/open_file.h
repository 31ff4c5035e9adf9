/*
 * The file of a segment that is still written. Where archives are encrypted its bytes are
 * enciphered as they come, so that the backup medium never holds a practice's work in clear:
 * ChaCha20 with a random key of this one file, at the byte's own place in the stream. Integrity is
 * the sealed index's matter, which holds the SHA-256 of the plain bytes.
 *
 * The key lies beside the file, in the age format for the recipients or the passphrase
 * (FILE.key.age, 32 bytes), and in state_dir, on the server's own disk, from where a stream that
 * was killed takes it. A file is never written on after that: what is fetched again might differ,
 * and no place may be enciphered twice.
 */
#ifndef ELEXGATE_BACKUP_JOB_BINLOG_OPEN_FILE_H
#define ELEXGATE_BACKUP_JOB_BINLOG_OPEN_FILE_H

#include <stdbool.h>
#include "backup/job/run.h"

#define OPEN_FILE_KEY 32

struct open_file {
    int fd;
    char *path;
    char *own_key; /* the file in state_dir; NULL when only read */
    bool enciphered;
    uint8_t key[OPEN_FILE_KEY];
};

/* Whether segments are to be encrypted. */
bool open_file_wanted_enciphered(const struct archive_settings *a);

/* An empty one; a file of that name was begun before and never sealed. Durable, with its key. */
int open_file_make(struct run *r, const char *path, bool enciphered, struct open_file *out,
    struct err *e) MUSTCHECK;
/* One that this machine has written. EXIT_REFUSED: its key is not here any more. */
int open_file_resume(struct run *r, const char *path, bool enciphered, struct open_file *out,
    struct err *e) MUSTCHECK;
/* To read, with the identity or the passphrase. AGE_LOCKED with words. */
int open_file_read_only(const struct archive_settings *a, const char *path, bool enciphered,
    struct open_file *out, struct err *e) MUSTCHECK;

int open_file_write(
    struct open_file *f, const void *data, size_t n, uint64_t at, struct err *e) MUSTCHECK;
/* Up to n bytes from that place on, in clear; 0 = the end. */
ssize_t open_file_read(
    const struct open_file *f, void *buf, size_t n, uint64_t at, struct err *e) MUSTCHECK;
/* Off the medium, with its keys. */
int open_file_remove(const struct open_file *f, struct err *e) MUSTCHECK;
/* A file of that name and its key beside it, if they are there. */
void open_file_sweep(const char *path);
void open_file_close(struct open_file *f);

#endif
