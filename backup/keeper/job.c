#include "backup/keeper/job.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>
#include "common/exit_codes.h"
#include "common/file.h"
#include "common/json_lines.h"
#include "common/process.h"
#include "common/json_get.h"

struct keeper_job {
    uv_process_t process;
    uv_pipe_t out;
    struct json_splitter splitter;
    struct keeper_job_events events;
    char chunk[65536];
    int exit_code, signal;
    bool exited, eof;
    int open_handles;

    /* of an adopted one */
    bool adopted;
    uv_timer_t look;
    int lines;
    char *lock;
    pid_t pid;
};

#define LOOK_MS 200 /* how often an adopted job's lines are looked for */

static char *program(bool cli)
{
    return cli ? process_beside("../cli/elexgate", ELEXGATE_BINDIR "/elexgate")
               : process_beside("elexgate-job", ELEXGATE_LIBEXECDIR "/elexgate-job");
}

static void on_close(uv_handle_t *h)
{
    struct keeper_job *j = h->data;
    if (--j->open_handles > 0)
        return;
    struct keeper_job_events events = j->events;
    int exit_code = j->exit_code, number = j->signal;
    json_splitter_clear(&j->splitter);
    cleanup_fd(&j->lines);
    free(j->lock);
    free(j);
    if (events.end)
        events.end(events.ctx, exit_code, number);
}

/* The end is told once the process is reaped and its output read to the end, in whichever order. */
static void close_when_over(struct keeper_job *j)
{
    if (!j->exited || !j->eof)
        return;
    uv_close((uv_handle_t *)&j->process, on_close);
    uv_close((uv_handle_t *)&j->out, on_close);
}

static void on_process_exit(uv_process_t *p, int64_t status, int number)
{
    struct keeper_job *j = p->data;
    j->exited = true;
    j->exit_code = number ? EXIT_FAILED : (int)status;
    j->signal = number;
    close_when_over(j);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    struct keeper_job *j = h->data;
    (void)suggested;
    *buf = uv_buf_init(j->chunk, sizeof j->chunk);
}

static int on_line(void *ctx, json_t *event)
{
    struct keeper_job *j = ctx;
    if (j->events.line)
        j->events.line(j->events.ctx, event);
    return 0;
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    struct keeper_job *j = s->data;
    if (n > 0 && json_splitter_feed(&j->splitter, buf->base, (size_t)n, on_line, j, NULL) == 0)
        return;
    if (n == 0)
        return;
    uv_read_stop(s);
    j->eof = true;
    close_when_over(j);
}

static size_t count(const char *const *args)
{
    size_t n = 0;
    while (args[n])
        n++;
    return n;
}

static int spawn(
    struct keeper_job *j, uv_loop_t *loop, const struct keeper_job_options *options, char **argv)
{
    uv_stdio_container_t stdio[3] = {
        {.flags = options->in > 0 ? UV_INHERIT_FD : UV_IGNORE, .data.fd = options->in},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&j->out},
        {.flags = UV_INHERIT_FD, .data.fd = 2},
    };
    uv_process_options_t o = {.exit_cb = on_process_exit,
        .file = argv[0],
        .args = argv,
        .flags = options->lasting ? UV_PROCESS_DETACHED : 0,
        .stdio_count = 3,
        .stdio = stdio};
    return uv_spawn(loop, &j->process, &o);
}

/* NULL-terminated; each one malloc'ed, as the array. */
static char **arguments(const struct keeper_job_options *o)
{
    size_t k = 0;
    char **argv = xcalloc(count(o->args) + 6, sizeof *argv);
    argv[k++] = program(o->cli);
    if (!o->lasting && !o->cli)
        argv[k++] = xstrdup("--with-parent");
    if (o->cli)
        argv[k++] = xstrdup("--json");
    if (o->config_path) {
        argv[k++] = xstrdup("--config");
        argv[k++] = xstrdup(o->config_path);
    }
    for (size_t i = 0; o->args[i]; i++)
        argv[k++] = xstrdup(o->args[i]);
    return argv;
}

static void on_failed_close(uv_handle_t *h)
{
    struct keeper_job *j = h->data;
    if (--j->open_handles == 0)
        free(j);
}

