/*
 * /log: what happened, as sentences in the reader's language, from the audit logs on disk and, of
 * the operating log, what a practice may want to know; all lines of the programs are page_log.c's.
 */
#include <string.h>

#include "common/shown.h"
#include "common/json_get.h"
#include "console/ask.h"
#include "console/pages/pages.h"
#include "console/view/parts.h"

#define LINES_MAX 500
#define Q_MAX     100
/* How far a line of the page and one of the keeper about the same lie apart. */
#define NEAR_LINES 6
#define NEAR_MS    2000

static const char *const kinds[] = {"all", "people", "connections", "backups", "operation", NULL};

/* Which kind an event belongs to; others are shown among all of them only. */
static const struct {
    const char *event, *kind;
} events[] = {{"console", "people"}, {"command", "people"}, {"confirmed", "people"},
    {"login", "connections"}, {"logout", "connections"}, {"login-failed", "connections"},
    {"no-login", "connections"}, {"refused", "connections"}, {"user-changed", "connections"},
    {"kept-back", "connections"}, {"job", "backups"}};

static const char *kind_of(const char *event)
{
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
        if (strcmp(events[i].event, event) == 0)
            return events[i].kind;
    return "";
}

static const char *kind_asked(const struct request *rq)
{
    const char *asked = request_query(rq, "kind");
    for (size_t i = 0; asked && kinds[i]; i++)
        if (strcmp(asked, kinds[i]) == 0)
            return kinds[i];
    return kinds[0];
}

/* A text of messages.json; "" where there is none. */
static const char *text_of(const struct request *rq, const char *prefix, const char *key)
{
    _cleanup_free_ char *full = xasprintf("%s%s", prefix, key);
    const char *english = json_get_text(rq->console->messages, full);
    return *english ? lang_text(rq->lang, english) : "";
}

/* "password", "open": what was done, in words; as it is where we have none. */
static const char *action_words(const struct request *rq, const json_t *line)
{
    const char *action = json_get_text(line, "action");
    const char *words = text_of(rq, "did-", action);
    return *words ? words : action;
}

static char *sentence(const struct request *rq, const json_t *line)
{
    const char *event = json_get_text(line, "event"), *result = json_get_text(line, "result");
    const char *who = json_get_text(line, "account"), *object = json_get_text(line, "object");
    bool good = !*result || strcmp(result, "ok") == 0 || strcmp(result, "good") == 0;
    if (!*who)
        who = json_get_text(line, "who");
    if (!*text_of(rq, "did-", event))
        return xstrdup(event);
    bool by_page = strcmp(event, "command") == 0 && *json_get_text(line, "account");
    _cleanup_free_ char *key = xasprintf("did-%s%s", event, by_page ? "-page" : "");
    _cleanup_free_ char *about = *object ? xasprintf(" (%s)", object) : xstrdup("");
    const char *kind = json_get_text(line, "kind"), *kind_words = text_of(rq, "did-job-", kind);
    _cleanup_free_ char *text = say(rq, key, "who", *who ? who : "?", "action",
        action_words(rq, line), "about", about, "address", json_get_text(line, "address"), "user",
        json_get_text(line, "user"), "peer", json_get_text(line, "peer"), "tls",
        json_get_text(line, "tls"), "reason", json_get_text(line, "reason"), "kind",
        *kind_words ? kind_words : kind, "run", json_get_text(line, "run"), NULL);
    const char *error = json_get_text(line, "error");
    const char *words = good ? "" : text_of(rq, "did-result-", result);
    return xasprintf("%s%s%s%s%s", text, good ? "" : " – ",
        good     ? ""
        : *words ? words
                 : result,
        *error ? ": " : "", error);
}

/* Of the operating log, "" where it is nothing for people. Its own words follow where it has some.
 */
static char *operation(const struct request *rq, const json_t *line, const char *program)
{
    const char *event = json_get_text(line, "event"), *text = json_get_text(line, "text");
    const char *error = json_get_text(line, "error"), *kind = json_get_text(line, "kind");
    const char *state = json_get_text(line, "state"), *reason = json_get_text(line, "reason");
    if (!*text_of(rq, "op-", event))
        return xstrdup("");
    _cleanup_free_ char *key = xasprintf("op-%s", event);
    const char *kind_words = text_of(rq, "did-job-", kind),
               *state_words = text_of(rq, "op-gate-", state);
    _cleanup_free_ char *said = say(rq, key, "program", text_of(rq, "op-program-", program), "kind",
        *kind_words ? kind_words : kind, "state", *state_words ? state_words : state, NULL);
    const char *more = *error ? error : *text ? text : reason;
    return xasprintf("%s%s%s", said, *more ? ": " : "", more);
}

