/* The half that meets the bytes. */
#include <errno.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "backup/archive/parse_internal.h"
#include "common/file.h"
#include "common/reckoner.h"

#define WAITING (64u * 1024u) /* small frames go together */

struct parse_out {
    int fd;
    bool closed;
    size_t n;
    uint8_t waiting[WAITING];
};

/* --- frames --- */

static void write_out(struct parse_out *o, const void *data, size_t n)
{
    if (!o->closed && n > 0)
        o->closed = fd_write_all(o->fd, data, n, NULL) < 0;
}

static void flush(struct parse_out *o)
{
    write_out(o, o->waiting, o->n);
    o->n = 0;
}

static void add(struct parse_out *o, const void *data, size_t n)
{
    if (n > sizeof o->waiting - o->n)
        flush(o);
    if (n > sizeof o->waiting) {
        write_out(o, data, n);
        return;
    }
    if (n > 0)
        memcpy(o->waiting + o->n, data, n);
    o->n += n;
}

void parse_put(struct parse_out *o, enum parse_kind kind, uint64_t at, const void *data, size_t n)
{
    bool now = n == 0 && kind != PARSE_DONE; /* a sign of life, or the end */
    do {
        size_t part = n < PARSE_FRAME_MAX ? n : PARSE_FRAME_MAX;
        struct parse_head head = {(uint32_t)kind, (uint32_t)part, at};
        add(o, &head, sizeof head);
        add(o, data, part);
        if (part > 0)
            data = (const uint8_t *)data + part;
        n -= part;
        at += part;
    } while (n > 0);
    if (now || kind == PARSE_DAMAGED)
        flush(o);
}

void parse_put_damage(struct parse_out *o, const char *fmt, ...)
{
    struct err e = {0};
    va_list ap;
    va_start(ap, fmt);
    (void)err_set_v(&e, EBADMSG, fmt, ap);
    va_end(ap);
    parse_put(o, PARSE_DAMAGED, 0, err_words(&e), strlen(err_words(&e)));
}

bool parse_out_closed(const struct parse_out *o)
{
    return o->closed;
}

/* --- what it reads --- */

struct pipe_source {
    struct source base;
    int fd;
};

static ssize_t pipe_read(struct source *s, void *buf, size_t len, struct err *e)
{
    ssize_t n;
    do
        n = read(((struct pipe_source *)s)->fd, buf, len);
    while (n < 0 && errno == EINTR);
    return n < 0 ? err_sys(e, errno, "cannot read") : n;
}

static void put_inflated(struct gzip_reader *gzip, struct parse_out *out)
{
    const uint8_t *data = NULL;
    size_t n = 0;
    uint64_t bytes = 0;
    struct err e = {0};
    int r;
    while (!out->closed && (r = gzip_read_next(gzip, &data, &n, &e)) == 0) {
        parse_put(out, PARSE_DATA, bytes, data, n);
        bytes += n;
    }
    if (out->closed)
        return;
    if (r == GZIP_READ_END)
        parse_put(out, PARSE_END, bytes, NULL, 0);
    else
        parse_put_damage(out, "%s", err_words(&e));
}

int parse_between(int in, int out, const char *const *words, int (*shut)(bool threads))
{
    unsigned threads = (unsigned)strtoul(words[2], NULL, 10);
    const struct inflate_backend *backend = strcmp(words[1], "zlib") == 0 ? inflate_zlib()
                                                                          : inflate_fastest();
    struct pipe_source source = {.base.read = pipe_read, .fd = in};
    bool sql = strcmp(words[0], "sql") == 0;
    /* Names are bytes: with any other locale libarchive would refuse or bend them. */
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    locale_t old = uselocale(utf8 ? utf8 : LC_GLOBAL_LOCALE);
    struct parse_tables *tables = sql ? parse_sql_tables() : NULL;
    if (shut(true) < 0)
        return 2;
    struct parse_out *o = xcalloc(1, sizeof *o);
    o->fd = out;
    struct gzip_reader *gzip = sql ? NULL : gzip_read_open(&source.base, backend, threads);
    if (sql)
        parse_sql(&source.base, tables, threads, o);
    else if (strcmp(words[0], "tar") == 0)
        parse_tar(gzip, o);
    else
        put_inflated(gzip, o);
    flush(o);
    gzip_read_drop(gzip);
    free(o);
    uselocale(old);
    if (utf8)
        freelocale(utf8);
    return 0;
}

int parse_child(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    const char *words[] = {argv[1], argv[2], argv[3]};
    return parse_between(0, 1, words, reckoner_shut);
}
