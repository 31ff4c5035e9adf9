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

int server_start(struct console *console, struct server **out, struct err *e) MUSTCHECK;
/* Ends the connections whose time is over. Call it every second. */
void server_tick(struct server *s);
/* Lets no new connection in, ends streams, waits for the rest. */
void server_stop(struct server *s); /* NULL allowed */

#endif
