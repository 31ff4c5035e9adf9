/*
 * Events of a MariaDB binary log: bytes in, fields out. The layout is that of the server's
 * sql/log_event.h; see https://mariadb.com/kb/en/replication-protocol/. All numbers are little
 * endian. Whoever may write to the database chooses most of these bytes: nothing is believed
 * beyond the length that the caller has.
 *
 * A file begins with four magic bytes; then events follow, each with a header of 19 bytes and, when
 * the format event says so, a CRC-32 in its last four bytes.
 */
#ifndef ELEXGATE_BACKUP_RULES_BINLOG_EVENT_H
#define ELEXGATE_BACKUP_RULES_BINLOG_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "backup/rules/binlog_gtid.h"
#include "common/error.h"

#define BINLOG_MAGIC                                                                               \
    "\xfe"                                                                                         \
    "bin"
#define BINLOG_MAGIC_SIZE   4
#define BINLOG_HEADER_SIZE  19
#define BINLOG_CHECKSUM     4
#define BINLOG_EVENT_MAX    (UINT32_C(2) << 30)    /* no packet of a server is longer */
#define BINLOG_ROWS_MAX     (UINT32_C(1400) << 20) /* of one event: fits two packets as text */
#define BINLOG_NAME_MAX     200
#define BINLOG_VERSION_SIZE 51

enum binlog_type {
    BINLOG_QUERY = 2,
    BINLOG_STOP = 3,
    BINLOG_ROTATE = 4,
    BINLOG_INTVAR = 5,
    BINLOG_RAND = 13,
    BINLOG_USER_VAR = 14,
    BINLOG_FORMAT = 15,
    BINLOG_XID = 16,
    BINLOG_TABLE_MAP = 19,
    BINLOG_WRITE_ROWS_V1 = 23,
    BINLOG_UPDATE_ROWS_V1 = 24,
    BINLOG_DELETE_ROWS_V1 = 25,
    BINLOG_INCIDENT = 26,
    BINLOG_HEARTBEAT = 27,
    BINLOG_WRITE_ROWS = 30,
    BINLOG_UPDATE_ROWS = 31,
    BINLOG_DELETE_ROWS = 32,
    BINLOG_XA_PREPARE = 38,
    BINLOG_ANNOTATE = 160,
    BINLOG_CHECKPOINT = 161,
    BINLOG_GTID = 162,
    BINLOG_GTID_LIST = 163,
    BINLOG_START_ENCRYPTION = 164,
    BINLOG_QUERY_COMPRESSED = 165,
    BINLOG_WRITE_ROWS_COMPRESSED_V1 = 166,
    BINLOG_UPDATE_ROWS_COMPRESSED_V1 = 167,
    BINLOG_DELETE_ROWS_COMPRESSED_V1 = 168,
    BINLOG_WRITE_ROWS_COMPRESSED = 169,
    BINLOG_UPDATE_ROWS_COMPRESSED = 170,
    BINLOG_DELETE_ROWS_COMPRESSED = 171,
};

#define BINLOG_F_IN_USE     0x0001 /* format event: of the file that is being written */
#define BINLOG_F_ARTIFICIAL 0x0020 /* made up for who reads; not in the file */

struct binlog_header {
    uint32_t when; /* seconds since 1970 */
    uint8_t type;
    uint32_t server_id;
    uint32_t length; /* of the whole event */
    uint32_t next;   /* the position behind it, modulo 2^32; 0 = it does not say */
    uint16_t flags;
};

/* -EBADMSG: shorter than a header, or a length that no event has. */
int binlog_header_parse(
    const uint8_t *data, size_t n, struct binlog_header *out, struct err *e) MUSTCHECK;
/* The event (with its CRC at the end) is what was written. */
bool binlog_checksum_good(const uint8_t *event, size_t n);

/* From here on: event is whole, n its length without the CRC. -EBADMSG. */

struct binlog_format {
    char server[BINLOG_VERSION_SIZE]; /* "10.11.19-MariaDB-…" */
    uint32_t created;                 /* when the file was begun: with its name, what it is */
    bool checksums;                   /* of every event, this one included */
};
/* n with the CRC: a format event always has room for one. */
int binlog_format_parse(
    const uint8_t *event, size_t n, struct binlog_format *out, struct err *e) MUSTCHECK;

struct binlog_group {
    struct binlog_gtid gtid;
    bool standalone; /* one event, without BEGIN and COMMIT: DDL */
    bool ddl;
    bool takes_back;    /* all of it is taken back when it does not end: no MyISAM or Aria in it */
    bool prepares_xa;   /* XA START … XA PREPARE */
    bool completes_xa;  /* XA COMMIT or ROLLBACK of one that was prepared */
    const uint8_t *xid; /* of prepares_xa and completes_xa: gtrid, then bqual; points into event */
    uint8_t gtrid, bqual;
    uint32_t xid_format;
};
int binlog_group_parse(
    const uint8_t *event, size_t n, struct binlog_group *out, struct err *e) MUSTCHECK;

/* The connection that it came over; 0: not said (servers before MariaDB 11.5 say it in statements
 * only). */
uint32_t binlog_group_thread(const uint8_t *event, size_t n);

/* The state of a file's beginning. */
int binlog_gtid_list_parse(
    const uint8_t *event, size_t n, struct binlog_gtids *out, struct err *e) MUSTCHECK;

/* Where the log goes on. */
int binlog_rotate_parse(
    const uint8_t *event, size_t n, char file[static BINLOG_NAME_MAX + 1], struct err *e) MUSTCHECK;

struct binlog_table {
    uint64_t id;
    char schema[65 * 4], name[65 * 4];
};
int binlog_table_parse(
    const uint8_t *event, size_t n, struct binlog_table *out, struct err *e) MUSTCHECK;

/* Row events: the table's id, and whether it is the statement's last. */
bool binlog_is_rows(uint8_t type);
int binlog_rows_parse(
    const uint8_t *event, size_t n, uint64_t *table, bool *last, struct err *e) MUSTCHECK;
/* Sets a flag of its header, and its CRC, where it has one. n with the CRC. */
enum binlog_rows_flag {
    BINLOG_ROWS_END = 1,       /* what is behind this one counts as another statement */
    BINLOG_ROWS_UNCHECKED = 2, /* foreign_key_checks=0 */
};
void binlog_rows_flag(uint8_t *event, size_t n, enum binlog_rows_flag flag, bool sum);

/* A part of a LOAD DATA that was logged as a statement: its file, or what was done with it. */
bool binlog_is_load(uint8_t type);

/* A file name that may stand in a path of ours: letters, digits, . _ - and a number at its end,
 * which *number gets. */
bool binlog_name_valid(const char *name, uint64_t *number);
/* "query", "rows", ... for messages. */
const char *binlog_type_name(uint8_t type);

uint16_t binlog_u16(const uint8_t *p);
uint32_t binlog_u32(const uint8_t *p);
uint64_t binlog_u64(const uint8_t *p);

#endif
