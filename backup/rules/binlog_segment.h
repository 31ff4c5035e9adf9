/*
 * A segment: a run of bytes of one file of the server's binary log, as it lies in the archive, and
 * its index beside it. docs/pitr.md has the format. Text in, struct out, and back; strict as a
 * manifest (manifest.h): an unknown or missing key is an error.
 *
 *   line 1   {"head_sha256":"…","seal":{"key":"…","signature":"…"},     as of a manifest
 *   line 2   "format":"elexgate-binlog","version":1,…}
 */
#ifndef ELEXGATE_BACKUP_RULES_BINLOG_SEGMENT_H
#define ELEXGATE_BACKUP_RULES_BINLOG_SEGMENT_H

#include "backup/rules/binlog_query.h"
#include "backup/rules/manifest.h" /* lengths of digests and seals */

#define BINLOG_SEGMENT_VERSION 1
#define BINLOG_INDEX_MAX       65536 /* bytes; a longer one is none of ours */
#define BINLOG_PATH_MAX        (BINLOG_NAME_MAX + 64)

/* A place in an archived log. timeline 0 = nowhere. */
struct binlog_place {
    uint32_t timeline;
    char file[BINLOG_NAME_MAX + 1];
    uint64_t position;
};

/* Events of a segment that cannot be run again: nothing is replayed across them. */
struct binlog_stop {
    uint64_t first, last;       /* where they begin, in the server's file; 0 = there is none */
    uint32_t when;              /* of the first one, */
    char kind[BINLOG_KIND_LEN]; /* and of which kind; "" = not known */
};

/* Why a timeline began; names in the .c. */
enum binlog_reason {
    BINLOG_FIRST,    /* nothing was archived before */
    BINLOG_RESET,    /* the server began its log anew: RESET MASTER, another server */
    BINLOG_GAP,      /* the server has removed what had not been archived yet */
    BINLOG_CHANGED,  /* the server's bytes are not those that we have */
    BINLOG_RESTORED, /* a restore or an undo exchanged the data */
    BINLOG_DAMAGED,  /* what we had was damaged */
    BINLOG_REASONS
};

struct binlog_segment {
    uint32_t timeline;
    char file[BINLOG_NAME_MAX + 1]; /* the server's name for it */
    uint64_t number;                /* at the end of that name */
    uint64_t from, to;              /* positions in it; from 0 with the magic bytes */
    uint64_t last;                  /* where its last event begins */
    char last_sha256[SHA256_HEX_LEN];
    bool open;        /* it still grows; the bytes lie there as they came */
    bool file_ends;   /* the server went on in another file */
    uint32_t created; /* of the server's file: its format event's time */
    uint32_t server_id;
    char server[BINLOG_VERSION_SIZE];
    bool checksums;
    uint64_t groups;                   /* transactions */
    uint32_t begins, ends;             /* time of the first and the last one; 0 = there is none */
    struct binlog_gtids before, after; /* the positions around it */
    char sha256[SHA256_HEX_LEN];       /* of the server's bytes from…to */
    char stored[BINLOG_PATH_MAX];      /* the name that it lies under, beside the index */
    uint64_t stored_bytes;
    char stored_sha256[SHA256_HEX_LEN]; /* closed: of that file; open: "" */
    bool encrypted;
    char previous[SHA256_HEX_LEN]; /* digest of the index before it in its timeline; "" = first */
    struct binlog_stop stop;
    enum binlog_reason reason;  /* the timeline's; the same in all of them */
    struct binlog_place parent; /* what the data were when the timeline began, if known */
};

/* Line 2, with its "\n"; malloc'ed. */
char *binlog_segment_text(const struct binlog_segment *s) MUSTCHECK;
/* -EINVAL with what is wrong. */
int binlog_segment_parse(
    const char *text, size_t len, struct binlog_segment *out, struct err *e) MUSTCHECK;
/* "mysql-bin.000012-000000000004.json": names that differ in every segment of a timeline. */
char *binlog_segment_name(
    const struct binlog_segment *s, const char *suffix, char out[static BINLOG_PATH_MAX]);
/* The order within the archive: by timeline, file, position. */
int binlog_segment_compare(const struct binlog_segment *a, const struct binlog_segment *b);
/* Does b go on where a ends? */
bool binlog_segment_follows(const struct binlog_segment *a, const struct binlog_segment *b);
const char *binlog_reason_name(enum binlog_reason r);

#endif
