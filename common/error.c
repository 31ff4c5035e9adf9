#include "common/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Cutting a message in the middle of a UTF-8 sequence would make the log escape its tail. */
static void trim_partial_utf8(char *text, size_t len)
{
    size_t start = len;

    while (start > 0 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
        start--;
    if (start == 0)
        return;
    unsigned char lead = (unsigned char)text[start - 1];
    size_t have = len - start + 1;
    size_t need = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (have < need)
        text[start - 1] = '\0';
}

static PRINTF(2, 0) void append_v(struct err *e, const char *fmt, va_list ap)
{
    size_t used = strlen(e->text);
    int n = vsnprintf(e->text + used, sizeof e->text - used, fmt, ap);

    if (n > 0 && (size_t)n >= sizeof e->text - used)
        trim_partial_utf8(e->text, strlen(e->text));
}

static void PRINTF(2, 3) append(struct err *e, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    append_v(e, fmt, ap);
    va_end(ap);
}

static PRINTF(3, 0) void record_v(struct err *e, int code, const char *fmt, va_list ap)
{
    struct err fresh = {.code = code};

    /* Arguments may point into the old text, so it is replaced only at the end. */
    append_v(&fresh, fmt, ap);
    *e = fresh;
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
    CHECK(code > 0);
    if (e) {
        va_list ap;

        va_start(ap, fmt);
        record_v(e, code, fmt, ap);
        va_end(ap);
    }
    return -code;
}

int err_sys(struct err *e, int code, const char *fmt, ...)
{
    CHECK(code > 0);
    if (e) {
        va_list ap;
        char text[128];

        va_start(ap, fmt);
        record_v(e, code, fmt, ap);
        va_end(ap);
        append(e, ": %s", strerror_r(code, text, sizeof text));
    }
    return -code;
}

int err_prefix(struct err *e, int code, const char *fmt, ...)
{
    if (e) {
        struct err old = *e;
        va_list ap;

        va_start(ap, fmt);
        record_v(e, old.code, fmt, ap);
        va_end(ap);
        append(e, ": %s", old.text);
    }
    return code;
}

_Noreturn void check_failed(const char *file, int line, const char *expr)
{
    fprintf(stderr, "%s:%d: check failed: %s\n", file, line, expr);
    abort();
}

void cleanup_free(void *pp)
{
    void *p;

    memcpy(&p, pp, sizeof p); /* pp is a char **, a struct x **, ...: no aliasing through void ** */
    free(p);
}

void cleanup_fd(int *fd)
{
    int saved = errno;

    if (*fd >= 0)
        close(*fd);
    errno = saved;
}

static void *or_die(void *p, size_t size)
{
    if (!p) {
        fprintf(stderr, "out of memory: %zu bytes could not be had\n", size);
        abort();
    }
    return p;
}

void *xcalloc(size_t n, size_t size)
{
    return n == 0 || size == 0 ? or_die(calloc(1, 1), 1) : or_die(calloc(n, size), n * size);
}

void *xmalloc(size_t size)
{
    return or_die(malloc(size ? size : 1), size);
}

void *xrealloc(void *p, size_t size)
{
    return or_die(realloc(p, size ? size : 1), size);
}

char *xstrdup(const char *s)
{
    return s ? or_die(strdup(s), strlen(s) + 1) : NULL;
}

char *xasprintf(const char *fmt, ...)
{
    va_list ap;
    char *s = NULL;

    va_start(ap, fmt);
    int n = vasprintf(&s, fmt, ap);
    va_end(ap);
    return or_die(n < 0 ? NULL : s, 0);
}
