/*
 * A mail that is ready to go, and the two ways it can take: the system's sendmail, or a mail server
 * by SMTP where there is no sendmail (containers).
 */
#ifndef ELEXGATE_NOTIFY_MAIL_H
#define ELEXGATE_NOTIFY_MAIL_H

#include "common/config.h"

#define MAIL_RECIPIENTS_MAX 20

struct mail { /* all borrowed; the addresses are checked */
    const char *from;
    const char *const *to; /* NULL at the end */
    const char *text;      /* RFC 5322, lines end with LF */
    size_t len;
};

/* Both wait for at most [notify] timeout. */
int sendmail_send(const struct config *c, const struct mail *m, struct err *e) MUSTCHECK;
/* [notify] smtp. 0 with words in e: sent, but somebody's address was refused. */
int smtp_send(const struct config *c, const struct mail *m, struct err *e) MUSTCHECK;

#endif
