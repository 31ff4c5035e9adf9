#include "backup/job/restore/sql_open.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <iconv.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "backup/archive/gzip_read.h"
#include "backup/archive/stream.h"
#include "common/exit_codes.h"

#define CHUNK  (256u * 1024u)
#define HEAD   1024u /* enough to know any of them */
#define TAR_AT 257
#define PIECE  4096u

struct opened {
    struct run *run;
    int in;
    const char *name;
    int (*put)(void *ctx, const char *data, size_t n, struct err *e);
    void *ctx;
    struct err why; /* of a source, behind libarchive */
    int failed;     /* its result */
    iconv_t utf16;  /* (iconv_t)-1: the text is none */
    bool begun;     /* the first bytes of the text have been looked at */
    char rest[4];   /* of a character in two pieces */
    size_t n_rest;
};

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
    const char *what, *what_de;
} others[] = {
    {"age-encryption.org/", 19, "is encrypted with age: decrypt it first, with `age --decrypt`",
        "ist mit age verschlüsselt: zuerst entschlüsseln, mit `age --decrypt`"},
    {"-----BEGIN AGE", 14, "is encrypted with age: decrypt it first, with `age --decrypt`",
        "ist mit age verschlüsselt: zuerst entschlüsseln, mit `age --decrypt`"},
    {"Rar!", 4, "is a RAR archive: unpack it first, then restore the .sql file in it",
        "ist ein RAR-Archiv: zuerst auspacken, dann die .sql-Datei darin zurückspielen"},
    {"7z\xbc\xaf\x27\x1c", 6, "is a 7z archive: unpack it first, then restore the .sql file in it",
        "ist ein 7z-Archiv: zuerst auspacken, dann die .sql-Datei darin zurückspielen"},
    {"PGDMP", 5, "is a dump of PostgreSQL, not of MariaDB or MySQL",
        "ist ein Dump von PostgreSQL, nicht von MariaDB oder MySQL"},
    {"SQLite format 3", 15, "is a database of SQLite, not SQL text of MariaDB or MySQL",
        "ist eine Datenbank von SQLite, nicht SQL-Text von MariaDB oder MySQL"},
    {"XBSTCK01", 8,
        "is a stream of mariadb-backup, not SQL text: unpack it with mbstream; it fits a server of the same series only",
        "ist ein Strom von mariadb-backup, nicht SQL-Text: mit mbstream auspacken; er passt nur zu einem Server derselben Reihe"},
};

static bool is_packed(const struct peek *p)
{
    for (size_t i = 0; i < sizeof packed / sizeof packed[0]; i++)
        if (begins(p, packed[i].magic, packed[i].n, packed[i].at))
            return true;
    return false;
}

static int refuse(const struct opened *o, const char *words, const char *german, struct err *e)
{
    err_set(e, EINVAL, "%s %s", o->name, words);
    run_error_de(o->run, "%s %s", o->name, german);
    return EXIT_REFUSED;
}

static int refuse_others(const struct opened *o, const struct peek *p, struct err *e)
{
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (begins(p, others[i].magic, others[i].n, 0))
            return refuse(o, others[i].what, others[i].what_de, e);
    return 0;
}

/* --- the text --- */

/* UTF-16 has a mark, or every other byte of its first letters is none. */
static const char *utf16_of(const unsigned char *d, size_t n)
{
    if (n < 4)
        return NULL;
    if (d[0] == 0xff && d[1] == 0xfe)
        return "UTF-16LE";
    if (d[0] == 0xfe && d[1] == 0xff)
        return "UTF-16BE";
    if (d[0] && !d[1] && d[2] && !d[3])
        return "UTF-16LE";
    return !d[0] && d[1] && !d[2] && d[3] ? "UTF-16BE" : NULL;
}

static int begin_text(struct opened *o, const char *data, size_t n, struct err *e)
{
    const char *form = utf16_of((const unsigned char *)data, n);
    o->begun = true;
    if (!form)
        return 0;
    run_note(
        "the text is %s, as PowerShell's > writes it, which can damage umlauts: look at them afterwards; `mariadb-dump --result-file=FILE` does without",
        form);
    o->utf16 = iconv_open("UTF-8", form);
    return o->utf16 == (iconv_t)-1 ? err_sys(e, errno, "cannot convert from %s", form) : 0;
}

static int put_utf16(struct opened *o, const char *data, size_t n, struct err *e)
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
        if (!whole && (errno != EINVAL || left >= sizeof o->rest)) {
            err_set(e, EINVAL, "%s is no UTF-16 text", o->name);
            return EXIT_INCONSISTENT;
        }
        o->n_rest = left;
        memcpy(o->rest, from, left);
        const char *text = out;
        size_t len = sizeof out - room;
        if (len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) { /* its mark */
            text += 3;
            len -= 3;
        }
        int code = o->put(o->ctx, text, len, e);
        if (code != 0 || take == 0)
            return code;
    }
    return 0;
}

static int put_text(struct opened *o, const char *data, size_t n, struct err *e)
{
    int code = o->begun ? 0 : begin_text(o, data, n, e);
    if (code != 0)
        return code;
    off_t at = lseek(o->in, 0, SEEK_CUR);
    if (at > 0)
        run_progress(o->run, (uint64_t)at, 0, 0, NULL);
    code = o->utf16 != (iconv_t)-1 ? put_utf16(o, data, n, e) : o->put(o->ctx, data, n, e);
    return code == 0 && !run_go_on(o->run) ? run_pack_result(PACK_STOPPED, e) : code;
}

