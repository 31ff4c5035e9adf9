#include "link/peer.h"
#include "common/file.h"

#include <errno.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

uid_t peer_uid(int fd)
{
    struct ucred who;
    socklen_t size = sizeof who;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 ? who.uid : (uid_t)-1;
}

bool peer_is_own(uid_t uid)
{
    return uid == 0 || uid == geteuid();
}

bool peer_is_named(uid_t uid, const char *const *names)
{
    if (uid == (uid_t)-1)
        return false;
    for (; names && *names; names++) {
        const struct passwd *pw = getpwnam(*names);
        if (pw && pw->pw_uid == uid)
            return true;
    }
    return false;
}

int peer_check_server(int fd, const char *path, struct err *e)
{
    struct stat folder;
    uid_t uid = peer_uid(fd);
    if (peer_is_own(uid))
        return 0;
    _cleanup_free_ char *parent = file_parent(path);
    if (stat(parent, &folder) < 0)
        return err_sys(e, errno, "cannot look at %s", parent);
    if (folder.st_uid == uid && !(folder.st_mode & (S_IWGRP | S_IWOTH)))
        return 0;
    return err_set(e, EPERM,
        "user id %u answers on %s, whose folder it does not have to itself: nothing was sent (the folder must belong to that user, and only to it may it be writable)",
        (unsigned)uid, path);
}
