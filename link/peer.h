/*
 * Who is at the other end of a unix socket, as the kernel says (SO_PEERCRED, unix(7)). Both ends of
 * our sockets look: a server before it obeys, a client before it sends.
 */
#ifndef ELEXGATE_LINK_PEER_H
#define ELEXGATE_LINK_PEER_H

#include <stdbool.h>
#include <sys/types.h>
#include "common/error.h"

/* The user of the other end; (uid_t)-1 where the kernel does not say. */
uid_t peer_uid(int fd);
/* Root, or the user that this process runs as. */
bool peer_is_own(uid_t uid);
/* One of these users (NULL-terminated; NULL: none). A name that nobody has fits nobody. */
bool peer_is_named(uid_t uid, const char *const *names);

/* For a client: may the program that answers on this socket answer there? Root and our own user
 * may, and whoever owns the folder of the socket, if nobody else can make files in it: another
 * program could have put its own socket there and would be told, and asked, what it may not know.
 * -EPERM with words. */
int peer_check_server(int fd, const char *path, struct err *e) MUSTCHECK;

#endif
