#include "backup/rules/binlog_rows.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "backup/rules/binlog_decimal.h"
#include "common/hex.h"
#include "common/utf8.h"

/* include/mysql_com.h of the server: enum_field_types */
enum type {
    T_TINY = 1,
    T_SHORT,
    T_LONG,
    T_FLOAT,
    T_DOUBLE,
    T_NULL,
    T_TIMESTAMP,
    T_LONGLONG,
    T_INT24,
    T_DATE,
    T_TIME,
    T_DATETIME,
    T_YEAR,
    T_NEWDATE,
    T_VARCHAR,
    T_BIT,
    T_TIMESTAMP2,
    T_DATETIME2,
    T_TIME2,
    T_BLOB_COMPRESSED = 140,
    T_VARCHAR_COMPRESSED,
    T_NEWDECIMAL = 246,
    T_ENUM,
    T_SET,
    T_BLOB = 252,
    T_STRING = 254,
    T_GEOMETRY
};

#define COLUMNS_MAX  4096 /* of a table: the server's MAX_FIELDS */
#define VALUE_SHOWN  200  /* bytes of text */
#define VALUE_SIZE   (4 * VALUE_SHOWN + 80)
#define DECIMALS_MAX 6 /* of seconds */

static int damaged(const char *what, struct err *e)
{
    return err_set(e, EBADMSG, "%s of a binary log is damaged", what);
}

/* A number as the protocol packs it. */
static bool take_length(const uint8_t **p, const uint8_t *end, uint64_t *out)
{
    if (*p >= end)
        return false;
    uint8_t first = *(*p)++;
    size_t n = first < 251 ? 0 : first == 252 ? 2 : first == 253 ? 3 : first == 254 ? 8 : 9;
    if (n > 8 || (size_t)(end - *p) < n)
        return false;
    *out = n ? 0 : first;
    for (size_t i = 0; i < n; i++)
        *out |= (uint64_t)(*p)[i] << (8 * i);
    *p += n;
    return true;
}

/* How many bytes of a table map tell more of a type; -1: an unknown one. */
static int more_of(uint8_t type)
{
    switch (type) {
    case T_VARCHAR:
    case T_VARCHAR_COMPRESSED:
    case T_BIT:
    case T_NEWDECIMAL:
    case T_ENUM:
    case T_SET:
    case T_STRING:
        return 2;
    case T_FLOAT:
    case T_DOUBLE:
    case T_TIMESTAMP2:
    case T_DATETIME2:
    case T_TIME2:
    case T_BLOB:
    case T_BLOB_COMPRESSED:
    case T_GEOMETRY:
        return 1;
    default:
        return type >= T_TINY && type <= T_NEWDATE ? 0 : -1;
    }
}

static bool take_more(struct binlog_columns *c, const uint8_t *p, const uint8_t *end)
{
    for (size_t i = 0; i < c->n; i++) {
        int n = more_of(c->types[i]);
        if (n < 0 || end - p < n)
            return false;
        c->more[i] = n == 2 ? binlog_u16(p) : n ? *p : 0;
        bool seconds = c->types[i] >= T_TIMESTAMP2 && c->types[i] <= T_TIME2;
        if (seconds && c->more[i] > DECIMALS_MAX)
            return false;
        p += n;
    }
    return true;
}

int binlog_columns_parse(const uint8_t *event, size_t n, struct binlog_columns *out, struct err *e)
{
    const uint8_t *p = event + BINLOG_HEADER_SIZE + 8, *end = event + n;
    uint64_t columns = 0, length = 0;
    for (int name = 0; name < 2; name++) {
        if (p >= end || end - p < *p + 2)
            return damaged("a table map", e);
        p += *p + 2;
    }
    if (!take_length(&p, end, &columns) || columns == 0 || columns > COLUMNS_MAX ||
        (uint64_t)(end - p) < columns)
        return damaged("a table map", e);
    const uint8_t *types = p;
    p += columns;
    if (!take_length(&p, end, &length) || (uint64_t)(end - p) < length)
        return damaged("a table map", e);
    struct binlog_columns c = {
        .n = columns, .types = xmalloc(columns), .more = xcalloc(columns, sizeof *c.more)};
    memcpy(c.types, types, columns);
    if (!take_more(&c, p, p + length)) {
        binlog_columns_clear(&c);
        return err_set(e, ENOTSUP, "a table has a kind of column that is not known here");
    }
    *out = c;
    return 0;
}

void binlog_columns_clear(struct binlog_columns *c)
{
    free(c->types);
    free(c->more);
    *c = (struct binlog_columns){0};
}

