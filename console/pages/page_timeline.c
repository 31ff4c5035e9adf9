/*
 * /timeline: one day at a glance, from which a moment is chosen to go back to.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/shown.h"
#include "common/clock.h"
#include "common/json_get.h"
#include "common/utf8.h"
#include "console/ask.h"
#include "console/pages/pages.h"
#include "console/view/parts.h"

#define DAY_MS    30000 /* it reads indices and logs */
#define HOUR      60    /* minutes */
#define SPANS_MAX 64
#define STILL_MS  60000 /* it connects anew after each start of the server */

/* A day before or after, "2026-11-30"; the noon is in it whatever the clocks do. */
static void other_day(int64_t from, int days, char out[static 16])
{
    clock_local(from + 43200000 + days * INT64_C(86400000), "%Y-%m-%d", out, 16);
}

/* For people: "Mo 30.11.2026". */
static void add_day_text(
    struct request *rq, json_t *model, const char *name, int64_t from, int days)
{
    char text[SHOWN_LEN];
    _cleanup_free_ char *key = xasprintf("%s_text", name);
    shown_time(rq->lang, from + 43200000 + days * INT64_C(86400000), SHOWN_DAY, text, sizeof text);
    (void)json_object_set_new(model, key, json_string(text));
}

/* Where a member's time lies in the day, in minutes. */
static double minute_of(const json_t *o, const char *key, int64_t from)
{
    return (double)(time_in(o, key) - from) / 60000;
}

/* For the picture: numbers of the whole day, in one attribute each. */
static void add_picture(json_t *model, const json_t *day, const json_t *gaps, int64_t from)
{
    _cleanup_free_ char *minutes = NULL, *red = NULL;
    char *marks = NULL;
    size_t n, i;
    const json_t *it;
    FILE *f = open_memstream(&minutes, &n);
    json_array_foreach (json_object_get(day, "minutes"), i, it)
        fprintf(f, "%s%lld", i ? "," : "", (long long)json_integer_value(it));
    fclose(f);
    f = open_memstream(&red, &n);
    json_array_foreach (gaps, i, it)
        fprintf(
            f, "%s%.2f-%.2f", i ? "," : "", minute_of(it, "from", from), minute_of(it, "to", from));
    fclose(f);
    f = open_memstream(&marks, &n);
    json_array_foreach (json_object_get(day, "marks"), i, it)
        fprintf(
            f, "%s%.2f:%s", i ? "," : "", minute_of(it, "time", from), json_get_text(it, "kind"));
    fclose(f);
    (void)json_object_set_new(model, "picture",
        json_pack("{s:s, s:s, s:s}", "minutes", minutes, "gaps", red, "marks", marks));
    free(marks);
}

/* Does one of the spans touch these milliseconds? */
static bool touched(const json_t *spans, int64_t from, int64_t to)
{
    size_t i;
    const json_t *s;
    json_array_foreach (spans, i, s)
        if (time_in(s, "from") < to && time_in(s, "to") > from)
            return true;
    return false;
}

static json_t *marks_of(struct request *rq, const json_t *day, int64_t from, int64_t to)
{
    json_t *list = json_array();
    size_t i;
    const json_t *m;
    json_array_foreach (json_object_get(day, "marks"), i, m) {
        char at[SHOWN_LEN], key[40];
        int64_t ms = time_in(m, "time");
        if (ms < from || ms >= to)
            continue;
        shown_time(rq->lang, ms, SHOWN_CLOCK, at, sizeof at);
        utf8_copy(key, sizeof key, json_get_text(m, "kind"));
        (void)json_array_append_new(
            list, json_pack("{s:s, s:s, s:s}", "at", at, "label", label(rq, "mark_", key), "about",
                      json_get_text(m, "text")));
    }
    return list;
}

