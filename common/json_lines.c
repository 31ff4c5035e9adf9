#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/json_lines.h"
#include "common/error_phrase.h"
#include "common/json_get.h"

static int deliver(
    const char *line, size_t n, int (*fn)(void *ctx, json_t *object), void *ctx, struct err *e)
{
    json_error_t je;
    json_t *object = json_loadb(line, n, JSON_REJECT_DUPLICATES, &je);

    if (!object)
        return err_set(e, EBADMSG, "not a line of JSON: %s (at byte %d)", je.text, je.position);
    int r = json_is_object(object) ? fn(ctx, object)
                                   : err_set(e, EBADMSG, "a JSON object is expected in each line");
    json_decref(object);
    return r;
}

/* Keeps what is not yet a whole line. */
static void keep_rest(struct json_splitter *s, const char *data, size_t n, size_t max)
{
    if (n == 0)
        return;
    if (s->cap - s->len < n) {
        size_t cap = s->cap ? s->cap : 512;
        while (cap < s->len + n)
            cap *= 2;
        if (cap > max)
            cap = max;
        s->buf = xrealloc(s->buf, cap);
        s->cap = cap;
    }
    memcpy(s->buf + s->len, data, n);
    s->len += n;
}

int json_splitter_feed(struct json_splitter *s, const char *data, size_t n,
    int (*fn)(void *ctx, json_t *object), void *ctx, struct err *e)
{
    size_t max = s->max ? s->max : JSON_LINE_MAX;

    while (n > 0) {
        const char *newline = memchr(data, '\n', n);
        size_t part = newline ? (size_t)(newline - data) : n;
        if (part > max - s->len)
            return err_set(e, EMSGSIZE, "a line is longer than %zu bytes", max);
        if (!newline) {
            keep_rest(s, data, part, max);
            return 0;
        }
        int r;
        if (s->len == 0) { /* the usual case: a whole line in one read, nothing is copied */
            r = deliver(data, part, fn, ctx, e);
        } else {
            keep_rest(s, data, part, max);
            r = deliver(s->buf, s->len, fn, ctx, e);
            json_splitter_clear(s);
        }
        if (r < 0)
            return r;
        data += part + 1;
        n -= part + 1;
    }
    return 0;
}

void json_splitter_clear(struct json_splitter *s)
{
    free(s->buf);
    s->buf = NULL;
    s->len = s->cap = 0;
}

/* Never nothing: whoever reads waits for a line. */
static const char no_line[] =
    "{\"ok\":false,\"code\":\"EILSEQ\",\"error\":\"something was not told: it holds text that is not UTF-8\"}\n";

char *json_line(const json_t *object, size_t *len)
{
    size_t n = object ? json_dumpb(object, NULL, 0, JSON_COMPACT) : 0;
    char *line = xmalloc(n + sizeof no_line);

    if (n == 0) {
        memcpy(line, no_line, sizeof no_line);
        n = sizeof no_line - 2;
    } else {
        json_dumpb(object, line, n, JSON_COMPACT);
        line[n] = '\n';
        line[n + 1] = '\0';
    }
    if (len)
        *len = n + 1;
    return line;
}

json_t *json_error_of(int code, const struct err *e)
{
    const char *name = strerrorname_np(code < 0 ? -code : code);
    json_t *answer = json_pack("{s:b, s:s}", "ok", 0, "code", name ? name : "EIO");
    error_phrase_put(answer, e);
    return answer;
}

json_t *json_error(int code, const char *fmt, ...)
{
    struct err e = {0};
    va_list ap;

    va_start(ap, fmt);
    (void)err_set_v(&e, EIO, fmt, ap);
    va_end(ap);
    return json_error_of(code, &e);
}

int json_answer_errno(const json_t *answer)
{
    const char *name = json_get_str(answer, "code");

    for (int code = 1; name && code < 134; code++) { /* Linux ends at EHWPOISON, 133 */
        const char *known = strerrorname_np(code);
        if (known && strcmp(known, name) == 0)
            return code;
    }
    return EIO;
}
