/*
 * elexgate-monitor: see monitor.h. Here are the loop and the acts, kinds.c has the table of what
 * may be started, jobs.c starts it.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "backup/monitor/files.h"
#include "backup/monitor/grants.h"
#include "backup/monitor/jobs.h"
#include "common/audit.h"
#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/log.h"
#include "common/program.h"
#include "link/unix_socket.h"
#include "people/sealed.h"

#define DOOR_MS   1000
#define EXPIRE_MS (24 * 60 * 60 * 1000) /* how often old audit logs are looked for */

static const char usage[] =
    "usage: elexgate-monitor [--config FILE] [--help] [--version]\n"
    "\n"
    "Started by elexgate-keeper, for which it starts jobs. See elexgate-keeper(8).\n";

static const char *config_file; /* as given; NULL = the default */
static struct config *config;   /* of our own files */

/* *given: the descriptor that came with it, -1 = none. False: the keeper is gone, or sends what is
 * no request: another size, or more than one descriptor. */
static bool take(struct monitor_request *q, int *given)
{
    static char message[sizeof *q + 1];
    int fds[2] = {-1, -1};
    size_t count = 0;
    ssize_t n = unix_socket_receive(STDIN_FILENO, message, sizeof message, fds, &count, 2);
    *given = fds[0];
    cleanup_fd(&fds[1]);
    if (n <= 0)
        return false;
    if (n == (ssize_t)sizeof *q && count <= 1) {
        memcpy(q, message, sizeof *q);
        return true;
    }
    log_event(LOG_ERROR, "monitor-refuses", LOG_S("error", "a message that is no request"));
    return false;
}

/* The settings of our own files; the old ones stay in force when the new ones are not good. */
static int load(struct err *e)
{
    struct config *c = NULL;
    int r = config_load(config_file, &c, e);
    if (r == 0) {
        config_free(config);
        config = c;
        files_audit_open(c);
    }
    return r;
}

/* With the settings of now: what the page has just changed counts for the next job. */
static int start(const struct monitor_request *q, int given, pid_t *pid, int *said, struct err *e)
{
    struct config *c = NULL;
    int r = config_load(config_file, &c, e);
    grants_take(config); /* told before it was asked for */
    if (r == 0)
        r = jobs_start(q, c, config_file, given, pid, said, e);
    config_free(c);
    return r;
}

static bool serve(void)
{
    static struct monitor_request q;
    struct monitor_answer a = {0};
    struct err e = {0};
    _cleanup_fd_ int given = -1, said = -1;
    if (!take(&q, &given))
        return false;
    const struct config *c = config;
    bool whole = false;
    switch (q.act) {
    case MONITOR_START:
        a.result = start(&q, given, &a.pid, &said, &e);
        break;
    case MONITOR_STOP:
        a.result = jobs_stop(q.job, &e);
        break;
    case MONITOR_TRAIL:
        a.result = files_trail(c, &said, &e);
        break;
    case MONITOR_STOP_RESTORE:
        a.result = files_stop_restore(c, &e);
        break;
    case MONITOR_STATE:
        files_state(c, &a.state);
        a.state.unbound = !jobs_bound();
        break;
    case MONITOR_CONFIG:
        a.result = files_config(c, config_file, &whole, &said, &e);
        a.state.whole = whole;
        break;
    case MONITOR_RELOAD:
        a.result = load(&e);
        break;
    case MONITOR_AUDIT:
        a.result = files_audit(given, &e);
        break;
    case MONITOR_PEOPLE:
        a.result = files_people(c, &said, &e);
        break;
    case MONITOR_CLOSED:
        a.result = files_closed(c, &e);
        break;
    default:
        a.result = err_set(&e, ENOSYS, "the monitor knows no such act");
    }
    a.e = e;
    if (a.result == -EINVAL || a.result == -ENOSYS || a.result == -EPERM)
        log_event(LOG_ERROR, "monitor-refuses", LOG_S("error", e.text));
    return unix_socket_send(STDIN_FILENO, (const char *)&a, sizeof a, &said, said >= 0) ==
           (ssize_t)sizeof a;
}

static bool tell_ends(int signals)
{
    struct signalfd_siginfo info;
    struct monitor_event event;
    ssize_t n = read(signals, &info, sizeof info);
    (void)n;
    while (jobs_reap(&event))
        if (write(STDOUT_FILENO, &event, sizeof event) != (ssize_t)sizeof event)
            return false;
    return true;
}

static void run(int signals)
{
    struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
        {.fd = signals, .events = POLLIN}, {.events = POLLIN}};
    bool good = true;
    uint64_t expire_ms = 0;
    while (good) {
        if (clock_mono_ms() >= expire_ms) {
            files_audit_expire(config);
            expire_ms = clock_mono_ms() + EXPIRE_MS;
        }
        fds[2].fd = grants_door(config); /* an earlier monitor may have had it until now */
        if (poll(fds, 3, fds[2].fd < 0 ? DOOR_MS : EXPIRE_MS) < 0 && errno != EINTR)
            break;
        if (fds[2].revents & POLLIN)
            grants_take(config);
        if (fds[1].revents & POLLIN)
            good = tell_ends(signals);
        if (good && fds[0].revents)
            good = serve();
    }
    grants_close(config);
    jobs_end();
}

/* What the page closes passwords with; without it nothing can be confirmed there, and all else goes
 * on. */
static void make_key(void)
{
    struct err e = {0};
    _cleanup_free_ char *within = sealed_key_within(
        config_str(config, "backup", NULL, "state_dir"));
    _cleanup_free_ char *beside = sealed_key_beside(
        config_str(config, "backup", NULL, "control_socket"));
    if (sealed_make(beside, within, &e) < 0)
        log_err(LOG_ERROR, "no-key-for-passwords", &e);
}

static bool started_by_keeper(void)
{
    int type = 0;
    socklen_t size = sizeof type;
    return getsockopt(STDIN_FILENO, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
           type == SOCK_SEQPACKET;
}

int main(int argc, char **argv)
{
    const struct program program = {"elexgate-monitor", usage, &config_file};
    int code = program_begin(&program, argc, argv);
    if (code >= 0)
        return code;
    if (!started_by_keeper()) {
        fputs("elexgate-monitor: it is started by elexgate-keeper, not by hand\n", stderr);
        return EXIT_USAGE;
    }
    umask(0077);
    struct err e = {0};
    if (!jobs_rights_begin(&e))
        log_err(LOG_WARNING, "rights", &e);
    /* The keeper ends us, in order: Ctrl-C, a terminal that is closed and a service that is stopped
     * are for it. */
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    int signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0) {
        log_event(LOG_ERROR, "not-started", LOG_S("error", strerror(errno)));
        return EXIT_FAILED;
    }
    audit_init("elexgate-monitor");
    if (load(&e) < 0) {
        log_err(LOG_ERROR, "not-started", &e);
        return EXIT_FAILED;
    }
    make_key();
    run(signals);
    audit_stop();
    config_free(config);
    return EXIT_GOOD;
}
