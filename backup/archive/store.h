/*
 * The backup folder: which generations there are, what is known about them, which may go.
 *
 * Only names that archive_name_parse knows are looked at, and only files are ever removed whose
 * manifest says that they are ours; a stranger's tarball, `elexisdb2_…`, a folder: left alone.
 */
#ifndef ELEXGATE_BACKUP_ARCHIVE_STORE_H
#define ELEXGATE_BACKUP_ARCHIVE_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include "backup/rules/manifest.h"
#include "backup/rules/retention.h"
#include "common/error.h"

/* What a drill went through, and under which settings: for people, and for what shows them. */
struct store_proof {
    int64_t tables, rows, checksums; /* checked; counted and found equal; compared */
    int64_t files, bytes;            /* read, with their SHA-256 compared */
    char server[64];                 /* version of the throwaway server; "" = none was needed */
    char settings[700];              /* "max_allowed_packet=16777216 sql_mode=..." */
};

/* What was found out about an archive later: beside it, in <name>.status.json. */
struct store_status {
    int64_t verified_ms; /* 0 = never */
    bool verified_good;
    char verified_words[256]; /* what was damaged; "" when good */
    int64_t proven_ms;        /* last drill; 0 = never */
    bool proven_good;
    char proven_words[256];
    int64_t drill_ms; /* how long the drill took */
    struct store_proof proof;
};

struct store_item {
    char type[ARCHIVE_TYPE_MAX + 1];
    char run[RUN_SUFFIX_LEN];
    bool encrypted;
    bool complete;     /* archive there with the manifest's size, manifest readable and fitting */
    char problem[200]; /* why it is not complete */
    uint64_t size;     /* of the archive file, 0 when missing */
    struct manifest manifest; /* the head; empty when unreadable */
    struct store_status status;
};
struct store_list {
    char *folder;             /* where they lie */
    struct store_item *items; /* newest first by UTC time; those without a manifest last */
    size_t count;
};

/* type NULL = all. A missing folder is an empty list. */
int store_read(
    const char *folder, const char *type, struct store_list *out, struct err *e) MUSTCHECK;
void store_list_clear(struct store_list *l);

/* First suffix from utc_s on that no file in the folder has, whatever its type. */
int store_free_suffix(const char *folder, int64_t utc_s, const struct cron_zone *zone,
    char out[static RUN_SUFFIX_LEN], struct err *e) MUSTCHECK;
/* Path of one of an item's files, malloc'ed. */
char *store_path(
    const char *folder, const struct store_item *it, enum archive_name_kind kind) MUSTCHECK;

int store_status_read(const char *folder, const char *type, const char *run,
    struct store_status *out, struct err *e) MUSTCHECK; /* missing file: all zero */
int store_status_write(const char *folder, const char *type, const char *run,
    const struct store_status *s, struct err *e) MUSTCHECK;

/* Removes archive, manifest and status of one run's type, the manifest first, so that what is left
 * by a crash is incomplete and never counted. */
int store_remove(const char *folder, const char *type, const char *run, struct err *e) MUSTCHECK;
/* Applies the policy to one type; calls removed for each run that went. Nothing after a failed run.
 */
int store_retain(const char *folder, const char *type, const struct retention_policy *policy,
    const struct cron_zone *zone, bool run_succeeded,
    void (*removed)(void *ctx, const char *type, const char *run), void *ctx,
    struct err *e) MUSTCHECK;
/* Removes .part files of earlier, killed runs. Call only while holding the run lock. Counts in *n.
 */
int store_clean_parts(const char *folder, unsigned *n, struct err *e) MUSTCHECK;

/* WHICH: "latest", a run's suffix, or a path of an archive or manifest. Fills out with the items of
 * that run (one, for a path), newest complete run for "latest". -ENOENT with words if none. */
int store_find(const char *folder, const char *which, const char *type, struct store_list *out,
    struct err *e) MUSTCHECK;

#endif
