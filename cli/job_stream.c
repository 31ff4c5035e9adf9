#include "cli/job_stream.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "common/process.h"
#include "common/json_get.h"
#include "link/control.h"
#include "link/grant.h"

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

static void on_job_stream_line(struct stream *s, const json_t *line)
{
    if (json_get_true(line, "done")) {
        s->done = true;
        s->exit_code = (int)json_get_int(line, "exit");
    }
    s->fn(s->ctx, line);
}

/* Each line until the last one, or the end. stop is called once when somebody wants it to end. */
static void read_lines(struct control *c, struct stream *s, void (*stop)(void *ctx), void *ctx)
{
    bool passed_on = false;
    int r = 0;
    control_set_timeout(c, 200);
    while ((r == 0 || r == -ETIMEDOUT) && !s->done) {
        json_t *line = NULL;
        if (asked_to_stop && !passed_on) {
            stop(ctx);
            passed_on = true;
        }
        r = control_receive(c, &line, NULL);
        if (r == 0)
            on_job_stream_line(s, line);
        json_decref(line);
    }
}

static void end_child(void *ctx)
{
    const struct process *p = ctx;
    kill(p->pid, SIGTERM);
}

int job_stream_run(struct cli *cli, const char *const *args, job_stream_fn *fn, void *ctx)
{
    const char *argv[100] = {NULL};
    size_t n = 1;
    int ends[2]; /* a socket pair, which is read as the keeper's is */
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
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return cli_failf(cli, EXIT_FAILED, "cannot make a socket: %s", strerror(errno));
    catch_signals(); /* Ctrl-C comes to us, and from us to it, once */
    fflush(stdout);
    struct process p = {0};
    struct process_options o = {
        .argv = argv, .in = PROCESS_OURS, .out = ends[1], .err = PROCESS_OURS, .on_death = SIGTERM};
    int r = process_start(&o, &p, &e);
    close(ends[1]);
    struct stream s = {.fn = fn, .ctx = ctx};
    struct control *lines = control_adopt(ends[0], program, 0, 0);
    if (r == 0)
        read_lines(lines, &s, end_child, &p);
    control_close(lines);
    if (r != 0 || process_wait(&p, -1, NULL, NULL) != 0)
        return cli_fail(cli, EXIT_FAILED, &e);
    struct err how = {0};
    return WIFEXITED(p.status)
               ? WEXITSTATUS(p.status)
               : cli_failf(cli, EXIT_FAILED, "%s %s", program, process_how(&p, &how));
}

static void keep_last(void *ctx, const json_t *line)
{
    json_t **last = ctx;
    if (!json_get_true(line, "done"))
        return;
    json_decref(*last);
    *last = json_deep_copy(line);
}

int job_stream_last(struct cli *cli, const char *const *args, json_t **last)
{
    *last = NULL;
    return job_stream_run(cli, args, keep_last, last);
}

int job_stream_answer(struct cli *cli, const char *const *args, json_t **answer)
{
    _cleanup_json_ json_t *last = NULL;
    int code = job_stream_last(cli, args, &last);
    if (last && cli->json)
        cli_print_json(last);
    else if (last && code != EXIT_GOOD)
        cli_fail_last(cli, code, last);
    else
        *answer = json_incref(last);
    return code;
}

/* Over a connection of its own, since the other one streams. */
static void cancel(void *ctx)
{
    _cleanup_json_ json_t *request = json_pack("{s:s}", "cmd", "cancel"), *answer = NULL;
    int r = control_call(ctx, ANSWER_MS, request, &answer, NULL);
    (void)r; /* it has just ended by itself */
}

int job_stream_keeper(struct cli *cli, json_t *asked, job_stream_fn *fn, void *ctx, bool *told)
{
    _cleanup_json_ json_t *request = asked, *answer = NULL;
    const struct config *c = cli_config(cli);
    struct control *control = NULL;
    struct err e = {0};
    *told = true;
    if (!c)
        return EXIT_FAILED;
    const char *socket = config_str(c, "backup", NULL, "control_socket");
    if (control_connect(socket, ANSWER_MS, &control, NULL) < 0) {
        *told = false;
        return EXIT_UNREACHABLE;
    }
    catch_signals();
    json_object_set_new(request, "follow", json_true());
    grant_by_hand(socket, request);
    int r = control_send(control, request, &e);
    if (r == 0)
        r = control_receive(control, &answer, &e);
    struct stream s = {.fn = fn, .ctx = ctx};
    int code;
    if (r < 0)
        code = cli_fail(cli, EXIT_UNREACHABLE, &e);
    else if ((r = control_refused(&answer, &e)) < 0)
        code = cli_fail(cli, exit_code_of_call(r), &e);
    else {
        read_lines(control, &s, cancel, (void *)(uintptr_t)socket);
        code = s.done
                   ? s.exit_code
                   : cli_failf(cli, EXIT_UNREACHABLE, "the keeper went away; see: elexgate status");
    }
    control_close(control);
    return code;
}
