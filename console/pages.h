/*
 * What each page shows: one function that makes its model, and the actions that belong to it. The
 * models are described in docs/console.md, for those who write templates.
 */
#ifndef ELEXGATE_CONSOLE_PAGES_H
#define ELEXGATE_CONSOLE_PAGES_H

#include "console/request.h"

/* page_overview.c */
json_t *model_overview(struct request *rq);
/* The same without a request: what /events compares. Not localised. New reference. */
json_t *overview_of(const struct settings *s, const json_t *messages, const char *lang);

/* page_account.c */
json_t *model_account(struct request *rq);
void action_account_password(struct request *rq);
void action_account_add(struct request *rq);
void action_account_role(struct request *rq);
void action_account_remove(struct request *rq);

#endif
