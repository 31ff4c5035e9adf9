/* SQL text in whatever people keep it in: plain, gzip, what libarchive decompresses, the one .sql
 * file in a tar or zip, UTF-16. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <iconv.h>
#include <string.h>
#include <strings.h>
#include "backup/archive/parse_internal.h"
#include "common/lang.h"

#define CHUNK  (256u * 1024u)
#define HEAD   1024u /* enough to know any of them */
#define TAR_AT 257
#define PIECE  4096u

struct parse_tables {
    iconv_t forms[PARSE_NOTES];
};

struct opened {
    struct parse_out *out;
    struct parse_tables *tables;
    struct err why; /* of a source, behind libarchive */
    int failed;     /* its result */
    iconv_t utf16;  /* (iconv_t)-1: the text is none */
    bool begun;     /* the first bytes of the text have been looked at */
    bool marked;    /* behind the place of a mark: U+FEFF is a letter from here on */
    char rest[4];   /* of a character in two pieces */
    size_t n_rest;
    uint64_t bytes;
};

struct parse_tables *parse_sql_tables(void)
{
    static struct parse_tables t;
    t.forms[PARSE_UTF16LE] = iconv_open("UTF-8", "UTF-16LE");
    t.forms[PARSE_UTF16BE] = iconv_open("UTF-8", "UTF-16BE");
    return &t;
}

/* --- a source whose beginning can be looked at --- */

struct peek {
    struct source base;
    struct source *inner; /* a file, or NULL */
    struct gzip_reader *gzip;
    const uint8_t *data; /* of gzip: not yet taken */
    size_t len;
    char head[HEAD];
    size_t have, taken;
};

static ssize_t read_gzip(struct peek *p, void *buf, size_t len, struct err *e)
{
    if (p->len == 0) {
        int code = gzip_read_next(p->gzip, &p->data, &p->len, e);
        if (code == GZIP_READ_END)
            return 0;
        if (code != 0)
            return code == GZIP_READ_DAMAGED ? -EBADMSG : code;
    }
    size_t n = len < p->len ? len : p->len;
    memcpy(buf, p->data, n);
    p->data += n;
    p->len -= n;
    return (ssize_t)n;
}

static ssize_t read_through(struct peek *p, void *buf, size_t len, struct err *e)
{
    return p->gzip ? read_gzip(p, buf, len, e) : p->inner->read(p->inner, buf, len, e);
}

static ssize_t peek_read(struct source *s, void *buf, size_t len, struct err *e)
{
    struct peek *p = (struct peek *)s;
    if (p->taken == p->have)
        return read_through(p, buf, len, e);
    size_t n = len < p->have - p->taken ? len : p->have - p->taken;
    memcpy(buf, p->head + p->taken, n);
    p->taken += n;
    return (ssize_t)n;
}

static int peek_fill(struct peek *p, struct err *e)
{
    p->base.read = peek_read;
    while (p->have < sizeof p->head) {
        ssize_t n = read_through(p, p->head + p->have, sizeof p->head - p->have, e);
        if (n <= 0)
            return (int)n;
        p->have += (size_t)n;
    }
    return 0;
}

static bool begins(const struct peek *p, const char *magic, size_t n, size_t at)
{
    return p->have >= at + n && memcmp(p->head + at, magic, n) == 0;
}

/* --- what it is --- */

static const struct {
    const char *magic;
    size_t n, at;
} packed[] = {{"\x28\xb5\x2f\xfd", 4, 0}, {"BZh", 3, 0},
    {"\xfd"
     "7zXZ\0",
        6, 0},
    {"\x04\x22\x4d\x18", 4, 0}, {"LZIP", 4, 0}, {"\x1f\x9d", 2, 0}, {"PK\3\4", 4, 0},
    {"ustar", 5, TAR_AT}};

static const struct {
    const char *magic;
    size_t n;
    enum parse_refusal is;
} others[] = {
    {"age-encryption.org/", 19, PARSE_IS_AGE},
    {"-----BEGIN AGE", 14, PARSE_IS_AGE},
    {"Rar!", 4, PARSE_IS_RAR},
    {"7z\xbc\xaf\x27\x1c", 6, PARSE_IS_7Z},
    {"PGDMP", 5, PARSE_IS_POSTGRES},
    {"SQLite format 3", 15, PARSE_IS_SQLITE},
    {"XBSTCK01", 8, PARSE_IS_XBSTREAM},
};

