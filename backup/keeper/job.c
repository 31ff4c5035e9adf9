#include "backup/keeper/job.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>
#include "common/exit_codes.h"
#include "common/json_lines.h"
#include "common/json_get.h"
#include "common/log.h"
#include "common/utf8.h"

struct keeper_job {
    struct keeper_jobs *jobs;
    struct keeper_job *next;
    uint32_t number;
    uv_pipe_t out;
    struct json_splitter splitter;
    struct keeper_job_events events;
    char chunk[65536];
    int exit_code, signal;
    bool exited, eof;
    pid_t pid;

    /* of an adopted one */
    bool adopted;
    uv_timer_t look;
    int lines;
};

#define LOOK_MS 200 /* how often an adopted job's lines are looked for */

static void on_close(uv_handle_t *h)
{
    struct keeper_job *j = h->data;
    struct keeper_job_events events = j->events;
    int exit_code = j->exit_code, number = j->signal;
    json_splitter_clear(&j->splitter);
    cleanup_fd(&j->lines);
    free(j);
    if (events.end)
        events.end(events.ctx, exit_code, number);
}

static void forget(struct keeper_job *j)
{
    for (struct keeper_job **p = &j->jobs->started; *p; p = &(*p)->next) {
        if (*p == j) {
            *p = j->next;
            return;
        }
    }
}

/* The end is told once the process is reaped and its output read to the end, in whichever order. */
static void close_when_over(struct keeper_job *j)
{
    if (j->exited && j->eof)
        uv_close((uv_handle_t *)&j->out, on_close);
}

void keeper_job_ended(struct keeper_jobs *jobs, const struct monitor_event *event)
{
    for (struct keeper_job *j = jobs->started; j; j = j->next) {
        if (j->number != event->job)
            continue;
        forget(j);
        j->exited = true;
        j->exit_code = event->exit_code;
        j->signal = event->signal;
        close_when_over(j);
        return;
    }
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    struct keeper_job *j = h->data;
    (void)suggested;
    *buf = uv_buf_init(j->chunk, sizeof j->chunk);
}

static int on_job_line(void *ctx, json_t *event)
{
    struct keeper_job *j = ctx;
    if (j->events.line)
        j->events.line(j->events.ctx, event);
    return 0;
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    struct keeper_job *j = s->data;
    if (n > 0 && json_splitter_feed(&j->splitter, buf->base, (size_t)n, on_job_line, j, NULL) == 0)
        return;
    if (n == 0)
        return;
    uv_read_stop(s);
    j->eof = true;
    close_when_over(j);
}

int keeper_job_start(struct keeper_jobs *jobs, struct monitor_request *q, int in,
    const struct keeper_job_events *events, struct keeper_job **out, struct err *e)
{
    struct monitor_answer answer;
    int said = -1;
    q->act = MONITOR_START;
    q->job = ++jobs->last_number;
    int r = keeper_monitor_ask(jobs->monitor, q, in, &answer, &said, e);
    if (r < 0)
        return r;
    struct keeper_job *j = xcalloc(1, sizeof *j);
    *j = (struct keeper_job){.jobs = jobs,
        .next = jobs->started,
        .number = q->job,
        .events = *events,
        .pid = answer.pid,
        .lines = -1};
    jobs->started = j;
    uv_pipe_init(jobs->loop, &j->out, 0);
    j->out.data = j;
    CHECK(uv_pipe_open(&j->out, said) == 0); /* the end of a pipe, from our own monitor */
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

static bool holds_lock(const struct keeper_job *j)
{
    struct monitor_state s;
    keeper_monitor_state(j->jobs->monitor, &s);
    return s.holder == j->pid;
}

void keeper_job_look(struct keeper_job *j)
{
    if (!j->adopted || j->exited)
        return;
    /* first whether it is over, then the lines: what it wrote before its end is not missed */
    bool held = holds_lock(j);
    /* A line that was cut off, because the job was killed while it wrote, is never complete. */
    ssize_t n;
    while ((n = read(j->lines, j->chunk, sizeof j->chunk)) > 0)
        if (json_splitter_feed(&j->splitter, j->chunk, (size_t)n, on_adopted_line, j, NULL) < 0)
            break;
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

void keeper_job_adopt(struct keeper_jobs *jobs, int lines, pid_t pid,
    const struct keeper_job_events *events, struct keeper_job **out)
{
    struct keeper_job *j = xcalloc(1, sizeof *j);
    *j = (struct keeper_job){.jobs = jobs,
        .events = *events,
        .adopted = true,
        .lines = lines,
        .pid = pid,
        .exit_code = EXIT_FAILED};
    uv_timer_init(jobs->loop, &j->look);
    j->look.data = j;
    uv_timer_start(&j->look, on_look, 0, LOOK_MS);
    *out = j;
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
    forget(j);
    uv_close((uv_handle_t *)&j->out, on_close);
}

void keeper_job_stop(struct keeper_job *j)
{
    struct err e = {0};
    struct monitor_answer answer;
    struct monitor_request q = {
        .act = j->adopted ? MONITOR_STOP_RESTORE : MONITOR_STOP, .job = j->number};
    if (j->exited || (j->adopted && !holds_lock(j)))
        return;
    int r = keeper_monitor_ask(j->jobs->monitor, &q, -1, &answer, NULL, &e);
    if (r < 0 && r != -ESRCH) /* it ends just now */
        log_err(LOG_ERROR, "job-not-stopped", &e);
}

int keeper_job_pid(const struct keeper_job *j)
{
    return j->pid;
}

/* --- what to ask for --- */

struct monitor_request keeper_job_of(enum monitor_kind kind)
{
    return (struct monitor_request){.kind = kind};
}

void keeper_job_which(struct monitor_request *q, const char *which)
{
    utf8_copy(q->which, sizeof q->which, which);
}

void keeper_job_type(struct monitor_request *q, const char *type)
{
    if (type && q->types_count < MONITOR_TYPES_MAX)
        utf8_copy(q->types[q->types_count++], sizeof q->types[0], type);
}

void keeper_job_label(struct monitor_request *q, const char *label)
{
    keeper_job_flag(q, label != NULL, MONITOR_LABEL);
    utf8_copy(q->text, sizeof q->text, label);
}

void keeper_job_day(struct monitor_request *q, const char *day)
{
    utf8_copy(q->text, sizeof q->text, day);
}

void keeper_job_flag(struct monitor_request *q, bool is, enum monitor_flag flag)
{
    if (is)
        q->flags |= flag;
}
