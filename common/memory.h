/*
 * What no function can do without: checks of what cannot be, memory that is there, cleanup by
 * scope.
 */
#ifndef ELEXGATE_COMMON_MEMORY_H
#define ELEXGATE_COMMON_MEMORY_H

#include <stdarg.h>
#include <stdlib.h>

#define MUSTCHECK    __attribute__((warn_unused_result))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))

/* Whether AddressSanitizer watches this build: gcc and clang say it in ways of their own. */
#if defined(__SANITIZE_ADDRESS__)
#define ADDRESS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ADDRESS_SANITIZED 1
#endif
#endif
#ifndef ADDRESS_SANITIZED
#define ADDRESS_SANITIZED 0
#endif

/* ASSERT: programming errors, debug builds. CHECK: always on; prints place and expression, aborts.
 */
#define CHECK(x) ((x) ? (void)0 : check_failed(__FILE__, __LINE__, #x))
#ifdef NDEBUG
#define ASSERT(x) ((void)sizeof(x))
#else
#define ASSERT(x) CHECK(x)
#endif
_Noreturn void check_failed(const char *file, int line, const char *expr);

/* Cleanup by scope, for synchronous code only: `_cleanup_free_ char *s = NULL;` */
#define CLEANUP(fn)    __attribute__((cleanup(fn)))
#define _cleanup_free_ CLEANUP(cleanup_free)
#define _cleanup_fd_   CLEANUP(cleanup_fd) /* int fd = -1 */
void cleanup_free(void *pp);
void cleanup_fd(int *fd);

/* malloc that never returns NULL: out of memory ends the program with a message, because every
 * caller would do the same. Sizes are bounded by the callers. */
void *xcalloc(size_t n, size_t size) MUSTCHECK;
void *xmalloc(size_t size) MUSTCHECK;
void *xrealloc(void *p, size_t size) MUSTCHECK;
char *xstrdup(const char *s) MUSTCHECK; /* NULL stays NULL */
char *xasprintf(const char *fmt, ...) PRINTF(1, 2) MUSTCHECK;
/* Adds to a malloc'ed text; *to NULL = none yet. An argument may point into it. */
void xappendf(char **to, const char *fmt, ...) PRINTF(2, 3);

#endif