static int end_text(struct opened *o, struct err *e)
{
    if (o->n_rest == 0)
        return 0;
    err_set(e, EINVAL, "%s is cut off in the middle of a character", o->name);
    return EXIT_INCONSISTENT;
}

static int damaged(const struct opened *o, const char *why, struct err *e)
{
    err_set(e, EBADMSG, "%s is damaged or cut off: %s", o->name, why);
    run_error_de(o->run, "%s ist beschädigt oder abgeschnitten", o->name);
    return EXIT_INCONSISTENT;
}

static int read_plain(struct opened *o, struct peek *p, struct err *e)
{
    _cleanup_free_ char *buf = xmalloc(CHUNK);
    ssize_t n;
    int code = 0;
    while (code == 0 && (n = p->base.read(&p->base, buf, CHUNK, e)) != 0) {
        if (n == -EBADMSG) {
            struct err why = *e;
            return damaged(o, why.text, e);
        }
        code = n < 0 ? (int)n : put_text(o, buf, (size_t)n, e);
    }
    return code;
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
        archive_set_error(a, EIO, "the source cannot be read");
    }
    return n;
}

static bool is_sql(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    size_t n = strlen(base);
    return n > 4 && base[0] != '.' && strcasecmp(base + n - 4, ".sql") == 0;
}

static int read_member(struct opened *o, struct archive *a, struct err *e)
{
    _cleanup_free_ char *buf = xmalloc(CHUNK);
    la_ssize_t n;
    int code = 0;
    while (code == 0 && (n = archive_read_data(a, buf, CHUNK)) != 0) {
        if (n < 0)
            return damaged(o, archive_error_string(a), e);
        code = put_text(o, buf, (size_t)n, e);
    }
    return code;
}

/* One SQL file there must be; what else lies beside it (a README) does not matter. */
static int read_members(struct opened *o, struct archive *a, struct err *e)
{
    struct archive_entry *ae;
    size_t found = 0;
    int x, code = 0;
    while (code == 0 && (x = archive_read_next_header(a, &ae)) != ARCHIVE_EOF) {
        if (x != ARCHIVE_OK && x != ARCHIVE_WARN)
            return damaged(o, archive_error_string(a), e);
        bool raw = archive_format(a) == ARCHIVE_FORMAT_RAW;
        const char *path = archive_entry_pathname_utf8(ae);
        if (!raw && (archive_entry_filetype(ae) != AE_IFREG || !path || !is_sql(path)))
            continue;
        if (archive_entry_is_encrypted(ae) > 0)
            return refuse(o, "is protected with a password: unpack it first",
                "ist mit einem Passwort geschützt: zuerst auspacken", e);
        if (found++ > 0)
            return refuse(o, "holds more than one SQL file: unpack it, then restore the right one",
                "enthält mehr als eine SQL-Datei: auspacken, dann die richtige zurückspielen", e);
        code = read_member(o, a, e);
    }
    if (code == 0 && found == 0)
        return refuse(o, "holds no SQL file (.sql)", "enthält keine SQL-Datei (.sql)", e);
    return code;
}

static int read_packed(struct opened *o, struct peek *p, struct err *e)
{
    struct archive *a = archive_read_new();
    struct feed *f = xcalloc(1, sizeof *f);
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
    int code = 0;
    if (x != ARCHIVE_OK || archive_read_open(a, f, NULL, feed_read, NULL) != ARCHIVE_OK)
        code = damaged(o, archive_error_string(a) ? archive_error_string(a) : "unknown", e);
    if (code == 0)
        code = read_members(o, a, e);
    if (o->failed) {
        *e = o->why;
        code = o->failed == -EBADMSG ? damaged(o, o->why.text, e) : o->failed;
    }
    archive_read_free(a);
    free(f);
    return code;
}

static int read_layer(struct opened *o, struct peek *p, struct err *e)
{
    int code = peek_fill(p, e);
    if (code == -EBADMSG) {
        struct err why = *e;
        return damaged(o, why.text, e);
    }
    if (code == 0)
        code = refuse_others(o, p, e);
    if (code != 0)
        return code;
    return is_packed(p) ? read_packed(o, p, e) : read_plain(o, p, e);
}

int sql_open_read(struct run *r, int in, const char *name,
    int (*put)(void *ctx, const char *data, size_t n, struct err *e), void *ctx, struct err *e)
{
    struct opened o = {
        .run = r, .in = in, .name = name, .put = put, .ctx = ctx, .utf16 = (iconv_t)-1};
    struct peek file = {.inner = source_file(in, name)}, inside = {0};
    file.base.read = peek_read;
    int code = peek_fill(&file, e);
    bool gzip = begins(&file, "\x1f\x8b", 2, 0);
    if (code == 0 && gzip) {
        inside.gzip = gzip_read_open(&file.base, inflate_fastest(), 0);
        code = read_layer(&o, &inside, e);
        gzip_read_drop(inside.gzip);
    } else if (code == 0) {
        code = read_layer(&o, &file, e);
    }
    if (code == 0)
        code = end_text(&o, e);
    if (o.utf16 != (iconv_t)-1)
        iconv_close(o.utf16);
    file.inner->drop(file.inner);
    return code;
}
