#include "common/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "common/utf8.h"

/* A message quotes what came from outside: names of files, values, a peer's words. Whatever bytes
 * those were, a message is UTF-8 and is cut between two characters, so that it can stand in JSON,
 * in a log and on a terminal. */
static PRINTF(2, 0) void append_v(struct err *e, const char *fmt, va_list ap)
{
    size_t used = strlen(e->text);

    utf8_format_v(e->text + used, sizeof e->text - used, fmt, ap);
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
