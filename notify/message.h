/*
 * elexgate-notify: one message, by mail and to a webhook. The keeper decides when there is
 * something to say (backup/keeper/notify.h) and starts this for each message, so that nothing that
 * speaks HTTP or waits for a mail server runs in it.
 */
#ifndef ELEXGATE_NOTIFY_MESSAGE_H
#define ELEXGATE_NOTIFY_MESSAGE_H

#include <jansson.h>
#include "common/config.h"

/* {"event","state":"raised|reminder|recovered","since":ISO,"detail","detail_de","title","title_de",
 * "advice","advice_de"}, each in both languages: put into the form of a letter. */
struct message {
    const char *event, *state, *since, *detail, *detail_de; /* borrowed */
    char *host;
    char *subject, *subject_de; /* one line */
    char *body, *body_de;
};

/* -EINVAL: without an event, a title or advice. Free with message_clear. */
int message_make(const json_t *o, struct message *out, struct err *e) MUSTCHECK;
void message_clear(struct message *m);

/* 1: not configured; 0: sent. Both are bounded in time. */
int mail_send(const struct config *c, const struct message *m, struct err *e) MUSTCHECK;
int webhook_send(const struct config *c, const struct message *m, struct err *e) MUSTCHECK;

#endif
