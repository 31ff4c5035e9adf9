/*
 * Errors as values.
 *
 * A function that can fail returns 0 on success, a negative errno value (-ENOENT, -EINVAL, ...) on
 * a fatal error, and, where its header says so, a positive outcome that the caller must handle. The
 * words go into a struct err that the caller passes in; a NULL struct err is allowed and drops
 * them. Only owners log: library code fills in a message and returns. Outputs stay untouched on
 * failure.
 */
#ifndef ELEXGATE_COMMON_ERROR_H
#define ELEXGATE_COMMON_ERROR_H

#include <stdarg.h>
#include <stdlib.h>

#define MUSTCHECK    __attribute__((warn_unused_result))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))

struct err {
    int code;       /* positive errno value; 0 = no error recorded */
    char text[504]; /* one line, complete sentence without the final period, UTF-8 */
};

/* Records the message and returns -code. */
int err_set(struct err *e, int code, const char *fmt, ...) PRINTF(3, 4);
/* As err_set, then ": " and strerror(code). code is a positive errno value. */
int err_sys(struct err *e, int code, const char *fmt, ...) PRINTF(3, 4);
/* As err_set with code EIO (or ENOMEM), then ": " and the oldest entries of OpenSSL's error queue,
 * which is emptied. Implemented in error_ssl.c, for programs that link OpenSSL. */
int err_ssl(struct err *e, const char *fmt, ...) PRINTF(2, 3);
/* As err_set, then ": " and libuv's text; uvcode is libuv's negative code, which on Unix is -errno.
 * Implemented in error_uv.c, for programs that link libuv. */
int err_uv(struct err *e, int uvcode, const char *fmt, ...) PRINTF(3, 4);
/* Puts "prefix: " before an error that is already recorded; returns code unchanged. */
int err_prefix(struct err *e, int code, const char *fmt, ...) PRINTF(3, 4);

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

#endif
