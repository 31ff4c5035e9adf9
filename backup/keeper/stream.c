#include "backup/keeper/stream.h"

#include "common/clock.h"
#include "common/json_get.h"
#include "common/log.h"

#include <string.h>

#define AGAIN_MS 5000

static void on_stream_line(void *ctx, json_t *line)
{
    struct keeper *k = ctx;
    struct keeper_stream *s = &k->ports.stream;
    const char *event = json_get_text(line, "event"), *state = json_get_text(line, "state");
    if (strcmp(event, "timeline") == 0)
        log_event(LOG_WARNING, "binlog-timeline", LOG_I("timeline", json_get_int(line, "timeline")),
            LOG_S("reason", json_get_str(line, "reason")));
    if (strcmp(event, "base") == 0)
        json_keep(&s->base, line);
    if (strcmp(event, "binlog") != 0)
        return;
    if (strcmp(json_get_text(s->said, "state"), state) != 0)
        log_event(strcmp(state, "waiting") == 0 ? LOG_WARNING : LOG_INFO, "binlog",
            LOG_S("state", state), LOG_S("error", json_get_str(line, "error")));
    /* while it waits, what was safe stays known */
    if (!json_object_get(line, "saved") && json_object_get(s->said, "saved"))
        (void)json_object_set(line, "saved", json_object_get(s->said, "saved"));
    json_keep(&s->said, line);
}

static void on_end(void *ctx, int exit_code, int signal)
{
    struct keeper *k = ctx;
    struct keeper_stream *s = &k->ports.stream;
    s->job = NULL;
    json_keep(&s->base, NULL);
    s->ended_ms = (int64_t)clock_mono_ms();
    if (exit_code != 0 || signal)
        log_event(
            LOG_WARNING, "binlog-job-ended", LOG_I("exit", exit_code), LOG_I("signal", signal));
}

void keeper_stream_tick(struct keeper *k)
{
    struct monitor_request q = keeper_job_of(MONITOR_BINLOG);
    struct keeper_stream *s = &k->ports.stream;
    bool wanted = config_bool(k->config, "binlog", NULL, "archive");
    struct err e = {0};
    if (s->job && (!wanted || s->config != k->config)) { /* with the settings as they are now */
        keeper_job_stop(s->job);
        s->config = k->config;
    }
    if (!wanted)
        json_keep(&s->said, NULL);
    if (s->job || !wanted || k->stopping ||
        (s->ended_ms && (int64_t)clock_mono_ms() - s->ended_ms < AGAIN_MS))
        return;
    struct keeper_job_events events = {.line = on_stream_line, .end = on_end, .ctx = k};
    s->config = k->config;
    if (keeper_job_start(&k->ports.jobs, &q, -1, &events, &s->job, &e) < 0) {
        s->ended_ms = (int64_t)clock_mono_ms();
        log_err(LOG_ERROR, "binlog-not-archived", &e);
    }
}

void keeper_stream_stop(struct keeper *k)
{
    struct keeper_stream *s = &k->ports.stream;
    if (s->job) {
        keeper_job_stop(s->job);
        keeper_job_leave(s->job);
    }
    s->job = NULL;
    json_keep(&s->said, NULL);
    json_keep(&s->base, NULL);
}

enum plan_base keeper_stream_base(const struct keeper *k)
{
    const json_t *told = k->ports.stream.base;
    const char *base = json_get_text(told, "base");
    return !strcmp(base, "own")                                  ? PLAN_BASE_THERE
           : json_get_str(told, "statement")                     ? PLAN_BASE_STOPPED
           : !strcmp(base, "across") || !strcmp(base, "missing") ? PLAN_BASE_MISSING
                                                                 : PLAN_BASE_UNKNOWN;
}

json_t *keeper_stream_status(const struct keeper *k)
{
    const json_t *said = k->ports.stream.said;
    if (!config_bool(k->config, "binlog", NULL, "archive"))
        return json_null();
    if (!said)
        return json_pack("{s:s}", "state", "starting");
    json_t *copy = json_copy((json_t *)(uintptr_t)said);
    (void)json_object_del(copy, "event");
    json_t *base = json_deep_copy(k->ports.stream.base);
    (void)json_object_del(base, "event");
    json_object_set_new(copy, "base", base ? base : json_null());
    return copy;
}
