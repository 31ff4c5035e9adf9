#include "backup/keeper/notify.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "backup/rules/notice_rule.h"
#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/file.h"
#include "common/log.h"
#include "common/phrase.h"
#include "common/notify_check.h"
#include "common/error_phrase.h"
#include "common/json_get.h"

#define LOOK_MS     5000
#define SEND_MAX_MS (15 * 60 * 1000) /* both channels' time limits, and some to spare */
#define STATE_MAX   (1u << 20)

struct keeper_notify {
    struct keeper *k;
    keeper_verdict_fn *verdict;
    char *path;
    json_t *state;
    int64_t born_ms; /* when it was first here: nothing from before is missed */
    int64_t looked_mono_ms, sent_mono_ms;
    struct keeper_job *sender;
    json_t *message, *result; /* being sent */
    bool stopping;
};

static void save(struct keeper_notify *n)
{
    struct err e = {0};
    _cleanup_free_ char *text = json_dumps(n->state, JSON_INDENT(1));
    if (file_publish(n->path, text, strlen(text), 0600, &e) < 0)
        log_err(LOG_ERROR, "state-not-saved", &e);
}

struct keeper_notify *keeper_notify_new(struct keeper *k, keeper_verdict_fn *verdict)
{
    struct keeper_notify *n = xcalloc(1, sizeof *n);
    _cleanup_free_ char *text = NULL;
    size_t len = 0;
    n->k = k;
    n->verdict = verdict;
    n->path = xstrdup("notify.json");
    if (file_read(n->path, STATE_MAX, &text, &len, NULL) == 0)
        n->state = json_loadb(text, len, 0, NULL);
    if (!json_is_object(n->state)) { /* a first start; a damaged one begins anew */
        json_decref(n->state);
        n->state = json_pack("{s:I}", "born", (json_int_t)clock_wall_ms());
    }
    n->born_ms = json_get_int(n->state, "born");
    return n;
}

/* The ways that are set up; how many. */
static size_t set_up(const struct config *c, const char *channels[3])
{
    size_t n = 0;
    if (*config_list(c, "notify", NULL, "mail_to"))
        channels[n++] = "mail";
    if (config_str(c, "notify", NULL, "webhook"))
        channels[n++] = "webhook";
    return n;
}

/* Found or not, each code is a fact; what is found and not worth a message is none. */
static size_t facts_of(struct keeper_notify *n, struct notice_fact facts[HEALTH_CODES])
{
    struct health h;
    n->verdict(n->k, &h);
    for (size_t i = 0; i < HEALTH_CODES; i++)
        facts[i] = (struct notice_fact){.event = health_about((enum health_code)i)->code,
            .is = h.open[i] ? NOTICE_UNKNOWN : NOTICE_WELL};
    for (size_t i = 0; i < h.n; i++) {
        const struct health_finding *w = &h.found[i];
        if (!w->tell)
            continue;
        json_decref(facts[w->code].detail);
        facts[w->code] = (struct notice_fact){.event = health_about(w->code)->code,
            .is = NOTICE_WRONG,
            .grade = w->grade,
            .detail = health_phrase(w, n->k->rules.zone)};
    }
    return HEALTH_CODES;
}

/* --- sending ---------------------------------------------------------------------------------- */

static void on_notify_line(void *ctx, json_t *line)
{
    struct keeper_notify *n = ctx;
    if (json_get_true(line, "done"))
        json_keep(&n->result, line);
}

/* What became of each channel, until it works again. */
static void note_channels(struct keeper_notify *n)
{
    static const char *const channels[] = {"mail", "webhook"};
    json_t *failing = json_object_get(n->state, "failing");
    char now[CLOCK_ISO_LEN];
    if (!failing)
        (void)json_object_set_new(n->state, "failing", failing = json_object());
    bool warned = json_get_str(n->result, "warning");
    for (size_t i = 0; i < 2; i++) {
        const char *words = json_get_str(n->result, channels[i]);
        bool sent = words && strcmp(words, "sent") == 0, not_all = i == 0 && sent && warned;
        if (sent && !not_all)
            (void)json_object_del(failing, channels[i]);
        if (words && (!sent || not_all) && !json_object_get(failing, channels[i])) {
            json_t *one = json_pack("{s:s}", "since", clock_iso(clock_wall_ms(), now));
            phrase_copy(one, "error", n->result, not_all ? "warning" : channels[i]);
            (void)json_object_set_new(failing, channels[i], one);
        }
    }
    (void)json_object_del(failing, "program");
    if (n->result && !json_get_str(n->result, "error"))
        return;
    json_t *program = json_pack("{s:s}", "since", clock_iso(clock_wall_ms(), now));
    phrase_put(program, "error", phrase_of(N_("elexgate-notify could not be run")));
    phrase_copy(program, "error", n->result, "error");
    (void)json_object_set_new(failing, "program", program);
}

static void on_end(void *ctx, int exit_code, int signal)
{
    struct keeper_notify *n = ctx;
    bool good = exit_code == EXIT_GOOD && !signal;
    n->sender = NULL;
    log_event(good ? LOG_INFO : LOG_WARNING, good ? "notified" : "notify-failed",
        LOG_S("about", json_get_str(n->message, "event")),
        LOG_S("state", json_get_str(n->message, "state")),
        LOG_S("mail", json_get_str(n->result, "mail")),
        LOG_S("webhook", json_get_str(n->result, "webhook")),
        LOG_S("error", json_get_str(n->result, "error")),
        LOG_S("warning", json_get_str(n->result, "warning")));
    if (!n->stopping) {
        note_channels(n);
        notice_rule_result(n->state, n->message, n->result, clock_wall_ms());
        save(n);
    }
    json_decref(n->message);
    json_decref(n->result);
    n->message = n->result = NULL;
}

