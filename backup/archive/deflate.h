/*
 * Deflate and inflate, one block at a time, behind one interface: ISA-L where it is built in, zlib
 * always. A block is one whole raw deflate stream (RFC 1951). A state belongs to one thread.
 */
#ifndef ELEXGATE_BACKUP_ARCHIVE_DEFLATE_H
#define ELEXGATE_BACKUP_ARCHIVE_DEFLATE_H

#include <stddef.h>
#include <stdint.h>
#include "common/error.h"

struct deflate_backend {
    const char *name;
    int level_min, level_max, level_default;
    void *(*make)(int level);
    void (*drop)(void *state);
    /* How much was written to out; 0 = it did not fit into cap. */
    size_t (*block)(void *state, const uint8_t *in, size_t n, uint8_t *out, size_t cap);
    uint32_t (*crc)(uint32_t crc, const uint8_t *data, size_t n); /* gzip's CRC-32, from 0 */
};
struct inflate_backend {
    const char *name;
    void *(*make)(void);
    void (*drop)(void *state);
    /* 0 if `in` is exactly one deflate stream of exactly out_len bytes; else -EBADMSG. */
    int (*block)(void *state, const uint8_t *in, size_t n, uint8_t *out, size_t out_len);
    uint32_t (*crc)(uint32_t crc, const uint8_t *data, size_t n);
};

const struct deflate_backend *deflate_fastest(void);
const struct deflate_backend *deflate_zlib(void);
/* level 0 becomes the default, others are cut to the backend's range. */
int deflate_level(const struct deflate_backend *b, int level);
const struct inflate_backend *inflate_fastest(void);
const struct inflate_backend *inflate_zlib(void);

/* Stored blocks (no compression): always this long, whatever the content. */
size_t deflate_stored_size(size_t n);
size_t deflate_stored(const uint8_t *in, size_t n, uint8_t *out);

#endif
