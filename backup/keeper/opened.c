#include "backup/keeper/opened.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "backup/keeper/audit.h"
#include "backup/keeper/tell.h"
#include "backup/rules/restore_request.h"
#include "common/clock.h"
#include "common/error_phrase.h"
#include "common/exit_codes.h"
#include "common/json_get.h"
#include "common/json_lines.h"
#include "common/lang.h"
#include "common/log.h"
#include "common/utf8.h"

struct keeper_opened_one {
    struct keeper *k;
    struct keeper_job *job; /* NULL: it ended badly, and is kept to be told */
    unsigned id;
    char which[MONITOR_NAME_MAX];
    int64_t since_ms; /* UTC: asked for, then open */
    bool closing;
    json_t *phase, *serving, *last;
};

static void opened_free(struct keeper_opened_one **place)
{
    struct keeper_opened_one *o = *place;
    *place = NULL;
    if (!o)
        return;
    json_decref(o->phase);
    json_decref(o->serving);
    json_decref(o->last);
    free(o);
}

static void on_opened_line(void *ctx, json_t *line)
{
    struct keeper_opened_one *o = ctx;
    const char *event = json_get_text(line, "event");
    if (json_get_true(line, "done")) {
        json_keep(&o->last, line);
    } else if (strcmp(event, "phase") == 0 || strcmp(event, "progress") == 0) {
        json_keep(&o->phase, line);
    } else if (strcmp(event, "serving") == 0) {
        json_keep(&o->serving, line);
        o->since_ms = clock_wall_ms();
        log_event(LOG_INFO, "backup-opened", LOG_S("which", o->which),
            LOG_S("socket", json_get_str(line, "socket")),
            LOG_S("until", json_get_str(line, "until")));
    } else if (strcmp(event, "note") == 0) {
        log_event(LOG_INFO, "job-note", LOG_S("text", json_get_str(line, "text")));
        return;
    } else {
        return;
    }
    keeper_publish(o->k, keeper_state_event(o->k));
}

static void on_opened_end(void *ctx, int exit_code, int signal)
{
    struct keeper_opened_one *o = ctx;
    struct keeper *k = o->k;
    struct err error = {0};
    bool good = !signal && (exit_code == EXIT_GOOD || o->closing);
    if (signal)
        (void)err_set(&error, EIO, "the job was ended by signal %d", signal);
    else if (o->last)
        (void)error_phrase_take(&error, EIO, o->last);
    log_event(good ? LOG_INFO : LOG_WARNING, "backup-closed", LOG_S("which", o->which),
        LOG_S("error", good || !*error.text ? NULL : error.text));
    keeper_audit_job("opened", o->which, good ? "good" : exit_code_name(exit_code),
        good || !*error.text ? NULL : error.text);
    o->job = NULL;
    if (signal)
        k->ports.opened.swept = false; /* it could not tidy up after itself */
    for (size_t i = 0; i < KEEPER_OPENED_MAX; i++)
        if (good && k->ports.opened.all[i] == o)
            opened_free(&k->ports.opened.all[i]);
    if (!good && !o->last) {
        o->last = json_object();
        if (*error.text)
            error_phrase_put(o->last, &error);
    }
    keeper_publish(k, keeper_state_event(k));
}

/* --- what killed ones left --- */

static void on_swept_line(void *ctx, json_t *line)
{
    (void)ctx;
    if (strcmp(json_get_text(line, "event"), "note") == 0)
        log_event(LOG_INFO, "job-note", LOG_S("text", json_get_str(line, "text")));
}

static void on_swept(void *ctx, int exit_code, int signal)
{
    struct keeper *k = ctx;
    k->ports.opened.sweep = NULL;
    if (exit_code != EXIT_GOOD || signal)
        log_event(
            LOG_WARNING, "opened-not-swept", LOG_I("exit", exit_code), LOG_I("signal", signal));
}

void keeper_opened_tick(struct keeper *k)
{
    struct keeper_opened *o = &k->ports.opened;
    struct monitor_request q = keeper_job_of(MONITOR_OPEN);
    struct keeper_job_events events = {.line = on_swept_line, .end = on_swept, .ctx = k};
    struct err e = {0};
    if (o->swept || o->sweep || k->stopping)
        return;
    o->swept = true;
    utf8_copy(q.text, sizeof q.text, "{\"action\":\"open\",\"expire\":true}");
    if (keeper_job_start(&k->ports.jobs, &q, -1, &events, &o->sweep, &e) < 0)
        log_err(LOG_ERROR, "opened-not-swept", &e);
}

void keeper_opened_stop(struct keeper *k)
{
    struct keeper_opened *o = &k->ports.opened;
    for (size_t i = 0; i < KEEPER_OPENED_MAX; i++) {
        if (o->all[i] && o->all[i]->job) {
            keeper_job_stop(o->all[i]->job);
            keeper_job_leave(o->all[i]->job);
        }
        opened_free(&o->all[i]);
    }
    if (o->sweep)
        keeper_job_leave(o->sweep);
    o->sweep = NULL;
}

