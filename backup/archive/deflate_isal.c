/* ISA-L behind the interface of deflate.h: much faster, archives of nearly the same size. */
#include "backup/archive/deflate.h"

#include <errno.h>
#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#include <stdbool.h>

extern const struct deflate_backend deflate_isal_backend;
extern const struct inflate_backend deflate_isal_inflate;

struct isal_deflate_state {
    struct isal_zstream z;
    uint8_t *level_buf;
    uint32_t level, level_buf_size;
};

static void *isal_make(int level)
{
    static const uint32_t sizes[] = {
        0, ISAL_DEF_LVL1_DEFAULT, ISAL_DEF_LVL2_DEFAULT, ISAL_DEF_LVL3_DEFAULT};
    struct isal_deflate_state *s = xcalloc(1, sizeof *s);
    s->level = (uint32_t)level;
    s->level_buf_size = sizes[level];
    s->level_buf = xmalloc(s->level_buf_size);
    return s;
}

static void isal_drop(void *state)
{
    struct isal_deflate_state *s = state;
    free(s->level_buf);
    free(s);
}

static uint8_t *readable(const uint8_t *p)
{
    union {
        const uint8_t *in;
        uint8_t *out;
    } u = {.in = p};
    return u.out;
}

static size_t isal_block(void *state, const uint8_t *in, size_t n, uint8_t *out, size_t cap)
{
    struct isal_deflate_state *s = state;
    isal_deflate_init(&s->z);
    s->z.level = s->level;
    s->z.level_buf = s->level_buf;
    s->z.level_buf_size = s->level_buf_size;
    s->z.end_of_stream = 1;
    s->z.flush = NO_FLUSH;
    s->z.next_in = readable(in);
    s->z.avail_in = (uint32_t)n;
    s->z.next_out = out;
    s->z.avail_out = (uint32_t)cap;
    if (isal_deflate(&s->z) != COMP_OK || s->z.internal_state.state != ZSTATE_END)
        return 0;
    return cap - s->z.avail_out;
}

static uint32_t isal_crc(uint32_t crc, const uint8_t *data, size_t n)
{
    return crc32_gzip_refl(crc, data, n);
}

static void *isal_inflate_make(void)
{
    return xcalloc(1, sizeof(struct inflate_state));
}

static void isal_inflate_drop(void *state)
{
    free(state);
}

static int isal_inflate_block(
    void *state, const uint8_t *in, size_t n, uint8_t *out, size_t out_len)
{
    struct inflate_state *s = state;
    uint8_t none;
    isal_inflate_init(s);
    s->crc_flag = ISAL_DEFLATE;
    s->next_in = readable(in);
    s->avail_in = (uint32_t)n;
    s->next_out = out_len ? out : &none;
    s->avail_out = (uint32_t)out_len;
    int r = isal_inflate(s);
    /* read_in holds bits that were taken from the input but not used: whole bytes there mean that
     * something follows the stream. */
    bool all_read = s->avail_in == 0 && s->read_in_length < 8;
    return r == ISAL_DECOMP_OK && s->block_state == ISAL_BLOCK_FINISH && all_read &&
                   s->avail_out == 0
               ? 0
               : -EBADMSG;
}

const struct deflate_backend deflate_isal_backend = {
    "isal", 1, 3, 1, isal_make, isal_drop, isal_block, isal_crc};
const struct inflate_backend deflate_isal_inflate = {
    "isal", isal_inflate_make, isal_inflate_drop, isal_inflate_block, isal_crc};
