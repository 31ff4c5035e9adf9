#include "proxy/mailbox.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void mailbox_run(struct mailbox *m)
{
    uv_mutex_lock(&m->lock);
    struct task *t = m->head;
    m->head = m->tail = NULL;
    m->waiting = 0;
    uv_mutex_unlock(&m->lock);
    while (t) {
        struct task *next = t->next; /* run() may free t */
        t->run(t);
        t = next;
    }
}

static void mailbox_on_wake(uv_poll_t *wake, int status, int events)
{
    struct mailbox *m = wake->data;
    eventfd_t n;
    (void)status, (void)events;
    (void)eventfd_read(m->fd, &n);
    mailbox_run(m);
}

int mailbox_init(struct mailbox *m, uv_loop_t *loop, struct err *e)
{
    *m = (struct mailbox){0};
    m->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (m->fd < 0)
        return err_sys(e, errno, "cannot make a mailbox");
    int r = uv_poll_init(loop, &m->wake, m->fd);
    if (r == 0)
        r = uv_poll_start(&m->wake, UV_READABLE, mailbox_on_wake);
    if (r < 0)
        return err_uv(e, r, "cannot make a mailbox");
    m->wake.data = m;
    CHECK(uv_mutex_init(&m->lock) == 0);
    return 0;
}

void mailbox_post(struct mailbox *m, struct task *t)
{
    t->next = NULL;
    uv_mutex_lock(&m->lock);
    bool first = m->head == NULL;
    if (first)
        m->head = t;
    else
        m->tail->next = t;
    m->tail = t;
    m->waiting++;
    /* A mailbox with mail in it has been woken already. Under the lock: whoever empties the mailbox
     * next may close it, and then the descriptor is somebody else's. */
    if (first)
        CHECK(eventfd_write(m->fd, 1) == 0);
    uv_mutex_unlock(&m->lock);
}

unsigned mailbox_depth(struct mailbox *m)
{
    uv_mutex_lock(&m->lock);
    unsigned n = m->waiting;
    uv_mutex_unlock(&m->lock);
    return n;
}

static void mailbox_on_closed(uv_handle_t *h)
{
    struct mailbox *m = h->data;
    uv_mutex_destroy(&m->lock);
    close(m->fd);
}

void mailbox_close(struct mailbox *m)
{
    mailbox_run(m);
    uv_close((uv_handle_t *)&m->wake, mailbox_on_closed);
}