/* --- the commands --- */

/* The request, as the job reads it, and what it is called. */
static int open_job(
    const json_t *request, struct monitor_request *out, char *which, size_t size, struct err *e)
{
    struct restore_request q;
    _cleanup_json_ json_t *mine = json_deep_copy((json_t *)(uintptr_t)request);
    (void)json_object_set_new(mine, "action", json_string("open"));
    (void)json_object_del(mine, "expire");
    int r = restore_request_read(mine, RESTORE_BY_KEEPER, &q, e);
    _cleanup_free_ char *text = restore_request_text(mine);
    *out = keeper_job_of(MONITOR_OPEN);
    if (r == 0 && strlen(text) >= sizeof out->text)
        r = err_set(e, E2BIG, "the request is too long: name fewer types");
    if (r == 0) {
        memcpy(out->text, text, strlen(text));
        utf8_copy(which, size, q.moment ? q.moment : q.which);
    }
    restore_request_clear(&q);
    return r;
}

/* A free place; those that failed make room. NULL: as many are open as may be. */
static struct keeper_opened_one **free_place(struct keeper_opened *o, const char *which)
{
    struct keeper_opened_one **place = NULL;
    for (size_t i = KEEPER_OPENED_MAX; i-- > 0;) {
        struct keeper_opened_one *one = o->all[i];
        if (one && !one->job && (!place || strcmp(one->which, which) == 0))
            opened_free(&o->all[i]);
        if (!o->all[i])
            place = &o->all[i];
    }
    return place;
}

json_t *keeper_open_backup(struct keeper *k, struct control_client *c, json_t *request)
{
    (void)c;
    struct keeper_opened *o = &k->ports.opened;
    struct monitor_request q;
    char which[MONITOR_NAME_MAX];
    struct err e = {0};
    int r = open_job(request, &q, which, sizeof which, &e);
    if (r < 0)
        return json_error_of(-r, &e);
    for (size_t i = 0; i < KEEPER_OPENED_MAX; i++)
        if (o->all[i] && o->all[i]->job && strcmp(o->all[i]->which, which) == 0) {
            r = err_set(&e, EEXIST, N_("%s is open for reading already"), which);
            return json_error_of(-r, &e);
        }
    struct keeper_opened_one **place = free_place(o, which), *one = xcalloc(1, sizeof *one);
    *one = (struct keeper_opened_one){.k = k, .id = ++o->last, .since_ms = clock_wall_ms()};
    utf8_copy(one->which, sizeof one->which, which);
    struct keeper_job_events events = {.line = on_opened_line, .end = on_opened_end, .ctx = one};
    r = place ? keeper_job_start(&k->ports.jobs, &q, -1, &events, &one->job, &e)
              : err_set(&e, EBUSY, N_("%d backups are open for reading; close one first"),
                    KEEPER_OPENED_MAX);
    if (r < 0) {
        free(one);
        return json_error_of(-r, &e);
    }
    *place = one;
    keeper_publish(k, keeper_state_event(k));
    return json_pack("{s:b, s:i}", "ok", 1, "id", (int)one->id);
}

json_t *keeper_close_backup(struct keeper *k, struct control_client *c, json_t *request)
{
    (void)c;
    json_int_t id = json_get_int(request, "id");
    for (size_t i = 0; i < KEEPER_OPENED_MAX; i++) {
        struct keeper_opened_one *one = k->ports.opened.all[i];
        if (!one || one->id != id)
            continue;
        if (one->job) {
            one->closing = true;
            keeper_job_stop(one->job);
        } else {
            opened_free(&k->ports.opened.all[i]);
        }
        keeper_publish(k, keeper_state_event(k));
        return json_pack("{s:b}", "ok", 1);
    }
    struct err e = {0};
    int r = err_set(&e, ENOENT, N_("nothing of this number is open for reading"));
    return json_error_of(-r, &e);
}

static json_t *one_status(const struct keeper_opened_one *one)
{
    static const char *const of_phase[] = {"phase", "bytes", "total", NULL};
    static const char *const of_server[] = {
        "socket", "user", "until", "databases", "version", NULL};
    static const char *const of_end[] = {"error", "error_phrase", NULL};
    bool open = one->serving && one->job;
    const char *state = !one->job ? "failed" : one->closing ? "closing" : open ? "open" : "opening";
    char stamp[CLOCK_ISO_LEN];
    json_t *o = json_pack("{s:i, s:s, s:s, s:s}", "id", (int)one->id, "which", one->which, "state",
        state, "since", clock_iso(one->since_ms, stamp));
    if (!one->job)
        json_take(o, one->last, of_end);
    else if (open)
        json_take(o, one->serving, of_server);
    else
        json_take(o, one->phase, of_phase);
    return o;
}

json_t *keeper_opened_status(const struct keeper *k)
{
    json_t *list = json_array();
    for (size_t i = 0; i < KEEPER_OPENED_MAX; i++)
        if (k->ports.opened.all[i])
            (void)json_array_append_new(list, one_status(k->ports.opened.all[i]));
    return list;
}
