#include "backup/rules/notice_rule.h"

#include <string.h>
#include "common/clock.h"
#include "common/phrase.h"
#include "common/json_get.h"

#define AGAIN_MS     INT64_C(60000)
#define AGAIN_MAX_MS INT64_C(3600000)

static json_t *member(json_t *o, const char *key, json_t *fresh)
{
    json_t *v = json_object_get(o, key);
    if (v)
        json_decref(fresh);
    else
        (void)json_object_set_new(o, key, v = fresh);
    return v;
}

/* The oldest one gives way: the newest say how things stand. */
static void put_message(json_t *state, const char *event, const char *what, const json_t *a,
    const char *const *channels, int64_t now_ms)
{
    char since[CLOCK_ISO_LEN];
    json_t *outbox = member(state, "outbox", json_array());
    json_t *to = json_array();
    for (; *channels; channels++)
        (void)json_array_append_new(to, json_string(*channels));
    json_t *m = json_pack("{s:s, s:s, s:s, s:o, s:i, s:I, s:I}", "event", event, "state", what,
        "since", clock_iso(json_get_int(a, "since"), since), "channels", to, "tries", 0, "next",
        (json_int_t)now_ms, "born", (json_int_t)now_ms);
    CHECK(m);
    phrase_copy(m, "detail", a, "detail");
    (void)json_array_append_new(outbox, m);
    while (json_array_size(outbox) > NOTICE_OUTBOX_MAX)
        (void)json_array_remove(outbox, 0);
}

static bool begins(json_t *state, json_t *active, const struct notice_fact *f,
    const char *const *channels, int64_t now_ms)
{
    json_t *a = json_pack("{s:I, s:I, s:i}", "since", (json_int_t)now_ms, "told",
        (json_int_t)now_ms, "grade", f->grade);
    CHECK(a);
    phrase_put(a, "detail", json_incref(f->detail));
    put_message(state, f->event, "raised", a, channels, now_ms);
    (void)json_object_set_new(active, f->event, a);
    return true;
}

static bool goes_on(json_t *state, json_t *a, const struct notice_fact *f,
    const char *const *channels, int64_t repeat_ms, int64_t now_ms)
{
    bool worse = f->grade > json_get_int(a, "grade");
    bool remind = repeat_ms > 0 && now_ms - json_get_int(a, "told") >= repeat_ms;
    if (!worse && !remind)
        return false;
    (void)json_object_set_new(a, "told", json_integer(now_ms));
    (void)json_object_set_new(a, "grade", json_integer(f->grade));
    phrase_put(a, "detail", json_incref(f->detail));
    put_message(state, f->event, worse ? "raised" : "reminder", a, channels, now_ms);
    return true;
}

/* Whoever has not been told of the beginning yet need not hear of it any more, nor of the end. */
static bool forget_unsent(json_t *state, const char *event)
{
    bool untold = false;
    json_t *outbox = json_object_get(state, "outbox");
    for (size_t i = json_array_size(outbox); i-- > 0;) {
        const json_t *m = json_array_get(outbox, i);
        const char *e = json_get_str(m, "event");
        const char *what = json_get_str(m, "state");
        if (!e || !what || strcmp(e, event) != 0 || strcmp(what, "recovered") == 0)
            continue;
        untold |= strcmp(what, "raised") == 0 && json_get_int(m, "tries") == 0;
        (void)json_array_remove(outbox, i);
    }
    return untold;
}

static bool ends(json_t *state, json_t *active, const struct notice_fact *f,
    const char *const *channels, int64_t now_ms)
{
    _cleanup_json_ json_t *a = json_incref(json_object_get(active, f->event));
    (void)json_object_del(active, f->event);
    if (!forget_unsent(state, f->event))
        put_message(state, f->event, "recovered", a, channels, now_ms);
    return true;
}

bool notice_rule_update(json_t *state, const struct notice_fact *facts, size_t n,
    const char *const *channels, int64_t repeat_ms, int64_t now_ms)
{
    bool changed = false;
    json_t *active = member(state, "active", json_object());
    if (!*channels) {
        changed = json_object_size(active) > 0 ||
                  json_array_size(json_object_get(state, "outbox")) > 0;
        (void)json_object_clear(active);
        (void)json_object_del(state, "outbox");
        return changed;
    }
    for (size_t i = 0; i < n; i++) {
        json_t *a = json_object_get(active, facts[i].event);
        if (facts[i].is == NOTICE_WRONG && !a)
            changed |= begins(state, active, &facts[i], channels, now_ms);
        else if (facts[i].is == NOTICE_WRONG)
            changed |= goes_on(state, a, &facts[i], channels, repeat_ms, now_ms);
        else if (facts[i].is == NOTICE_WELL && a)
            changed |= ends(state, active, &facts[i], channels, now_ms);
    }
    return changed;
}

json_t *notice_rule_due(const json_t *state, int64_t now_ms)
{
    size_t i;
    json_t *m;
    json_array_foreach (json_object_get(state, "outbox"), i, m) {
        /* a clock that was set back does not hold a message up for long */
        int64_t wait = json_get_int(m, "next") - now_ms;
        if (wait <= 0 || wait > AGAIN_MAX_MS)
            return m;
    }
    return NULL;
}

static void drop(json_t *state, const json_t *message)
{
    json_t *outbox = json_object_get(state, "outbox");
    for (size_t i = 0; i < json_array_size(outbox); i++)
        if (json_array_get(outbox, i) == message) {
            (void)json_array_remove(outbox, i);
            return;
        }
}

void notice_rule_result(json_t *state, json_t *message, const json_t *result, int64_t now_ms)
{
    json_t *channels = json_object_get(message, "channels");
    for (size_t i = json_array_size(channels); i-- > 0;) {
        const json_t *r = json_object_get(result, json_string_value(json_array_get(channels, i)));
        const char *words = json_string_value(r);
        /* null: it is not configured any more */
        if ((words && strcmp(words, "sent") == 0) || json_is_null(r))
            (void)json_array_remove(channels, i);
    }
    int64_t tries = json_get_int(message, "tries") + 1, pause = AGAIN_MS;
    for (int64_t i = 1; i < tries && pause < AGAIN_MAX_MS; i++)
        pause *= 2;
    (void)json_object_set_new(message, "tries", json_integer(tries));
    (void)json_object_set_new(
        message, "next", json_integer(now_ms + (pause < AGAIN_MAX_MS ? pause : AGAIN_MAX_MS)));
    if (json_array_size(channels) == 0 ||
        now_ms - json_get_int(message, "born") > NOTICE_GIVE_UP_MS)
        drop(state, message);
}
