/*
 * HTTPS: libmicrohttpd's daemons, one for each address, and the bounds of time and number that it
 * has not itself.
 *
 * A connection is a thread. What a peer sends must be complete within a fixed time, however slowly
 * it drips: the head of a request, a form. What we send must be taken. Only uploads, downloads and
 * /events may last; there libmicrohttpd's own limit holds (nothing moved for half a minute).
 */
#ifndef ELEXGATE_CONSOLE_HTTP_SERVER_H
#define ELEXGATE_CONSOLE_HTTP_SERVER_H

#include "common/error.h"
#include "console/console.h"

struct server;

enum connection_phase {
    CONNECTION_HEAD,   /* waits for, or reads, the head of a request; also the TLS handshake */
    CONNECTION_BODY,   /* reads a form */
    CONNECTION_ANSWER, /* sends a page */
    CONNECTION_STREAM, /* upload, download, events */
};

struct connection; /* one TCP connection */
void connection_phase_set(struct connection *c, enum connection_phase phase);

int server_start(struct console *console, struct server **out, struct err *e) MUSTCHECK;
/* Ends the connections whose time is over. Call it every second. */
void server_tick(struct server *s);
/* Lets no new connection in, ends streams, waits for the rest. */
void server_stop(struct server *s); /* NULL allowed */

#endif
