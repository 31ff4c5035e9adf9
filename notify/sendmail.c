/*
 * Mail through the system's sendmail, whichever program plays it (postfix, msmtp, nullmailer ...).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/file.h"
#include "notify/mail.h"
#include "notify/privileges.h"

#define SAID_MAX 300

static _Noreturn void become(const char *program, const char *const *argv, int in, int out)
{
    signal(SIGPIPE, SIG_DFL);
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    execv(program, (char *const *)(uintptr_t)argv);
    dprintf(STDERR_FILENO, "%s", strerror(errno));
    _exit(127);
}

/* Waits; past its time it is ended. */
static int wait_for(pid_t pid, int64_t limit_ms)
{
    int status = 0;
    uint64_t until = clock_mono_ms() + (uint64_t)limit_ms;
    for (;;) {
        pid_t r = waitpid(pid, &status, WNOHANG);
        if (r == pid)
            return status;
        if (r < 0 && errno != EINTR)
            return -1;
        if (clock_mono_ms() >= until) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            return -1;
        }
        usleep(20000);
    }
}

/* What it said, for the error; one line. */
static void said(int fd, char buf[static SAID_MAX])
{
    ssize_t n = pread(fd, buf, SAID_MAX - 1, 0);
    buf[n > 0 ? n : 0] = '\0';
    for (char *p = buf; *p; p++)
        if ((unsigned char)*p < ' ')
            *p = ' ';
}

static int run(const struct config *c, const char *const *argv, int in, struct err *e)
{
    char words[SAID_MAX];
    int out = memfd_create("sendmail-output", MFD_CLOEXEC);
    CHECK(out >= 0);
    fflush(stdout);
    int r = privileges_drop(c, e);
    if (r < 0) {
        close(out);
        return r;
    }
    pid_t pid = fork();
    if (pid == 0)
        become(argv[0], argv, in, out);
    int status = pid < 0 ? -1 : wait_for(pid, config_int(c, "notify", NULL, "timeout"));
    said(out, words);
    close(out);
    if (status == -1)
        return err_set(e, ETIMEDOUT, "%s did not end in time", argv[0]);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    return err_set(e, EIO, "%s failed (%d): %s", argv[0],
        WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), words);
}

int sendmail_send(const struct config *c, const struct mail *m, struct err *e)
{
    const char *argv[MAIL_RECIPIENTS_MAX + 6] = {
        config_str(c, "notify", NULL, "sendmail"), "-i", "-f", m->from, "--"};
    for (size_t i = 0, n = 5; m->to[i]; i++)
        argv[n++] = m->to[i];
    _cleanup_fd_ int in = memfd_create("mail", MFD_CLOEXEC);
    int r = in < 0 ? err_sys(e, errno, "memfd") : fd_write_all(in, m->text, m->len, e);
    if (r < 0)
        return r;
    (void)lseek(in, 0, SEEK_SET);
    return run(c, argv, in, e);
}