int binlog_rows_begin(const uint8_t *event, size_t n, const struct binlog_columns *c,
    struct binlog_rows *out, struct err *e)
{
    uint8_t type = event[4];
    bool old = type < BINLOG_WRITE_ROWS || type >= BINLOG_WRITE_ROWS_COMPRESSED_V1,
         newer = type >= BINLOG_WRITE_ROWS_COMPRESSED;
    uint8_t first = type >= BINLOG_WRITE_ROWS_COMPRESSED      ? BINLOG_WRITE_ROWS_COMPRESSED
                    : type >= BINLOG_WRITE_ROWS_COMPRESSED_V1 ? BINLOG_WRITE_ROWS_COMPRESSED_V1
                    : type >= BINLOG_WRITE_ROWS               ? BINLOG_WRITE_ROWS
                                                              : BINLOG_WRITE_ROWS_V1;
    const uint8_t *p = event + BINLOG_HEADER_SIZE + 8, *end = event + n;
    uint64_t columns = 0;
    if (n < BINLOG_HEADER_SIZE + 8)
        return damaged("a row event", e);
    if (!old || newer) { /* version 2 has room for more */
        if (end - p < 2 || binlog_u16(p) < 2 || end - p < binlog_u16(p))
            return damaged("a row event", e);
        p += binlog_u16(p);
    }
    struct binlog_rows r = {.change = (enum binlog_change)(type - first),
        .columns = c,
        .compressed = type >= BINLOG_WRITE_ROWS_COMPRESSED_V1};
    size_t bytes = (c->n + 7) / 8;
    if (!take_length(&p, end, &columns) || columns != c->n)
        return damaged("a row event", e);
    for (int i = 0; i < (r.change == BINLOG_CHANGED_ROW ? 2 : 1); i++) {
        if ((size_t)(end - p) < bytes)
            return damaged("a row event", e);
        r.present[i] = p;
        p += bytes;
    }
    r.p = p;
    r.end = end;
    *out = r;
    return 0;
}

/* --- a value --- */

static bool bit(const uint8_t *bits, size_t i)
{
    return bits[i / 8] & (1u << (i % 8));
}

