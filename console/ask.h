/*
 * Questions to proxy and keeper over their control sockets.
 */
#ifndef ELEXGATE_CONSOLE_ASK_H
#define ELEXGATE_CONSOLE_ASK_H

#include <jansson.h>
#include "common/error.h"
#include "console/http/request.h"

#define ASK_MS 10000

/* One request (taken over), for whoever is signed in; one answer; ok=false is an error with its
 * words. */
int ask_proxy(struct request *rq, json_t *request, json_t **answer, struct err *e) MUSTCHECK;
int ask_keeper(struct request *rq, json_t *request, json_t **answer, struct err *e) MUSTCHECK;
/* What may take longer than ASK_MS. */
int ask_proxy_long(
    struct request *rq, json_t *request, int timeout_ms, json_t **answer, struct err *e) MUSTCHECK;
int ask_keeper_long(
    struct request *rq, json_t *request, int timeout_ms, json_t **answer, struct err *e) MUSTCHECK;
/* The answer as it came: ok=false is no error. */
int ask_keeper_raw(
    struct request *rq, json_t *request, int timeout_ms, json_t **answer, struct err *e) MUSTCHECK;
/* For whom, the request says itself. */
int ask_told(const char *socket, json_t *request, json_t **answer, struct err *e) MUSTCHECK;

/* true if the program is not there: not running, no answer, no permission. */
bool ask_unreachable(const struct err *e);

#endif
