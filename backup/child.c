#include "backup/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "common/clock.h"

extern char **environ;

static bool is_given(const char *const *further, const char *entry)
{
    size_t n = strcspn(entry, "=") + 1;
    for (size_t i = 0; further && further[i]; i++) {
        if (strncmp(further[i], entry, n) == 0)
            return true;
    }
    return false;
}

/* Ours, with what is given in place of what has the same name: of two, some programs take the first
 * and some (dash) the last. The strings are borrowed. */
static char **merged_environment(const char *const *further)
{
    size_t n = 0, m = 0;
    while (environ[n])
        n++;
    while (further && further[m])
        m++;
    char **all = xcalloc(n + m + 1, sizeof *all);
    for (size_t i = 0; i < m; i++)
        all[i] = (char *)(uintptr_t)further[i];
    for (size_t i = 0; i < n; i++) {
        if (!is_given(further, environ[i]))
            all[m++] = environ[i];
    }
    return all;
}

/* Between fork and exec: async-signal-safe calls only. */
static _Noreturn void become(const struct child_options *o, char **envp, pid_t parent, int report)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    setpgid(
        0, 0); /* Ctrl-C on the terminal is for the job, which then ends its children in order */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    int in = o->in > 0 ? o->in : open("/dev/null", O_RDONLY);
    int nowhere = isatty(2) ? 2 : open("/dev/null", O_WRONLY);
    int out = o->out >= 0 ? o->out : nowhere;
    int err = o->err >= 0 ? o->err : nowhere;
    if (in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
        _exit(127);
    if (o->keep >= 0)
        fcntl(o->keep, F_SETFD, 0);
    environ = envp;
    /* execvp takes an array of char * for history's sake and does not write to it */
    execvp(o->argv[0], (char *const *)(uintptr_t)o->argv);
    int code = errno;
    ssize_t n = write(report, &code, sizeof code);
    (void)n;
    _exit(127);
}

int child_start(const struct child_options *o, struct child *out, struct err *e)
{
    int report[2];
    if (pipe2(report, O_CLOEXEC) < 0)
        return err_sys(e, errno, "cannot start %s", o->argv[0]);
    char **envp = merged_environment(o->environment);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        become(o, envp, parent, report[1]);
    int code = pid < 0 ? errno : 0;
    if (pid > 0)
        setpgid(pid, pid); /* both do it, so that it is done whoever runs first */
    close(report[1]);
    free(envp);
    ssize_t n = 0;
    if (pid > 0) { /* closes without a word when exec succeeds */
        do
            n = read(report[0], &code, sizeof code);
        while (n < 0 && errno == EINTR);
    }
    close(report[0]);
    if (pid > 0 && n > 0)
        waitpid(pid, NULL, 0);
    if (pid < 0 || n > 0)
        return err_sys(e, code, "cannot start %s", o->argv[0]);
    *out = (struct child){.pid = pid};
    return 0;
}

static bool reap(struct child *c)
{
    if (c->pid == 0)
        return true;
    pid_t got = waitpid(c->pid, &c->status, WNOHANG);
    if (got == 0 || (got < 0 && errno == EINTR))
        return false;
    c->pid = 0;
    return true;
}

int child_wait(struct child *c, int timeout_ms, bool (*go_on)(void *ctx), void *ctx)
{
    uint64_t end = clock_mono_ms() + (uint64_t)timeout_ms;
    while (!reap(c)) {
        if (go_on && !go_on(ctx))
            return 1;
        if (timeout_ms >= 0 && clock_mono_ms() >= end)
            return 1;
        usleep(10000);
    }
    return 0;
}

void child_end(struct child *c, int grace_ms)
{
    pid_t group = c->pid;
    if (group == 0)
        return;
    kill(-group, SIGTERM); /* with what it started itself */
    if (child_wait(c, grace_ms, NULL, NULL) != 0) {
        kill(-group, SIGKILL);
        int r = child_wait(c, -1, NULL, NULL);
        (void)r;
    }
    kill(-group, SIGKILL); /* what outlived it; the group's number is taken while one is left */
}

bool child_good(const struct child *c)
{
    return c->pid == 0 && WIFEXITED(c->status) && WEXITSTATUS(c->status) == 0;
}

const char *child_how(const struct child *c, char *buf, size_t size)
{
    if (c->pid != 0)
        snprintf(buf, size, "still runs");
    else if (WIFSIGNALED(c->status))
        snprintf(buf, size, "was ended by signal %d (%s)", WTERMSIG(c->status),
            strsignal(WTERMSIG(c->status)));
    else
        snprintf(buf, size, "ended with %d", WEXITSTATUS(c->status));
    return buf;
}

#define SAID_READ 65536 /* the end of it: the error is what is said last */

const char *child_said(int fd, char buf[static SAID_MAX])
{
    off_t size = lseek(fd, 0, SEEK_END);
    _cleanup_free_ char *text = xcalloc(SAID_READ, 1);
    ssize_t n = pread(fd, text, SAID_READ - 1, size >= SAID_READ ? size - (SAID_READ - 1) : 0);
    text[n > 0 ? n : 0] = '\0';
    for (ssize_t i = 0; i < n; i++) {
        if (!text[i])
            text[i] = '?'; /* what follows a NUL is read as well */
    }
    return said_of_program(text, buf);
}
