/*
 * What a restore would do, before it is confirmed: what is lost, who works, what happens.
 */
#ifndef ELEXGATE_CONSOLE_PAGES_RESTORE_PLAN_H
#define ELEXGATE_CONSOLE_PAGES_RESTORE_PLAN_H

#include "console/http/request.h"

/* model.plan for a run or an upload (one of them is NULL); without a plan model.error says why. */
struct restore_choice {            /* one of them; NULL: none */
    const char *run, *upload, *to; /* a run, an upload, a moment */
};
void restore_plan_into(struct request *rq, json_t *model, const struct restore_choice *choice);

/* The word that must be typed. Borrowed. */
const char *restore_confirm_word(struct request *rq);

#endif
