#include "console/view/view.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/error.h"
#include "common/units.h"
#include "common/utf8.h"
#include "common/json_get.h"
#include "common/phrase.h"

#define DEPTH_MAX 16

char *view_bytes(int64_t bytes, enum lang lang, char *buf, size_t size)
{
    char text[UNITS_BYTES_LEN], *dot = strchr(units_bytes((uint64_t)bytes, text), '.');
    if (dot && lang != LANG_EN)
        *dot = ',';
    utf8_copy(buf, size, text);
    return buf;
}

char *view_duration(int64_t ms, enum lang lang, char *buf, size_t size)
{
    return units_duration((uint64_t)ms, lang_text(lang, "days"), buf, size);
}

static char *local_time(int64_t wall_ms, enum lang lang, bool seconds, char *buf, size_t size)
{
    time_t t = (time_t)(wall_ms / 1000);
    struct tm local;
    size_t n;
    localtime_r(&t, &local);
    if (lang != LANG_EN)
        n = seconds ? strftime(buf, size, "%d.%m.%Y %H:%M:%S", &local)
                    : strftime(buf, size, "%d.%m.%Y %H:%M", &local);
    else
        n = seconds ? strftime(buf, size, "%Y-%m-%d %H:%M:%S", &local)
                    : strftime(buf, size, "%Y-%m-%d %H:%M", &local);
    if (n == 0)
        snprintf(buf, size, "?");
    return buf;
}

char *view_time(int64_t wall_ms, enum lang lang, char *buf, size_t size)
{
    return local_time(wall_ms, lang, false, buf, size);
}

char *view_moment(int64_t wall_ms, enum lang lang, char *buf, size_t size)
{
    return local_time(wall_ms, lang, true, buf, size);
}

/* Days from today's date to that of t: -1 is yesterday. */
static int days_from_today(time_t t)
{
    time_t now = (time_t)(clock_wall_ms() / 1000);
    struct tm a, b;
    localtime_r(&now, &a);
    localtime_r(&t, &b);
    /* noon has the same date whatever daylight saving time does */
    a.tm_hour = b.tm_hour = 12;
    a.tm_min = b.tm_min = a.tm_sec = b.tm_sec = 0;
    a.tm_isdst = b.tm_isdst = -1;
    double seconds = difftime(mktime(&b), mktime(&a));
    return (int)((seconds + (seconds < 0 ? -43200 : 43200)) / 86400);
}

/* "heute 03:15", "gestern 03:15", "morgen 03:15", else date and time. */
static char *view_when(int64_t wall_ms, enum lang lang, char *buf, size_t size)
{
    static const char *const names[] = {N_("yesterday"), N_("today"), N_("tomorrow")};
    time_t t = (time_t)(wall_ms / 1000);
    int days = days_from_today(t);
    struct tm local;
    if (days < -1 || days > 1)
        return view_time(wall_ms, lang, buf, size);
    localtime_r(&t, &local);
    utf8_format(
        buf, size, "%s %02d:%02d", lang_text(lang, names[days + 1]), local.tm_hour, local.tm_min);
    return buf;
}

static void view_ago(int64_t wall_ms, enum lang lang, char *buf, size_t size)
{
    char duration[40];
    int64_t ago = clock_wall_ms() - wall_ms;
    bool past = ago >= 0;
    long long days = (past ? ago : -ago) / 86400000;
    view_duration(past ? ago : -ago, lang, duration, sizeof duration);
    if (past && ago < 1000)
        utf8_format(buf, size, "%s", lang_text(lang, N_("just now")));
    else if (days > 1 && past) /* a sentence of their own: "vor 3 Tagen" */
        utf8_format(buf, size, lang_text(lang, "%lld days ago"), days);
    else if (days > 1)
        utf8_format(buf, size, lang_text(lang, "in %lld days"), days);
    else
        utf8_format(
            buf, size, past ? lang_text(lang, "%s ago") : lang_text(lang, "in %s"), duration);
}

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
        add_text(o, stem, "_text", view_duration(n, lang, text, sizeof text));
    } else if (is_bytes(key) && n >= 0) {
        add_text(o, key, "_text", view_bytes(n, lang, text, sizeof text));
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
    add_text(o, key, "_text", view_time(ms, lang, text, sizeof text));
    text[10] = '\0'; /* both languages write ten characters for the date */
    add_text(o, key, "_date", text);
    add_text(o, key, "_when", view_when(ms, lang, text, sizeof text));
    view_ago(ms, lang, text, sizeof text);
    add_text(o, key, "_ago", text);
}

/* X_phrase, or X_de of a program that has none yet, takes X's place. Keys are collected first: an
 * object must not change while it is walked. */
static void choose_language(json_t *o, enum lang lang)
{
    const char *key;
    json_t *v;
    void *next;
    json_object_foreach_safe(o, next, key, v)
    {
        const char *end = strrchr(key, '_');
        if (!end || (strcmp(end, "_phrase") != 0 && strcmp(end, "_de") != 0))
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
