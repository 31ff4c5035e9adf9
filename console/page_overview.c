/*
 * The overview: is all well, and if not, what to do.
 */
#include <string.h>

#include "common/clock.h"
#include "console/ask.h"
#include "console/pages.h"
#include "console/problems.h"

static json_t *status_of(const struct settings *s, bool proxy)
{
    struct err e = {0};
    json_t *answer = NULL, *request = json_pack("{ss}", "cmd", "status");
    int r = proxy ? ask_proxy(s, request, &answer, &e) : ask_keeper(s, request, &answer, &e);
    if (r == 0)
        return answer;
    return json_pack("{sbss}", "ok", 0, "error", e.text);
}

static bool there(const json_t *status)
{
    return json_is_true(json_object_get(status, "ok"));
}

/* "good", "warning" or "error": the colour of the whole. */
static const char *worst(const json_t *problems)
{
    const json_t *first = json_array_get(problems, 0);
    return first ? json_string_value(json_object_get(first, "level")) : "good";
}

json_t *overview_of(const struct settings *s, const json_t *messages, const char *lang)
{
    json_t *proxy = status_of(s, true), *keeper = status_of(s, false);
    json_t *problems = problems_find(there(proxy) ? proxy : NULL, there(keeper) ? keeper : NULL,
        messages, lang, clock_wall_ms());
    const char *level = worst(problems);
    const json_t *job = json_object_get(keeper, "job");
    const char *gate = json_string_value(json_object_get(proxy, "state"));
    json_t *model = json_pack("{sss{sb}sososOsbsbsbss}", "level", level, "level_is", level, 1,
        "proxy", proxy, "keeper", keeper, "problems", problems, "gate_open",
        gate && strcmp(gate, "open") == 0, "proxy_there", there(proxy), "keeper_there",
        there(keeper), "gate", gate ? gate : "unknown");
    if (json_is_object(job))
        (void)json_object_set(model, "job", (json_t *)(uintptr_t)job);
    return model;
}

json_t *model_overview(struct request *rq)
{
    return overview_of(rq->settings, rq->console->messages, rq->lang);
}
