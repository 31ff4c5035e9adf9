#include "link/unix_socket.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG 128
#define FDS_MAX 64

static int unix_socket_address(const char *path, struct sockaddr_un *out, struct err *e)
{
    size_t n = strlen(path);
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (n >= sizeof out->sun_path)
        return err_set(e, ENAMETOOLONG, "the socket's path %s is longer than %zu bytes", path,
            sizeof out->sun_path - 1);
    memcpy(out->sun_path, path, n + 1);
    return 0;
}

static int make(const char *path, struct sockaddr_un *un, int *fd, struct err *e)
{
    int r = unix_socket_address(path, un, e);
    if (r < 0)
        return r;
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return *fd < 0 ? err_sys(e, errno, "cannot make a socket") : 0;
}

int unix_socket_connect(const char *path, int *out, struct err *e)
{
    struct sockaddr_un un;
    _cleanup_fd_ int fd = -1;
    int r = make(path, &un, &fd, e);
    if (r == 0 && connect(fd, (struct sockaddr *)&un, sizeof un) < 0)
        r = err_sys(e, errno, "cannot connect to %s", path);
    if (r < 0)
        return r;
    *out = fd;
    fd = -1;
    return 0;
}

int unix_socket_listen(const char *path, int *out, struct err *e)
{
    struct sockaddr_un un;
    _cleanup_fd_ int fd = -1, other = -1;
    int r = unix_socket_connect(path, &other, NULL);
    if (r == 0 || r == -EAGAIN)
        return err_set(e, EADDRINUSE, "another process answers on %s", path);
    r = make(path, &un, &fd, e);
    if (r < 0)
        return r;
    if (unlink(path) < 0 && errno != ENOENT)
        return err_sys(e, errno, "cannot remove the old socket %s", path);
    /* Who may is asked of each one who comes. No chmod behind it: its path might lead elsewhere by
     * then. */
    mode_t mask = umask(0111);
    r = bind(fd, (struct sockaddr *)&un, sizeof un) < 0 ? -errno : 0;
    umask(mask);
    if (r < 0 || listen(fd, BACKLOG) < 0)
        return err_sys(e, r < 0 ? -r : errno, "cannot listen on %s", path);
    *out = fd;
    fd = -1;
    return 0;
}

union room {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
};

ssize_t unix_socket_send(int fd, const char *data, size_t size, const int *fds, size_t n)
{
    union room room = {0};
    struct iovec iov = {(char *)(uintptr_t)data, size};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    CHECK(n <= FDS_MAX); /* ours to choose */
    if (n > 0) {
        m.msg_control = &room;
        m.msg_controllen = CMSG_SPACE(n * sizeof *fds);
        struct cmsghdr *h = CMSG_FIRSTHDR(&m);
        h->cmsg_level = SOL_SOCKET;
        h->cmsg_type = SCM_RIGHTS;
        h->cmsg_len = CMSG_LEN(n * sizeof *fds);
        memcpy(CMSG_DATA(h), fds, n * sizeof *fds);
    }
    ssize_t sent;
    do
        sent = sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : sent;
}

ssize_t unix_socket_receive(int fd, char *data, size_t size, int *fds, size_t *n, size_t max)
{
    union room room;
    struct iovec iov = {data, size};
    struct msghdr m = {.msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = max ? &room : NULL, /* without it the kernel closes what came */
        .msg_controllen = max ? sizeof room : 0};
    ssize_t got;
    do
        got = recvmsg(fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return -errno;
    for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
        size_t came = h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS
                          ? (h->cmsg_len - CMSG_LEN(0)) / sizeof(int)
                          : 0;
        for (size_t i = 0; i < came; i++) {
            int one;
            memcpy(&one, CMSG_DATA(h) + i * sizeof one, sizeof one);
            if (*n < max)
                fds[(*n)++] = one;
            else
                close(one);
        }
    }
    return got;
}
