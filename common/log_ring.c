#include "common/log_ring.h"
#include "common/log_line.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "common/json_lines.h"

#define LIMIT_DEFAULT 200
#define BYTES_MAX     (JSON_LINE_MAX / 2)

struct kept {
    char *json;
    size_t len;
    enum log_level level;
};

static struct {
    pthread_mutex_t mutex;
    struct kept *lines; /* NULL = not started; line number n lies at n % LOG_RING_LINES */
    uint64_t last;      /* number of the newest; 0 = none yet */
} ring = {.mutex = PTHREAD_MUTEX_INITIALIZER};
static atomic_bool started;

bool log_ring_started(void)
{
    return atomic_load_explicit(&started, memory_order_relaxed);
}

void log_ring_start(void)
{
    pthread_mutex_lock(&ring.mutex);
    if (!ring.lines)
        ring.lines = xcalloc(LOG_RING_LINES, sizeof *ring.lines);
    atomic_store(&started, true);
    pthread_mutex_unlock(&ring.mutex);
}

void log_ring_stop(void)
{
    pthread_mutex_lock(&ring.mutex);
    for (size_t i = 0; ring.lines && i < LOG_RING_LINES; i++)
        free(ring.lines[i].json);
    free(ring.lines);
    ring.lines = NULL;
    ring.last = 0;
    atomic_store(&started, false);
    pthread_mutex_unlock(&ring.mutex);
}

void log_ring_add(enum log_level level, const char *json, size_t len)
{
    pthread_mutex_lock(&ring.mutex);
    if (ring.lines) {
        struct kept *k = &ring.lines[++ring.last % LOG_RING_LINES];
        free(k->json);
        *k = (struct kept){.json = xmalloc(len), .len = len, .level = level};
        memcpy(k->json, json, len);
    }
    pthread_mutex_unlock(&ring.mutex);
}

struct query {
    uint64_t after;
    bool has_after, restarted;
    enum log_level level;
    uint64_t limit;
};

/* NULL, or what is wrong. */
static json_t *take_query(const json_t *request, struct query *q)
{
    const json_t *after = json_object_get(request, "after");
    const json_t *limit = json_object_get(request, "limit");
    const json_t *level = json_object_get(request, "level");
    *q = (struct query){.level = LOG_DEBUG, .limit = LIMIT_DEFAULT};
    if (after && !json_is_null(after)) {
        if (!json_is_integer(after) || json_integer_value(after) < 0)
            return json_error(EINVAL, "\"after\" must be the number of a line");
        q->after = (uint64_t)json_integer_value(after);
        q->has_after = true;
    }
    if (limit && !json_is_null(limit)) {
        if (!json_is_integer(limit) || json_integer_value(limit) < 1 ||
            json_integer_value(limit) > LOG_RING_LINES)
            return json_error(EINVAL, "\"limit\" must be from 1 to %d", LOG_RING_LINES);
        q->limit = (uint64_t)json_integer_value(limit);
    }
    if (level && !json_is_null(level) &&
        !(json_is_string(level) && log_level_parse(json_string_value(level), &q->level)))
        return json_error(EINVAL, "\"level\" must be error, warning, info or debug");
    return NULL;
}

/* Number, then what the line has; "text" is always there. */
static json_t *line_object(uint64_t seq, const struct kept *k)
{
    json_t *fields = json_loadb(k->json, k->len, 0, NULL);
    json_t *time = json_object_get(fields, "ts");
    json_t *text = json_object_get(fields, "text");
    json_t *o = json_pack("{s:I, s:O?, s:s}", "seq", (json_int_t)seq, "time", time, "text", "");
    CHECK(o);
    if (!text)
        text = json_object_get(fields, "error");
    if (json_is_string(text))
        json_object_set(o, "text", text);
    json_object_del(fields, "ts");
    json_object_del(fields, "program");
    json_object_del(fields, "text");
    json_object_update_missing(o, fields);
    json_decref(fields);
    return o;
}

/* Where to begin, so that at most `limit` of this level are given: from the end without "after". */
static uint64_t first_line(const struct query *q, uint64_t oldest)
{
    if (q->has_after)
        return q->after + 1 > oldest ? q->after + 1 : oldest;
    uint64_t first = ring.last + 1, found = 0, bytes = 0;
    while (first > oldest && found < q->limit) {
        const struct kept *k = &ring.lines[(first - 1) % LOG_RING_LINES];
        found += k->level <= q->level;
        bytes += k->level <= q->level ? k->len + 64 : 0;
        if (bytes > BYTES_MAX)
            break;
        first--;
    }
    return first;
}

static void collect(const struct query *q, json_t *answer)
{
    json_t *lines = json_array();
    uint64_t oldest = ring.last > LOG_RING_LINES ? ring.last - LOG_RING_LINES + 1 : 1;
    uint64_t seq = first_line(q, oldest), next = seq - 1;
    size_t bytes = 0;
    for (; seq <= ring.last && json_array_size(lines) < q->limit; seq++) {
        const struct kept *k = &ring.lines[seq % LOG_RING_LINES];
        bytes += k->level <= q->level ? k->len + 64 : 0;
        if (bytes > BYTES_MAX)
            break;
        if (k->level <= q->level)
            json_array_append_new(lines, line_object(seq, k));
        next = seq;
    }
    json_object_set_new(answer, "next", json_integer((json_int_t)next));
    json_object_set_new(answer, "lines", lines);
    if (next < ring.last)
        json_object_set_new(answer, "more", json_true());
    if (q->has_after && !q->restarted && q->after + 1 < oldest)
        json_object_set_new(answer, "missed", json_true());
    if (q->restarted)
        json_object_set_new(answer, "restarted", json_true());
}

json_t *log_ring_answer(const char *program, const json_t *request)
{
    struct query q;
    json_t *answer = take_query(request, &q);
    if (answer)
        return answer;
    answer = json_pack("{s:b, s:s}", "ok", 1, "program", program);
    pthread_mutex_lock(&ring.mutex);
    if (q.has_after && q.after > ring.last) {
        q.restarted = true;
        q.after = 0;
    }
    if (ring.lines) {
        collect(&q, answer);
    } else {
        json_object_set_new(answer, "next", json_integer(0));
        json_object_set_new(answer, "lines", json_array());
    }
    pthread_mutex_unlock(&ring.mutex);
    return answer;
}
