#include "backup/keeper/keeper.h"

#include <string.h>
#include "backup/keeper/notify.h"
#include "backup/keeper/people.h"
#include "common/clock.h"
#include "common/error_phrase.h"
#include "common/json_get.h"

/* Texts outlive the call. */
static json_t *kept[4];

static const json_t *keep(size_t place, json_t *said)
{
    json_decref(kept[place]);
    return kept[place] = said;
}

static struct health_run run_of(const json_t *run)
{
    int64_t started = 0;
    const char *iso = json_get_str(run, "started");
    if (iso && clock_parse(iso, &started) < 0)
        started = 0;
    return (struct health_run){.is = run != NULL,
        .exit_code = (int)json_get_int(run, "exit"),
        .started_ms = started,
        .error = phrase_got(run, "error")};
}

static void look_at_backups(const struct keeper *k, struct health_facts *f)
{
    const struct plan_pending *p = &k->state.plan.pending;
    const json_t *last = keeper_state_newest(&k->state, "backup", false);
    const json_t *good = keeper_state_newest(&k->state, "backup", true), *a;
    size_t i;
    f->backup = (struct health_schedule){k->rules.has_backup, k->rules.backup, k->rules.zone};
    f->drill = (struct health_schedule){k->rules.has_drill, k->rules.drill, k->rules.zone};
    f->deadline_ms = k->rules.deadline_ms;
    f->again = p->due_ms && !p->by_hand;
    f->last = run_of(last);
    f->good = run_of(good);
    f->proof = run_of(keeper_state_drill(&k->state));
    f->warnings = json_object_get(last, "warnings");
    /* what the next backup will about need is what the last one took */
    json_array_foreach (json_object_get(good, "archives"), i, a)
        f->needed += (uint64_t)json_get_int(a, "size");
}

static void look_at_disk(const struct keeper *k, struct health_facts *f)
{
    const json_t *room = keeper_gate_seen(k->ports.gate, "free");
    f->min_free = (uint64_t)config_int(k->config, "notify", NULL, "min_free");
    f->disk_known = room != NULL;
    f->free_bytes = (uint64_t)json_integer_value(room);
}

/* As the job has seen them that may read them (job/look.c). */
static void look_at_certificates(const struct keeper *k, struct health_facts *f)
{
    const json_t *c = keeper_gate_seen(k->ports.gate, "certificate");
    const json_t *ca = keeper_gate_seen(k->ports.gate, "ca");
    f->certificate.known = c != NULL;
    f->certificate.early = json_get_true(c, "early");
    f->certificate.alarm = (int)json_get_int(c, "alarm");
    f->certificate.days = (int)json_get_int(c, "days");
    f->certificate.date_ms = json_get_int(c, "date_ms");
    f->certificate.file = config_str(k->config, "tls", NULL, "certificate");
    f->certificate.subject = json_get_str(c, "subject");
    f->ca.known = ca != NULL;
    f->ca.ends = json_get_true(ca, "ends");
    f->ca.date_ms = json_get_int(ca, "date_ms");
    f->ca.subject = json_get_str(ca, "subject");
}

static void look_at_notify(const struct keeper *k, struct health_facts *f)
{
    f->born_ms = keeper_notify_born(k->ports.notify);
    struct notify_trouble trouble;
    if (keeper_notify_good(k->ports.notify, &trouble))
        return;
    f->nobody = trouble.nobody;
    f->trouble = keep(0, error_phrase_json(&trouble.why));
    f->other_way = keeper_notify_other_way(k->ports.notify);
}

static void look_at_witnesses(const struct keeper *k, struct health_facts *f)
{
    const struct keeper_heard *h = &k->ports.heard;
    f->database = !h->database_since_ms       ? DATABASE_UNKNOWN
                  : h->witnesses.server.known ? DATABASE_UP
                  : h->witnesses.server_down  ? DATABASE_DOWN
                                              : DATABASE_REFUSING;
    f->database_since_ms = h->database_since_ms;
    f->cause = keep(
        1, h->witnesses.cause_known ? error_phrase_json(&h->witnesses.server_words) : NULL);
    f->proxy_down = h->proxy_since_ms && !h->witnesses.proxy.known;
    f->proxy_since_ms = h->proxy_since_ms;
    f->proxy_words = keep(2, error_phrase_json(&h->witnesses.proxy_words));
}

static void look_at_binlog(const struct keeper *k, struct health_facts *f)
{
    const json_t *said = k->ports.stream.said;
    const char *saved = json_get_str(said, "saved");
    f->binlog_stopped = strcmp(json_get_text(said, "state"), "waiting") == 0;
    if (saved && clock_parse(saved, &f->binlog_saved_ms) < 0)
        f->binlog_saved_ms = 0;
    f->binlog_error = phrase_got(said, "error");
    const json_t *base = k->ports.stream.base;
    const char *since = json_get_str(base, "since");
    f->base_missing = strcmp(json_get_text(base, "base"), "missing") == 0;
    if (since && clock_parse(since, &f->base_ms) < 0)
        f->base_ms = 0;
    f->base_stop = json_get_str(base, "statement");
    if (k->rules.prove)
        f->chain = run_of(keeper_state_newest(&k->state, "prove", false));
}

void keeper_health(struct keeper *k, struct health *out)
{
    struct health_facts f = {.now_ms = clock_wall_ms(),
        .busy = k->current.job != NULL,
        .restoring = k->current.job && keeper_kind_lasts(k->current.kind)};
    look_at_backups(k, &f);
    look_at_binlog(k, &f);
    look_at_disk(k, &f);
    look_at_certificates(k, &f);
    look_at_notify(k, &f);
    look_at_witnesses(k, &f);
    const struct err *accounts = keeper_people_trouble(k->ports.people);
    f.accounts = keep(3, accounts ? error_phrase_json(accounts) : NULL);
    health_find(&f, out);
}
