#include "common/process.h"

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

#define GRACE_MS  3000
#define FILES_MAX 4096
#define SAID_READ 65536 /* the end of it: the error is what is said last */

extern char **environ;

static bool is_given(const char *const *further, const char *entry)
{
    size_t n = strcspn(entry, "=") + 1;
    for (size_t i = 0; further && further[i]; i++)
        if (strncmp(further[i], entry, n) == 0)
            return true;
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
    for (size_t i = 0; i < n; i++)
        if (!is_given(further, environ[i]))
            all[m++] = environ[i];
    return all;
}

/* What a child tells before it becomes the program; it becomes it without a word. */
struct report {
    pid_t pid; /* of the process that goes on in its place, when that is what is told */
    struct process_failure failure; /* what is static, so it means the same on both sides of a fork;
                                       NULL: of the program itself, not of its cage */
};

static void tell_parent(int fd, const struct report *r)
{
    ssize_t n = write(fd, r, sizeof *r);
    (void)n;
}

static _Noreturn void give_up(int fd, struct process_failure f)
{
    tell_parent(fd, &(struct report){.failure = f});
    _exit(127);
}

static void lock_in(const struct process_cage *cage, int report)
{
    struct process_failure f = {0};
    pid_t inside = 0;
    if (cage->move) {
        int r = cage->move(cage->ctx, &inside, &f);
        if (inside > 0)
            tell_parent(report, &(struct report){.pid = inside});
        if (r < 0)
            give_up(report, f);
        if (inside > 0)
            _exit(0);
        setpgid(0, 0);
    }
    if (cage->enter(cage->ctx, &f) < 0)
        give_up(report, f);
    struct pollfd reader = {.fd = report}; /* gone, if we have died meanwhile */
    if (poll(&reader, 1, 0) > 0)
        _exit(127);
}

static bool stream_becomes(int given, int otherwise, int number)
{
    int fd = given == PROCESS_OURS ? number : given ? given : otherwise;
    return fd == number ? fcntl(fd, F_SETFD, 0) == 0 : dup2(fd, number) >= 0;
}

/* Libraries open files without O_CLOEXEC: libmariadb its connections, which are logged in. */
static void keep_to_ourselves(void)
{
    if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
        return;
    for (int fd = 3; fd < FILES_MAX; fd++) /* a kernel before 5.11 */
        fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* execvp takes an array of char * for history's sake and does not write to it. */
static void execute(const char *const *argv)
{
    execvp(argv[0], (char *const *)(uintptr_t)argv);
}

/* Between fork and exec: async-signal-safe calls only. */
static _Noreturn void become(const struct process_options *o, char **envp, pid_t parent, int report)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    setpgid(0, 0); /* Ctrl-C on the terminal is for us, who then end our children in order */
    prctl(PR_SET_PDEATHSIG, o->on_death ? o->on_death : SIGKILL);
    if (getppid() != parent)
        _exit(127);
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int nowhere = isatty(2) ? 2 : open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (!stream_becomes(o->in, nothing, 0) || !stream_becomes(o->out, nowhere, 1) ||
        !stream_becomes(o->err, nowhere, 2))
        give_up(report, (struct process_failure){errno, NULL});
    keep_to_ourselves();
    if (o->keep > 0)
        fcntl(o->keep, F_SETFD, 0);
    if (o->cage)
        lock_in(o->cage, report);
    environ = envp;
    if (o->program > 0)
        execveat(o->program, "", (char *const *)(uintptr_t)o->argv, envp, AT_EMPTY_PATH);
    else
        execute(o->argv);
    give_up(report, (struct process_failure){errno, NULL});
}

static bool next_report(int fd, struct report *out)
{
    ssize_t n;
    do
        n = read(fd, out, sizeof *out);
    while (n < 0 && errno == EINTR);
    return n == sizeof *out;
}

/* Until the pipe closes, which exec does. */
static int hear(int fd, pid_t forked, const char *program, struct process *out, struct err *e)
{
    struct report r;
    int code = 0;
    pid_t inside = 0;
    while (next_report(fd, &r)) {
        const struct process_failure *f = &r.failure;
        if (r.pid > 0)
            inside = r.pid;
        else if (code != 0)
            continue;
        else if (f->what) {
            err_set(e, f->code, "no sandbox for %s: %s: %s", program, f->what, strerror(f->code));
            code = 1;
        } else
            code = err_sys(e, f->code, "cannot start %s", program);
    }
    if (inside > 0 || code != 0)
        waitpid(forked, NULL, 0);
    if (inside > 0 && code != 0)
        waitpid(inside, NULL, 0);
    *out = (struct process){.pid = code ? 0 : inside ? inside : forked};
    return code;
}

int process_start(const struct process_options *o, struct process *out, struct err *e)
{
    int report[2];
    if (pipe2(report, O_CLOEXEC) < 0)
        return err_sys(e, errno, "cannot start %s", o->argv[0]);
    char **envp = merged_environment(o->environment);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        become(o, envp, parent, report[1]);
    int code = pid < 0 ? err_sys(e, errno, "cannot start %s", o->argv[0]) : 0;
    if (pid > 0)
        setpgid(pid, pid); /* both do it, so that it is done whoever runs first */
    close(report[1]);
    free(envp);
    if (pid > 0)
        code = hear(report[0], pid, o->argv[0], out, e);
    close(report[0]);
    return code;
}

