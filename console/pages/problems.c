#include "console/pages/problems.h"

#include <stdbool.h>
#include <string.h>

#include "common/clock.h"
#include "common/error.h"
#include "common/json_get.h"
#include "console/view/view.h"

#define DAY_MS          (24 * INT64_C(3600000))
#define BACKUP_OLD_DAYS 8 /* a week's schedule and a day's grace */
#define LOW_DISK        (INT64_C(2) * 1000 * 1000 * 1000)

struct search {
    const json_t *proxy, *keeper, *messages;
    const char *lang;
    int64_t now_ms;
    json_t *errors, *warnings;
};

/* The text of the language where there are both. */
static const char *local(const struct search *s, const json_t *o, const char *key, const char *de)
{
    const char *german = json_get_text(o, de);
    return strcmp(s->lang, "de") == 0 && *german ? german : json_get_text(o, key);
}

static char *message(
    const struct search *s, const char *kind, const char *key, const char *name, const char *value)
{
    _cleanup_free_ char *full = xasprintf("%s-%s", kind, key);
    const char *text = json_get_text(json_object_get(s->messages, full), s->lang);
    _cleanup_free_ char *mark = xasprintf("{%s}", name);
    const char *at = strstr(text, mark);
    return at ? xasprintf("%.*s%s%s", (int)(at - text), text, value, at + strlen(mark))
              : xstrdup(text);
}

/* name, value: what is put into the message's text for {name}. advice: the key of what to do. */
static void add(struct search *s, bool error, const char *code, const char *name, const char *value,
    const char *advice, const char *page)
{
    _cleanup_free_ char *text = message(s, "p", code, name, value),
                        *what = message(s, "a", advice, name, value);
    const char *link = json_get_text(json_object_get(s->messages, page), s->lang);
    (void)json_array_append_new(error ? s->errors : s->warnings,
        json_pack("{sssssssssssssb}", "code", code, "level", error ? "bad" : "warn", "text", text,
            "action", what, "href", page, "link", link, "call",
            strstr(what, "systemctl") || strstr(what, "elexgate doctor")));
}

static int64_t time_of(const json_t *o, const char *key)
{
    int64_t ms;
    return clock_parse(json_get_text(o, key), &ms) == 0 ? ms : 0;
}

static bool restoring(const struct search *s)
{
    const char *kind = json_get_text(json_object_get(s->keeper, "job"), "kind");
    return strcmp(kind, "restore") == 0 || strcmp(kind, "recover") == 0 ||
           strcmp(kind, "undo") == 0;
}

static void look_at_certificate(struct search *s)
{
    const json_t *certificate = json_object_get(s->proxy, "certificate"), *warning;
    int64_t until = time_of(certificate, "not_after");
    char date[40];
    size_t i;
    view_time(until, s->lang, date, sizeof date);
    if (until && until < s->now_ms)
        add(s, true, "certificate-over", "date", date, "certificate", "/certificates");
    else if (until && until < s->now_ms + 30 * DAY_MS)
        add(s, until < s->now_ms + 7 * DAY_MS, "certificate-soon", "date", date, "certificate",
            "/certificates");
    json_array_foreach (json_object_get(certificate, "warnings"), i, warning) {
        if (strncmp(json_get_text(warning, "code"), "certificate-e", 13) !=
            0) /* expires, expired */
            add(s, false, "warning", "text", local(s, warning, "text", "text_de"), "warning",
                "/certificates");
    }
}

static void look_at_proxy(struct search *s)
{
    const json_t *warning;
    size_t i;
    if (!s->proxy) {
        add(s, true, "proxy-away", "", "", "proxy-away", "/log");
        return;
    }
    if (strcmp(json_get_text(s->proxy, "state"), "open") != 0 && restoring(s))
        add(s, false, "blocked-job", "", "", "blocked-job", "/restore");
    else if (strcmp(json_get_text(s->proxy, "state"), "open") != 0)
        add(s, true, "blocked", "reason", local(s, s->proxy, "reason", "reason_de"), "blocked",
            "/clients");
    json_array_foreach (json_object_get(s->proxy, "warnings"), i, warning)
        add(s, false, "warning", "text", local(s, warning, "text", "text_de"), "warning",
            "/certificates");
    look_at_certificate(s);
}

static bool failed(const json_t *run)
{
    return json_is_object(run) && json_get_int(run, "exit") != 0;
}

