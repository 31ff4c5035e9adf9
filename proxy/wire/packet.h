/*
 * MySQL packets: 3 bytes of length (little endian), 1 byte of sequence number, payload. A payload
 * of exactly PACKET_MAX bytes goes on in the next packet. Source: MariaDB knowledge base, "0 -
 * Packet".
 */
#ifndef ELEXGATE_PROXY_WIRE_PACKET_H
#define ELEXGATE_PROXY_WIRE_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/error.h"

#define PACKET_HEADER 4u
#define PACKET_MAX    0xffffffu

/* Capabilities. The lower 32 bits are MySQL's; the upper 32 are MariaDB's extended ones, which a
 * peer has only when CAP_MYSQL is absent. */
#define CAP_MYSQL             (UINT64_C(1) << 0) /* CLIENT_LONG_PASSWORD / CLIENT_MYSQL */
#define CAP_CONNECT_WITH_DB   (UINT64_C(1) << 3)
#define CAP_COMPRESS          (UINT64_C(1) << 5)
#define CAP_LOCAL_FILES       (UINT64_C(1) << 7)
#define CAP_PROTOCOL_41       (UINT64_C(1) << 9)
#define CAP_SSL               (UINT64_C(1) << 11)
#define CAP_SECURE_CONNECTION (UINT64_C(1) << 15)
#define CAP_MULTI_STATEMENTS  (UINT64_C(1) << 16)
#define CAP_PLUGIN_AUTH       (UINT64_C(1) << 19)
#define CAP_CONNECT_ATTRS     (UINT64_C(1) << 20)
#define CAP_AUTH_LENENC       (UINT64_C(1) << 21)
#define CAP_SESSION_TRACK     (UINT64_C(1) << 23)
#define CAP_DEPRECATE_EOF     (UINT64_C(1) << 24)
#define CAP_OPTIONAL_METADATA (UINT64_C(1) << 25)
#define CAP_ZSTD              (UINT64_C(1) << 26)
#define CAP_QUERY_ATTRIBUTES  (UINT64_C(1) << 27)
#define CAP_PROGRESS          (UINT64_C(1) << 32)
#define CAP_STMT_BULK         (UINT64_C(1) << 34)
#define CAP_EXTENDED_METADATA (UINT64_C(1) << 35)
#define CAP_CACHE_METADATA    (UINT64_C(1) << 36)

/* Server status flags in OK and EOF packets. */
#define STATUS_IN_TRANS      0x0001u
#define STATUS_AUTOCOMMIT    0x0002u
#define STATUS_MORE_RESULTS  0x0008u
#define STATUS_CURSOR_EXISTS 0x0040u
#define STATUS_LAST_ROW_SENT 0x0080u

static inline uint32_t packet_length(const uint8_t *header)
{
    return (uint32_t)header[0] | (uint32_t)header[1] << 8 | (uint32_t)header[2] << 16;
}

static inline void packet_header(uint8_t *out, uint32_t length, uint8_t seq)
{
    out[0] = (uint8_t)length;
    out[1] = (uint8_t)(length >> 8);
    out[2] = (uint8_t)(length >> 16);
    out[3] = seq;
}

/* Reads fields from a payload and never past its end: after the first read that does not fit `bad`
 * is set, and it and all later ones give 0 / NULL. */
struct cursor {
    const uint8_t *p, *end;
    bool bad;
};
static inline struct cursor cursor_make(const void *data, size_t n)
{
    return (struct cursor){.p = data, .end = (const uint8_t *)data + n};
}
static inline size_t cursor_left(const struct cursor *c)
{
    return c->bad ? 0 : (size_t)(c->end - c->p);
}
/* n bytes in place. */
static inline const uint8_t *cursor_bytes(struct cursor *c, size_t n)
{
    if (c->bad || (size_t)(c->end - c->p) < n) {
        c->bad = true;
        return NULL;
    }
    const uint8_t *at = c->p;
    c->p += n;
    return at;
}
static inline uint8_t cursor_u8(struct cursor *c)
{
    const uint8_t *at = cursor_bytes(c, 1);
    return at ? at[0] : 0;
}
static inline uint16_t cursor_u16(struct cursor *c)
{
    const uint8_t *at = cursor_bytes(c, 2);
    return at ? (uint16_t)((unsigned)at[0] | (unsigned)at[1] << 8) : (uint16_t)0;
}
uint32_t cursor_u24(struct cursor *c);
uint32_t cursor_u32(struct cursor *c);
uint64_t cursor_u64(struct cursor *c);
/* Length-encoded integer; 0xfb (NULL) and 0xff set bad. */
uint64_t cursor_lenenc(struct cursor *c);
/* NUL-terminated string in place; *len without the NUL. Bad when there is no NUL. */
const char *cursor_string(struct cursor *c, size_t *len);

/* Builds a whole ERR packet with header. message is cut to fit MySQL's 511 bytes, never inside a
 * UTF-8 character. state: five characters ("HY000"), or NULL for the form without it, which is
 * right in place of a greeting: nothing is negotiated then, and Connector/J would print the state
 * as part of the text. Returns the packet's length. */
#define ERROR_PACKET_MAX 600
/* MYSQL_ERRMSG_SIZE without the NUL: longer ones overrun old clients. */
#define ERROR_TEXT_MAX 511u
size_t error_packet(uint8_t out[static ERROR_PACKET_MAX], uint8_t seq, uint16_t code,
    const char *state, const char *message);
/* Reads an ERR payload (first byte 0xff) for the log: code and message, control characters made
 * harmless by the log. false if malformed. text gets at most size-1 bytes and a NUL. */
bool error_payload(const uint8_t *payload, size_t n, uint16_t *code, char *text, size_t size);

#endif
