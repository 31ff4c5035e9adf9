/*
 * Unix stream sockets: by their path, and descriptors that go over them (SCM_RIGHTS, unix(7)).
 */
#ifndef ELEXGATE_LINK_UNIX_SOCKET_H
#define ELEXGATE_LINK_UNIX_SOCKET_H

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>
#include "common/error.h"

/* Connected, not blocking. The kernel says at once whether somebody listens: -ENOENT,
 * -ECONNREFUSED; -EAGAIN: somebody does, and has no room for one more. */
int unix_socket_connect(const char *path, int *fd, struct err *e) MUSTCHECK;
/* Listening, not blocking, and whoever can reach the path may connect: who may ask is decided by
 * peer.h. A file that a killed process left is removed; -EADDRINUSE with words when somebody
 * listens. */
int unix_socket_listen(const char *path, int *fd, struct err *e) MUSTCHECK;

/* One sendmsg, without waiting: the bytes that went, or -errno. */
ssize_t unix_socket_send(int fd, const char *data, size_t size, const int *fds, size_t n);
/* One recvmsg, without waiting: the bytes that came, 0 at the end, or -errno. What it brings is
 * appended to fds, whose *n grows to max at most; what has no room is closed. */
ssize_t unix_socket_receive(int fd, char *data, size_t size, int *fds, size_t *n, size_t max);

#endif
