/*
 * JSON objects, each in a line of at most JSON_LINE_MAX bytes: what jobs print and what the control
 * protocol (link/control.h) sends.
 */
#ifndef ELEXGATE_COMMON_JSON_LINES_H
#define ELEXGATE_COMMON_JSON_LINES_H

#include <jansson.h>
#include <stddef.h>
#include "common/error.h"
#include "common/json_get.h"

#define JSON_LINE_MAX (1024 * 1024)

/* Splitter: bytes in, objects out. Zero-initialise; json_splitter_clear frees. */
struct json_splitter {
    char *buf;
    size_t len, cap, max; /* max 0 = JSON_LINE_MAX */
};
/* Feeds bytes; calls fn for each complete line's object (borrowed for the call). fn returns 0 or a
 * negative error that ends the feeding and is returned; it must not clear the splitter. -EMSGSIZE:
 * line too long; -EBADMSG: not a JSON object; the connection must then be dropped. */
int json_splitter_feed(struct json_splitter *s, const char *data, size_t n,
    int (*fn)(void *ctx, json_t *object), void *ctx, struct err *e) MUSTCHECK;
void json_splitter_clear(struct json_splitter *s);

/* Serialises in one line with the final newline; malloc'ed. NULL, which is what jansson makes of
 * text that is not UTF-8, gives a line that says so: whoever waits for an answer gets one. */
char *json_line(const json_t *object, size_t *len) MUSTCHECK;

/* Builds {"ok":false,"code":...,"error":...,"error_phrase":...} (common/phrase.h). New reference.
 */
json_t *json_error(int code, const char *fmt, ...) PRINTF(2, 3) MUSTCHECK;
json_t *json_error_of(int code, const struct err *e) MUSTCHECK;
/* The errno value that "code" of such an object names; EIO where it names none. */
int json_answer_errno(const json_t *answer) MUSTCHECK;

#endif
