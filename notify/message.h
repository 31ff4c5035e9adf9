/*
 * elexgate-notify: one message, by mail and to a webhook. The keeper decides when there is
 * something to say (backup/keeper/notify.h) and starts this for each message, so that nothing that
 * speaks HTTP or waits for a mail server runs in it.
 */
#ifndef ELEXGATE_NOTIFY_MESSAGE_H
#define ELEXGATE_NOTIFY_MESSAGE_H

#include <jansson.h>
#include "common/config.h"
#include "common/lang.h"

/* {"event","state":"raised|reminder|recovered","since":ISO,"detail","title","advice", each of these
 * three with its phrase}: put into the form of a letter, in each language of [notify] languages. */
struct letter {
    enum lang lang;
    char *subject; /* one line */
    char *detail, *body;
};
struct message {
    const char *event, *state, *since; /* borrowed */
    char *host;
    struct letter letters[LANG_COUNT];
    size_t letter_count; /* at least one */
};

/* -EINVAL: without an event, a title or advice. Free with message_clear. */
int message_make(
    const json_t *o, const struct config *c, struct message *out, struct err *e) MUSTCHECK;
void message_clear(struct message *m);

/* 1: not configured; 0: sent. Both are bounded in time. */
int mail_send(const struct config *c, const struct message *m, struct err *e) MUSTCHECK;
int webhook_send(const struct config *c, const struct message *m, struct err *e) MUSTCHECK;

#endif