static bool reap(struct process *p)
{
    if (p->pid == 0)
        return true;
    pid_t got = waitpid(p->pid, &p->status, WNOHANG);
    if (got == 0 || (got < 0 && errno == EINTR))
        return false;
    p->pid = 0;
    return true;
}

int process_wait(struct process *p, int timeout_ms, bool (*go_on)(void *ctx), void *ctx)
{
    uint64_t end = clock_mono_ms() + (uint64_t)timeout_ms;
    while (!reap(p)) {
        if (go_on && !go_on(ctx))
            return 1;
        if (timeout_ms >= 0 && clock_mono_ms() >= end)
            return 1;
        usleep(10000);
    }
    return 0;
}

void process_end(struct process *p, int grace_ms)
{
    pid_t group = p->pid;
    if (group == 0)
        return;
    kill(-group, SIGTERM); /* with what it started itself */
    if (process_wait(p, grace_ms, NULL, NULL) != 0) {
        kill(-group, SIGKILL);
        int r = process_wait(p, -1, NULL, NULL);
        (void)r;
    }
    kill(-group, SIGKILL); /* what outlived it; the group's number is taken while one is left */
}

bool process_good(const struct process *p)
{
    return p->pid == 0 && WIFEXITED(p->status) && WEXITSTATUS(p->status) == 0;
}

const char *process_how(const struct process *p, struct err *how)
{
    int code = WIFSIGNALED(p->status) ? WTERMSIG(p->status) : WEXITSTATUS(p->status);
    if (p->pid != 0)
        err_set(how, ECHILD, "still runs");
    else if (WIFSIGNALED(p->status))
        err_set(how, ECHILD, "was ended by signal %d (%s)", code, strsignal(code));
    else
        err_set(how, ECHILD, "ended with %d", code);
    return err_words(how);
}

const char *process_said(int fd, struct err *said)
{
    off_t size = lseek(fd, 0, SEEK_END);
    _cleanup_free_ char *text = xcalloc(SAID_READ, 1);
    ssize_t n = pread(fd, text, SAID_READ - 1, size >= SAID_READ ? size - (SAID_READ - 1) : 0);
    text[n > 0 ? n : 0] = '\0';
    for (ssize_t i = 0; i < n; i++)
        if (!text[i])
            text[i] = '?'; /* what follows a NUL is read as well */
    return said_of_program(text, said);
}

int process_finish(struct process *p, const struct process_options *o, int timeout_ms,
    bool (*go_on)(void *ctx), void *ctx, struct err *e)
{
    struct err how = {0}, said = {0};
    if (process_wait(p, timeout_ms, go_on, ctx) != 0) {
        process_end(p, GRACE_MS);
        return go_on && !go_on(ctx)
                   ? err_set(e, ECANCELED, "%s was ended", o->argv[0])
                   : err_set(e, ETIMEDOUT, "%s did not end within %d s and was ended", o->argv[0],
                         timeout_ms / 1000);
    }
    if (process_good(p))
        return 0;
    err_set(e, EIO, "%s %s%s%s", o->argv[0], process_how(p, &how), o->err > 0 ? ": " : "",
        o->err > 0 ? process_said(o->err, &said) : "");
    return 1;
}

int process_run(const struct process_options *o, int timeout_ms, bool (*go_on)(void *ctx),
    void *ctx, struct err *e)
{
    struct process p = {0};
    int r = process_start(o, &p, e);
    return r == 0 ? process_finish(&p, o, timeout_ms, go_on, ctx, e) : r;
}

int process_become(const char *const *argv, struct err *e)
{
    fflush(stdout);
    execute(argv);
    return err_sys(e, errno, "cannot start %s", argv[0]);
}

char *process_find(const char *program)
{
    if (strchr(program, '/'))
        return access(program, X_OK) == 0 ? xstrdup(program) : NULL;
    const char *path = getenv("PATH");
    _cleanup_free_ char *copy = xstrdup(path ? path : "/usr/bin:/bin");
    char *save = NULL;
    for (char *p = strtok_r(copy, ":", &save); p; p = strtok_r(NULL, ":", &save)) {
        char *full = xasprintf("%s/%s", p, program);
        if (access(full, X_OK) == 0)
            return full;
        free(full);
    }
    return NULL;
}

char *process_self(void)
{
    static const char deleted[] = " (deleted)";
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0)
        return NULL;
    path[n] = '\0';
    char *end = strstr(path, deleted);
    if (end && end[sizeof deleted - 1] == '\0')
        *end = '\0';
    return xstrdup(path);
}

int process_self_open(struct err *e)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    return fd < 0 ? err_sys(e, errno, "cannot open the file that this program runs from") : fd;
}

char *process_beside(const char *relative, const char *installed)
{
    _cleanup_free_ char *self = process_self();
    char *slash = self ? strrchr(self, '/') : NULL;
    char *near = slash ? xasprintf("%.*s/%s", (int)(slash - self), self, relative) : NULL;
    if (near && access(near, X_OK) == 0)
        return near;
    free(near);
    return xstrdup(installed);
}
