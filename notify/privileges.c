#include "notify/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

int privileges_drop(const struct config *c, struct err *e)
{
    const char *name = config_str(c, "notify", NULL, "user");
    if (geteuid() != 0)
        return 0;
    errno = 0;
    const struct passwd *pw = getpwnam(name);
    if (!pw)
        return err_set(e, EINVAL, "[notify] user: there is no user %s on this machine", name);
    uid_t uid = pw->pw_uid;
    gid_t gid = pw->pw_gid;
    if (setgroups(1, &gid) < 0 || setgid(gid) < 0 || setuid(uid) < 0)
        return err_sys(e, errno, "cannot become %s", name);
    CHECK(uid == 0 || setuid(0) < 0); /* for good */
    return 0;
}
