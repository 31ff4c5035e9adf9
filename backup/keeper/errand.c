#include "backup/keeper/errand.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "backup/keeper/audit.h"
#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/file.h"
#include "common/json_lines.h"
#include "common/json_get.h"

struct keeper_errand {
    struct keeper *k;
    struct keeper_errand *next;
    struct keeper_job *job;
    struct control_client *client;
    int64_t started_ms; /* monotonic */
    uid_t uid;
    struct keeper_errand_options o;
    json_t *request, *event, *last;
};

static json_t *keeper_failure(int exit_code, const json_t *last)
{
    const char *words = json_get_str(last, "error");
    int code = json_object_get(last, "code") ? json_answer_errno(last) : exit_code_errno(exit_code);
    json_t *answer = json_error(code, "%s", words ? words : "it ended without a word; see the log");
    json_object_set_new(answer, "exit", json_integer(exit_code));
    json_take(answer, last, (const char *const[]){"error_phrase", "field", NULL});
    return answer;
}

static void on_errand_line(void *ctx, json_t *line)
{
    struct keeper_errand *a = ctx;
    const char *event = json_get_str(line, "event");
    if (json_get_true(line, "done"))
        json_keep(&a->last, line);
    else if (event && a->o.event && strcmp(event, a->o.event) == 0)
        json_keep(&a->event, line);
}

static void errand_free(struct keeper_errand *a)
{
    if (a->o.drop)
        a->o.drop(a->o.ctx);
    control_client_unref(a->client);
    json_decref(a->request);
    json_decref(a->event);
    json_decref(a->last);
    free(a);
}

static void on_end(void *ctx, int exit_code, int signal)
{
    struct keeper_errand *a = ctx;
    struct keeper *k = a->k;
    for (struct keeper_errand **p = &k->ports.errands; *p; p = &(*p)->next) {
        if (*p == a) {
            *p = a->next;
            break;
        }
    }
    json_t *answer;
    if (signal)
        answer = json_error(EIO, "it was ended by signal %d", signal);
    else if (exit_code != EXIT_GOOD)
        answer = keeper_failure(exit_code, a->last);
    else
        answer = a->o.answer(k, a->o.ctx, a->event, a->last);
    if (!answer)
        answer = json_error(EIO, "the program gave no answer");
    if (json_is_null(answer)) {
        errand_free(a);
        return;
    }
    struct control_client *client = control_client_ref(a->client);
    keeper_audit_request(a->uid, a->request, answer);
    errand_free(a); /* what it needed is gone when the answer is there */
    control_answer(client, answer);
    control_client_unref(client);
}

static size_t count(const struct keeper *k)
{
    size_t n = 0;
    for (const struct keeper_errand *a = k->ports.errands; a; a = a->next)
        n++;
    return n;
}

/* NULL: the answer comes later. Else the answer that says why not, ctx dropped. */
static json_t *begin(
    struct keeper *k, struct control_client *c, const struct keeper_errand_options *o)
{
    struct keeper_errand *a = xcalloc(1, sizeof *a);
    struct err e = {0};
    *a = (struct keeper_errand){
        .k = k, .client = control_client_ref(c), .started_ms = (int64_t)clock_mono_ms(), .o = *o};
    a->uid = control_client_uid(c);
    a->request = json_incref(o->request);
    struct keeper_job_events events = {.line = on_errand_line, .end = on_end, .ctx = a};
    int r = count(k) < PLAN_ERRANDS_MAX
                ? keeper_job_start(
                      &k->ports.jobs, o->ask, o->in > 0 ? o->in : -1, &events, &a->job, &e)
                : err_set(&e, EBUSY, "%d questions are being answered already", PLAN_ERRANDS_MAX);
    if (r < 0) {
        errand_free(a);
        return json_error_of(-r, &e);
    }
    a->o.ask = NULL; /* the caller's, as is the request */
    a->o.request = NULL;
    a->next = k->ports.errands;
    k->ports.errands = a;
    return NULL;
}

json_t *keeper_question(struct keeper *k, struct control_client *c, json_t *request,
    struct monitor_request *ask, const char *event, keeper_errand_fn *answer)
{
    return begin(k, c,
        &(struct keeper_errand_options){
            .ask = ask, .request = request, .event = event, .answer = answer});
}

json_t *keeper_told_errand(struct keeper *k, struct control_client *c, const json_t *told,
    enum monitor_kind kind, const struct keeper_errand_options *options)
{
    struct monitor_request q = keeper_job_of(kind);
    struct keeper_errand_options o = *options;
    struct err e = {0};
    _cleanup_free_ char *text = json_dumps(told, JSON_COMPACT);
    size_t len = text ? strlen(text) : 0;
    _cleanup_fd_ int in = memfd_create("request", MFD_CLOEXEC);
    int r = in < 0 ? err_sys(&e, errno, "memfd") : fd_write_all(in, text, len, &e);
    if (text)
        explicit_bzero(text, len); /* a key or a passphrase may be in it */
    if (r == 0 && lseek(in, 0, SEEK_SET) < 0)
        r = err_sys(&e, errno, "memfd");
    o.ask = &q;
    o.in = in;
    o.event = "answer";
    if (r < 0 && o.drop)
        o.drop(o.ctx);
    return r < 0 ? json_error_of(-r, &e) : begin(k, c, &o);
}

/* At the end nobody is left to answer, and a question that takes minutes does not hold us up. */
static void drop_all(struct keeper *k)
{
    while (k->ports.errands) {
        struct keeper_errand *a = k->ports.errands;
        k->ports.errands = a->next;
        keeper_job_stop(a->job);
        keeper_job_leave(a->job);
        errand_free(a);
    }
}

void keeper_errands_tick(struct keeper *k, bool all)
{
    if (all)
        drop_all(k);
    for (struct keeper_errand *a = k->ports.errands; a; a = a->next)
        if (plan_errand_over(a->started_ms, (int64_t)clock_mono_ms()))
            keeper_job_stop(a->job);
}
