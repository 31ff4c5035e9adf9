#include "cli/job_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define ANSWER_MS 10000

static volatile sig_atomic_t asked_to_stop;

static void on_signal(int number)
{
    (void)number;
    asked_to_stop = 1;
}

static void catch_signals(void)
{
    struct sigaction ask = {.sa_handler = on_signal};
    sigaction(SIGINT, &ask, NULL);
    sigaction(SIGTERM, &ask, NULL);
    sigaction(SIGHUP, &ask, NULL);
}

struct stream {
    job_stream_fn *fn;
    void *ctx;
    bool done;
    int exit_code;
};

static int on_line(void *ctx, json_t *line)
{
    struct stream *s = ctx;
    if (json_is_true(json_object_get(line, "done"))) {
        s->done = true;
        s->exit_code = (int)json_integer_value(json_object_get(line, "exit"));
    }
    s->fn(s->ctx, line);
    return 0;
}

/* Where the build puts it, beside this program's folder, or where it is installed. */
static char *job_program(void)
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n > 0) {
        self[n] = '\0';
        for (int up = 0; up < 2; up++) {
            char *slash = strrchr(self, '/');
            if (slash)
                *slash = '\0';
        }
        char *near = xasprintf("%s/backup/elexgate-job", self);
        if (access(near, X_OK) == 0)
            return near;
        free(near);
    }
    return xstrdup(ELEXGATE_LIBEXECDIR "/elexgate-job");
}

static _Noreturn void become(
    const char *program, const char *config, const char *const *args, int out)
{
    const char *argv[100] = {program};
    size_t n = 1;
    if (config) {
        argv[n++] = "--config";
        argv[n++] = config;
    }
    for (size_t i = 0; args[i] && n < 99; i++)
        argv[n++] = args[i];
    setpgid(0, 0); /* Ctrl-C comes to us, and from us to it, once */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    dup2(out, 1);
    execv(program, (char *const *)(uintptr_t)argv);
    fprintf(stderr, "elexgate: cannot start %s: %s\n", program, strerror(errno));
    _exit(127);
}

static void read_lines(int fd, pid_t pid, struct stream *s)
{
    struct json_splitter splitter = {0};
    char chunk[16384];
    bool passed_on = false;
    for (;;) {
        if (asked_to_stop && !passed_on) {
            kill(pid, SIGTERM);
            passed_on = true;
        }
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, 200) <= 0)
            continue;
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || json_splitter_feed(&splitter, chunk, (size_t)n, on_line, s, NULL) < 0)
            break;
    }
    json_splitter_clear(&splitter);
}

int job_stream_run(struct cli *cli, const char *const *args, job_stream_fn *fn, void *ctx)
{
    int out[2];
    if (pipe2(out, O_CLOEXEC) < 0)
        return cli_failf(cli, EXIT_FAILED, "cannot make a pipe: %s", strerror(errno));
    _cleanup_free_ char *program = job_program();
    catch_signals();
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        become(program, cli->config_path, args, out[1]);
    close(out[1]);
    if (pid < 0) {
        close(out[0]);
        return cli_failf(cli, EXIT_FAILED, "cannot start %s: %s", program, strerror(errno));
    }
    struct stream s = {.fn = fn, .ctx = ctx};
    read_lines(out[0], pid, &s);
    close(out[0]);
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status))
        return WEXITSTATUS(status) == 127 ? EXIT_FAILED : WEXITSTATUS(status);
    return cli_failf(cli, EXIT_FAILED, "%s was ended by signal %d", program, WTERMSIG(status));
}

/* Over a connection of its own, since the other one streams. */
static void cancel(const char *socket)
{
    json_t *request = json_pack("{s:s}", "cmd", "cancel"), *answer = NULL;
    int r = control_call(socket, ANSWER_MS, request, &answer, NULL);
    (void)r; /* it has just ended by itself */
    json_decref(request);
    json_decref(answer);
}

static int follow(struct cli *cli, const char *socket, struct control *c, struct stream *s)
{
    struct json_splitter splitter = {0};
    char chunk[16384];
    bool cancelled = false;
    while (!s->done) {
        if (asked_to_stop && !cancelled) {
            cancel(socket);
            cancelled = true;
        }
        struct pollfd p = {.fd = control_fd(c), .events = POLLIN};
        if (poll(&p, 1, 200) <= 0)
            continue;
        ssize_t n = read(p.fd, chunk, sizeof chunk);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n <= 0 || json_splitter_feed(&splitter, chunk, (size_t)n, on_line, s, NULL) < 0)
            break;
    }
    json_splitter_clear(&splitter);
    if (s->done)
        return s->exit_code;
    return cli_failf(cli, EXIT_UNREACHABLE, "the keeper went away; see: elexgate status");
}

int job_stream_keeper(struct cli *cli, json_t *request, job_stream_fn *fn, void *ctx, bool *told)
{
    const struct config *c = cli_config(cli);
    struct control *control = NULL;
    struct err e = {0};
    json_t *answer = NULL;
    *told = true;
    if (!c) {
        json_decref(request);
        return EXIT_FAILED;
    }
    const char *socket = config_str(c, "backup", NULL, "control_socket");
    if (control_connect(socket, ANSWER_MS, &control, NULL) < 0) {
        json_decref(request);
        *told = false;
        return EXIT_UNREACHABLE;
    }
    catch_signals();
    json_object_set_new(request, "follow", json_true());
    int r = control_send(control, request, &e);
    json_decref(request);
    if (r == 0)
        r = control_receive(control, &answer, &e);
    int code;
    struct stream s = {.fn = fn, .ctx = ctx};
    if (r < 0) {
        code = cli_fail(cli, EXIT_UNREACHABLE, &e);
    } else if (!json_is_true(json_object_get(answer, "ok"))) {
        const char *name = json_string_value(json_object_get(answer, "code"));
        code = cli_failf(cli, name && strcmp(name, "EBUSY") == 0 ? EXIT_BUSY : EXIT_FAILED, "%s",
            json_string_value(json_object_get(answer, "error")));
    } else {
        code = follow(cli, socket, control, &s);
    }
    json_decref(answer);
    control_close(control);
    return code;
}
