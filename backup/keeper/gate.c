#include "backup/keeper/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "common/error_phrase.h"
#include "common/json_get.h"
#include "common/log.h"

struct keeper_gate {
    struct keeper_jobs *jobs;
    keeper_gate_fn *fn;
    void *ctx;
    struct keeper_job *job; /* NULL = none runs */
    int questions;          /* the job reads them from its other end; -1 = none */
    bool asking;
    json_t *seen; /* the last answer */
};

struct keeper_gate *keeper_gate_new(struct keeper_jobs *jobs, keeper_gate_fn *fn, void *ctx)
{
    struct keeper_gate *g = xcalloc(1, sizeof *g);
    *g = (struct keeper_gate){.jobs = jobs, .fn = fn, .ctx = ctx, .questions = -1};
    return g;
}

const json_t *keeper_gate_seen(const struct keeper_gate *g, const char *what)
{
    const json_t *v = json_object_get(g->seen, what);
    return json_is_null(v) ? NULL : v;
}

static void take_proxy(const json_t *said, struct keeper_witnesses *w)
{
    if (!json_get_true(said, "known")) {
        (void)error_phrase_take_from(&w->proxy_words, EIO, said, "words");
        return;
    }
    w->proxy = (struct idle_proxy){.known = true,
        .write_ms = json_get_int(said, "write_ms"),
        .statement_ms = json_get_int(said, "statement_ms"),
        .in_flight = json_get_int(said, "in_flight"),
        .write_in_flight = json_get_int(said, "write_in_flight"),
        .transactions = json_get_int(said, "transactions"),
        .sessions = json_get_int(said, "sessions")};
}

static void take_server(const json_t *said, struct keeper_witnesses *w)
{
    if (json_get_true(said, "known")) {
        w->server = (struct idle_server){.known = true,
            .write_counters = (uint64_t)json_get_int(said, "write_counters"),
            .transactions = json_get_int(said, "transactions")};
        return;
    }
    w->server_down = json_get_true(said, "down");
    w->cause_known = json_get_true(said, "cause_known");
    (void)error_phrase_take_from(&w->server_words, EIO, said, "words");
}

static void on_gate_line(void *ctx, json_t *line)
{
    struct keeper_gate *g = ctx;
    struct keeper_witnesses w = {0};
    if (strcmp(json_get_text(line, "event"), "look") != 0)
        return;
    const json_t *proxy = json_object_get(line, "proxy"), *server = json_object_get(line, "server");
    json_keep(&g->seen, line);
    if (json_is_null(proxy)) /* none in front: the server is asked for everything */
        w.proxy = (struct idle_proxy){.known = true,
            .write_ms = INT64_MAX,
            .statement_ms = INT64_MAX,
            .sessions = json_get_int(server, "sessions")};
    else
        take_proxy(proxy, &w);
    take_server(server, &w);
    g->asking = false;
    g->fn(g->ctx, &w);
}

static void ask_no_more(struct keeper_gate *g)
{
    if (g->questions >= 0)
        close(g->questions);
    g->questions = -1;
    g->asking = false;
}

static void on_end(void *ctx, int exit_code, int signal)
{
    struct keeper_gate *g = ctx;
    struct keeper_witnesses w = {0};
    (void)err_set(&w.proxy_words, EIO, "not asked");
    w.server_words = w.proxy_words;
    g->job = NULL;
    ask_no_more(g);
    log_event(LOG_WARNING, "look-ended", LOG_I("exit", exit_code), LOG_I("signal", signal));
    g->fn(g->ctx, &w); /* unknown is never idle; the next question begins another one */
}

static int begin(struct keeper_gate *g, struct err *e)
{
    struct monitor_request q = keeper_job_of(MONITOR_LOOK);
    struct keeper_job_events events = {.line = on_gate_line, .end = on_end, .ctx = g};
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_sys(e, errno, "no pipe");
    int r = fcntl(ends[1], F_SETFL, O_NONBLOCK) < 0
                ? err_sys(e, errno, "no pipe")
                : keeper_job_start(g->jobs, &q, ends[0], &events, &g->job, e);
    close(ends[0]);
    if (r < 0)
        close(ends[1]);
    else
        g->questions = ends[1];
    return r;
}

void keeper_gate_ask(struct keeper_gate *g)
{
    struct err e = {0};
    if (g->asking)
        return;
    if (!g->job && begin(g, &e) < 0) {
        log_err(LOG_ERROR, "not-looking", &e);
        return;
    }
    g->asking = write(g->questions, "\n", 1) == 1; /* else it has just ended, which is told */
}

static void end_job(struct keeper_gate *g)
{
    if (g->job) {
        keeper_job_stop(g->job);
        keeper_job_leave(g->job);
    }
    g->job = NULL;
    ask_no_more(g);
}

void keeper_gate_again(struct keeper_gate *g)
{
    end_job(g);
    keeper_gate_ask(g);
}

void keeper_gate_drop(struct keeper_gate *g)
{
    end_job(g);
    json_decref(g->seen);
    free(g);
}
