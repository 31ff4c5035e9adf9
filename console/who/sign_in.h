/*
 * /login, /logout, /setup: who may come in. The first account is made through a link with a token
 * that is printed once; there is no password that everybody knows.
 */
#ifndef ELEXGATE_CONSOLE_WHO_SIGN_IN_H
#define ELEXGATE_CONSOLE_WHO_SIGN_IN_H

#include "console/http/request.h"

/* While there is no account: writes the one-time link to state_dir/setup-link; the log names the
 * file. */
int sign_in_offer_setup(struct console *c, struct err *e) MUSTCHECK;
void sign_in_tick(struct console *c); /* a link that is too old is replaced by a new one */

/* A page of ours: letters and slashes only, since it goes into a Location header. */
bool sign_in_good_next(const char *next);

json_t *model_login(struct request *rq);
json_t *model_setup(struct request *rq);
void action_login(struct request *rq);
void action_logout(struct request *rq);
void action_setup(struct request *rq);

#endif
