#include "console/ask.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/json_lines.h"

/* A program that is not there gets a code that none of its own answers has. */
static int away(struct err *e)
{
    if (e)
        e->code = EHOSTDOWN;
    return -EHOSTDOWN;
}

/* The answer as it came, also a refusal. */
static int ask_raw(
    const char *socket, json_t *request, int timeout_ms, json_t **answer, struct err *e)
{
    struct control *c = NULL;
    if (!request) /* what came from the browser fits into no JSON */
        return err_set(e, EINVAL, "this is no text");
    int r = control_connect(socket, timeout_ms, &c, e);
    if (r < 0) {
        r = away(e);
    } else {
        r = control_send(c, request, e);
        if (r == 0)
            r = control_receive(c, answer, e);
        control_close(c);
    }
    json_decref(request);
    return r;
}

/* ok=false becomes an error; takes the answer over then. */
static int take_refusal(json_t **answer, struct err *e)
{
    json_t *got = *answer;
    if (json_is_true(json_object_get(got, "ok")))
        return 0;
    const char *words = json_string_value(json_object_get(got, "error"));
    int r = err_set(e, json_answer_errno(got), "%s", words ? words : "no reason was given");
    json_decref(got);
    *answer = NULL;
    return r;
}

static int ask(const char *socket, json_t *request, int timeout_ms, json_t **answer, struct err *e)
{
    int r = ask_raw(socket, request, timeout_ms, answer, e);
    return r < 0 ? r : take_refusal(answer, e);
}

int ask_proxy(const struct settings *s, json_t *request, json_t **answer, struct err *e)
{
    return ask(s->proxy_socket, request, ASK_MS, answer, e);
}

int ask_proxy_long(
    const struct settings *s, json_t *request, int timeout_ms, json_t **answer, struct err *e)
{
    return ask(s->proxy_socket, request, timeout_ms, answer, e);
}

int ask_keeper(const struct settings *s, json_t *request, json_t **answer, struct err *e)
{
    return ask(s->keeper_socket, request, ASK_MS, answer, e);
}

int ask_keeper_long(
    const struct settings *s, json_t *request, int timeout_ms, json_t **answer, struct err *e)
{
    return ask(s->keeper_socket, request, timeout_ms, answer, e);
}

int ask_keeper_raw(const struct settings *s, json_t *request, json_t **answer, struct err *e)
{
    return ask_raw(s->keeper_socket, request, ASK_MS, answer, e);
}

/* --- an answer with an open file -------------------------------------------------------------- */

/* Some bytes of the answer; *file is the descriptor that came with them, if one did. */
static ssize_t receive_some(int socket, char *buf, size_t size, int *file)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = {.iov_base = buf, .iov_len = size};
    struct msghdr m = {.msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control.space,
        .msg_controllen = sizeof control.space};
    struct pollfd p = {.fd = socket, .events = POLLIN};
    if (poll(&p, 1, ASK_MS) <= 0)
        return -1;
    ssize_t n = recvmsg(socket, &m, MSG_CMSG_CLOEXEC);
    if (n < 0)
        return n;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
            c->cmsg_len != CMSG_LEN(sizeof(int)))
            continue;
        if (*file >= 0)
            close(*file);
        memcpy(file, CMSG_DATA(c), sizeof(int));
    }
    return n;
}

static int receive_with_file(int socket, json_t **answer, int *file, struct err *e)
{
    char line[8192];
    size_t len = 0;
    while (!memchr(line, '\n', len)) {
        ssize_t n = receive_some(socket, line + len, sizeof line - len, file);
        if (n <= 0)
            return err_set(e, EPIPE, "the keeper did not answer");
        len += (size_t)n;
        if (len == sizeof line)
            return err_set(e, EMSGSIZE, "the keeper's answer is too long");
    }
    *answer = json_loadb(line, len, JSON_DISABLE_EOF_CHECK, NULL);
    return *answer ? 0 : err_set(e, EPROTO, "the keeper's answer is no JSON");
}

int ask_keeper_file(
    const struct settings *s, json_t *request, json_t **answer, int *fd, struct err *e)
{
    struct control *c = NULL;
    json_t *got = NULL;
    _cleanup_fd_ int file = -1;
    if (!request)
        return err_set(e, EINVAL, "this is no text");
    int r = control_connect(s->keeper_socket, ASK_MS, &c, e);
    if (r < 0) {
        r = away(e);
    } else {
        r = control_send(c, request, e);
        if (r == 0)
            r = receive_with_file(control_fd(c), &got, &file, e);
        control_close(c);
    }
    json_decref(request);
    if (r == 0)
        r = take_refusal(&got, e);
    if (r == 0 && file < 0) {
        json_decref(got);
        r = err_set(e, EPROTO, "the keeper sent no file");
    }
    if (r < 0)
        return r;
    *answer = got;
    *fd = file;
    file = -1;
    return 0;
}

bool ask_unreachable(const struct err *e)
{
    return e->code == EHOSTDOWN || e->code == ETIMEDOUT || e->code == EPIPE;
}
