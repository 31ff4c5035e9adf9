#include "link/control_call.h"

#include <errno.h>
#include <stdbool.h>
#include "common/json_lines.h"

struct control_call {
    uv_pipe_t pipe;
    uv_timer_t timer;
    uv_connect_t connect;
    uv_write_t write;
    unsigned handles;
    bool writing, dropped, feeding;
    struct json_splitter in;
    char *line;
    size_t line_len;
    control_call_cb *cb;
    void *ctx;
    char read_buf[16384];
};

static void free_if_over(struct control_call *c)
{
    if (c->handles > 0 || c->writing || c->feeding)
        return;
    json_splitter_clear(&c->in);
    free(c->line);
    free(c);
}

static void on_closed(uv_handle_t *h)
{
    struct control_call *c = h->data;
    c->handles--;
    free_if_over(c);
}

void control_call_drop(struct control_call *c)
{
    if (!c || c->dropped)
        return;
    c->dropped = true;
    uv_close((uv_handle_t *)&c->pipe, on_closed);
    uv_close((uv_handle_t *)&c->timer, on_closed);
}

static void over(struct control_call *c, int status)
{
    if (c->dropped)
        return;
    control_call_drop(c);
    c->cb(c->ctx, NULL, status);
}

static int on_object(void *ctx, json_t *object)
{
    struct control_call *c = ctx;
    if (c->dropped)
        return 0;
    uv_timer_stop(&c->timer);
    c->cb(c->ctx, object, 0);
    return 0;
}

static void on_alloc(uv_handle_t *h, size_t size, uv_buf_t *buf)
{
    struct control_call *c = h->data;
    (void)size;
    *buf = uv_buf_init(c->read_buf, sizeof c->read_buf);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct control_call *c = stream->data;
    if (n < 0) {
        over(c, (int)n);
        return;
    }
    c->feeding = true; /* the callback may drop it */
    int r = n > 0 ? json_splitter_feed(&c->in, buf->base, (size_t)n, on_object, c, NULL) : 0;
    c->feeding = false;
    if (r < 0)
        over(c, r);
    free_if_over(c);
}

static void on_written(uv_write_t *req, int status)
{
    struct control_call *c = req->data;
    c->writing = false;
    if (status < 0)
        over(c, status);
    free_if_over(c);
}

static void on_connected(uv_connect_t *req, int status)
{
    struct control_call *c = req->data;
    uv_buf_t buf = uv_buf_init(c->line, (unsigned)c->line_len);
    if (c->dropped)
        return;
    if (status == 0)
        status = uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read);
    if (status == 0) {
        c->write.data = c;
        status = uv_write(&c->write, (uv_stream_t *)&c->pipe, &buf, 1, on_written);
        c->writing = status == 0;
    }
    if (status < 0)
        over(c, status);
}

static void on_timeout(uv_timer_t *t)
{
    over(t->data, -ETIMEDOUT);
}

struct control_call *control_call_start(uv_loop_t *loop, const char *path, const json_t *request,
    uint64_t timeout_ms, control_call_cb *cb, void *ctx)
{
    struct control_call *c = xcalloc(1, sizeof *c);
    c->cb = cb;
    c->ctx = ctx;
    c->line = json_line(request, &c->line_len);
    CHECK(uv_pipe_init(loop, &c->pipe, 0) == 0);
    CHECK(uv_timer_init(loop, &c->timer) == 0);
    c->handles = 2;
    c->pipe.data = c->timer.data = c->connect.data = c;
    if (timeout_ms)
        CHECK(uv_timer_start(&c->timer, on_timeout, timeout_ms, 0) == 0);
    uv_pipe_connect(&c->connect, &c->pipe, path, on_connected);
    return c;
}
