/*
 * The socket of elexgate-proof: who may ask, one request a connection.
 */
#ifndef ELEXGATE_PROOF_SERVICE_H
#define ELEXGATE_PROOF_SERVICE_H

#include "common/error.h"

/* A request has about 300 bytes. */
#define SERVICE_REQUEST_MAX 2048u
/* How long an asker may take to send its request. The next one waits as long. */
#define SERVICE_WAIT_MS         500u
#define SERVICE_WAIT_REFUSED_MS 20u /* one who may not ask */

struct service;

/* Reads the configuration, sets the log, makes the socket. path NULL = the default. */
int service_open(const char *config_path, struct service **out, struct err *e) MUSTCHECK;
void service_close(struct service *s);
int service_fd(const struct service *s);
/* Takes one connection and answers it. */
void service_one(struct service *s);

#endif