static uint64_t little(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static uint64_t big(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

/* CHAR, ENUM and SET share a type; its first byte holds two high bits of a long CHAR's length. */
static uint8_t string_type(uint16_t more, size_t *length)
{
    uint8_t low = (uint8_t)more;
    *length = more >> 8;
    if ((low & 0x30) == 0x30)
        return low;
    *length |= (size_t)((low & 0x30) ^ 0x30) << 4;
    return low | 0x30;
}

/* n bytes of length before the value: its size with them; 0: they are cut off. */
static size_t counted(const uint8_t *p, size_t have, size_t n)
{
    return have < n ? 0 : n + little(p, n);
}

static size_t fraction(uint16_t decimals)
{
    return (size_t)(decimals + 1) / 2;
}

/* Bytes that a value takes; 0: it does not end in `have`. */
static size_t size_of(uint8_t type, uint16_t more, const uint8_t *p, size_t have)
{
    size_t length;
    switch (type) {
    case T_TINY:
    case T_YEAR:
        return 1;
    case T_SHORT:
        return 2;
    case T_INT24:
    case T_DATE:
    case T_NEWDATE:
    case T_TIME:
        return 3;
    case T_LONG:
    case T_FLOAT:
    case T_TIMESTAMP:
        return 4;
    case T_LONGLONG:
    case T_DOUBLE:
    case T_DATETIME:
        return 8;
    case T_TIMESTAMP2:
        return 4 + fraction(more);
    case T_DATETIME2:
        return 5 + fraction(more);
    case T_TIME2:
        return 3 + fraction(more);
    case T_BIT:
        return (size_t)(more >> 8) + ((more & 0xff) != 0);
    case T_NEWDECIMAL:
        return (more >> 8) > (more & 0xff) ? 0 : binlog_decimal_size(more & 0xffu, more >> 8);
    case T_VARCHAR:
    case T_VARCHAR_COMPRESSED:
        return counted(p, have, more > 255 ? 2 : 1);
    case T_BLOB:
    case T_BLOB_COMPRESSED:
    case T_GEOMETRY:
        return more < 1 || more > 4 ? 0 : counted(p, have, more);
    case T_STRING:
        type = string_type(more, &length);
        return type == T_STRING ? counted(p, have, length > 255 ? 2 : 1) : length;
    default:
        return 0;
    }
}

static void show_text(const uint8_t *p, size_t n, char out[static VALUE_SIZE])
{
    size_t shown = n < VALUE_SHOWN ? n : VALUE_SHOWN;
    const char *text = (const char *)p, *rest = n > shown ? " …" : "";
    size_t good = utf8_check(text, n);
    if (good == n && !memchr(p, 0, n)) {
        while (shown < n && ((uint8_t)p[shown] & 0xc0) == 0x80)
            shown--;
        snprintf(out, VALUE_SIZE, "'%.*s'%s", (int)shown, text, rest);
        return;
    }
    char hex[2 * VALUE_SHOWN + 1];
    snprintf(out, VALUE_SIZE, "x'%s'%s", hex_text(p, shown, hex), rest);
}

static int64_t signed_of(uint64_t v, size_t bytes)
{
    uint64_t sign = UINT64_C(1) << (8 * bytes - 1);
    return (int64_t)((v ^ sign) - sign);
}

static void show_fraction(const uint8_t *p, uint16_t decimals, char *out)
{
    size_t n = fraction(decimals);
    if (n)
        sprintf(out + strlen(out), ".%0*" PRIu64, decimals, big(p, n) / (decimals % 2 ? 10 : 1));
}

static void show_date(uint64_t packed, char *out)
{
    uint64_t day = packed >> 17, month = day >> 5, second = packed & 0x1ffff;
    sprintf(out, "%04u-%02u-%02u %02u:%02u:%02u", (unsigned)(month / 13) % 10000,
        (unsigned)(month % 13), (unsigned)(day & 31), (unsigned)(second >> 12) % 100,
        (unsigned)(second >> 6) & 63, (unsigned)second & 63);
}

/* Since 10.1 as the distance from an offset; a negative one with its fraction counts down. */
static void show_time(const uint8_t *p, uint16_t decimals, char *out)
{
    size_t n = fraction(decimals);
    int64_t v = (int64_t)(big(p, 3 + n) << (8 * (3 - n))) - (INT64_C(0x800000) << 24);
    uint64_t u = v < 0 ? (uint64_t)-v : (uint64_t)v, s = u >> 24;
    sprintf(out, "%s%02u:%02u:%02u", v < 0 ? "-" : "", (unsigned)(s >> 12) & 1023,
        (unsigned)(s >> 6) & 63, (unsigned)s & 63);
    uint8_t rest[3] = {(uint8_t)(u >> 16), (uint8_t)(u >> 8), (uint8_t)u};
    show_fraction(rest, decimals, out);
}

static void show_number(uint8_t type, const uint8_t *p, size_t n, char *out)
{
    float f;
    double d;
    uint64_t v = little(p, n < 8 ? n : 8);
    switch (type) {
    case T_FLOAT:
        memcpy(&f, p, sizeof f);
        snprintf(out, VALUE_SIZE, "%.9g", (double)f);
        break;
    case T_DOUBLE:
        memcpy(&d, p, sizeof d);
        snprintf(out, VALUE_SIZE, "%.17g", d);
        break;
    case T_YEAR:
        sprintf(out, "%u", v ? (unsigned)v + 1900 : 0);
        break;
    case T_DATE:
    case T_NEWDATE:
        sprintf(out, "%04u-%02u-%02u", (unsigned)(v >> 9) % 10000, (unsigned)(v >> 5) & 15,
            (unsigned)v & 31);
        break;
    default:
        sprintf(out, "%" PRId64, signed_of(v, n < 8 ? n : 8));
    }
}

static void show(uint8_t type, uint16_t more, const uint8_t *p, size_t n, char *out)
{
    size_t length = 0, skip;
    switch (type) {
    case T_VARCHAR:
        skip = more > 255 ? 2 : 1;
        show_text(p + skip, n - skip, out);
        return;
    case T_BLOB:
    case T_GEOMETRY:
        show_text(p + more, n - more, out);
        return;
    case T_STRING:
        type = string_type(more, &length);
        skip = length > 255 ? 2 : 1;
        if (type == T_STRING)
            show_text(p + skip, n - skip, out);
        else
            sprintf(out, "%" PRIu64, little(p, n < 8 ? n : 8));
        return;
    case T_BIT:
        sprintf(out, "%" PRIu64, big(p, n < 8 ? n : 8));
        return;
    case T_NEWDECIMAL:
        binlog_decimal_text(p, more & 0xffu, more >> 8, out);
        return;
    case T_TIMESTAMP2:
        sprintf(out, "%" PRIu64, big(p, 4));
        show_fraction(p + 4, more, out);
        return;
    case T_DATETIME2:
        show_date(big(p, 5) ^ (UINT64_C(1) << 39), out);
        show_fraction(p + 5, more, out);
        return;
    case T_TIME2:
        show_time(p, more, out);
        return;
    case T_VARCHAR_COMPRESSED:
    case T_BLOB_COMPRESSED:
        sprintf(out, "(%zu bytes, compressed)", n);
        return;
    default:
        show_number(type, p, n, out);
    }
}

int binlog_rows_next(struct binlog_rows *r, binlog_value_fn *fn, void *ctx, struct err *e)
{
    const struct binlog_columns *c = r->columns;
    const uint8_t *present = r->present[r->after], *nulls = r->p;
    size_t there = 0, nth = 0;
    char text[VALUE_SIZE];
    if (r->p == r->end)
        return r->after ? damaged("a row event", e) : 0;
    for (size_t i = 0; i < c->n; i++)
        there += bit(present, i);
    if (there == 0 || (size_t)(r->end - r->p) < (there + 7) / 8)
        return damaged("a row event", e);
    r->p += (there + 7) / 8;
    for (size_t i = 0; i < c->n; i++) {
        bool is_null = !bit(present, i) || bit(nulls, nth);
        nth += bit(present, i);
        if (is_null) {
            if (fn)
                fn(ctx, i, NULL);
            continue;
        }
        size_t have = (size_t)(r->end - r->p), n = size_of(c->types[i], c->more[i], r->p, have);
        if (n == 0 || n > have)
            return damaged("a row event", e);
        if (fn) {
            show(c->types[i], c->more[i], r->p, n, text);
            fn(ctx, i, text);
        }
        r->p += n;
    }
    r->after = r->change == BINLOG_CHANGED_ROW && !r->after;
    return 1;
}
