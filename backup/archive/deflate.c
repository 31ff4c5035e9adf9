/* zlib behind the interface, stored blocks, and the choice of the backend. */
#include "backup/archive/deflate.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>

#ifdef ELEXGATE_ISAL
extern const struct deflate_backend deflate_isal_backend;
extern const struct inflate_backend deflate_isal_inflate;
#endif

static void *zlib_make(int level)
{
    z_stream *z = xcalloc(1, sizeof *z);
    CHECK(deflateInit2(z, level, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    return z;
}

static void zlib_drop(void *state)
{
    deflateEnd(state);
    free(state);
}

/* zlib's pointers are not const for the sake of old callers; it does not write through next_in. */
static Bytef *readable(const uint8_t *p)
{
    union {
        const uint8_t *in;
        Bytef *out;
    } u = {.in = p};
    return u.out;
}

static size_t zlib_block(void *state, const uint8_t *in, size_t n, uint8_t *out, size_t cap)
{
    z_stream *z = state;
    CHECK(deflateReset(z) == Z_OK);
    z->next_in = readable(in);
    z->avail_in = (uInt)n;
    z->next_out = out;
    z->avail_out = (uInt)cap;
    return deflate(z, Z_FINISH) == Z_STREAM_END ? cap - z->avail_out : 0;
}

static uint32_t zlib_crc(uint32_t crc, const uint8_t *data, size_t n)
{
    return (uint32_t)crc32_z(crc, data, n);
}

/* For writing, the fastest CRC there is; what checks uses zlib's own, as a second opinion. */
static uint32_t fast_crc(uint32_t crc, const uint8_t *data, size_t n)
{
#ifdef ELEXGATE_ISAL
    return deflate_isal_backend.crc(crc, data, n);
#else
    return zlib_crc(crc, data, n);
#endif
}

static void *zlib_inflate_make(void)
{
    z_stream *z = xcalloc(1, sizeof *z);
    CHECK(inflateInit2(z, -MAX_WBITS) == Z_OK);
    return z;
}

static void zlib_inflate_drop(void *state)
{
    inflateEnd(state);
    free(state);
}

static int zlib_inflate_block(
    void *state, const uint8_t *in, size_t n, uint8_t *out, size_t out_len)
{
    z_stream *z = state;
    uint8_t none;
    CHECK(inflateReset(z) == Z_OK);
    z->next_in = readable(in);
    z->avail_in = (uInt)n;
    z->next_out = out_len ? out : &none; /* zlib wants a pointer even for nothing */
    z->avail_out = (uInt)out_len;
    int r = inflate(z, Z_FINISH);
    return r == Z_STREAM_END && z->avail_in == 0 && z->avail_out == 0 ? 0 : -EBADMSG;
}

static const struct deflate_backend zlib_backend = {
    "zlib", 1, 9, 6, zlib_make, zlib_drop, zlib_block, fast_crc};
static const struct inflate_backend zlib_inflate = {
    "zlib", zlib_inflate_make, zlib_inflate_drop, zlib_inflate_block, zlib_crc};

const struct deflate_backend *deflate_fastest(void)
{
#ifdef ELEXGATE_ISAL
    return &deflate_isal_backend;
#else
    return &zlib_backend;
#endif
}

const struct deflate_backend *deflate_zlib(void)
{
    return &zlib_backend;
}

int deflate_level(const struct deflate_backend *b, int level)
{
    if (level == 0)
        return b->level_default;
    return level < b->level_min ? b->level_min : level > b->level_max ? b->level_max : level;
}

const struct inflate_backend *inflate_zlib(void)
{
    return &zlib_inflate;
}

const struct inflate_backend *inflate_fastest(void)
{
#ifdef ELEXGATE_ISAL
    return &deflate_isal_inflate;
#else
    return &zlib_inflate;
#endif
}

#define STORED_MAX 65535

size_t deflate_stored_size(size_t n)
{
    return n + 5 * (n / STORED_MAX + (n % STORED_MAX != 0 || n == 0));
}

size_t deflate_stored(const uint8_t *in, size_t n, uint8_t *out)
{
    uint8_t *p = out;
    do {
        size_t part = n < STORED_MAX ? n : STORED_MAX;
        *p++ = n == part; /* the last block's flag; type 00 */
        *p++ = (uint8_t)part;
        *p++ = (uint8_t)(part >> 8);
        *p++ = (uint8_t)~part;
        *p++ = (uint8_t)(~part >> 8);
        memcpy(p, in, part);
        p += part;
        in += part;
        n -= part;
    } while (n > 0);
    return (size_t)(p - out);
}
