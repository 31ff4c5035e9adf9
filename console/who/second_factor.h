/*
 * Signing in with a code from a phone besides the password (people/totp.h): set up on the account's
 * page, asked for behind the password.
 */
#ifndef ELEXGATE_CONSOLE_WHO_SECOND_FACTOR_H
#define ELEXGATE_CONSOLE_WHO_SECOND_FACTOR_H

#include "console/http/request.h"

/* The password was right and a code is needed: the form that asks for it. Nobody is signed in yet;
 * what the form carries says that this browser knew the password, for five minutes. */
void second_factor_ask(struct request *rq, const char *name, const char *next, char *error);
/* The form came back: the account's name if its password was given in time (malloc'ed), else NULL.
 */
char *second_factor_pending(struct request *rq) MUSTCHECK;

/* /account/code/begin: a new secret with its QR code; /account/code/on: it works; /account/code/off
 */
void action_code_begin(struct request *rq);
void action_code_on(struct request *rq);
void action_code_off(struct request *rq);

#endif
