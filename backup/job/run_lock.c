#include "backup/job/run_lock.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "common/clock.h"
#include "common/file.h"

#define WAIT_MS 15000
#define LOOK_US 20000

/* elexgate-job --config FILE prove ...; the text of the lock may be of one that is gone, and its
 * number another program's. */
static bool is_proof(pid_t pid)
{
    char words[4096], path[64];
    bool ours = false;
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, words, sizeof words - 1);
    if (n <= 0)
        return false;
    words[n] = '\0';
    const char *before = "";
    for (const char *p = words; p < words + n; before = p, p += strlen(p) + 1) {
        const char *name = strrchr(p, '/');
        if (p == words)
            ours = strcmp(name ? name + 1 : p, "elexgate-job") == 0;
        else if (*p != '-' &&
                 strcmp(before, "--config") != 0) /* the command; what follows is not it */
            return ours && strcmp(p, "prove") == 0;
    }
    return false;
}

int run_lock(const char *path, int *fd, pid_t *holder, struct err *e)
{
    uint64_t until = clock_mono_ms() + WAIT_MS;
    pid_t told = 0;
    for (;;) {
        *holder = 0;
        int code = file_lock(path, fd, holder, e);
        if (code != 1 || *holder <= 0 || clock_mono_ms() > until)
            return code;
        if (*holder != told && (!is_proof(*holder) || kill(*holder, SIGTERM) < 0))
            return code;
        told = *holder;
        usleep(LOOK_US);
    }
}