static bool is_packed(const struct peek *p)
{
    for (size_t i = 0; i < sizeof packed / sizeof packed[0]; i++)
        if (begins(p, packed[i].magic, packed[i].n, packed[i].at))
            return true;
    return false;
}

/* What ends it, -1 each: the last frame is on its way. */
static int refuse(struct opened *o, enum parse_refusal is)
{
    parse_put(o->out, PARSE_REFUSED, is, NULL, 0);
    return -1;
}

static int damaged(struct opened *o, const char *why)
{
    parse_put_damage(o->out, "%s", why ? why : "unknown");
    return -1;
}

static int refuse_others(struct opened *o, const struct peek *p)
{
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (begins(p, others[i].magic, others[i].n, 0))
            return refuse(o, others[i].is);
    return 0;
}

/* --- the text --- */

static int put(struct opened *o, const char *data, size_t n)
{
    if (n > 0)
        parse_put(o->out, PARSE_DATA, o->bytes, data, n);
    o->bytes += n;
    return parse_out_closed(o->out) ? -1 : 0;
}

/* UTF-16 has a mark, or every other byte of its first letters is none. */
static enum parse_note utf16_of(const unsigned char *d, size_t n)
{
    if (n < 4)
        return PARSE_NOTES;
    if (d[0] == 0xff && d[1] == 0xfe)
        return PARSE_UTF16LE;
    if (d[0] == 0xfe && d[1] == 0xff)
        return PARSE_UTF16BE;
    if (d[0] && !d[1] && d[2] && !d[3])
        return PARSE_UTF16LE;
    return !d[0] && d[1] && !d[2] && d[3] ? PARSE_UTF16BE : PARSE_NOTES;
}

static int begin_text(struct opened *o, const char *data, size_t n)
{
    enum parse_note form = utf16_of((const unsigned char *)data, n);
    o->begun = true;
    if (form == PARSE_NOTES)
        return 0;
    parse_put(o->out, PARSE_NOTE, form, NULL, 0);
    o->utf16 = o->tables->forms[form];
    return o->utf16 == (iconv_t)-1 ? damaged(o, N_("it cannot be converted from UTF-16 here")) : 0;
}

static int put_utf16(struct opened *o, const char *data, size_t n)
{
    char in[PIECE + 4], out[PIECE * 2];
    while (n > 0 || o->n_rest >= 2) {
        size_t take = n < PIECE ? n : PIECE;
        memcpy(in, o->rest, o->n_rest);
        memcpy(in + o->n_rest, data, take);
        char *from = in, *to = out;
        size_t left = o->n_rest + take, room = sizeof out;
        data += take;
        n -= take;
        bool whole = iconv(o->utf16, &from, &left, &to, &room) != (size_t)-1;
        if (!whole && (errno != EINVAL || left >= sizeof o->rest))
            return damaged(o, N_("it is no UTF-16 text"));
        o->n_rest = left;
        memcpy(o->rest, from, left);
        const char *text = out;
        size_t len = sizeof out - room;
        if (!o->marked && len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
            text += 3;
            len -= 3;
        }
        o->marked = o->marked || sizeof out > room;
        int code = put(o, text, len);
        if (code != 0 || take == 0)
            return code;
    }
    return 0;
}

static int put_text(struct opened *o, const char *data, size_t n)
{
    int code = o->begun ? 0 : begin_text(o, data, n);
    if (code != 0)
        return code;
    return o->utf16 != (iconv_t)-1 ? put_utf16(o, data, n) : put(o, data, n);
}

static int read_plain(struct opened *o, struct peek *p)
{
    char *buf = xmalloc(CHUNK);
    ssize_t n = 0;
    int code = 0;
    while (code == 0 && (n = p->base.read(&p->base, buf, CHUNK, &o->why)) > 0)
        code = put_text(o, buf, (size_t)n);
    free(buf);
    return code == 0 && n < 0 ? damaged(o, err_words(&o->why)) : code;
}

/* --- through libarchive --- */

struct feed {
    struct opened *o;
    struct peek *p;
    char buf[CHUNK];
};

static la_ssize_t feed_read(struct archive *a, void *ctx, const void **data)
{
    struct feed *f = ctx;
    ssize_t n = f->p->base.read(&f->p->base, f->buf, sizeof f->buf, &f->o->why);
    *data = f->buf;
    if (n < 0) {
        f->o->failed = (int)n;
        archive_set_error(a, EIO, N_("the source cannot be read"));
    }
    return n;
}

