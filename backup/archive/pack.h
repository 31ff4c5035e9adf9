/*
 * Writing an archive: trees and streams in, one published file with its manifest out, or nothing.
 *
 *   pack_open    makes the hidden .part file in the backup folder, exclusively
 *   pack_tree    a folder, file by file, each between two stats
 *   pack_stream  what comes out of a pipe, as one file of the archive
 *   pack_recheck (physical) stats everything again: nothing changed since it was read, nothing new
 *   pack_close   ends the tar and the gzip, fsync
 *   pack_publish reads all of it back, writes the manifest, renames, fsyncs the folder
 *   pack_drop    always last, any time, idempotent: removes what is not published
 *
 * Tar is pax, through libarchive; gzip is our own, block-parallel (gzip_write.h), memory below 64
 * MB whatever the size. pack_* block and run on the caller's thread; workers are inside. A caller
 * that must react within milliseconds (the job under the lock) runs pack_* on a thread of its own,
 * drops the lock from another one, and lets go_on say no.
 *
 * Outcomes besides 0 and negative errors are listed in enum pack_outcome. After anything but 0 only
 * pack_drop is allowed.
 */
#ifndef ELEXGATE_BACKUP_ARCHIVE_PACK_H
#define ELEXGATE_BACKUP_ARCHIVE_PACK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include "backup/archive/seal.h"
#include "backup/rules/manifest.h"
#include "common/error.h"

struct pack;

enum pack_outcome {
    PACK_STOPPED = 1,    /* go_on said no */
    PACK_CHANGED = 2,    /* a source file changed, vanished or appeared (pack_options.strict) */
    PACK_UNREADABLE = 4, /* within pack: a file of many could not be read (not strict) */
    PACK_DAMAGED = 3,    /* pack_publish: what was read back is not what was written */
};

struct pack_progress {
    uint64_t bytes_in;  /* read from the sources so far, holes counted */
    uint64_t bytes_out; /* written to the archive */
    uint64_t files;
    const char *path;  /* being read */
    const char *phase; /* "copy", "verify", "publish" */
};

struct pack_options {
    const char *folder; /* the backup folder */
    const char *type, *run;
    bool strict; /* true (physical): any change of a source file ends with PACK_CHANGED. false: it
                    is read again, up to 3 times, then taken as it is and noted, and a file or
                    folder that cannot be read is left out (pack_left_out) */
    const struct deflate_backend *backend; /* NULL: the fastest there is */
    int level;        /* 0 = the backend's own default; zlib 1..9, isal 1..3 (more counts as 3) */
    unsigned threads; /* 0 = one a processor */
    uint64_t rate;    /* bytes a second read at most; 0 = no limit */
    const char *const *recipients; /* age recipients, NULL-terminated; NULL = not encrypted */
    const char *passphrase;        /* instead of recipients */
    const struct seal_key *key;    /* seals the manifest; NULL = not sealed */
    uint64_t sequence;             /* of the run */
    /* Asked at least every MiB and every 20 ms of waiting, on the caller's thread; NULL = always.
     */
    bool (*go_on)(void *ctx);
    /* Called at most every 100 ms and at the end of each phase; may be NULL. */
    void (*progress)(void *ctx, const struct pack_progress *p);
    void *ctx;
};

/* The strings and lists in o must outlive the pack. -EEXIST: that run's archive or manifest is
 * there already; take another suffix (store_free_suffix). -ENOSPC and the like carry the path. */
int pack_open(const struct pack_options *o, struct pack **out, struct err *e) MUSTCHECK;

enum pack_select { PACK_TAKE, PACK_SKIP, PACK_FIRST, PACK_LAST, PACK_GROWS, PACK_ELSEWHERE };
/*
 * Adds everything beneath folder under prefix ("" = at the top) in byte order of names. select
 * (NULL = take all) is asked for every name (path relative to folder); a folder that is skipped is
 * not entered. FIRST and LAST count for names directly in folder only: those come before and after
 * all others. Sockets, FIFOs, devices and `lost+found` are skipped with a note; symlinks are stored
 * as links, never followed; other file systems are entered. GROWS: a log that belongs to the data;
 * it may change at any time, and what it has when it is read is taken. ELSEWHERE: the file that the
 * name stands for is taken in its place (elsewhere.h).
 */
int pack_tree(struct pack *p, const char *folder, const char *prefix,
    enum pack_select (*select)(void *ctx, const char *path, const struct stat *st), void *ctx,
    struct err *e) MUSTCHECK;
/* Everything that fd gives until its end, as file `name`. Only as the first thing of an archive. */
int pack_stream(struct pack *p, const char *name, int fd, struct err *e) MUSTCHECK;
/* A small file made up in memory. */
int pack_bytes(
    struct pack *p, const char *name, const void *data, size_t len, struct err *e) MUSTCHECK;
/* 0 or PACK_CHANGED, with the reason in e. */
int pack_recheck(struct pack *p, struct err *e) MUSTCHECK;
int pack_close(struct pack *p, struct err *e) MUSTCHECK;
/* m: the caller has filled method, times, server, tables, info and maybe notes; type, run, archive,
 * content, host, program and the notes of skipped files are filled in here. */
int pack_publish(struct pack *p, struct manifest *m, struct err *e) MUSTCHECK;
/* What the seal of a published archive signs: the digest of the manifest in clear. */
const char *pack_digest(const struct pack *p);
void pack_drop(struct pack *p); /* NULL allowed */

/* Not strict: how many files and folders could not be read, in whole or in part, and why the first
 * one could not. The archive is good without them. */
uint64_t pack_left_out(const struct pack *p, struct err *first);
struct pack_progress pack_totals(const struct pack *p);
/* What the archive holds, as its manifest will say. */
void pack_content(const struct pack *p, uint64_t *files, uint64_t *bytes);
const char *pack_file_name(const struct pack *p); /* final name, without folder */

#endif
