/*
 * What the parts of pack share. Each has a small state of its own:
 *   pack.c       opens, closes, streams; the pace: progress, rate, stopping
 *   pack_tar.c   the members of the tar, one after the other, each with its line in the list
 *   pack_file.c  one file into a member, between two stats
 *   pack_tree.c  folders, and the second look at them
 *   publish.c    the archive's manifest and name
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

#define PACK_STEP   (1024 * 1024)
#define PACK_SMALL  (8 * 1024 * 1024) /* files of up to that are read whole first */
#define PACK_HEADER 512               /* of a tar */

struct pack_tar {
    struct gzip_writer *gzip; /* owned */
    struct sink *list;        /* lines of the manifest, in order; not owned */
    bool listed, streamed;
    struct archive *archive; /* NULL until the first member that is no stream */
    int result;              /* what the gzip layer said inside libarchive's callback */
    struct err error;
    bool given_up;
    locale_t utf8;
    EVP_MD_CTX *hash;
    struct manifest_entry *member; /* being written */
    uint8_t stream_header[PACK_HEADER];
    uint64_t files, bytes; /* as the manifest lists them */
};

void pack_tar_init(struct pack_tar *t, struct gzip_writer *gzip, struct sink *list);
/* Header, content, end. What is written counts up en->size; its end fills in the hash. ae NULL: a
 * stream, of a size that its end tells; only as the first member. */
int pack_tar_begin(struct pack_tar *t, struct archive_entry *ae, struct manifest_entry *en,
    struct err *e) MUSTCHECK;
int pack_tar_data(struct pack_tar *t, const void *data, size_t n, struct err *e) MUSTCHECK;
int pack_tar_end(struct pack_tar *t, struct err *e) MUSTCHECK;
/* The member's line. */
int pack_tar_list(struct pack_tar *t, const struct manifest_entry *en, struct err *e) MUSTCHECK;
int pack_tar_close(struct pack_tar *t, struct err *e) MUSTCHECK;
void pack_tar_drop(struct pack_tar *t);

struct pack_pace {
    const struct pack_options *o;
    const struct pack_tar *tar;
    const char *phase;
    char *path; /* being read */
    uint64_t bytes, next_progress_ms, rate_start_ns, rate_bytes;
};

bool pack_may_go_on(void *pace);
/* 0 or PACK_STOPPED; counts bytes, keeps the rate, tells the progress. */
int pack_tick(struct pack_pace *pace, uint64_t bytes) MUSTCHECK;
/* Tells now; bytes and path: other ones than its own, NULL = its own. */
void pack_tell(struct pack_pace *pace, uint64_t bytes, const char *path);

/* What reading files needs, and what there is to say of it. The file is the one of pace->path. */
struct pack_reader {
    struct pack_tar *tar;
    struct pack_pace *pace;
    bool strict;
    struct manifest notes; /* only its notes */
    uint64_t left_out;     /* could not be read */
    struct err first_left_out;
    uint8_t *buf;   /* PACK_STEP */
    uint8_t *small; /* PACK_SMALL, once there is need of it */
};

/* One regular file, opened in dirfd under name. seen: as the walk saw it, and then as it was read;
 * NULL: it may change, and is taken as it is. */
int pack_file(struct pack_reader *rd, int dirfd, const char *name, struct stat *seen,
    struct err *e) MUSTCHECK;
/* A file whose content is in memory. */
int pack_memory(
    struct pack_reader *rd, const void *data, const struct stat *st, struct err *e) MUSTCHECK;
/* Header of a folder or symlink. */
int pack_plain_entry(
    struct pack_reader *rd, const struct stat *st, int fd, char *target, struct err *e) MUSTCHECK;
/* Counts, notes. */
void pack_leave_out(struct pack_reader *rd, const struct err *why);
int64_t pack_ns(struct timespec t);

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
    bool created, published, closed, encrypted;
    char digest[SHA256_HEX_LEN]; /* of the manifest in clear */
    const struct deflate_backend *backend;
    struct sink *file_sink, *sink; /* sink: what gzip writes to, owns file_sink below it */
    /* Entry lines of the manifest, in order, in an unlinked file; encrypted if the archive is. */
    int list_fd;
    struct sink *list;
    uint8_t list_key[AGE_FILE_KEY];

    struct pack_tar tar;
    struct pack_pace pace;
    struct pack_reader reader;
    struct tree_sum sum;
    struct pack_root *roots;
    size_t root_count;
};

/* The manifest's name, or with ARCHIVE_NAME_ARCHIVE the archive's. Returns text. */
char *pack_name(const struct pack *p, enum archive_name_kind kind, bool encrypted, bool part,
    char text[static ARCHIVE_NAME_LEN]);

#endif
