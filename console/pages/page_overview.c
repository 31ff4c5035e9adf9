/*
 * The overview: is all well, and if not, what to do.
 */
#include <string.h>

#include "common/json_get.h"
#include "common/phrase.h"
#include "console/pages/pages.h"
#include "console/view/parts.h"
#include "console/pages/problems.h"
#include "console/pages/summary.h"

/* One sentence for the whole. */
static void add_status(struct request *rq, json_t *model, const json_t *problems)
{
    const char *worst = json_get_text(json_array_get(problems, 0), "level");
    if (strcmp(worst, "hint") == 0)
        worst = "";
    const char *key = !*worst                     ? "status-good"
                      : strcmp(worst, "bad") == 0 ? "status-bad"
                                                  : "status-warn";
    _cleanup_free_ char *text = say(rq, key, NULL);
    (void)json_object_set_new(model, "status",
        json_pack("{sbsbss}", "ok", !*worst, "bad", strcmp(worst, "bad") == 0, "text", text));
}

/* A run of the keeper's memory, as cards show it. */
static void add_run(json_t *model, const char *key, const json_t *run)
{
    size_t i;
    json_t *archive;
    json_int_t size = 0;
    if (!json_is_object(run))
        return;
    json_array_foreach (json_object_get(run, "archives"), i, archive)
        size += json_get_int(archive, "size");
    json_t *card = json_pack("{ssssss}", "run", json_get_text(run, "run"), "started",
        json_get_text(run, "started"), "finished", json_get_text(run, "ended"));
    if (size > 0)
        (void)json_object_set_new(card, "size", json_integer(size));
    (void)json_object_set_new(model, key, card);
}

static void add_clients(json_t *model, const json_t *proxy)
{
    if (json_array_size(json_object_get(proxy, "waiting_for_restart")) > 0)
        (void)json_object_set_new(model, "waiting", json_true());
    const json_t *idle = json_object_get(proxy, "idle");
    (void)json_object_set(model, "clients", json_object_get(proxy, "sessions"));
    (void)json_object_set_new(model, "idle",
        json_pack("{sbsO?}", "is_writing", json_get_int(idle, "write_in_flight") > 0, "write_ms",
            json_object_get(idle, "write_ms")));
}

static void add_certificate(struct request *rq, json_t *model, const json_t *proxy)
{
    const json_t *certificate = json_object_get(proxy, "certificate");
    if (!json_is_object(certificate))
        return;
    json_t *copy = json_deep_copy(certificate);
    add_certificate_dates(rq, copy);
    (void)json_object_set_new(model, "certificate", copy);
}

static void add_keeper(struct request *rq, json_t *model, const json_t *keeper)
{
    const json_t *drill = json_object_get(keeper, "last_drill");
    const json_t *schedule = json_object_get(keeper, "schedule");
    const char *next = json_get_text(schedule, "next");
    add_run(model, "last_good", json_object_get(keeper, "last_good_backup"));
    if (json_get_int(drill, "exit") == 0)
        add_run(model, "proven", drill);
    _cleanup_free_ char *words = phrase_in(rq->lang, schedule, "words");
    if (*next)
        (void)json_object_set_new(model, "next", json_pack("{ssss}", "at", next, "words", words));
    add_summary(rq, model, keeper);
    add_disk(model, keeper);
    add_job(rq, model, keeper);
}

json_t *model_overview(struct request *rq)
{
    json_t *model = json_object();
    _cleanup_json_ json_t *proxy = proxy_status_into(rq, model),
                          *keeper = keeper_status_into(rq, model);
    json_t *problems = problems_find(proxy, keeper, rq->console->messages, rq->lang);
    add_status(rq, model, problems);
    (void)json_object_set_new(model, "problems", problems);
    add_gate(rq, model, proxy);
    json_t *down = database_down(keeper);
    if (down)
        (void)json_object_set_new(model, "database_down", down);
    if (proxy) {
        add_clients(model, proxy);
        add_certificate(rq, model, proxy);
    }
    if (keeper)
        add_keeper(rq, model, keeper);
    return model;
}
