/*
 * Work handed from one thread's loop to another's. Tasks run on the receiver's loop, in the order
 * in which they were posted by any one sender.
 */
#ifndef ELEXGATE_PROXY_MAILBOX_H
#define ELEXGATE_PROXY_MAILBOX_H

#include <stdbool.h>
#include <uv.h>
#include "common/error.h"

/* Embedded in the sender's struct; run() owns the struct from then on. */
struct task {
    struct task *next;
    void (*run)(struct task *t);
};

struct mailbox {
    uv_poll_t wake; /* of an eventfd, not uv_async_t: that one spins when sender and receiver share
                       a processor */
    int fd;
    uv_mutex_t lock;
    struct task *head, *tail;
    unsigned waiting;
};

int mailbox_init(struct mailbox *m, uv_loop_t *loop, struct err *e) MUSTCHECK;
/* Any thread. */
void mailbox_post(struct mailbox *m, struct task *t);
/* How many tasks wait to be run. Any thread. */
unsigned mailbox_depth(struct mailbox *m);
/* On the loop's own thread: runs what is waiting, then closes. Nobody may post after it. */
void mailbox_close(struct mailbox *m);

#endif
