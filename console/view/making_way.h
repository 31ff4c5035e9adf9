/*
 * A backup that lets go whenever somebody writes, and why: who writes, how often it was tried, and
 * what can be done instead.
 */
#ifndef ELEXGATE_CONSOLE_VIEW_MAKING_WAY_H
#define ELEXGATE_CONSOLE_VIEW_MAKING_WAY_H

#include "console/http/request.h"

/* model.way: {"tries","waits" (it will be tried again by itself),"who":[{"user","address",
 * "program"}],"who_count"}; nothing where no backup made way. keeper: its status, may be NULL. */
void add_making_way(struct request *rq, json_t *model, const json_t *keeper);

#endif
