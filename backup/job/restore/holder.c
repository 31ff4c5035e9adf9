#include "backup/job/restore/holder.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "common/clock.h"

const char *const holder_files[] = {"aria_log_control", "ibdata1", NULL};

pid_t holder_of(const char *datadir)
{
    for (size_t i = 0; holder_files[i]; i++) {
        _cleanup_free_ char *path = xasprintf("%s/%s", datadir, holder_files[i]);
        _cleanup_fd_ int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        /* not the OFD kind, which does not tell by whom */
        if (fd >= 0 && fcntl(fd, F_GETLK, &l) == 0 && l.l_type != F_UNLCK)
            return l.l_pid > 0 ? l.l_pid : -1;
    }
    return 0;
}

pid_t holder_that_stays(const char *datadir, unsigned ms)
{
    pid_t first = holder_of(datadir), now = first;
    for (uint64_t end = clock_mono_ms() + ms; first && now == first && clock_mono_ms() < end;) {
        usleep(20000);
        now = holder_of(datadir);
    }
    return now == first ? first : 0;
}

int holder_end(const char *datadir, struct err *e)
{
    pid_t pid = holder_of(datadir);
    if (pid <= 0)
        return 1;
    /* A number can be another process's a moment later; a pidfd cannot. */
    _cleanup_fd_ int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0 || holder_of(datadir) != pid)
        return 1; /* it has just ended */
    if (syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0) < 0 && errno != ESRCH)
        return err_sys(e, errno, "cannot end process %d, which has %s/%s open", (int)pid, datadir,
            holder_files[0]);
    return 0;
}
