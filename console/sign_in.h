/*
 * /login, /logout, /setup: who may come in. The first account is made through a link with a token
 * that is printed once; there is no password that everybody knows.
 */
#ifndef ELEXGATE_CONSOLE_SIGN_IN_H
#define ELEXGATE_CONSOLE_SIGN_IN_H

#include "console/request.h"

/* While there is no account: draws the token, logs the link and writes it to state_dir/setup-link.
 */
int sign_in_offer_setup(struct console *c, struct err *e) MUSTCHECK;

json_t *model_login(struct request *rq);
json_t *model_setup(struct request *rq);
void action_login(struct request *rq);
void action_logout(struct request *rq);
void action_setup(struct request *rq);

/* Words for what accounts_* refused. malloc'ed. */
char *sign_in_words(const struct request *rq, const struct err *e) MUSTCHECK;

#endif
