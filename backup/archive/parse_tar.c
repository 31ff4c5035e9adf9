/* A tar: our gzip reader below libarchive's tar reader. */
#include <archive.h>
#include <errno.h>
#include <inttypes.h>

#include "backup/archive/parse_internal.h"
#include "backup/archive/parse_member.h"
#include "common/lang.h"
#include "common/utf8.h"

#define TAR_END 1024 /* zeros at the end of a tar */

struct tar {
    struct parse_out *out;
    struct gzip_reader *gzip;
    struct archive *a;
    int read_result; /* what the gzip layer said inside libarchive's callback */
    struct err read_error;
    uint64_t bytes, zeros_at_end;
    bool at_end;
    struct buffer member;
};

static la_ssize_t tar_read(struct archive *a, void *ctx, const void **data)
{
    struct tar *t = ctx;
    const uint8_t *bytes = NULL;
    size_t len = 0;
    /* An empty gzip member is no end: libarchive would take it for one. */
    while (t->read_result == 0 && len == 0)
        t->read_result = gzip_read_next(t->gzip, &bytes, &len, &t->read_error);
    if (t->read_result == GZIP_READ_END) {
        t->at_end = true;
        t->read_result = 0;
        return 0;
    }
    if (t->read_result != 0 || parse_out_closed(t->out)) {
        archive_set_error(a, EIO, "not read");
        return -1;
    }
    t->bytes += len;
    /* A tar must end with zeros: how many were there at the end of what was read so far. */
    size_t n = 0;
    while (n < len && n < TAR_END && bytes[len - 1 - n] == 0)
        n++;
    t->zeros_at_end = n == len ? t->zeros_at_end + n : n;
    *data = bytes;
    return (la_ssize_t)len;
}

/* What the layers below said inside libarchive. where: the member, or NULL. */
static int reading_failed(struct tar *t, const char *where)
{
    const char *in = where ? ", in " : "", *member = UTF8_SHORT(where ? where : "", 150);
    const char *why = archive_error_string(t->a);
    if (t->read_result != 0 && where)
        parse_put_damage(t->out, "%s (in %s)", err_words(&t->read_error), member);
    else if (t->read_result != 0)
        parse_put_damage(t->out, "%s", err_words(&t->read_error));
    else if (t->at_end)
        parse_put_damage(t->out, "the archive was cut: its content ends at byte %" PRIu64 "%s%s",
            t->bytes, in, member);
    else
        parse_put_damage(t->out, "the tar inside is broken behind byte %" PRIu64 "%s%s: %s",
            t->bytes, in, member, UTF8_SHORT(why ? why : "unknown", 150));
    return -1;
}

static int put_content(struct tar *t, struct archive_entry *ae)
{
    const void *data;
    size_t n;
    la_int64_t at;
    int x;
    while ((x = archive_read_data_block(t->a, &data, &n, &at)) == ARCHIVE_OK || x == ARCHIVE_WARN) {
        if (parse_out_closed(t->out))
            return -1;
        if (n > 0)
            parse_put(t->out, PARSE_DATA, (uint64_t)at, data, n);
    }
    if (x != ARCHIVE_EOF)
        return reading_failed(t, archive_entry_pathname(ae));
    parse_put(t->out, PARSE_DONE, 0, NULL, 0);
    return 0;
}

/* 1: that was all of them. */
static int next_member(struct tar *t)
{
    struct archive_entry *ae;
    int x = archive_read_next_header(t->a, &ae);
    if (x == ARCHIVE_EOF)
        return 1;
    if (x != ARCHIVE_OK && x != ARCHIVE_WARN)
        return reading_failed(t, NULL);
    buffer_consume(&t->member, buffer_len(&t->member));
    if (!parse_member_put(&t->member, ae)) {
        parse_put_damage(t->out,
            archive_entry_pathname(ae)
                ? N_("a member with too long a name or too many attributes at byte %" PRIu64)
                : N_("a member without a name at byte %" PRIu64),
            t->bytes);
        return -1;
    }
    parse_put(t->out, PARSE_MEMBER, 0, buffer_ptr(&t->member), buffer_len(&t->member));
    bool file = archive_entry_filetype(ae) == AE_IFREG && !archive_entry_hardlink(ae);
    return file ? put_content(t, ae) : parse_out_closed(t->out) ? -1 : 0;
}

/* Behind the tar's end: only zeros, and the gzip must be whole to its last byte. */
static int drain(struct tar *t)
{
    while (!t->at_end) {
        const uint8_t *data;
        size_t len;
        t->read_result = gzip_read_next(t->gzip, &data, &len, &t->read_error);
        if (t->read_result == GZIP_READ_END)
            break;
        if (t->read_result != 0)
            return reading_failed(t, NULL);
        t->bytes += len;
        for (size_t i = 0; i < len; i++)
            if (data[i] != 0) {
                parse_put_damage(t->out, "something follows the end of the tar at byte %" PRIu64,
                    t->bytes - len + i);
                return -1;
            }
        t->zeros_at_end += len;
        parse_put(t->out, PARSE_DATA, 0, NULL, 0);
        if (parse_out_closed(t->out))
            return -1;
    }
    if (t->zeros_at_end >= TAR_END)
        return 0;
    parse_put_damage(t->out,
        "the end of the tar is missing: the archive was cut at byte %" PRIu64 " of its content",
        t->bytes);
    return -1;
}

void parse_tar(struct gzip_reader *gzip, struct parse_out *out)
{
    struct tar t = {.out = out, .gzip = gzip, .a = archive_read_new()};
    CHECK(t.a);
    CHECK(archive_read_support_format_tar(t.a) == ARCHIVE_OK);
    CHECK(archive_read_support_format_empty(t.a) == ARCHIVE_OK);
    buffer_init(&t.member, PARSE_FRAME_MAX);
    int r = 0;
    if (archive_read_open(t.a, &t, NULL, tar_read, NULL) != ARCHIVE_OK)
        r = reading_failed(&t, NULL);
    while (r == 0)
        r = next_member(&t);
    if (r == 1)
        r = drain(&t);
    if (r == 0)
        parse_put(out, PARSE_END, t.bytes, NULL, 0);
    buffer_free(&t.member);
    archive_read_free(t.a);
}
