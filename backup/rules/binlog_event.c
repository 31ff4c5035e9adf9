#include "backup/rules/binlog_event.h"

#include <errno.h>
#include <string.h>

uint16_t binlog_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

uint32_t binlog_u32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t binlog_u48(const uint8_t *p)
{
    return binlog_u32(p) | (uint64_t)binlog_u16(p + 4) << 32;
}

uint64_t binlog_u64(const uint8_t *p)
{
    return binlog_u32(p) | (uint64_t)binlog_u32(p + 4) << 32;
}

int binlog_header_parse(const uint8_t *data, size_t n, struct binlog_header *out, struct err *e)
{
    if (n < BINLOG_HEADER_SIZE)
        return err_set(e, EBADMSG, "an event is cut off");
    struct binlog_header h = {.when = binlog_u32(data),
        .type = data[4],
        .server_id = binlog_u32(data + 5),
        .length = binlog_u32(data + 9),
        .next = binlog_u32(data + 13),
        .flags = binlog_u16(data + 17)};
    if (h.length < BINLOG_HEADER_SIZE || h.length > BINLOG_EVENT_MAX)
        return err_set(e, EBADMSG, "an event says that it has %u bytes", h.length);
    *out = h;
    return 0;
}

/* CRC-32 as in gzip (RFC 1952), four bits at a time. */
static uint32_t crc_add(uint32_t crc, const uint8_t *p, size_t n)
{
    static const uint32_t table[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190,
        0x6b6b51f4, 0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    for (; n; n--, p++) {
        crc ^= *p;
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return crc;
}

/* The flag of the file that is being written is not in the sum: the server clears it later. */
static uint32_t checksum(const uint8_t *event, size_t n)
{
    uint8_t header[BINLOG_HEADER_SIZE];
    memcpy(header, event, sizeof header);
    if (header[4] == BINLOG_FORMAT)
        header[17] &= (uint8_t)~BINLOG_F_IN_USE;
    uint32_t crc = crc_add(UINT32_MAX, header, sizeof header);
    crc = crc_add(crc, event + BINLOG_HEADER_SIZE, n - BINLOG_HEADER_SIZE - BINLOG_CHECKSUM);
    return crc ^ UINT32_MAX;
}

bool binlog_checksum_good(const uint8_t *event, size_t n)
{
    return n >= BINLOG_HEADER_SIZE + BINLOG_CHECKSUM &&
           checksum(event, n) == binlog_u32(event + n - BINLOG_CHECKSUM);
}

static int too_short(const char *what, struct err *e)
{
    return err_set(e, EBADMSG, "a %s event is too short", what);
}

int binlog_format_parse(const uint8_t *event, size_t n, struct binlog_format *out, struct err *e)
{
    const size_t server = BINLOG_HEADER_SIZE + 2, created = server + 50, lengths = created + 5;
    if (n < lengths + 1 + BINLOG_CHECKSUM)
        return too_short("format", e);
    if (binlog_u16(event + BINLOG_HEADER_SIZE) != 4 || event[created + 4] != BINLOG_HEADER_SIZE)
        return err_set(e, EBADMSG, "a binary log of another format than version 4");
    uint8_t algorithm = event[n - BINLOG_CHECKSUM - 1];
    if (algorithm > 1)
        return err_set(e, EBADMSG, "an unknown checksum (%u) in a binary log", algorithm);
    struct binlog_format f = {.created = binlog_u32(event), .checksums = algorithm == 1};
    memcpy(f.server, event + server, 50);
    for (char *p = f.server; *p; p++)
        if (*p < ' ' || *p > '~')
            *p = '?';
    *out = f;
    return 0;
}

/* sql/log_event.h of the server: Gtid_log_event */
#define GTID_STANDALONE    0x01
#define GTID_GROUP_COMMIT  0x02
#define GTID_TRANSACTIONAL 0x04
#define GTID_DDL           0x20
#define GTID_PREPARED_XA   0x40
#define GTID_COMPLETED_XA  0x80

int binlog_group_parse(const uint8_t *event, size_t n, struct binlog_group *out, struct err *e)
{
    const uint8_t *p = event + BINLOG_HEADER_SIZE, *end = event + n;
    if (n < BINLOG_HEADER_SIZE + 13)
        return too_short("GTID", e);
    uint8_t flags = p[12];
    struct binlog_group g = {.gtid = {binlog_u32(p + 8), binlog_u32(event + 5), binlog_u64(p)},
        .standalone = flags & GTID_STANDALONE,
        .ddl = flags & GTID_DDL,
        .takes_back = flags & GTID_TRANSACTIONAL,
        .prepares_xa = flags & GTID_PREPARED_XA,
        .completes_xa = flags & GTID_COMPLETED_XA};
    p += 13;
    if (flags & GTID_GROUP_COMMIT)
        p += 8;
    if (g.prepares_xa || g.completes_xa) {
        if (p > end || end - p < 6)
            return too_short("GTID", e);
        g.xid_format = binlog_u32(p);
        g.gtrid = p[4];
        g.bqual = p[5];
        g.xid = p + 6;
        if (g.gtrid > 64 || g.bqual > 64 || end - g.xid < g.gtrid + g.bqual)
            return err_set(e, EBADMSG, "a GTID event has a wrong XA id");
    }
    *out = g;
    return 0;
}

/* flags_extra, behind all that the first byte of flags says; in this order */
#define GTID_EXTRA_ENGINES 0x01
#define GTID_EXTRA_ALTER   0x0c /* commit, rollback of an ALTER in two phases */
#define GTID_EXTRA_THREAD  0x10

uint32_t binlog_group_thread(const uint8_t *event, size_t n)
{
    struct binlog_group g;
    if (binlog_group_parse(event, n, &g, NULL) < 0)
        return 0;
    const uint8_t *p = event + BINLOG_HEADER_SIZE + 13, *end = event + n;
    if (p[-1] & GTID_GROUP_COMMIT)
        p += 8;
    if (g.xid)
        p = g.xid + g.gtrid + g.bqual;
    if (p >= end)
        return 0;
    uint8_t flags = *p++;
    p += flags & GTID_EXTRA_ENGINES ? 1 : 0;
    p += flags & GTID_EXTRA_ALTER ? 8 : 0;
    return flags & GTID_EXTRA_THREAD && end - p >= 4 ? binlog_u32(p) : 0;
}

int binlog_gtid_list_parse(const uint8_t *event, size_t n, struct binlog_gtids *out, struct err *e)
{
    const uint8_t *p = event + BINLOG_HEADER_SIZE;
    struct binlog_gtids l = {.n = 0};
    if (n < BINLOG_HEADER_SIZE + 4)
        return too_short("GTID list", e);
    uint32_t count = binlog_u32(p) & 0x0fffffff;
    if (count > (n - BINLOG_HEADER_SIZE - 4) / 16)
        return too_short("GTID list", e);
    p += 4;
    for (uint32_t i = 0; i < count; i++, p += 16) {
        struct binlog_gtid g = {binlog_u32(p), binlog_u32(p + 4), binlog_u64(p + 8)};
        /* a domain can come with several servers, the last transaction last */
        if (!binlog_gtids_add(&l, &g))
            return err_set(e, ENOTSUP, "more than %d GTID domains", BINLOG_DOMAINS_MAX);
    }
    *out = l;
    return 0;
}

int binlog_rotate_parse(
    const uint8_t *event, size_t n, char file[static BINLOG_NAME_MAX + 1], struct err *e)
{
    const size_t name = BINLOG_HEADER_SIZE + 8;
    if (n <= name || n - name > BINLOG_NAME_MAX)
        return err_set(e, EBADMSG, "a rotate event without a good name");
    memcpy(file, event + name, n - name);
    file[n - name] = '\0';
    return 0;
}

/* A length, its bytes, a NUL. */
static bool take_name(const uint8_t **p, const uint8_t *end, char *out, size_t size)
{
    if (*p >= end || end - *p < **p + 2 || **p >= size)
        return false;
    memcpy(out, *p + 1, **p);
    out[**p] = '\0';
    *p += **p + 2;
    return true;
}

int binlog_table_parse(const uint8_t *event, size_t n, struct binlog_table *out, struct err *e)
{
    const uint8_t *p = event + BINLOG_HEADER_SIZE + 8;
    struct binlog_table t = {.id = 0};
    if (n < BINLOG_HEADER_SIZE + 8)
        return too_short("table map", e);
    t.id = binlog_u48(event + BINLOG_HEADER_SIZE);
    if (!take_name(&p, event + n, t.schema, sizeof t.schema) ||
        !take_name(&p, event + n, t.name, sizeof t.name))
        return too_short("table map", e);
    *out = t;
    return 0;
}

bool binlog_is_rows(uint8_t type)
{
    return (type >= BINLOG_WRITE_ROWS_V1 && type <= BINLOG_DELETE_ROWS_V1) ||
           (type >= BINLOG_WRITE_ROWS && type <= BINLOG_DELETE_ROWS) ||
           (type >= BINLOG_WRITE_ROWS_COMPRESSED_V1 && type <= BINLOG_DELETE_ROWS_COMPRESSED);
}

int binlog_rows_parse(const uint8_t *event, size_t n, uint64_t *table, bool *last, struct err *e)
{
    if (n < BINLOG_HEADER_SIZE + 8)
        return too_short("rows", e);
    *table = binlog_u48(event + BINLOG_HEADER_SIZE);
    *last = binlog_u16(event + BINLOG_HEADER_SIZE + 6) & 1;
    return 0;
}

void binlog_rows_flag(uint8_t *event, size_t n, enum binlog_rows_flag flag, bool sum)
{
    event[BINLOG_HEADER_SIZE + 6] |= (uint8_t)flag;
    uint32_t crc = sum ? checksum(event, n) : 0;
    for (size_t i = 0; sum && i < BINLOG_CHECKSUM; i++)
        event[n - BINLOG_CHECKSUM + i] = (uint8_t)(crc >> (8 * i));
}

bool binlog_name_valid(const char *name, uint64_t *number)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t len = strlen(name);
    const char *dot = strrchr(name, '.');
    if (len > BINLOG_NAME_MAX || name[0] == '.' || name[strspn(name, good)] || !dot)
        return false;
    size_t digits = strspn(dot + 1, "0123456789");
    if (digits < 6 || digits > 10 || dot[1 + digits])
        return false;
    *number = strtoull(dot + 1, NULL, 10);
    return true;
}

bool binlog_is_load(uint8_t type)
{
    return type == 6 || (type >= 8 && type <= 12) || type == 17 || type == 18;
}

const char *binlog_type_name(uint8_t type)
{
    if (binlog_is_load(type))
        return "LOAD DATA";
    switch (type) {
    case BINLOG_QUERY:
    case BINLOG_QUERY_COMPRESSED:
        return "statement";
    case BINLOG_FORMAT:
        return "format";
    case BINLOG_TABLE_MAP:
        return "table map";
    case BINLOG_XID:
        return "commit";
    case BINLOG_XA_PREPARE:
        return "XA prepare";
    case BINLOG_GTID:
        return "GTID";
    case BINLOG_INCIDENT:
        return "incident";
    case BINLOG_ROTATE:
        return "rotate";
    default:
        return binlog_is_rows(type) ? "rows" : "other";
    }
}
