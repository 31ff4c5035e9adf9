/*
 * What the parts of pack share: pack.c (open, close, streams), pack_file.c (one file), pack_tree.c
 * (folders, recheck), publish.c.
 */
#ifndef ELEXGATE_BACKUP_ARCHIVE_PACK_INTERNAL_H
#define ELEXGATE_BACKUP_ARCHIVE_PACK_INTERNAL_H

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <openssl/evp.h>

#include "backup/archive/age.h"
#include "backup/archive/gzip_write.h"
#include "backup/archive/pack.h"

#define PACK_STEP (1024 * 1024)

/* Entry lines of the manifest, in order, in an unlinked file; encrypted if the archive is. */
struct spool {
    int fd;
    struct sink *sink;
    uint8_t key[AGE_FILE_KEY];
    bool encrypted, any;
};

/* Sum over all files read, of a hash of name, inode, size and times: tells whether a later walk
 * sees the same, whatever the order, without keeping a list. */
struct tree_sum {
    uint64_t part[4];
    uint64_t files;
};

struct pack_root { /* what pack_tree was given, for the recheck */
    char *folder, *prefix;
    enum pack_select (*select)(void *ctx, const char *path, const struct stat *st);
    void *ctx;
};

struct pack {
    struct pack_options o;
    char *folder;
    char type[ARCHIVE_TYPE_MAX + 1], run[RUN_SUFFIX_LEN];
    int dirfd, fd;
    char name[ARCHIVE_NAME_LEN], part[ARCHIVE_NAME_LEN];
    bool created, published, closed, broken, encrypted;
    char digest[SHA256_HEX_LEN]; /* of the manifest in clear */
    const struct deflate_backend *backend;

    struct sink *file_sink,
        *sink; /* sink: what the gzip layer writes to, owns file_sink below it */
    struct gzip_writer *gzip;
    struct archive *tar;
    int tar_result; /* what the gzip layer said inside libarchive's callback */
    struct err tar_error;
    locale_t utf8;
    bool streamed, given_up;
    uint8_t stream_header[512];

    struct spool spool;
    struct manifest notes; /* only its notes */
    struct tree_sum sum;
    struct pack_root *roots;
    size_t root_count;

    uint64_t files, directories, symlinks, bytes;
    uint64_t left_out; /* could not be read */
    char first_left_out[300];
    uint64_t content_bytes; /* of the files as the manifest lists them */
    const char *phase;
    char *path; /* being read */
    uint64_t next_progress_ms, rate_start_ns, rate_bytes;
    uint8_t *buf;   /* PACK_STEP */
    uint8_t *small; /* files of up to PACK_SMALL are read whole first */
};

#define PACK_SMALL (8 * 1024 * 1024)

/* 0 or PACK_STOPPED; counts bytes, keeps the rate, tells the progress. */
int pack_tick(struct pack *p, uint64_t bytes) MUSTCHECK;
void pack_tell(struct pack *p);
int pack_tar_open(struct pack *p, struct err *e) MUSTCHECK;
/* Turns a result of libarchive into ours. */
int pack_tar_check(struct pack *p, int result, struct err *e) MUSTCHECK;
int pack_spool(struct pack *p, const struct manifest_entry *en, struct err *e) MUSTCHECK;

/* One regular file, opened in dirfd under name; path: as in the archive. st: as the walk saw it;
 * NULL: it may change, and is taken as it is. */
int pack_file(struct pack *p, int dirfd, const char *name, const char *path, const struct stat *st,
    struct err *e) MUSTCHECK;
/* A file whose content is in memory. */
int pack_memory(struct pack *p, const char *path, const void *data, const struct stat *st,
    struct err *e) MUSTCHECK;
/* Header of a folder or symlink. */
int pack_plain_entry(struct pack *p, const char *path, const struct stat *st, int fd,
    const char *target, struct err *e) MUSTCHECK;
/* Counts, notes. */
void pack_leave_out(struct pack *p, const char *words);
void pack_sum_add(struct tree_sum *sum, const char *path, const struct stat *st);

#endif
