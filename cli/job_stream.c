#include "cli/job_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/process.h"
#include "common/json_get.h"
#include "common/json_lines.h"
#include "link/control.h"

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
    if (json_get_true(line, "done")) {
        s->done = true;
        s->exit_code = (int)json_get_int(line, "exit");
    }
    s->fn(s->ctx, line);
    return 0;
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
    const char *argv[100] = {NULL};
    size_t n = 1;
    int ends[2];
    struct err e;
    if (cli->config_path) {
        argv[n++] = "--config";
        argv[n++] = cli->config_path;
    }
    for (size_t i = 0; args[i] && n < 99; i++)
        argv[n++] = args[i];
    _cleanup_free_ char *program = process_beside(
        "../backup/elexgate-job", ELEXGATE_LIBEXECDIR "/elexgate-job");
    argv[0] = program;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return cli_failf(cli, EXIT_FAILED, "cannot make a pipe: %s", strerror(errno));
    catch_signals(); /* Ctrl-C comes to us, and from us to it, once */
    fflush(stdout);
    struct process p = {0};
    struct process_options o = {
        .argv = argv, .in = PROCESS_OURS, .out = ends[1], .err = PROCESS_OURS, .on_death = SIGTERM};
    int r = process_start(&o, &p, &e);
    close(ends[1]);
    struct stream s = {.fn = fn, .ctx = ctx};
    if (r == 0)
        read_lines(ends[0], p.pid, &s);
    close(ends[0]);
    if (r != 0 || process_wait(&p, -1, NULL, NULL) != 0)
        return cli_fail(cli, EXIT_FAILED, &e);
    char how[80];
    return WIFEXITED(p.status)
               ? WEXITSTATUS(p.status)
               : cli_failf(cli, EXIT_FAILED, "%s %s", program, process_how(&p, how, sizeof how));
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
    } else if (!json_get_true(answer, "ok")) {
        const char *name = json_get_text(answer, "code");
        code = cli_failf(cli, strcmp(name, "EBUSY") == 0 ? EXIT_BUSY : EXIT_FAILED, "%s",
            json_get_str(answer, "error"));
    } else {
        code = follow(cli, socket, control, &s);
    }
    json_decref(answer);
    control_close(control);
    return code;
}
