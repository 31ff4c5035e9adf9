/*
 * Whoever is signed in gives the password once more, before the account itself is changed.
 */
#ifndef ELEXGATE_CONSOLE_WHO_CONFIRM_H
#define ELEXGATE_CONSOLE_WHO_CONFIRM_H

#include "console/http/request.h"

/* Whoever sits at a screen that was left open must not take over the account: the password is asked
 * for, in that field of the form, and guessing it is as slow as at the door. false: refused. */
bool confirm_password(struct request *rq, const char *field, const char *back) MUSTCHECK;

/* Words for what accounts_* refused. malloc'ed. */
char *confirm_words(const struct request *rq, const struct err *e) MUSTCHECK;

#endif