/* The message with the words that its code always has. */
static char *words_of(json_t *message)
{
    const struct health_about *a = health_about_name(json_get_text(message, "event"));
    _cleanup_json_ json_t *whole = json_copy(message);
    if (a) {
        phrase_put(whole, "title", phrase_of(a->title));
        phrase_put(whole, "advice", phrase_of(a->advice));
    }
    return json_dumps(whole, JSON_COMPACT);
}

static void send_message(struct keeper_notify *n, json_t *message)
{
    struct monitor_request q = keeper_job_of(MONITOR_NOTIFY);
    struct err e = {0};
    _cleanup_free_ char *text = words_of(message);
    int in = memfd_create("message", MFD_CLOEXEC);
    int r = in < 0 ? err_sys(&e, errno, "memfd") : fd_write_all(in, text, strlen(text), &e);
    if (r == 0) {
        (void)lseek(in, 0, SEEK_SET);
        struct keeper_job_events events = {.line = on_notify_line, .end = on_end, .ctx = n};
        r = keeper_job_start(&n->k->ports.jobs, &q, in, &events, &n->sender, &e);
    }
    if (in >= 0)
        close(in);
    if (r < 0) {
        log_err(LOG_ERROR, "notify-failed", &e);
        notice_rule_result(n->state, message, NULL, clock_wall_ms());
        return;
    }
    n->message = json_incref(message);
    n->sent_mono_ms = (int64_t)clock_mono_ms();
}

void keeper_notify_tick(struct keeper_notify *n)
{
    struct keeper *k = n->k;
    int64_t now = (int64_t)clock_mono_ms();
    if (n->stopping || now - n->looked_mono_ms < LOOK_MS)
        return;
    n->looked_mono_ms = now;
    const char *channels[3] = {NULL};
    set_up(k->config, channels);
    struct notice_fact facts[HEALTH_CODES];
    if (notice_rule_update(n->state, facts, facts_of(n, facts), channels,
            config_int(k->config, "notify", NULL, "repeat"), clock_wall_ms()))
        save(n);
    for (size_t i = 0; i < HEALTH_CODES; i++)
        json_decref(facts[i].detail);
    if (n->sender && now - n->sent_mono_ms > SEND_MAX_MS)
        keeper_job_stop(n->sender);
    json_t *due = n->sender ? NULL : notice_rule_due(n->state, clock_wall_ms());
    if (due)
        send_message(n, due);
}

/* The first way that failed last time, in words; false: none. */
static bool failed_last(const struct keeper_notify *n, struct notify_trouble *t)
{
    const char *channel;
    json_t *a;
    json_object_foreach (json_object_get(n->state, "failing"), channel, a) {
        const char *since = json_get_str(a, "since");
        json_t *said = phrase(
            "a notification could not be sent (%s, %s: %s): elexgate notify --test", channel,
            since ? since : "?", "?");
        if (phrase_got(a, "error"))
            phrase_set(said, 2, json_deep_copy(phrase_got(a, "error")));
        (void)error_phrase_set(&t->why, EIO, said);
        return true;
    }
    return false;
}

bool keeper_notify_good(const struct keeper_notify *n, struct notify_trouble *t)
{
    const json_t *seen = keeper_gate_seen(n->k->ports.gate, "notify");
    bool good = n->k->notify_good;
    *t = n->k->notify_trouble;
    if (seen) {
        good = json_get_true(seen, "good");
        t->nobody = json_get_true(seen, "nobody");
        (void)error_phrase_take_from(&t->why, EIO, seen, "text");
    }
    return good && !failed_last(n, t);
}

int64_t keeper_notify_born(const struct keeper_notify *n)
{
    return n->born_ms;
}

bool keeper_notify_other_way(const struct keeper_notify *n)
{
    const json_t *failing = json_object_get(n->state, "failing");
    const char *channels[3] = {NULL};
    size_t c = set_up(n->k->config, channels), failed = 0;
    for (size_t i = 0; i < c; i++)
        failed += json_object_get(failing, channels[i]) != NULL;
    return failed > 0 && failed < c;
}

json_t *keeper_notify_status(const struct keeper_notify *n)
{
    struct notify_trouble t = {0};
    bool good = keeper_notify_good(n, &t);
    json_t *said = json_pack("{s:b, s:b, s:i}", "good", good, "nobody", t.nobody, "waiting",
        (int)json_array_size(json_object_get(n->state, "outbox")));
    error_phrase_put_as(said, "text", &t.why);
    return said;
}

void keeper_notify_again(struct keeper_notify *n)
{
    size_t i;
    json_t *m;
    json_array_foreach (json_object_get(n->state, "outbox"), i, m)
        (void)json_object_set_new(m, "next", json_integer(clock_wall_ms()));
    if (i == 0) /* nothing will show whether the ways work now */
        (void)json_object_del(n->state, "failing");
    save(n);
}

void keeper_notify_stop(struct keeper_notify *n)
{
    n->stopping = true;
    if (n->sender)
        keeper_job_stop(n->sender);
}

void keeper_notify_free(struct keeper_notify *n)
{
    if (!n)
        return;
    json_decref(n->state);
    json_decref(n->message);
    json_decref(n->result);
    free(n->path);
    free(n);
}
