/*
 * The control protocol: one JSON object a line (common/json_lines.h) over a unix stream socket.
 *
 * Request:  {"cmd":"status", ...arguments}
 * Answer:   {"ok":true, ...} or {"ok":false,"code":"EINVAL","error":"words for a person"}
 * A command that streams (watch, job progress) answers with further objects, each a line, until a
 * last one that carries "done":true or until the caller hangs up.
 *
 * This is the blocking client, for command line programs, jobs and threads. control_call.h is the
 * one on a loop.
 */
#ifndef ELEXGATE_LINK_CONTROL_H
#define ELEXGATE_LINK_CONTROL_H

#include <jansson.h>
#include "common/error.h"

/* timeout_ms bounds connecting and each single wait for a line; -1 = none. */
struct control;
int control_connect(
    const char *socket_path, int timeout_ms, struct control **out, struct err *e) MUSTCHECK;
/* A connection that was made already, in either direction; fd is then the control's. name is for
 * messages. line_max: of what comes, in bytes; 0 = JSON_LINE_MAX. */
struct control *control_adopt(int fd, const char *name, int timeout_ms, size_t line_max) MUSTCHECK;
void control_close(struct control *c); /* NULL allowed */
int control_fd(const struct control *c);
/* From now on; for a stream, where nothing may come for hours. */
void control_set_timeout(struct control *c, int timeout_ms);
int control_send(struct control *c, const json_t *request, struct err *e) MUSTCHECK;
/* *out: new reference. -ETIMEDOUT, -EPIPE when the peer hung up. An answer with ok=false is
 * returned as any other object. */
int control_receive(struct control *c, json_t **out, struct err *e) MUSTCHECK;
/* Descriptors that come with the answers are kept, up to max in all, until they are taken. Without
 * this the kernel closes them. */
void control_expect_fds(struct control *c, size_t max);
size_t control_take_fds(struct control *c, int *out);
/* Connects, sends one request (the caller's), takes one answer, closes. */
int control_ask(const char *socket_path, int timeout_ms, const json_t *request, json_t **answer,
    struct err *e) MUSTCHECK;
/* ok=false becomes an error with the server's words, and frees the answer. */
int control_refused(json_t **answer, struct err *e) MUSTCHECK;
/* Both. */
int control_call(const char *socket_path, int timeout_ms, const json_t *request, json_t **answer,
    struct err *e) MUSTCHECK;
/* The program's answer to "status", a new reference; NULL: it did not answer, and e (or NULL) says
 * why. */
json_t *control_status(const char *socket_path, int timeout_ms, struct err *e) MUSTCHECK;

#endif
