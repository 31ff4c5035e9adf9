#include "console/pages/summary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/shown.h"
#include "common/clock.h"
#include "common/json_get.h"
#include "console/ask.h"
#include "console/view/parts.h"

#define DAY_MS       (24 * INT64_C(3600000))
#define LOOK_BACK    (14 * DAY_MS) /* how often backups are made is told from that time */
#define SAME_PERCENT 1             /* a smaller change is none */

static int64_t size_of(const json_t *run)
{
    int64_t size = 0;
    size_t i;
    const json_t *archive;
    json_array_foreach (json_object_get(run, "archives"), i, archive)
        size += json_get_int(archive, "size");
    return size;
}

static bool is_good(const json_t *run)
{
    return strcmp(json_get_text(run, "kind"), "backup") == 0 && json_get_int(run, "exit") == 0 &&
           size_of(run) > 0;
}

struct past {
    int64_t before; /* the size of the one before the last; 0: none */
    int made;       /* in LOOK_BACK */
    int64_t since;  /* the first of those */
};

static struct past look_back(struct request *rq)
{
    struct past p = {0};
    json_t *answer = NULL, *run;
    struct err e = {0};
    size_t i;
    int seen = 0;
    if (ask_keeper(rq, json_pack("{ss}", "cmd", "runs"), &answer, &e) < 0)
        return p;
    json_array_foreach (json_object_get(answer, "runs"), i, run) { /* newest first */
        int64_t at = time_in(run, "started");
        if (!is_good(run))
            continue;
        if (++seen == 2)
            p.before = size_of(run);
        if (at > clock_wall_ms() - LOOK_BACK) {
            p.made++;
            p.since = at;
        }
    }
    json_decref(answer);
    return p;
}

/* Takes over text. */
static void add(json_t *list, char *text)
{
    (void)json_array_append_new(list, json_string(text));
    free(text);
}

static void add_saved(struct request *rq, json_t *list, const json_t *good, const struct past *p)
{
    char when[64], size[40], change[40] = "";
    int64_t now = size_of(good);
    shown_time(rq->lang, time_in(good, "ended"), SHOWN_MOMENT, when, sizeof when);
    shown_bytes(rq->lang, (uint64_t)now, size, sizeof size);
    int64_t percent = p->before > 0 ? (now - p->before) * 100 / p->before : 0;
    snprintf(change, sizeof change, "%lld", (long long)llabs(percent));
    const char *key = p->before == 0             ? "sum-saved-first"
                      : percent >= SAME_PERCENT  ? "sum-saved-more"
                      : percent <= -SAME_PERCENT ? "sum-saved-less"
                                                 : "sum-saved-same";
    add(list, say(rq, key, "when", when, "size", size, "change", change, NULL));
}

/* Of the records that tell when they were written. */
static void add_newest(struct request *rq, json_t *list, const json_t *good)
{
    int64_t newest = 0;
    size_t i;
    const json_t *archive;
    char when[64];
    json_array_foreach (json_object_get(good, "archives"), i, archive)
        newest = time_in(archive, "newest") > newest ? time_in(archive, "newest") : newest;
    if (newest)
        add(list, say(rq, "sum-newest", "when",
                      shown_time(rq->lang, newest, SHOWN_SECOND, when, sizeof when), NULL));
}

/* How far the archived binary log is behind; nothing where there is none. */
static void add_live(struct request *rq, json_t *list, const json_t *keeper)
{
    const json_t *binlog = json_object_get(keeper, "binlog");
    int64_t saved = time_in(binlog, "saved"), age = clock_wall_ms() - saved;
    bool follows = strcmp(json_get_text(binlog, "state"), "following") == 0;
    char when[64], ago[40];
    if (!saved)
        return;
    shown_time(rq->lang, saved, SHOWN_SECOND, when, sizeof when);
    shown_duration(rq->lang, age > 0 ? age : 0, ago, sizeof ago);
    add(list, say(rq, follows ? "sum-live" : "sum-live-still", "when", when, "age", ago, NULL));
}

static void add_proven(struct request *rq, json_t *list, const json_t *keeper)
{
    const json_t *drill = json_object_get(keeper, "last_drill");
    const char *next = json_get_text(json_object_get(keeper, "schedule"), "drill_next");
    char when[64], again[64];
    bool good = json_is_object(drill) && json_get_int(drill, "exit") == 0;
    shown_time(rq->lang, time_in(drill, "ended"), SHOWN_MOMENT, when, sizeof when);
    int64_t next_ms = 0;
    if (clock_parse(next, &next_ms) < 0)
        next_ms = 0;
    shown_time(rq->lang, next_ms, SHOWN_MOMENT, again, sizeof again);
    const char *key = good      ? next_ms ? "sum-proven-next" : "sum-proven"
                      : next_ms ? "sum-unproven-next"
                                : "sum-unproven";
    add(list, say(rq, key, "when", when, "next", again, NULL));
}

/* Without what retention removes meanwhile: it lasts at least that long. */
static void add_room(struct request *rq, json_t *list, const json_t *keeper, const json_t *good,
    const struct past *p)
{
    char more[24], days[24];
    int64_t left = json_get_int(keeper, "free"), size = size_of(good);
    if (left <= 0 || size <= 0)
        return;
    int64_t n = left / size, span = clock_wall_ms() - p->since;
    snprintf(more, sizeof more, "%lld", (long long)n);
    bool known = p->made >= 3 && span > DAY_MS;
    int64_t lasts = known ? n * span / p->made / DAY_MS : 0;
    snprintf(days, sizeof days, "%lld", (long long)lasts);
    add(list, say(rq, known ? "sum-room-days" : "sum-room", "n", more, "days", days, NULL));
}

static void add_told(struct request *rq, json_t *list)
{
    _cleanup_json_ json_t *config = NULL;
    struct err e = {0};
    if (ask_keeper(rq, json_pack("{ss}", "cmd", "config-get"), &config, &e) < 0)
        return;
    const json_t *values = json_object_get(config, "values");
    const char *mail = json_get_text(values, "notify.mail_to");
    bool to = *mail, hook = *json_get_text(values, "notify.webhook");
    add(list, say(rq,
                  to && hook ? "sum-told-both"
                  : to       ? "sum-told-mail"
                  : hook     ? "sum-told-webhook"
                             : "sum-told-nobody",
                  "mail", mail, NULL));
}

void add_summary(struct request *rq, json_t *model, const json_t *keeper)
{
    const json_t *good = json_object_get(keeper, "last_good_backup");
    if (!json_is_object(good))
        return;
    json_t *list = json_array();
    struct past p = look_back(rq);
    add_saved(rq, list, good, &p);
    add_live(rq, list, keeper);
    add_newest(rq, list, good);
    add_proven(rq, list, keeper);
    add_room(rq, list, keeper, good, &p);
    add_told(rq, list);
    (void)json_object_set_new(model, "summary", list);
}