/* A line an hour: what the picture shows, for who does not see it. */
static void add_hours(
    struct request *rq, json_t *model, const json_t *day, const json_t *gaps, int64_t from)
{
    const json_t *minutes = json_object_get(day, "minutes");
    json_t *rows = json_array();
    size_t n = json_array_size(minutes);
    for (size_t i = 0; i < n; i += HOUR) {
        char at[SHOWN_LEN];
        int64_t begin = from + (int64_t)i * 60000, end = begin + HOUR * 60000;
        json_int_t written = 0;
        for (size_t k = i; k < i + HOUR && k < n; k++)
            written += json_integer_value(json_array_get(minutes, k));
        shown_time(rq->lang, begin, SHOWN_CLOCK, at, sizeof at);
        bool gap = touched(gaps, begin, end);
        json_t *marks = marks_of(rq, day, begin, end);
        if (written == 0 && !gap && json_array_size(marks) == 0) {
            json_decref(marks);
            continue;
        }
        (void)json_array_append_new(
            rows, json_pack("{s:s, s:I, s:b, s:b, s:o}", "at", at, "written", written, "gap", gap,
                      "saved", !gap && touched(json_object_get(day, "saved"), begin, end), "marks",
                      marks));
    }
    (void)json_object_set_new(
        model, "hours_count", json_integer((json_int_t)json_array_size(rows)));
    (void)json_object_set_new(model, "hours", rows);
}

/* Those of the log, and from what is saved until now where the stream stands still. */
static json_t *gaps_of(const json_t *answer, const json_t *day)
{
    json_t *gaps = json_deep_copy(json_object_get(day, "gaps"));
    const json_t *binlog = json_object_get(answer, "binlog");
    int64_t saved = time_in(binlog, "saved"), from = time_in(day, "from"), to = time_in(day, "to"),
            now = clock_wall_ms();
    char a[CLOCK_ISO_LEN], b[CLOCK_ISO_LEN];
    saved = saved > from ? saved : from;
    to = to < now ? to : now;
    if (json_get_true(day, "archived") && to - saved > STILL_MS && time_in(binlog, "saved") &&
        strcmp(json_get_text(binlog, "state"), "following") != 0)
        (void)json_array_append_new(gaps, json_pack("{s:s, s:s, s:s}", "from", clock_iso(saved, a),
                                              "to", clock_iso(to, b), "reason", "waiting"));
    return gaps;
}

static void add_gaps(struct request *rq, json_t *model, const json_t *gaps)
{
    json_t *list = json_array();
    size_t i;
    const json_t *g;
    json_array_foreach (gaps, i, g) {
        char from[SHOWN_LEN], to[SHOWN_LEN];
        if (i == SPANS_MAX)
            break;
        shown_time(rq->lang, time_in(g, "from"), SHOWN_CLOCK, from, sizeof from);
        shown_time(rq->lang, time_in(g, "to"), SHOWN_CLOCK, to, sizeof to);
        (void)json_array_append_new(
            list, json_pack("{s:s, s:s, s:s}", "begins", from, "ends", to, "label",
                      label(rq, "gap_", json_get_text(g, "reason"))));
    }
    (void)json_object_set_new(model, "gaps_count", json_integer((json_int_t)json_array_size(list)));
    (void)json_object_set_new(model, "gaps", list);
}

static void add_days(struct request *rq, json_t *model, int64_t from)
{
    char before[16], after[16], today[16];
    other_day(from, -1, before);
    other_day(from, 1, after);
    other_day(clock_wall_ms() - 43200000, 0, today);
    (void)json_object_set_new(model, "day_before", json_string(before));
    if (strcmp(after, today) <= 0)
        (void)json_object_set_new(model, "day_after", json_string(after));
    (void)json_object_set_new(model, "latest_day", json_string(today));
    add_day_text(rq, model, "day", from, 0);
    add_day_text(rq, model, "day_before", from, -1);
    add_day_text(rq, model, "day_after", from, 1);
}

json_t *model_timeline(struct request *rq)
{
    json_t *model = json_object(), *answer = NULL;
    struct err e = {0};
    const char *asked = request_query(rq, "day");
    json_t *request = json_pack("{s:s, s:s?}", "cmd", "timeline", "day", asked);
    char date[16];
    if (ask_keeper_long(rq, request, DAY_MS, &answer, &e) < 0) {
        _cleanup_free_ char *text = answer_words(rq, "keeper", &e);
        (void)json_object_set_new(model, "error", json_string(text));
        return model;
    }
    const json_t *day = json_object_get(answer, "timeline");
    int64_t from = time_in(day, "from");
    _cleanup_json_ json_t *gaps = gaps_of(answer, day);
    other_day(from, 0, date);
    (void)json_object_set_new(model, "day", json_string(date));
    (void)json_object_set_new(model, "archived", json_boolean(json_get_true(day, "archived")));
    add_days(rq, model, from);
    add_picture(model, day, gaps, from);
    add_hours(rq, model, day, gaps, from);
    add_gaps(rq, model, gaps);
    json_decref(answer);
    return model;
}
