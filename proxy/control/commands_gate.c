/*
 * What is asked about all sessions, wherever they live: in our workers, and in older processes that
 * have handed over. Both are asked at the same time, and one answer is made of the two.
 */
#include <errno.h>
#include <string.h>
#include "common/clock.h"
#include "common/json_lines.h"
#include "common/json_get.h"
#include "common/phrase.h"
#include "proxy/control/commands.h"

/* What a predecessor may take beyond the time that it is given to end its sessions. */
#define MARGIN_MS 5000u

/* An answer made of our own and of the predecessors'. */
struct both {
    struct control_client *c;
    json_t *own, *others;
    unsigned waiting; /* for workers and predecessors */
    uint64_t id;      /* kill: the session's */
    bool found;
    /* Makes the answer out of own, with others; own is its to use up. */
    json_t *(*join)(struct both *b);
};

static struct both *both_new(struct control_client *c, json_t *(*join)(struct both *b))
{
    struct both *b = xcalloc(1, sizeof *b);
    *b = (struct both){.c = control_client_ref(c), .join = join};
    return b;
}

static void both_free(struct both *b)
{
    control_client_unref(b->c);
    json_decref(b->others);
    free(b);
}

static void both_step(struct both *b)
{
    if (--b->waiting > 0)
        return;
    control_answer(b->c, b->join(b));
    both_free(b);
}

static void on_own(void *ctx, json_t *object)
{
    struct both *b = ctx;
    b->own = object;
    both_step(b);
}

static void on_others(void *ctx, json_t *answers)
{
    struct both *b = ctx;
    b->others = answers;
    both_step(b);
}

/* What is done to the gate in the moment of a handover would be done to half of it. */
static bool in_between(struct control_client *c)
{
    if (!control_socket_proxy(c)->handover.paused)
        return false;
    control_answer(c, json_error(EAGAIN, "a new process is taking over; ask again"));
    return true;
}

static json_t *join_status(struct both *b)
{
    struct proxy *p = control_socket_proxy(b->c);
    if (!p)
        return json_error(EPIPE, "hung up");
    json_t *status = proxy_status(p);
    predecessors_merge_status(status, b->others);
    return status;
}

void command_status(struct control_client *c, const json_t *request)
{
    struct both *b = both_new(c, join_status);
    b->waiting = 1;
    predecessors_ask(&control_socket_proxy(c)->predecessors, json_deep_copy(request),
        PREDECESSOR_MS, on_others, b);
}

static void on_listed(void *ctx, json_t *array)
{
    struct both *b = ctx;
    (void)json_array_extend(b->own, array);
    json_decref(array);
    both_step(b);
}

static json_t *join_sessions(struct both *b)
{
    size_t i;
    const json_t *one, *failure = predecessors_failure(b->others);
    json_array_foreach (b->others, i, one)
        (void)json_array_extend(b->own, json_object_get(one, "sessions"));
    /* A list with a gap in it looks like a whole one, so the gap is named. */
    return json_pack("{s:b, s:o, s:O*}", "ok", 1, "sessions", b->own, "incomplete",
        json_object_get(failure, "error"));
}

void command_sessions(struct control_client *c, const json_t *request)
{
    struct proxy *p = control_socket_proxy(c);
    struct both *b = both_new(c, join_sessions);
    b->own = json_array();
    b->waiting = p->n_workers + 1;
    for (unsigned i = 0; i < p->n_workers; i++)
        worker_list(&p->workers[i], on_listed, b);
    predecessors_ask(&p->predecessors, json_deep_copy(request), PREDECESSOR_MS, on_others, b);
}

static void publish_state(struct proxy *p)
{
    json_t *event = json_pack("{s:s, s:s}", "event", "state", "state", gate_state_name(&p->gate));
    phrase_put(event, "reason", p->gate.notice ? json_incref(p->gate.reason) : NULL);
    control_socket_tell(p->control, "state", event);
}

static json_t *join_ended(struct both *b)
{
    size_t i;
    const json_t *one, *failure = predecessors_failure(b->others);
    if (!json_get_true(b->own, "ok"))
        return b->own;
    if (failure) { /* somebody may still be in */
        json_decref(b->own);
        return json_deep_copy(failure);
    }
    json_int_t ended = json_get_int(b->own, "ended");
    json_int_t waited = json_get_int(b->own, "waited_ms");
    json_array_foreach (b->others, i, one) {
        json_int_t ms = json_get_int(one, "waited_ms");
        ended += json_get_int(one, "ended");
        waited = ms > waited ? ms : waited;
        (void)json_array_extend(
            json_object_get(b->own, "addresses"), json_object_get(one, "addresses"));
    }
    (void)json_object_set_new(b->own, "ended", json_integer(ended));
    (void)json_object_set_new(b->own, "waited_ms", json_integer(waited));
    return b->own;
}

