/*
 * One request from its head to the answer, by the table of routes.
 *
 * server.c calls request_begin, head, body as often as data come, answer, end. dispatch_head finds
 * the route and turns away what may not be: before a byte of the body is read. Handlers (pages and
 * actions) run in dispatch_answer, in the connection's own thread, and may block. Each calls
 * exactly one answer_* function. After head and answer rq->phase says what the connection does
 * next.
 */
#ifndef ELEXGATE_CONSOLE_HTTP_DISPATCH_H
#define ELEXGATE_CONSOLE_HTTP_DISPATCH_H

#include "console/http/request.h"

/* false: the connection is to be closed. */
bool dispatch_head(struct request *rq);
bool dispatch_body(struct request *rq, const char *data, size_t len);
bool dispatch_answer(struct request *rq);
void dispatch_end(struct request *rq);

#endif
