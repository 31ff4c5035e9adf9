/*
 * What a restore would do, before it is confirmed: what is lost, who works, what happens.
 */
#ifndef ELEXGATE_CONSOLE_PAGES_RESTORE_PLAN_H
#define ELEXGATE_CONSOLE_PAGES_RESTORE_PLAN_H

#include "console/http/request.h"

/* model.plan for a run or an upload (one of them is NULL); without a plan model.error says why. */
void restore_plan_into(struct request *rq, json_t *model, const char *run, const char *upload);

/* The word that must be typed. Borrowed. */
const char *restore_confirm_word(struct request *rq);

#endif