int keeper_job_start(uv_loop_t *loop, const struct keeper_job_options *options,
    const struct keeper_job_events *events, struct keeper_job **out, struct err *e)
{
    struct keeper_job *j = xcalloc(1, sizeof *j);
    j->events = *events;
    j->lines = -1;
    uv_pipe_init(loop, &j->out, 0);
    j->out.data = j->process.data = j;
    j->open_handles = 2;
    char **argv = arguments(options);
    int r = spawn(j, loop, options, argv);
    if (r < 0)
        err_uv(e, r, "cannot start %s", argv[0]);
    for (size_t i = 0; argv[i]; i++)
        free(argv[i]);
    free(argv);
    if (r < 0) {
        uv_close((uv_handle_t *)&j->process, on_failed_close);
        uv_close((uv_handle_t *)&j->out, on_failed_close);
        return r;
    }
    uv_read_start((uv_stream_t *)&j->out, on_alloc, on_read);
    *out = j;
    return 0;
}

/* --- adopted --- */

static int on_adopted_line(void *ctx, json_t *event)
{
    struct keeper_job *j = ctx;
    if (json_get_true(event, "done"))
        j->exit_code = (int)json_get_int(event, "exit");
    j->events.line(j->events.ctx, event);
    return 0;
}

/* A line that was cut off, because the job was killed while it wrote, is never complete. */
static void read_lines(struct keeper_job *j)
{
    ssize_t n;
    while ((n = read(j->lines, j->chunk, sizeof j->chunk)) > 0)
        if (json_splitter_feed(&j->splitter, j->chunk, (size_t)n, on_adopted_line, j, NULL) < 0)
            break;
}

void keeper_job_look(struct keeper_job *j)
{
    pid_t holder = 0;
    if (!j->adopted || j->exited)
        return;
    /* first whether it is over, then the lines: what it wrote before its end is not missed */
    bool held = file_lock_held(j->lock, &holder) && holder == j->pid;
    read_lines(j);
    if (held)
        return;
    struct keeper_job_events events = j->events;
    int exit_code = j->exit_code;
    j->exited = j->eof = true;
    j->events = (struct keeper_job_events){0};
    uv_close((uv_handle_t *)&j->look, on_close);
    events.end(events.ctx, exit_code, 0);
}

static void on_look(uv_timer_t *t)
{
    keeper_job_look(t->data);
}

int keeper_job_adopt(uv_loop_t *loop, const char *lines, const char *lock, pid_t pid,
    const struct keeper_job_events *events, struct keeper_job **out, struct err *e)
{
    int fd = open(lines, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_sys(e, errno, "cannot open %s", lines);
    struct keeper_job *j = xcalloc(1, sizeof *j);
    *j = (struct keeper_job){.events = *events,
        .adopted = true,
        .lines = fd,
        .lock = xstrdup(lock),
        .pid = pid,
        .exit_code = EXIT_FAILED,
        .open_handles = 1};
    uv_timer_init(loop, &j->look);
    j->look.data = j;
    uv_timer_start(&j->look, on_look, 0, LOOK_MS);
    *out = j;
    return 0;
}

/* --- both --- */

void keeper_job_leave(struct keeper_job *j)
{
    bool closing = j->exited && j->eof;
    j->events = (struct keeper_job_events){0};
    j->exited = j->eof = true;
    if (closing)
        return;
    if (j->adopted) {
        uv_close((uv_handle_t *)&j->look, on_close);
        return;
    }
    uv_close((uv_handle_t *)&j->process, on_close);
    uv_close((uv_handle_t *)&j->out, on_close);
}

void keeper_job_stop(struct keeper_job *j)
{
    pid_t holder = 0;
    if (!j->adopted && !j->exited)
        uv_process_kill(&j->process, SIGTERM);
    else if (j->adopted && file_lock_held(j->lock, &holder) && holder == j->pid)
        kill(j->pid, SIGTERM);
}

int keeper_job_pid(const struct keeper_job *j)
{
    return j->adopted ? j->pid : uv_process_get_pid(&j->process);
}