static void look_at_backups(struct search *s)
{
    const json_t *last = json_object_get(s->keeper, "last_backup"),
                 *good = json_object_get(s->keeper, "last_good_backup");
    const json_t *warning;
    int64_t made = time_of(good, "started");
    char age[40];
    size_t i;
    if (!json_is_object(good))
        add(s, true, "no-backup", "", "", "no-backup", "/backups");
    if (failed(last))
        add(s, true, "backup-failed", "text", local(s, last, "error", "error_de"), "backup-failed",
            "/backups");
    else if (made && s->now_ms - made > BACKUP_OLD_DAYS * DAY_MS)
        add(s, true, "backup-old", "age", view_duration(s->now_ms - made, s->lang, age, sizeof age),
            "backup-old", "/schedule");
    json_array_foreach (json_object_get(last, "warnings"), i, warning)
        add(s, false, "backup-warning", "text", local(s, warning, "text", "text_de"),
            "backup-warning", "/backups");
    if (!*json_get_text(json_object_get(s->keeper, "schedule"), "next"))
        add(s, false, "no-schedule", "", "", "no-schedule", "/schedule");
}

static void look_at_drills(struct search *s)
{
    const json_t *drill = json_object_get(s->keeper, "last_drill");
    if (failed(drill))
        add(s, true, "drill-failed", "text", local(s, drill, "error", "error_de"), "drill-failed",
            "/backups");
    else if (!json_is_object(drill) &&
             json_is_object(json_object_get(s->keeper, "last_good_backup")))
        add(s, false, "not-proven", "", "", "not-proven", "/backups");
}

static void look_at_disk(struct search *s)
{
    const json_t *free_bytes = json_object_get(s->keeper, "free");
    const json_t *good = json_object_get(s->keeper, "last_good_backup");
    int64_t left = json_integer_value(free_bytes);
    int64_t needed = 2 * json_get_int(good, "bytes");
    char text[40];
    if (json_is_integer(free_bytes) && left < (needed > LOW_DISK ? needed : LOW_DISK))
        add(s, true, "disk", "free", view_bytes(left, s->lang, text, sizeof text), "disk",
            "/backups");
}

/* A failed alarm is an alarm; that none was asked for is a hint. */
static void look_at_notify(struct search *s)
{
    const json_t *n = json_object_get(s->keeper, "notify");
    if (json_is_false(json_object_get(n, "good")))
        add(s, !json_get_true(n, "nobody"), "notify", "text", local(s, n, "text", "text_de"),
            "notify", "/log");
    if (json_get_true(n, "nobody") && json_array_size(s->warnings) > 0)
        (void)json_object_set_new(json_array_get(s->warnings, json_array_size(s->warnings) - 1),
            "level", json_string("hint"));
}

/* What nobody can work without comes first, and says nothing of SQL. */
static void look_at_database(struct search *s)
{
    const json_t *database = json_object_get(s->keeper, "database");
    const char *state = json_get_text(database, "state"), *cause = json_get_text(database, "cause");
    char since[64];
    view_time(time_of(database, "since"), s->lang, since, sizeof since);
    if (restoring(s))
        return;
    if (strcmp(state, "down") == 0)
        add(s, true, "database-down", "since", since, "database-down", "/log");
    else if (strcmp(state, "refusing") == 0)
        add(s, true, "database-refusing", "since", since, "database-refusing", "/log");
    if (*cause)
        add(s, true, "blind", "text", cause, "blind", "/log");
}

static void look_at_witnesses(struct search *s)
{
    const json_t *w = json_object_get(s->keeper, "witnesses");
    const char *database = json_get_text(json_object_get(s->keeper, "database"), "state");
    if (strcmp(database, "down") == 0 || strcmp(database, "refusing") == 0)
        return; /* said already, in words */
    const char *words = *json_get_text(w, "server_words") ? json_get_text(w, "server_words")
                                                          : json_get_text(w, "proxy_words");
    if (*words && !restoring(s))
        add(s, false, "blind", "text", words, "blind", "/log");
}

json_t *problems_find(const json_t *proxy, const json_t *keeper, const json_t *messages,
    const char *lang, int64_t now_ms)
{
    struct search s = {proxy, keeper, messages, lang, now_ms, json_array(), json_array()};
    if (keeper)
        look_at_database(&s);
    look_at_proxy(&s);
    if (keeper) {
        look_at_backups(&s);
        look_at_drills(&s);
        look_at_disk(&s);
        look_at_witnesses(&s);
        look_at_notify(&s);
    } else {
        add(&s, true, "keeper-away", "", "", "keeper-away", "/log");
    }
    (void)json_array_extend(s.errors, s.warnings);
    json_decref(s.warnings);
    return s.errors;
}
