/*
 * /events: what happens, told to the page as it happens (server-sent events).
 *
 *     event: status    {"proxy":...,"keeper":...}: their status without clocks, when it changed; at
 *                      once, then at most every second, and every 15 s in any case
 *     event: sessions  {"sessions":[...]}, when they changed
 *
 * However many pages are open, proxy and keeper are asked once a second: the snapshot is
 * shared.
 */
#ifndef ELEXGATE_CONSOLE_HTTP_EVENTS_H
#define ELEXGATE_CONSOLE_HTTP_EVENTS_H

#include "console/http/request.h"

void get_events(struct request *rq);
/* {"proxy":...,"keeper":...} as of the last second; null: does not answer. New reference. */
json_t *live_status(struct console *c) MUSTCHECK;

struct live *live_create(void);
void live_free(struct live *l); /* NULL allowed */

#endif
