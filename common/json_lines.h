/*
 * The control protocol: one JSON object a line over a unix stream socket.
 *
 * Request:  {"cmd":"status", ...arguments}
 * Answer:   {"ok":true, ...} or {"ok":false,"code":"EINVAL","error":"words for a person"}
 * A command that streams (watch, job progress) answers with further objects, each a line, until a
 * last one that carries "done":true or until the caller hangs up.
 *
 * This header has two halves: a splitter for servers on a loop, and a blocking client for command
 * line programs and jobs. A line is at most JSON_LINE_MAX bytes; longer ends the connection.
 */
#ifndef ELEXGATE_COMMON_JSON_LINES_H
#define ELEXGATE_COMMON_JSON_LINES_H

#include <jansson.h>
#include <stddef.h>
#include "common/error.h"

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

/* A string from outside (a file's name, a value, somebody's words) as JSON: bytes that are not
 * UTF-8 become '?', so that no line is lost for them. NULL gives null. */
json_t *json_text(const char *text) MUSTCHECK;
/* Serialises in one line with the final newline; malloc'ed. NULL, which is what jansson makes of
 * text that is not UTF-8, gives a line that says so: whoever waits for an answer gets one. */
char *json_line(const json_t *object, size_t *len) MUSTCHECK;

/* Builds {"ok":false,"code":...,"error":...}. New reference. */
json_t *json_error(int code, const char *fmt, ...) PRINTF(2, 3) MUSTCHECK;
/* The errno value that "code" of such an object names; EIO where it names none. */
int json_answer_errno(const json_t *answer) MUSTCHECK;

/* Blocking client. timeout_ms bounds connecting and each single wait for a line; -1 = none. */
struct control;
int control_connect(
    const char *socket_path, int timeout_ms, struct control **out, struct err *e) MUSTCHECK;
void control_close(struct control *c); /* NULL allowed */
int control_fd(const struct control *c);
/* From now on; for a stream, where nothing may come for hours. */
void control_set_timeout(struct control *c, int timeout_ms);
int control_send(struct control *c, const json_t *request, struct err *e) MUSTCHECK;
/* *out: new reference. -ETIMEDOUT, -EPIPE when the peer hung up. An answer with ok=false is
 * returned as any other object. */
int control_receive(struct control *c, json_t **out, struct err *e) MUSTCHECK;
/* Connects, sends one request, takes one answer, closes. ok=false becomes an error with the
 * server's words. */
int control_call(const char *socket_path, int timeout_ms, const json_t *request, json_t **answer,
    struct err *e) MUSTCHECK;

#endif
