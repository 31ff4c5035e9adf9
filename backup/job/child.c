#include "backup/job/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "common/clock.h"
#include "common/utf8.h"

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

/* What a child tells before it becomes the program; it becomes it without a word. */
struct report {
    pid_t pid; /* of the process in new namespaces, when that is what is told; else a failure */
    int code;
    const char *what; /* static, so it means the same on both sides of a fork; NULL: exec itself */
};

static void tell(int fd, pid_t pid, int code, const char *what)
{
    struct report r = {.pid = pid, .code = code, .what = what};
    ssize_t n = write(fd, &r, sizeof r);
    (void)n;
}

static _Noreturn void give_up(int report, const struct sandbox_failure *f)
{
    tell(report, 0, f->code, f->what);
    _exit(127);
}

/* Into the sandbox. In namespaces the process that was forked goes, and another one goes on. */
static void lock_in(const struct sandbox_plan *p, enum sandbox_kind kind, int report)
{
    struct sandbox_failure f = {0};
    pid_t inside = 0;
    if (kind == SANDBOX_NAMESPACES) {
        int r = sandbox_clone(p, &inside, &f);
        if (inside > 0)
            tell(report, inside, 0, NULL);
        if (r < 0)
            give_up(report, &f);
        if (inside > 0)
            _exit(0);
        setpgid(0, 0);
    }
    if (sandbox_enter(p, &f) < 0)
        give_up(report, &f);
    struct pollfd reader = {.fd = report}; /* gone, if the job has died meanwhile */
    if (poll(&reader, 1, 0) > 0)
        _exit(127);
}

/* Between fork and exec: async-signal-safe calls only. */
static _Noreturn void become(const struct child_options *o, const struct sandbox_plan *plan,
    enum sandbox_kind kind, char **envp, pid_t parent, int report)
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
    /* our standard error is a log, unless somebody looks on (child.h) */
    int nowhere = isatty(2) ? 2 : open("/dev/null", O_WRONLY);
    int out = o->out >= 0 ? o->out : nowhere;
    int err = o->err >= 0 ? o->err : nowhere;
    if (in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
        _exit(127);
    if (o->keep >= 0)
        fcntl(o->keep, F_SETFD, 0);
    if (plan)
        lock_in(plan, kind, report);
    environ = envp;
    /* execvp takes an array of char * for history's sake and does not write to it */
    execvp(o->argv[0], (char *const *)(uintptr_t)o->argv);
    tell(report, 0, errno, NULL);
    _exit(127);
}

static bool next_report(int fd, struct report *out)
{
    ssize_t n;
    do
        n = read(fd, out, sizeof *out);
    while (n < 0 && errno == EINTR);
    return n == sizeof *out;
}

/* Until the pipe closes, which exec does. 0, or 1 when a sandbox of this kind cannot be had. */
static int hear(
    int fd, pid_t forked, const struct child_options *o, struct child *out, struct err *e)
{
    struct report r;
    int code = 0;
    pid_t inside = 0;
    while (next_report(fd, &r)) {
        if (r.pid > 0)
            inside = r.pid;
        else if (code != 0)
            continue;
        else if (r.what) {
            err_set(e, r.code, "no sandbox for %s: %s: %s", o->argv[0], r.what, strerror(r.code));
            code = 1;
        } else
            code = err_sys(e, r.code, "cannot start %s", o->argv[0]);
    }
    if (inside > 0 || code != 0)
        waitpid(forked, NULL, 0);
    if (inside > 0 && code != 0)
        waitpid(inside, NULL, 0);
    *out = (struct child){.pid = code ? 0 : inside ? inside : forked};
    return code;
}

static int start(const struct child_options *o, const struct sandbox_plan *plan,
    enum sandbox_kind kind, struct child *out, struct err *e)
{
    int report[2];
    if (pipe2(report, O_CLOEXEC) < 0)
        return err_sys(e, errno, "cannot start %s", o->argv[0]);
    char **envp = merged_environment(o->environment);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        become(o, plan, kind, envp, parent, report[1]);
    int code = pid < 0 ? err_sys(e, errno, "cannot start %s", o->argv[0]) : 0;
    if (pid > 0)
        setpgid(pid, pid); /* both do it, so that it is done whoever runs first */
    close(report[1]);
    free(envp);
    if (pid > 0)
        code = hear(report[0], pid, o, out, e);
    out->sandbox = kind;
    close(report[0]);
    return code;
}

/* 1: refused by the kernel or a profile of it. */
static int start_in(
    const struct child_options *o, enum sandbox_kind kind, struct child *out, struct err *e)
{
    struct sandbox_plan *plan = NULL;
    int r = sandbox_prepare(o->sandbox, o->argv[0], kind, &plan, e);
    if (r == 0)
        r = start(o, plan, kind, out, e);
    sandbox_plan_drop(plan);
    return r;
}

int child_start(const struct child_options *o, struct child *out, struct err *e)
{
    if (!o->sandbox)
        return start(o, NULL, SANDBOX_AUTO, out, e);
    enum sandbox_kind kind = o->sandbox->kind;
    struct err first = {0};
    int r = start_in(o, kind == SANDBOX_AUTO ? SANDBOX_NAMESPACES : kind, out, &first);
    if (r == 1 && kind == SANDBOX_AUTO) {
        r = start_in(o, SANDBOX_LANDLOCK, out, e);
        return r == 0 ? 0 : err_prefix(e, r == 1 ? -EPERM : r, "%s", UTF8_SHORT(first.text, 250));
    }
    if (r != 0 && e)
        *e = first;
    return r == 1 ? -EPERM : r;
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
        utf8_format(buf, size, "was ended by signal %d (%s)", WTERMSIG(c->status),
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
