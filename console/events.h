/*
 * /events: what happens, told to the page as it happens (server-sent events).
 *
 *     event: status    the overview's model, when it changed; at once, then at most every second
 *     event: sessions  {"sessions":[...]}, likewise
 *
 * However many pages are open, proxy and keeper are asked once a second: live.c's snapshot is
 * shared.
 */
#ifndef ELEXGATE_CONSOLE_EVENTS_H
#define ELEXGATE_CONSOLE_EVENTS_H

#include "console/request.h"

void get_events(struct request *rq);

struct live *live_create(void);
void live_free(struct live *l); /* NULL allowed */

#endif
