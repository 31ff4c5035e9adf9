/*
 * How it stands, in one paragraph: saved, checked, proven, when again; size and its change; for how
 * many more the disk has room; who is told when something fails.
 */
#ifndef ELEXGATE_CONSOLE_PAGES_SUMMARY_H
#define ELEXGATE_CONSOLE_PAGES_SUMMARY_H

#include "console/http/request.h"

/* model.summary: a list of sentences; missing where there is no good backup. keeper: its status. */
void add_summary(struct request *rq, json_t *model, const json_t *keeper);

#endif
