#include "proxy/wire/packet.h"

#include <string.h>
#include "common/utf8.h"

/* Little endian, 1 to 8 bytes. */
static uint64_t number(struct cursor *c, size_t n)
{
    const uint8_t *at = cursor_bytes(c, n);
    uint64_t v = 0;
    if (!at)
        return 0;
    for (size_t i = n; i-- > 0;)
        v = v << 8 | at[i];
    return v;
}

uint32_t cursor_u24(struct cursor *c)
{
    return (uint32_t)number(c, 3);
}

uint32_t cursor_u32(struct cursor *c)
{
    return (uint32_t)number(c, 4);
}

uint64_t cursor_u64(struct cursor *c)
{
    return number(c, 8);
}

uint64_t cursor_lenenc(struct cursor *c)
{
    uint8_t first = cursor_u8(c);
    switch (first) {
    case 0xfb:
    case 0xff:
        c->bad = true;
        return 0;
    case 0xfc:
        return cursor_u16(c);
    case 0xfd:
        return cursor_u24(c);
    case 0xfe:
        return cursor_u64(c);
    default:
        return first;
    }
}

const char *cursor_string(struct cursor *c, size_t *len)
{
    const uint8_t *nul = c->bad || c->p == c->end ? NULL : memchr(c->p, 0, (size_t)(c->end - c->p));
    if (!nul) {
        c->bad = true;
        *len = 0;
        return NULL;
    }
    *len = (size_t)(nul - c->p);
    return (const char *)cursor_bytes(c, *len + 1);
}

size_t error_packet(uint8_t out[static ERROR_PACKET_MAX], uint8_t seq, uint16_t code,
    const char *state, const char *message)
{
    size_t text = utf8_cut(message, strlen(message), ERROR_TEXT_MAX);
    size_t payload = 1 + 2 + (state ? 6u : 0u) + text;
    packet_header(out, (uint32_t)payload, seq);
    uint8_t *p = out + PACKET_HEADER;
    *p++ = 0xff;
    *p++ = (uint8_t)code;
    *p++ = (uint8_t)(code >> 8);
    if (state) {
        *p++ = '#';
        memcpy(p, state, 5);
        p += 5;
    }
    memcpy(p, message, text);
    return PACKET_HEADER + payload;
}

bool error_payload(const uint8_t *payload, size_t n, uint16_t *code, char *text, size_t size)
{
    struct cursor c = cursor_make(payload, n);
    uint8_t first = cursor_u8(&c);
    uint16_t number16 = cursor_u16(&c);
    if (c.bad || first != 0xff)
        return false;
    if (cursor_left(&c) >= 6 && c.p[0] == '#')
        cursor_bytes(&c, 6);
    const char *message = (const char *)c.p;
    *code = number16;
    if (size > 0) {
        size_t len = utf8_cut(message, cursor_left(&c), size - 1);
        memcpy(text, message, len);
        text[len] = '\0';
    }
    return true;
}
