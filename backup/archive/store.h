/*
 * The backup folder: which generations there are, who made them, what is known about them, which
 * may go. Whoever can write to the folder can put anything into it: what is ours is known by the
 * seal and the ledger (trust.h), and by nothing that a file name or a time says.
 *
 * Only names that archive_name_parse knows are looked at, and only files are ever removed whose
 * manifest says that they are ours; a stranger's tarball, `elexisdb2_…`, a folder: left alone.
 */
#ifndef ELEXGATE_BACKUP_ARCHIVE_STORE_H
#define ELEXGATE_BACKUP_ARCHIVE_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include "backup/archive/trust.h"
#include "backup/rules/manifest.h"
#include "backup/rules/retention.h"
#include "common/error.h"

/* What a drill went through, and under which settings: for people, and for what shows them. */
struct store_proof {
    int64_t tables, rows, checksums; /* checked; counted and found equal; compared */
    int64_t files, bytes;            /* read, with their SHA-256 compared */
    int64_t newest_ms;               /* of the records that tell when they were written; 0 = ? */
    char server[64];                 /* version of the throwaway server; "" = none was needed */
    char settings[1200];             /* "max_allowed_packet=16777216 sql_mode=..." */
};

/* What was found out about an archive later: beside it, in <name>.status.json, sealed with our key
 * for this one archive. */
struct store_status {
    int64_t verified_ms; /* 0 = never */
    bool verified_good;
    struct err verified_words; /* what was damaged; "" when good */
    int64_t proven_ms;         /* last drill; 0 = never */
    bool proven_good;
    struct err proven_words;
    int64_t drill_ms; /* how long the drill took */
    struct store_proof proof;
    /* whether the binary log leads to it from the backup before (job/binlog/prove.h) */
    int64_t chain_ms; /* last tried; 0 = never */
    bool chain_good;
    struct err chain_words;
    char chain_base[RUN_SUFFIX_LEN]; /* the backup that it began with */
};

struct store_item {
    char type[ARCHIVE_TYPE_MAX + 1];
    char run[RUN_SUFFIX_LEN];
    bool encrypted;
    bool complete;      /* archive there with the manifest's size, manifest readable and fitting */
    bool gone;          /* nothing of it is there, though the ledger says that we made it */
    struct err problem; /* why it is not complete */
    uint64_t size;      /* of the archive file, 0 when missing */
    struct manifest manifest;    /* the head; empty when unreadable */
    char digest[SHA256_HEX_LEN]; /* of the manifest in clear; "" when unreadable */
    char expect[SHA256_HEX_LEN]; /* what the digest of its whole manifest must be */
    enum standing standing;
    uint64_t sequence; /* what is ours is ordered by it; 0 = not known */
    int64_t order_ms;  /* started_ms, but never before what we made earlier */
    struct store_status status;
    /* of what is ours, from the ledger */
    char label[ARCHIVE_LABEL_MAX + 1];
    bool protected;
};
struct store_list {
    char *folder;               /* where they lie */
    char medium[MEDIUM_ID_LEN]; /* its mark; "" = none */
    struct store_item *items;   /* newest first: what is ours by its number, the rest by UTC time;
                                   those without a manifest last */
    size_t count;
    size_t left_out; /* by store_find: of the same run, and not to be trusted */
    enum standing left_out_for;
};

/* type NULL = all. A missing folder is an empty list. What the ledger knows on this medium and what
 * is not there is an item too, `gone`. */
int store_read(const char *folder, const char *type, const struct trust *trust,
    struct store_list *out, struct err *e) MUSTCHECK;
void store_list_clear(struct store_list *l);
/* The digest that the file store_path(…, ARCHIVE_NAME_MANIFEST) must have; NULL = none is known. */
const char *store_expect(const struct store_item *it);
/* The highest number of a run in a list that is ours, or says so. */
uint64_t store_sequence(const struct store_list *l);

/* First suffix from utc_s on that no file in the folder has, whatever its type. */
int store_free_suffix(const char *folder, int64_t utc_s, const struct cron_zone *zone,
    char out[static RUN_SUFFIX_LEN], struct err *e) MUSTCHECK;
/* The same, also none of a run that began here at any time, and taken at once, so that another
 * machine that writes to the same folder takes the next. Given back when the run is over. */
int store_take_suffix(const char *folder, int64_t utc_s, const struct cron_zone *zone,
    const struct ledger *ledger, char out[static RUN_SUFFIX_LEN], struct err *e) MUSTCHECK;
void store_give_suffix(const char *folder, const char *run);
/* Path of one of an item's files, malloc'ed. */
char *store_path(
    const char *folder, const struct store_item *it, enum archive_name_kind kind) MUSTCHECK;

/* digest: of the archive's manifest. Without a key of ours it is written, and nobody believes it.
 */
int store_status_write(const char *folder, const char *type, const char *run, const char *digest,
    struct trust *trust, const struct store_status *s, struct err *e) MUSTCHECK;

/* Removes archive, manifest and status of one run's type, the manifest first, so that what is left
 * by a crash is incomplete and never counted. The ledger is told before. */
int store_remove(const char *folder, const char *type, const char *run, struct trust *trust,
    struct err *e) MUSTCHECK;

struct store_retention {
    struct retention_policy policy;
    const struct cron_zone *zone;
    const char *run; /* what this run has made stays, whatever else is said */
    int64_t now_ms;
    void (*removed)(void *ctx, const char *type, const char *run);
    void *ctx;
};
/* What the policy keeps of one type, and why (struct generation.kept_by; owner: the store_item): as
 * many as there are items in l, malloc'ed. with_next: as if the next run had made one more, so that
 * what is left out goes then. 1: nothing would go, since a backup lies in the future; e says which.
 */
int store_retention_plan(const struct store_list *l, const char *type,
    const struct store_retention *o, bool with_next, struct generation **out,
    struct err *e) MUSTCHECK;
/* Applies the policy to what is ours of one type, after a run that succeeded. 1: nothing was
 * removed, since a backup lies in the future; e says which. */
int store_retain(const char *folder, const char *type, struct trust *trust,
    const struct store_retention *o, struct err *e) MUSTCHECK;
/* Removes .part files of runs that began here and were killed, and those that nobody has written to
 * for a day. Call only while holding the run lock. Counts in *n. */
int store_clean_parts(
    const char *folder, const struct trust *trust, unsigned *n, struct err *e) MUSTCHECK;

/* WHICH: "latest", a run's suffix, or a path of an archive or manifest. Fills out with the items of
 * that run (one, for a path). Latest is the newest run that is ours, whole or not, gone or not:
 * what is wrong with it is for the caller to say; where nothing is ours, the newest trusted one.
 * Items that nobody vouches for are left out and counted, unless foreign says that they may come.
 * -ENOENT with words if there is none, -EPERM if there are only such. */
int store_find(const char *folder, const char *which, const char *type, const struct trust *trust,
    bool foreign, struct store_list *out, struct err *e) MUSTCHECK;

/* For the other files of the store: calls fn for each name of ours; its result other than 0 ends
 * it. */
int store_each_name(const char *folder,
    int (*fn)(void *ctx, const char *name, const struct archive_name *n), void *ctx,
    struct err *e) MUSTCHECK;

#endif