static void add_row(
    struct request *rq, const char *q, json_t *rows, const json_t *line, const char *text, bool bad)
{
    _cleanup_free_ char *raw = json_dumps(line, JSON_COMPACT);
    char at[64];
    if (*q && !strcasestr(text, q) && !strcasestr(raw, q))
        return;
    shown_time(rq->lang, time_in(line, "time"), SHOWN_SECOND, at, sizeof at);
    (void)json_array_append_new(
        rows, json_pack("{sssssssssb}", "at", at, "time", json_get_text(line, "time"), "text", text,
                  "raw", raw, "bad", bad));
}

static void gather_operation(struct request *rq, const char *q, json_t *rows, bool proxy)
{
    _cleanup_json_ json_t *answer = NULL;
    json_t *request = json_pack("{sssssi}", "cmd", "log", "level", "info", "limit", LINES_MAX);
    struct err e = {0};
    size_t i;
    const json_t *line;
    int r = proxy ? ask_proxy(rq, request, &answer, &e) : ask_keeper(rq, request, &answer, &e);
    if (r < 0)
        return; /* that it does not answer is said with the audit log */
    json_array_foreach (json_object_get(answer, "lines"), i, line) {
        _cleanup_free_ char *text = operation(rq, line, proxy ? "proxy" : "keeper");
        if (*text)
            add_row(rq, q, rows, line, text, strcmp(json_get_text(line, "level"), "info") != 0);
    }
}

/* The page tells of an action with the address, and the keeper by itself of what it was asked to
 * do: one line is enough, unless only the keeper's is there. */
static bool told_by_page(const json_t *lines, size_t at)
{
    const json_t *line = json_array_get(lines, at);
    const char *who = json_get_text(line, "account");
    size_t i = at > NEAR_LINES ? at - NEAR_LINES : 0;
    for (; *who && i <= at + NEAR_LINES && i < json_array_size(lines); i++) {
        const json_t *other = json_array_get(lines, i);
        int64_t apart = time_in(other, "time") - time_in(line, "time");
        const char *a = json_get_text(line, "result"), *b = json_get_text(other, "result");
        if (strcmp(json_get_text(other, "event"), "console") == 0 &&
            strcmp(json_get_text(other, "who"), who) == 0 && strcmp(a, b) == 0 &&
            apart >= -NEAR_MS && apart <= NEAR_MS)
            return true;
    }
    return false;
}

static void gather(
    struct request *rq, const char *kind, const char *q, json_t *rows, const json_t *answer)
{
    size_t i;
    const json_t *line;
    const json_t *lines = json_object_get(answer, "lines");
    json_array_foreach (lines, i, line) {
        const char *event = json_get_text(line, "event"), *result = json_get_text(line, "result");
        if ((strcmp(kind, "all") != 0 && strcmp(kind_of(event), kind) != 0) ||
            (strcmp(event, "command") == 0 && told_by_page(lines, i)))
            continue;
        _cleanup_free_ char *text = sentence(rq, line);
        bool bad = (*result && strcmp(result, "ok") != 0 && strcmp(result, "good") != 0) ||
                   strcmp(event, "login-failed") == 0 || strcmp(event, "refused") == 0;
        add_row(rq, q, rows, line, text, bad);
    }
}

json_t *model_protocol(struct request *rq)
{
    const char *q = request_query(rq, "q"), *kind = kind_asked(rq);
    json_t *model = json_object(), *rows = json_array();
    q = q && strlen(q) <= Q_MAX ? q : "";
    for (int proxy = 0; proxy < 2; proxy++) {
        json_t *answer = NULL,
               *request = json_pack("{sssi}", "cmd", "audit-log", "limit", LINES_MAX);
        struct err e = {0};
        int r = proxy ? ask_proxy(rq, request, &answer, &e) : ask_keeper(rq, request, &answer, &e);
        if (r == 0) {
            gather(rq, kind, q, rows, answer);
        } else {
            _cleanup_free_ char *text = answer_words(rq, proxy ? "proxy" : "keeper", &e);
            (void)json_object_set_new(model, "error", json_string(text));
        }
        json_decref(answer);
        if (strcmp(kind, "all") == 0 || strcmp(kind, "operation") == 0)
            gather_operation(rq, q, rows, proxy);
    }
    rows = newest_first(rows, LINES_MAX);
    (void)json_object_set_new(model, "protocol", json_true());
    (void)json_object_set_new(model, "q", json_string(q));
    (void)json_object_set_new(model, "kind_options", options(rq, "kind_", kinds, kind));
    (void)json_object_set_new(model, "count", json_integer((json_int_t)json_array_size(rows)));
    (void)json_object_set_new(model, "rows", rows);
    return model;
}
