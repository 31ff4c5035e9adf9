/*
 * /log: the last lines of proxy and keeper, newest first; filtered, or downloaded.
 */
#include <stdio.h>
#include <string.h>

#include "common/json_get.h"
#include "common/error_phrase.h"
#include "console/ask.h"
#include "console/pages/pages.h"
#include "console/view/parts.h"

#define SHOWN_MAX 500
#define ALL_MAX   2000
#define Q_MAX     100

static const char *const programs[] = {"all", "proxy", "keeper", NULL};
static const char *const levels[] = {"error", "warning", "info", "debug", NULL};

struct filter {
    const char *program, *level, *q;
};

static const char *one_of(const char *asked, const char *const *known, const char *otherwise)
{
    for (; asked && *known; known++)
        if (strcmp(asked, *known) == 0)
            return *known;
    return otherwise;
}

static struct filter filter_of(const struct request *rq)
{
    const char *q = request_query(rq, "q");
    return (struct filter){.program = one_of(request_query(rq, "program"), programs, "all"),
        .level = one_of(request_query(rq, "level"), levels, "info"),
        .q = q && strlen(q) <= Q_MAX ? q : ""};
}

/* What is no column of its own: "key=value key=value". */
static char *details_of(const json_t *line)
{
    static const char *const columns[] = {
        "seq", "time", "ts", "level", "event", "text", "program", NULL};
    char *all = xstrdup("");
    const char *key;
    json_t *v;
    json_object_foreach ((json_t *)(uintptr_t)line, key, v) {
        if (*one_of(key, columns, "") || json_is_null(v))
            continue;
        char *value = json_is_string(v) ? xstrdup(json_string_value(v))
                                        : json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
        char *more = xasprintf("%s%s%s=%s", all, *all ? " " : "", key, value ? value : "");
        free(value);
        free(all);
        all = more;
    }
    return all;
}

static bool wanted(const json_t *line, const struct filter *f)
{
    if (!*f->q)
        return true;
    _cleanup_free_ char *text = json_dumps(line, JSON_COMPACT);
    return text && strcasestr(text, f->q);
}

/* Adds a program's lines that are wanted. */
static void collect(
    struct request *rq, const struct filter *f, const char *program, json_t *lines, json_t *errors)
{
    bool proxy = strcmp(program, "proxy") == 0;
    json_t *answer = NULL, *line;
    struct err e = {0};
    size_t i;
    if (strcmp(f->program, "all") != 0 && strcmp(f->program, program) != 0)
        return;
    json_t *request = json_pack("{sssssi}", "cmd", "log", "level", f->level, "limit", ALL_MAX);
    int r = proxy ? ask_proxy(rq, request, &answer, &e) : ask_keeper(rq, request, &answer, &e);
    if (r < 0) {
        _cleanup_free_ char *key = xasprintf(
            "%s-%s", program, ask_unreachable(&e) ? "away" : "says");
        _cleanup_free_ char *why = error_phrase_words(rq->lang, &e),
                            *text = say(rq, key, "text", why, NULL);
        (void)json_array_append_new(errors, json_string(text));
        return;
    }
    json_array_foreach (json_object_get(answer, "lines"), i, line) {
        if (!wanted(line, f))
            continue;
        (void)json_object_set_new(line, "program", json_string(program));
        (void)json_array_append(lines, line);
    }
    json_decref(answer);
}

/* The wanted lines of both programs, newest first. */
static json_t *gather(struct request *rq, const struct filter *f, size_t max, json_t *errors)
{
    json_t *lines = json_array();
    collect(rq, f, "proxy", lines, errors);
    collect(rq, f, "keeper", lines, errors);
    return newest_first(lines, max);
}

static char *quoted(const char *q)
{
    static const char digits[] = "0123456789ABCDEF";
    char *out = xmalloc(strlen(q) * 3 + 1);
    size_t n = 0;
    for (; *q; q++) {
        unsigned char c = (unsigned char)*q;
        if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')) {
            out[n++] = *q;
        } else {
            out[n++] = '%';
            out[n++] = digits[c >> 4];
            out[n++] = digits[c & 15];
        }
    }
    out[n] = '\0';
    return out;
}

json_t *model_log(struct request *rq)
{
    const char *view = request_query(rq, "view");
    if (!view || strcmp(view, "raw") != 0)
        return model_protocol(rq);
    struct filter f = filter_of(rq);
    json_t *errors = json_array(), *line;
    json_t *lines = gather(rq, &f, SHOWN_MAX, errors);
    size_t i;
    json_array_foreach (lines, i, line) {
        _cleanup_free_ char *details = details_of(line);
        const char *level = json_get_text(line, "level");
        (void)json_object_set_new(line, "details", json_string(details));
        (void)json_object_set_new(line, "level_words", json_string(label(rq, "level_", level)));
    }
    _cleanup_free_ char *q = quoted(f.q);
    _cleanup_free_ char *href = xasprintf(
        "/log/download?program=%s&level=%s&q=%s", f.program, f.level, q);
    json_t *model = json_pack("{sosIsssssoso}", "lines", lines, "count",
        (json_int_t)json_array_size(lines), "q", f.q, "download_href", href, "program_options",
        options(rq, "program_", programs, f.program), "level_options",
        options(rq, "level_", levels, f.level));
    if (json_array_size(errors) > 0)
        (void)json_object_set(model, "error", json_array_get(errors, 0));
    json_decref(errors);
    return model;
}

/* GET /log/download: oldest first, as logs are. */
void get_log_download(struct request *rq)
{
    struct filter f = filter_of(rq);
    _cleanup_json_ json_t *errors = json_array(), *lines = gather(rq, &f, 2 * ALL_MAX, errors);
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    CHECK(out);
    for (size_t i = json_array_size(lines); i > 0; i--) {
        const json_t *line = json_array_get(lines, i - 1);
        _cleanup_free_ char *details = details_of(line);
        fprintf(out, "%s %s %s %s %s %s\n", json_get_text(line, "time"),
            json_get_text(line, "program"), json_get_text(line, "level"),
            json_get_text(line, "event"), json_get_text(line, "text"), details);
    }
    CHECK(fclose(out) == 0);
    struct MHD_Response *r = MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);
    CHECK(r);
    (void)MHD_add_response_header(r, "Content-Type", "text/plain; charset=utf-8");
    (void)MHD_add_response_header(
        r, "Content-Disposition", "attachment; filename=\"elexgate.log\"");
    answer_response(rq, MHD_HTTP_OK, r);
}
