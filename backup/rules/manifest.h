/*
 * The manifest: what an archive holds and how it was made. See docs/backup-format.md.
 *
 * A manifest is one JSON document, laid out so that it can be read line by line, whatever its size:
 *
 *   line 1      {"head_sha256":"…","seal":{"key":"…","signature":"…"}, or "seal":null
 *   line 2      the head: "format":"elexgate-manifest","version":2,…,"entries":[
 *   lines 3..   one entry a line, in the order of the archive, each but the last with a comma
 *   last line   ]}
 *
 * head_sha256 is that of line 2, which in turn holds the SHA-256 of the archive, of all entry
 * lines, and, beside an encrypted archive, of the whole manifest's line 2. It notices rot; the seal
 * signs it, and so covers everything.
 *
 * Version 1, read and never written: no seal; line 1 is the head behind a "{", and the last line is
 * ],"manifest_sha256":"…"}, of all bytes before it, which notices rot and nothing else.
 *
 * Validation is strict: an unknown or missing key, a wrong type, a number out of range, a path that
 * leaves the folder, is an error that names it. "info" is the one free object.
 *
 * Pure: text in, struct out, and back. Files are read and written by archive/manifest_file.h.
 */
#ifndef ELEXGATE_BACKUP_RULES_MANIFEST_H
#define ELEXGATE_BACKUP_RULES_MANIFEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "backup/rules/archive_name.h"
#include "backup/rules/binlog_event.h"
#include "common/error.h"
#include "common/hex.h"

#define MANIFEST_VERSION       2
#define MANIFEST_PATH_MAX      4095
#define SEAL_KEY_HEX_LEN       65 /* with the NUL, as all of these */
#define SEAL_SIGNATURE_HEX_LEN 129

enum manifest_method { MANIFEST_PHYSICAL, MANIFEST_DUMP, MANIFEST_FILES };

struct manifest_table {
    char *schema, *name, *engine; /* engine NULL: a view or unknown */
    int64_t rows;                 /* exact; -1 = not counted */
    char *checksum;               /* CHECKSUM TABLE, decimal; NULL = not taken */
};

/* The first line. Who vouches for a manifest: key[0] = 0: nobody. Only archive/trust.h says whether
 * it is true. */
struct manifest_seal {
    char digest[SHA256_HEX_LEN]; /* of the head's line */
    char key[SEAL_KEY_HEX_LEN];
    char signature[SEAL_SIGNATURE_HEX_LEN];
};

/* All strings are malloc'ed and owned; manifest_clear frees them and zeroes the struct. */
struct manifest {
    int version;       /* 1 or 2; written is always 2 */
    uint64_t sequence; /* counts the runs of an installation, whatever its clock says; 0 = none */
    char installation[SEAL_KEY_HEX_LEN]; /* the public key that it sealed with; "" = none */
    char type[ARCHIVE_TYPE_MAX + 1];
    char run[RUN_SUFFIX_LEN];
    enum manifest_method method;
    int64_t started_ms, finished_ms; /* UTC */
    char *local_time;                /* RFC 3339 with offset, of started_ms */
    char *zone;                      /* "CET", "Europe/Zurich" */
    char *host, *program;            /* "elexgate 0.1.0" */
    struct {
        char *file; /* name in the same folder */
        uint64_t size;
        char sha256[SHA256_HEX_LEN]; /* of the archive file as it lies there */
        char *backend;               /* "isal", "zlib" */
        int level;
        char *encryption; /* NULL or "age" */
    } archive;
    struct {
        uint64_t files, directories, symlinks;
        uint64_t bytes;     /* of all files, holes counted */
        uint64_t tar_bytes; /* of the tar inside */
    } content;
    bool has_server;
    struct {
        char *version;      /* SELECT VERSION() */
        uint32_t page_size; /* innodb_page_size */
        int lower_case_table_names;
        uint64_t lsn;
        char *state;                        /* "clean" or "recoverable"; "dump" for a logical one */
        struct {                            /* where its binary log stood at that moment */
            char file[BINLOG_NAME_MAX + 1]; /* "" = it had none, or this is not known */
            uint64_t position;
            char *gtids; /* @@gtid_binlog_pos; NULL = as file */
            uint32_t
                created; /* when file was begun: tells it from another one of its name; 0 = ? */
        } binlog;
    } server;
    struct manifest_table *tables;
    size_t table_count;
    char **notes; /* for people: what was skipped and why */
    size_t note_count;
    json_t *info; /* free object or NULL; owned */
    bool brief;   /* the short one beside an encrypted archive: no entries, tables, notes, info */
    char full_sha256[SHA256_HEX_LEN];    /* brief: of the whole manifest's line 2; else "" */
    char entries_sha256[SHA256_HEX_LEN]; /* of the lines of all entries; "" in version 1 */
};

enum manifest_entry_type { ENTRY_FILE, ENTRY_DIRECTORY, ENTRY_SYMLINK };
struct manifest_entry {
    enum manifest_entry_type type;
    char *path;      /* as in the tar, without leading ./ or trailing / ; bytes, mostly UTF-8 */
    uint64_t size;   /* ENTRY_FILE */
    uint64_t stored; /* bytes outside holes; == size when not sparse */
    uint32_t mode;   /* permission bits only */
    int64_t mtime_ns;
    char sha256[SHA256_HEX_LEN]; /* ENTRY_FILE: of the content, holes read as zeros */
    char *target;                /* ENTRY_SYMLINK */
    bool replaced;               /* a later entry of the same path holds the right content */
    bool unstable;               /* changed at every attempt to read it: content may be mixed */
};

void manifest_clear(struct manifest *m);
void manifest_entry_clear(struct manifest_entry *en);
void manifest_add_table(struct manifest *m, const char *schema, const char *name,
    const char *engine, int64_t rows, const char *checksum);
/* NULL: it is not among them. */
const struct manifest_table *manifest_find_table(
    const struct manifest *m, const char *schema, const char *name);
/* The time of a table's newest record, where it tells: UTC; in info.newest, as "schema.table". */
void manifest_add_newest(struct manifest *m, const char *schema, const char *name, int64_t ms);
/* The same; schema NULL: the newest of all. 0 = not known. */
int64_t manifest_newest(const struct manifest *m, const char *schema, const char *name);
void manifest_add_note(struct manifest *m, const char *fmt, ...) PRINTF(2, 3);

/* In JSON a path or target that is not UTF-8 stands as "path_hex" or "target_hex". */

/* The first line, malloc'ed. */
char *manifest_seal_text(const struct manifest_seal *seal) MUSTCHECK;
/* 1: the line is the head of version 1, *out stays. */
int manifest_seal_parse(
    const char *text, size_t len, struct manifest_seal *out, struct err *e) MUSTCHECK;
/* The head line as text, with the final "\n", malloc'ed. */
char *manifest_head_text(const struct manifest *m) MUSTCHECK;
/* One entry as text, without comma or newline, malloc'ed. */
char *manifest_entry_text(const struct manifest_entry *en) MUSTCHECK;
/* -EINVAL with what is wrong. On success *out must be cleared by the caller. */
int manifest_head_parse(
    const char *text, size_t len, struct manifest *out, struct err *e) MUSTCHECK;
int manifest_entry_parse(
    const char *text, size_t len, struct manifest_entry *out, struct err *e) MUSTCHECK;
/* A path that may stand in an archive: relative, no empty, "." or ".." part, not too long. */
bool manifest_path_valid(const char *path);

const char *manifest_method_name(enum manifest_method m); /* "physical" "dump" "files" */

#endif
