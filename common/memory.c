#include "common/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

void xappendf(char **to, const char *fmt, ...)
{
    va_list ap;
    char *more = NULL;

    va_start(ap, fmt);
    int n = vasprintf(&more, fmt, ap);
    va_end(ap);
    more = or_die(n < 0 ? NULL : more, 0);
    size_t have = *to ? strlen(*to) : 0;
    *to = xrealloc(*to, have + (size_t)n + 1);
    memcpy(*to + have, more, (size_t)n + 1);
    free(more);
}