/* What clients are told, and until when. false: the answer says what is wrong. */
static bool take_words(struct control_client *c, const json_t *request, struct gate_block *out)
{
    const char *until = json_get_str(request, "until");
    *out = (struct gate_block){
        .reason = phrase_got(request, "reason"),
    };
    if (!until || clock_parse(until, &out->until_ms) == 0)
        return true;
    control_answer(
        c, json_error(EINVAL,
               "\"until\": \"%s\" is no time; write it as 14:30 or 2026-11-22T14:30:00Z", until));
    return false;
}

void command_block(struct control_client *c, const json_t *request)
{
    struct proxy *p = control_socket_proxy(c);
    struct err e;
    struct gate_block block;
    if (in_between(c) || !take_words(c, request, &block))
        return;
    if (!command_ms(c, request, "grace_ms", (int64_t)p->settings->grace_ms, COMMAND_DAY_MS,
            &block.grace_ms))
        return;
    struct both *b = both_new(c, join_ended);
    b->waiting = 2;
    if (gate_block(&p->gate, &block, on_own, b, &e) < 0) {
        both_free(b);
        command_error(c, &e);
        return;
    }
    predecessors_ask(
        &p->predecessors, json_deep_copy(request), block.grace_ms + MARGIN_MS, on_others, b);
    publish_state(p);
}

void command_drain(struct control_client *c, const json_t *request)
{
    struct proxy *p = control_socket_proxy(c);
    struct err e;
    struct gate_block words;
    uint64_t timeout;
    if (in_between(c) || !take_words(c, request, &words))
        return;
    if (!command_ms(c, request, "timeout_ms", (int64_t)p->settings->drain_timeout_ms,
            COMMAND_DAY_MS, &timeout))
        return;
    struct both *b = both_new(c, join_ended);
    b->waiting = 3; /* the third is this function: the drain may be over within the call */
    if (gate_drain(&p->gate, &words, timeout, on_own, b, &e) < 0) {
        both_free(b);
        command_error(c, &e);
        return;
    }
    predecessors_ask(&p->predecessors, json_deep_copy(request),
        timeout + p->settings->grace_ms + MARGIN_MS, on_others, b);
    publish_state(p);
    both_step(b);
}

/* Reads "stale_addresses". -EINVAL with words. */
static int stale_list(const json_t *array, struct address **out, unsigned *n, struct err *e)
{
    size_t count = json_array_size(array), i;
    struct address *list = xcalloc(count ? count : 1, sizeof *list);
    const json_t *v;
    json_array_foreach (array, i, v) {
        struct cidr one;
        const char *text = json_string_value(v);
        if (!text || cidr_parse(text, &one, NULL) < 0) {
            free(list);
            return err_set(
                e, EINVAL, "\"stale_addresses\": %s is no address", text ? text : "that");
        }
        list[i] = one.net;
    }
    *out = list;
    *n = (unsigned)count;
    return 0;
}

/* An older process that does not answer keeps its own sessions blocked; new clients come in here.
 */
static json_t *join_opened(struct both *b)
{
    (void)b;
    return command_ok();
}

/* {"cmd":"open","admit":[IP, ...]}: these need not wait any longer; the gate stays as it is. */
static void admit_stale(struct control_client *c, const json_t *addresses)
{
    struct proxy *p = control_socket_proxy(c);
    _cleanup_free_ struct address *list = NULL;
    unsigned n = 0, admitted = 0;
    struct err e;
    if (!json_is_array(addresses) || stale_list(addresses, &list, &n, &e) < 0) {
        control_answer(c, json_error(EINVAL, "\"admit\" must be a list of addresses"));
        return;
    }
    for (unsigned i = 0; i < n; i++)
        admitted += stale_admit(&p->stale, &list[i]);
    if (admitted < n)
        control_answer(
            c, json_error(ENOENT, "%u of %u addresses were not waiting", n - admitted, n));
    else
        control_answer(c, json_pack("{s:b, s:i}", "ok", 1, "admitted", (int)admitted));
    publish_state(p);
}

