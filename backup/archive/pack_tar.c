/* The members of the tar, through libarchive onto our gzip. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backup/archive/pack_internal.h"
#include "common/hex.h"

void pack_tar_init(struct pack_tar *t, struct gzip_writer *gzip, struct sink *list)
{
    *t = (struct pack_tar){.gzip = gzip, .list = list, .hash = EVP_MD_CTX_new()};
    CHECK(t->hash);
    t->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

static la_ssize_t tar_write(struct archive *a, void *ctx, const void *data, size_t len)
{
    struct pack_tar *t = ctx;
    if (t->given_up)
        return (la_ssize_t)len;
    t->result = gzip_write_data(t->gzip, data, len, &t->error);
    if (t->result == 0)
        return (la_ssize_t)len;
    archive_set_error(a, EIO, "not written");
    return -1;
}

/* Turns a result of libarchive into ours. */
static int check(struct pack_tar *t, int result, struct err *e)
{
    if (t->result < 0 && e)
        *e = t->error;
    if (t->result != 0)
        return t->result == GZIP_STOPPED ? PACK_STOPPED : t->result;
    /* A warning is about a name that is no UTF-8: stored byte for byte, as it should be. */
    if (result == ARCHIVE_OK || result == ARCHIVE_WARN)
        return 0;
    const char *why = archive_error_string(t->archive);
    return err_set(e, EIO, "tar: %s: %s", t->member ? t->member->path : "", why ? why : "failed");
}

static int open_tar(struct pack_tar *t, struct err *e)
{
    if (t->archive)
        return 0;
    t->archive = archive_write_new();
    CHECK(t->archive);
    CHECK(archive_write_set_format_pax_restricted(t->archive) == ARCHIVE_OK);
    CHECK(archive_write_set_bytes_per_block(t->archive, 0) == ARCHIVE_OK);
    return check(t, archive_write_open(t->archive, t, NULL, tar_write, NULL), e);
}

int pack_tar_begin(
    struct pack_tar *t, struct archive_entry *ae, struct manifest_entry *en, struct err *e)
{
    t->member = en;
    en->size = 0;
    CHECK(EVP_DigestInit_ex(t->hash, EVP_sha256(), NULL));
    if (!ae) {
        CHECK(!t->archive && !t->streamed);
        t->streamed = true;
        return gzip_write_reserve(t->gzip, PACK_HEADER, e);
    }
    int r = open_tar(t, e);
    if (r != 0)
        return r;
    locale_t old = uselocale(t->utf8 ? t->utf8 : LC_GLOBAL_LOCALE);
    int x = archive_write_header(t->archive, ae);
    uselocale(old);
    return check(t, x, e);
}

int pack_tar_data(struct pack_tar *t, const void *data, size_t n, struct err *e)
{
    CHECK(EVP_DigestUpdate(t->hash, data, n));
    t->member->size += n;
    if (!t->archive)
        return gzip_write_data(t->gzip, data, n, e);
    la_ssize_t w = archive_write_data(t->archive, data, n);
    int r = check(t, w < 0 ? (int)w : ARCHIVE_OK, e);
    if (r == 0 && (size_t)w != n)
        r = err_set(e, EIO, "tar: %s: %zu bytes of %zu written", t->member->path, (size_t)w, n);
    return r;
}

static void octal(char *field, size_t size, uint64_t v)
{
    snprintf(field, size, "%0*" PRIo64, (int)size - 1, v & ((UINT64_C(1) << 3 * (size - 1)) - 1));
}

/* A ustar header by hand, since its size is known only after the content. Above 8 GiB the size is
 * in base 256, which GNU tar, bsdtar, busybox and Python all read. */
static void ustar_header(uint8_t h[PACK_HEADER], const struct manifest_entry *en)
{
    unsigned sum = 0;
    char *c = (char *)h;
    memset(h, 0, PACK_HEADER);
    memcpy(c, en->path, strlen(en->path));
    octal(c + 100, 8, en->mode);
    octal(c + 108, 8, 0);
    octal(c + 116, 8, 0);
    if (en->size < UINT64_C(1) << 33) {
        octal(c + 124, 12, en->size);
    } else {
        h[124] = 0x80;
        for (int i = 0; i < 8; i++)
            h[135 - i] = (uint8_t)(en->size >> 8 * i);
    }
    octal(c + 136, 12, (uint64_t)en->mtime_ns / 1000000000);
    memset(c + 148, ' ', 8);
    c[156] = '0';
    memcpy(c + 257, "ustar\00000", 8);
    for (int i = 0; i < PACK_HEADER; i++)
        sum += h[i];
    snprintf(c + 148, 8, "%06o", sum);
}

int pack_tar_end(struct pack_tar *t, struct err *e)
{
    static const uint8_t zeros[PACK_HEADER];
    struct manifest_entry *en = t->member;
    uint8_t sum[32];
    int r = 0;
    CHECK(EVP_DigestFinal_ex(t->hash, sum, NULL));
    hex_text(sum, sizeof sum, en->sha256);
    if (t->archive) {
        r = check(t, archive_write_finish_entry(t->archive), e);
    } else {
        ustar_header(t->stream_header, en);
        if (en->size % PACK_HEADER != 0)
            r = gzip_write_data(t->gzip, zeros, PACK_HEADER - en->size % PACK_HEADER, e);
    }
    return r;
}

int pack_tar_list(struct pack_tar *t, const struct manifest_entry *en, struct err *e)
{
    _cleanup_free_ char *text = manifest_entry_text(en);
    if (en->type == ENTRY_FILE && !en->replaced) {
        t->files++;
        t->bytes += en->size;
    }
    int r = t->listed ? t->list->write(t->list, ",\n", 2, e) : 0;
    t->listed = true;
    t->member = NULL;
    return r == 0 ? t->list->write(t->list, text, strlen(text), e) : r;
}

int pack_tar_close(struct pack_tar *t, struct err *e)
{
    int r = open_tar(t, e);
    if (r == 0)
        r = check(t, archive_write_close(t->archive), e);
    if (r == 0)
        r = gzip_write_finish(t->gzip, t->streamed ? t->stream_header : NULL, e);
    if (r == 0 && t->listed)
        r = t->list->write(t->list, "\n", 1, e);
    return r == 0 ? t->list->finish(t->list, e) : r;
}

void pack_tar_drop(struct pack_tar *t)
{
    /* Freeing closes, which would write the end of the tar: not into what is given up. (Telling
     * libarchive to fail instead leaks its buffers.) */
    t->given_up = true;
    if (t->archive)
        archive_write_free(t->archive);
    gzip_write_drop(t->gzip);
    EVP_MD_CTX_free(t->hash);
    if (t->utf8)
        freelocale(t->utf8);
}
