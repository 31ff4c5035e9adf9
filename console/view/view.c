#include "console/view/view.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/shown.h"
#include "common/json_get.h"
#include "common/phrase.h"

#define DEPTH_MAX 16

/* --- the walk --------------------------------------------------------------------------------- */

static void add_text(json_t *o, const char *key, const char *suffix, const char *text)
{
    _cleanup_free_ char *name = xasprintf("%s%s", key, suffix);
    if (!json_object_get(o, name))
        (void)json_object_set_new(o, name, json_string(text));
}

static bool is_bytes(const char *key)
{
    static const char *const keys[] = {"size", "bytes", "free", "total", "used", "capacity",
        "bytes_in", "bytes_out", "bytes_s", "offset", "source_bytes", "needed", "original_bytes"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (strcmp(key, keys[i]) == 0)
            return true;
    return false;
}

static void describe_number(json_t *o, const char *key, int64_t n, enum lang lang)
{
    char text[48];
    size_t len = strlen(key);
    if (len > 3 && strcmp(key + len - 3, "_ms") == 0) {
        char stem[64];
        snprintf(stem, sizeof stem, "%.*s", (int)(len - 3), key);
        add_text(o, stem, "_text", shown_duration(lang, n, text, sizeof text));
    } else if (is_bytes(key) && n >= 0) {
        add_text(o, key, "_text", shown_bytes(lang, (uint64_t)n, text, sizeof text));
    }
}

static bool looks_like_time(const char *s)
{
    size_t n = strlen(s);
    return n >= 20 && n <= 30 && s[4] == '-' && s[7] == '-' && s[10] == 'T' && s[13] == ':';
}

static void describe_text(json_t *o, const char *key, const char *s, enum lang lang)
{
    int64_t ms;
    char text[64];
    if (!looks_like_time(s) || clock_parse(s, &ms) < 0)
        return;
    add_text(o, key, "_text", shown_time(lang, ms, SHOWN_MINUTE, text, sizeof text));
    /* the wall clock of here, for the page's scripts */
    add_text(o, key, "_local", clock_local(ms, "%Y-%m-%dT%H:%M:%S", text, sizeof text));
    add_text(o, key, "_date", shown_time(lang, ms, SHOWN_DATE, text, sizeof text));
    add_text(o, key, "_when", shown_time(lang, ms, SHOWN_WHEN, text, sizeof text));
    add_text(o, key, "_ago", shown_ago(lang, clock_wall_ms() - ms, text, sizeof text));
}

/* X_phrase takes X's place. Keys are collected first: an
 * object must not change while it is walked. */
static void choose_language(json_t *o, enum lang lang)
{
    const char *key;
    json_t *v;
    void *next;
    json_object_foreach_safe(o, next, key, v)
    {
        const char *end = strrchr(key, '_');
        if (!end || strcmp(end, "_phrase") != 0)
            continue;
        _cleanup_free_ char *stem = strndup(key, (size_t)(end - key)),
                            *words = phrase_in(lang, o, stem);
        if (!json_object_get(o, stem))
            continue;
        (void)json_object_set_new(o, stem, json_string(words));
        (void)json_object_del(o, key);
    }
}

static void localise(json_t *v, enum lang lang, int depth)
{
    if (depth > DEPTH_MAX)
        return;
    for (size_t i = 0; i < json_array_size(v); i++)
        localise(json_array_get(v, i), lang, depth + 1);
    if (!json_is_object(v))
        return;
    choose_language(v, lang);
    json_t *keys = json_array(), *name;
    const char *key;
    json_t *value;
    json_object_foreach (v, key, value)
        (void)json_array_append_new(keys, json_string(key));
    size_t i;
    json_array_foreach (keys, i, name) {
        key = json_string_value(name);
        value = json_object_get(v, key);
        if (json_is_integer(value))
            describe_number(v, key, json_integer_value(value), lang);
        else if (json_is_string(value))
            describe_text(v, key, json_string_value(value), lang);
        else
            localise(value, lang, depth + 1);
    }
    json_decref(keys);
}

void view_localise(json_t *model, enum lang lang)
{
    localise(model, lang, 0);
}

/* --- codes ------------------------------------------------------------------------------------ */

static void describe_code(json_t *o, const char *key, const json_t *texts)
{
    const char *value = json_get_str(o, key);
    if (!value || !*value)
        return;
    _cleanup_free_ char *name = xasprintf("%s_%s", key, value), *is = xasprintf("%s_is", key);
    const char *words = json_get_str(texts, name);
    add_text(o, key, "_words", words ? words : value);
    if (!json_object_get(o, is))
        (void)json_object_set_new(o, is, json_pack("{sb}", value, 1));
}

static void walk_words(json_t *v, const json_t *texts, int depth)
{
    static const char *const keys[] = {
        "phase", "kind", "method", "level", "state", "role", "program"};
    const char *key;
    json_t *value;
    if (depth > DEPTH_MAX)
        return;
    for (size_t i = 0; i < json_array_size(v); i++)
        walk_words(json_array_get(v, i), texts, depth + 1);
    for (size_t i = 0; json_is_object(v) && i < sizeof keys / sizeof keys[0]; i++)
        describe_code(v, keys[i], texts);
    json_object_foreach (v, key, value)
        if (value != texts && (json_is_object(value) || json_is_array(value)))
            walk_words(value, texts, depth + 1);
}

void view_words(json_t *model, const json_t *texts)
{
    walk_words(model, texts, 0);
}
