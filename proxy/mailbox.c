#include "proxy/mailbox.h"

static void mailbox_run(struct mailbox *m)
{
    uv_mutex_lock(&m->lock);
    struct task *t = m->head;
    m->head = m->tail = NULL;
    uv_mutex_unlock(&m->lock);
    while (t) {
        struct task *next = t->next; /* run() may free t */
        t->run(t);
        t = next;
    }
}

static void mailbox_on_wake(uv_async_t *a)
{
    mailbox_run(a->data);
}

int mailbox_init(struct mailbox *m, uv_loop_t *loop, struct err *e)
{
    *m = (struct mailbox){0};
    int r = uv_async_init(loop, &m->wake, mailbox_on_wake);
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
    uv_mutex_unlock(&m->lock);
    if (first) /* a mailbox with mail in it has been woken already */
        CHECK(uv_async_send(&m->wake) == 0);
}

static void mailbox_on_closed(uv_handle_t *h)
{
    struct mailbox *m = h->data;
    uv_mutex_destroy(&m->lock);
}

void mailbox_close(struct mailbox *m)
{
    mailbox_run(m);
    uv_close((uv_handle_t *)&m->wake, mailbox_on_closed);
}