static int broken_archive(struct opened *o, struct archive *a)
{
    return damaged(o, o->failed ? err_words(&o->why) : archive_error_string(a));
}

static bool is_sql(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    size_t n = strlen(base);
    return n > 4 && base[0] != '.' && strcasecmp(base + n - 4, ".sql") == 0;
}

static int read_member(struct opened *o, struct archive *a)
{
    char *buf = xmalloc(CHUNK);
    la_ssize_t n = 0;
    int code = 0;
    while (code == 0 && (n = archive_read_data(a, buf, CHUNK)) > 0)
        code = put_text(o, buf, (size_t)n);
    free(buf);
    return code == 0 && n < 0 ? broken_archive(o, a) : code;
}

/* One SQL file there must be; what else lies beside it (a README) does not matter. */
static int read_members(struct opened *o, struct archive *a)
{
    struct archive_entry *ae;
    size_t found = 0;
    int x, code = 0;
    while (code == 0 && (x = archive_read_next_header(a, &ae)) != ARCHIVE_EOF) {
        if (x != ARCHIVE_OK && x != ARCHIVE_WARN)
            return broken_archive(o, a);
        bool raw = archive_format(a) == ARCHIVE_FORMAT_RAW;
        const char *path = archive_entry_pathname_utf8(ae);
        if (!raw && (archive_entry_filetype(ae) != AE_IFREG || !path || !is_sql(path)))
            continue;
        if (archive_entry_is_encrypted(ae) > 0)
            return refuse(o, PARSE_HAS_PASSWORD);
        if (found++ > 0)
            return refuse(o, PARSE_HAS_SEVERAL);
        code = read_member(o, a);
    }
    return code == 0 && found == 0 ? refuse(o, PARSE_HAS_NONE) : code;
}

static int read_packed(struct opened *o, struct peek *p)
{
    struct archive *a = archive_read_new();
    _cleanup_free_ struct feed *f = xcalloc(1, sizeof *f);
    *f = (struct feed){.o = o, .p = p};
    int x = archive_read_support_format_tar(a);
    if (x == ARCHIVE_OK)
        x = archive_read_support_format_zip_streamable(a);
    if (x == ARCHIVE_OK)
        x = archive_read_support_format_raw(a);
    (void)archive_read_support_filter_bzip2(a); /* those that this libarchive has */
    (void)archive_read_support_filter_xz(a);
    (void)archive_read_support_filter_zstd(a);
    (void)archive_read_support_filter_lz4(a);
    (void)archive_read_support_filter_lzip(a);
    (void)archive_read_support_filter_compress(a);
    bool open = x == ARCHIVE_OK && archive_read_open(a, f, NULL, feed_read, NULL) == ARCHIVE_OK;
    int code = open ? read_members(o, a) : broken_archive(o, a);
    archive_read_free(a);
    return code;
}

static int read_layer(struct opened *o, struct peek *p)
{
    int code = peek_fill(p, &o->why) < 0 ? damaged(o, err_words(&o->why)) : refuse_others(o, p);
    if (code != 0)
        return code;
    return is_packed(p) ? read_packed(o, p) : read_plain(o, p);
}

void parse_sql(struct source *in, struct parse_tables *t, unsigned threads, struct parse_out *out)
{
    struct opened o = {.out = out, .tables = t, .utf16 = (iconv_t)-1};
    struct peek file = {.inner = in}, inside = {0};
    file.base.read = peek_read;
    int code = peek_fill(&file, &o.why) < 0 ? damaged(&o, err_words(&o.why)) : 0;
    if (code == 0 && begins(&file, "\x1f\x8b", 2, 0)) {
        inside.gzip = gzip_read_open(&file.base, inflate_fastest(), threads);
        code = read_layer(&o, &inside);
        gzip_read_drop(inside.gzip);
    } else if (code == 0) {
        code = read_layer(&o, &file);
    }
    if (code == 0 && o.n_rest > 0)
        code = damaged(&o, N_("it ends in the middle of a character"));
    if (code == 0)
        parse_put(out, PARSE_END, o.bytes, NULL, 0);
    for (size_t i = 0; i < PARSE_NOTES; i++)
        if (t->forms[i] != (iconv_t)-1)
            iconv_close(t->forms[i]);
}
