#include "common/log_ring.h"
#include "common/log_line.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "common/file.h"
#include "common/json_get.h"
#include "common/json_lines.h"

#define LIMIT_DEFAULT 200
#define BYTES_MAX     (JSON_LINE_MAX / 2)

struct kept {
    uint64_t seq; /* 0 = none lies here */
    char *json;
    size_t len;
    enum log_level level;
};

static struct {
    pthread_mutex_t mutex;
    struct kept *lines;   /* NULL = not started; line number n lies at n % LOG_RING_LINES */
    uint64_t first, last; /* numbers of the oldest known and of the newest; 0 = none yet */
    char *path;           /* NULL = in memory only */
    int fd;
} ring = {.mutex = PTHREAD_MUTEX_INITIALIZER, .fd = -1};
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
    ring.first = ring.last = 0;
    cleanup_fd(&ring.fd);
    free(ring.path);
    ring.path = NULL;
    atomic_store(&started, false);
    pthread_mutex_unlock(&ring.mutex);
}

/* Takes json over. */
static void put(uint64_t seq, enum log_level level, char *json, size_t len)
{
    struct kept *k = &ring.lines[seq % LOG_RING_LINES];
    free(k->json);
    *k = (struct kept){.seq = seq, .json = json, .len = len, .level = level};
    ring.last = seq;
    if (!ring.first)
        ring.first = seq;
}

/* --- the file --------------------------------------------------------------------------------- */

static void open_file(void)
{
    cleanup_fd(&ring.fd);
    ring.fd = open(ring.path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
}

/* A line each, in one piece: a process that takes over writes here, too. */
static void append(const struct kept *k)
{
    struct stat st;
    char number[24];
    struct iovec parts[] = {
        {number, (size_t)snprintf(number, sizeof number, "%" PRIu64 " ", k->seq)},
        {k->json, k->len}, {(char[]){'\n'}, 1}};
    if (!ring.path || k->level > LOG_INFO)
        return;
    if (fstat(ring.fd, &st) == 0 && st.st_size >= (off_t)LOG_RING_FILE_MAX) {
        _cleanup_free_ char *before = xasprintf("%s.1", ring.path);
        if (rename(ring.path, before) == 0)
            open_file();
    }
    ssize_t n = writev(ring.fd, parts, 3);
    (void)n; /* of no use to say so in the log; it goes to standard error all the same */
}

static void take_line(char *line)
{
    char *json;
    enum log_level level;
    uint64_t seq = strtoull(line, &json, 10);
    _cleanup_json_ json_t *o = json_loads(json, 0, NULL);
    const char *name = json_get_str(o, "level");
    if (name && log_level_parse(name, &level)) {
        json = xstrdup(json + strspn(json, " "));
        put(seq > ring.last ? seq : ring.last + 1, level, json, strlen(json));
    }
}

static void load(const char *path)
{
    _cleanup_free_ char *data = NULL;
    size_t len = 0;
    char *rest = NULL;
    if (file_read(path, 2 * LOG_RING_FILE_MAX, &data, &len, NULL) < 0)
        return;
    for (char *line = strtok_r(data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        take_line(line);
}

void log_ring_keep(const char *path)
{
    pthread_mutex_lock(&ring.mutex);
    struct kept *said = ring.lines;
    uint64_t begun = ring.first, last = ring.last;
    if (said && !ring.path) {
        _cleanup_free_ char *before = xasprintf("%s.1", path);
        ring.lines = xcalloc(LOG_RING_LINES, sizeof *ring.lines);
        ring.first = ring.last = 0;
        load(before);
        load(path);
        ring.path = xstrdup(path);
        open_file();
        for (uint64_t n = begun; n && n <= last; n++) {
            struct kept *k = &said[n % LOG_RING_LINES];
            if (k->seq != n)
                continue;
            put(ring.last + 1, k->level, k->json, k->len);
            append(&ring.lines[ring.last % LOG_RING_LINES]);
            k->json = NULL;
        }
        for (size_t i = 0; i < LOG_RING_LINES; i++)
            free(said[i].json);
        free(said);
    }
    pthread_mutex_unlock(&ring.mutex);
}

void log_ring_add(enum log_level level, const char *json, size_t len)
{
    pthread_mutex_lock(&ring.mutex);
    if (ring.lines) {
        while (len > 0 && json[len - 1] == '\n')
            len--;
        put(ring.last + 1, level, memcpy(xmalloc(len + 1), json, len), len);
        append(&ring.lines[ring.last % LOG_RING_LINES]);
    }
    pthread_mutex_unlock(&ring.mutex);
}

/* --- asked for -------------------------------------------------------------------------------- */

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
    _cleanup_json_ json_t *fields = json_loadb(k->json, k->len, 0, NULL);
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
        bool wanted = k->seq == first - 1 && k->level <= q->level;
        found += wanted;
        bytes += wanted ? k->len + 64 : 0;
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
    if (oldest < ring.first)
        oldest = ring.first;
    uint64_t seq = first_line(q, oldest), next = seq - 1;
    size_t bytes = 0;
    for (; seq <= ring.last && json_array_size(lines) < q->limit; seq++) {
        const struct kept *k = &ring.lines[seq % LOG_RING_LINES];
        bool wanted = k->seq == seq && k->level <= q->level;
        bytes += wanted ? k->len + 64 : 0;
        if (bytes > BYTES_MAX)
            break;
        if (wanted)
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