void command_open(struct control_client *c, const json_t *request)
{
    struct proxy *p = control_socket_proxy(c);
    const json_t *stale = json_object_get(request, "stale_addresses");
    _cleanup_free_ struct address *list = NULL;
    unsigned n = 0;
    uint64_t silence;
    struct err e;
    if (in_between(c))
        return;
    if (json_object_get(request, "admit")) {
        admit_stale(c, json_object_get(request, "admit"));
        return;
    }
    if (!command_ms(c, request, "stale_ms", 90000, COMMAND_DAY_MS, &silence))
        return;
    /* After a block by hand, or a second restore, those of the first still hold stale data. Who
     * opens what is open already means everybody. */
    bool all_in = !stale && !gate_notice(&p->gate);
    if ((stale && stale_list(stale, &list, &n, &e) < 0) || gate_open(&p->gate, &e) < 0) {
        command_error(c, &e);
        return;
    }
    if (all_in)
        stale_clear(&p->stale);
    else
        stale_add(&p->stale, list, n, silence, clock_mono_ms());
    struct both *b = both_new(c, join_opened);
    b->waiting = 1;
    publish_state(p);
    predecessors_ask(
        &p->predecessors, json_pack("{s:s}", "cmd", "open"), PREDECESSOR_MS, on_others, b);
}

/* Held is only who is held everywhere. */
static json_t *join_held(struct both *b)
{
    struct proxy *p = control_socket_proxy(b->c);
    const json_t *failure = predecessors_failure(b->others);
    bool own = json_get_true(b->own, "ok");
    if (p && own && !failure && p->gate.holding)
        return b->own;
    json_t *answer = !own      ? json_incref(b->own)
                     : failure ? json_deep_copy(failure)
                               : json_error(ETIMEDOUT, "the hold was over before all were held");
    json_decref(b->own);
    if (p) {
        gate_release(&p->gate);
        predecessors_release(&p->predecessors);
        control_socket_holder(b->c, false);
    }
    return answer;
}

void command_hold(struct control_client *c, const json_t *request)
{
    struct proxy *p = control_socket_proxy(c);
    struct err e;
    uint64_t timeout, max;
    if (in_between(c))
        return;
    if (!command_ms(c, request, "timeout_ms", 2000, 60000, &timeout) ||
        !command_ms(c, request, "max_ms", 5000, 60000, &max))
        return;
    struct both *b = both_new(c, join_held);
    b->waiting = 2;
    if (gate_hold(&p->gate, timeout, max, on_own, b, &e) < 0) {
        both_free(b);
        command_error(c, &e);
        return;
    }
    control_socket_holder(c, true);
    predecessors_hold(
        &p->predecessors, json_deep_copy(request), timeout + PREDECESSOR_MS, on_others, b);
}

void command_release(struct control_client *c, const json_t *request)
{
    struct proxy *p = control_socket_proxy(c);
    (void)request;
    gate_release(&p->gate);
    predecessors_release(&p->predecessors);
    control_socket_holder(c, false);
    control_answer(c, command_ok());
}

static void on_killed(void *ctx, bool found)
{
    struct both *b = ctx;
    b->found |= found;
    both_step(b);
}

static json_t *join_killed(struct both *b)
{
    size_t i;
    const json_t *one;
    json_array_foreach (b->others, i, one)
        b->found |= json_get_true(one, "ok");
    return b->found ? command_ok()
                    : json_error(ENOENT, "there is no session %llu", (unsigned long long)b->id);
}

/* A number is given once among all processes: a successor counts on. */
void command_kill(struct control_client *c, const json_t *request)
{
    struct proxy *p = control_socket_proxy(c);
    json_int_t id = json_get_int(request, "session");
    if (id <= 0) {
        control_answer(c, json_error(EINVAL, "\"session\" must be the number of a session"));
        return;
    }
    struct both *b = both_new(c, join_killed);
    b->id = (uint64_t)id;
    b->waiting = p->n_workers + 1;
    struct notice *n = notice_make(
        &p->settings->tongues, phrase_of(N_("The session was ended by the administrator")));
    for (unsigned i = 0; i < p->n_workers; i++)
        worker_kill(&p->workers[i], b->id, n, on_killed, b);
    notice_unref(n);
    predecessors_ask(&p->predecessors, json_deep_copy(request), PREDECESSOR_MS, on_others, b);
}
