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

#include "common/memory.h"

struct err {
    int code;       /* positive errno value; 0 = no error recorded */
    char text[504]; /* one line, complete sentence without the final period, UTF-8 */
    /* The same as sentences of the catalogue with their arguments (common/phrase.h, carried), for
     * readers of other languages; "" where it became too long. */
    char phrase[1500];
};

/* Records the message and returns -code. */
int err_set(struct err *e, int code, const char *fmt, ...) PRINTF(3, 4);
/* As err_set, and returns the outcome: how a caller says "refused", "busy" with its words. */
int err_outcome(struct err *e, int outcome, int code, const char *fmt, ...) PRINTF(4, 5);
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
/* What another one says, with this code; returns -code. */
int err_copy(struct err *e, int code, const struct err *from);
/* As an argument ("%s") of another sentence, of err_set and its kin, run_note, phrase: there its
 * words are in the reader's language, too. Not for the log. Lives as long as e. */
const char *err_words(const struct err *e);
/* What e says for readers of other languages, carried (common/phrase.h); its text stays. NULL: it
 * has none. */
void err_keep_phrase(struct err *e, const char *carried);
/* As err_set. */
int err_set_v(struct err *e, int code, const char *fmt, va_list ap) PRINTF(3, 0);
int err_prefix_v(struct err *e, int code, const char *fmt, va_list ap) PRINTF(3, 0);

#endif
