#include "common/log.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log_ring.h"
#include "common/utf8.h"

/* A pipe takes up to 4096 bytes (PIPE_BUF) in one piece: a line is kept below that. */
#define LINE_MAX_BYTES  4096
#define VALUE_MAX_BYTES 1024 /* escaped; a longer value is cut and ends in "..." */

static struct {
    const char *program;
    enum log_format format;
    bool journal;
} state;
static atomic_int current_level = LOG_INFO;

struct line {
    enum log_format format;
    bool stamp; /* with the time; the journal has its own */
    char buf[LINE_MAX_BYTES];
    size_t len;
};

static const char *const level_names[] = {
    [LOG_ERROR] = "error", [LOG_WARNING] = "warning", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};
static const int syslog_levels[] = {
    [LOG_ERROR] = 3, [LOG_WARNING] = 4, [LOG_INFO] = 6, [LOG_DEBUG] = 7};

/* systemd.exec(5): JOURNAL_STREAM holds device:inode of the stream to the journal. The variable
 * alone proves nothing, a child with a redirected stderr inherits it too. */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    uintmax_t dev, ino;
    struct stat st;

    return stream && sscanf(stream, "%ju:%ju", &dev, &ino) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
           st.st_dev == dev && st.st_ino == ino;
}

void log_init(const char *program, enum log_format format, enum log_level level)
{
    state.program = program;
    state.format = format;
    state.journal = stderr_is_journal();
    log_set_level(level);
}

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
}

enum log_level log_get_level(void)
{
    return (enum log_level)atomic_load_explicit(&current_level, memory_order_relaxed);
}

bool log_level_parse(const char *name, enum log_level *out)
{
    for (size_t i = 0; i < sizeof level_names / sizeof level_names[0]; i++)
        if (strcmp(name, level_names[i]) == 0) {
            *out = (enum log_level)i;
            return true;
        }
    return false;
}

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

static void put(struct line *l, const char *s, size_t n)
{
    if (n > sizeof l->buf - l->len)
        n = sizeof l->buf - l->len;
    memcpy(l->buf + l->len, s, n);
    l->len += n;
}

static void put_str(struct line *l, const char *s)
{
    put(l, s, strlen(s));
}

static void put_char(struct line *l, char c)
{
    put(l, &c, 1);
}

/* One character (len bytes) or, with len 0, one byte that is not UTF-8. Returns bytes for out. */
static size_t escape(bool json, const char *s, size_t len, uint32_t c, char out[static 16])
{
    if (len == 0) /* JSON knows no bytes: there the backslash itself is escaped */
        return (size_t)snprintf(out, 16, json ? "\\\\x%02x" : "\\x%02x", (unsigned char)*s);
    if (c == '"' || c == '\\')
        return (size_t)snprintf(out, 16, "\\%c", (char)c);
    if (c == '\n' || c == '\r' || c == '\t')
        return (size_t)snprintf(out, 16, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
    if (utf8_is_control(c))
        return (size_t)snprintf(out, 16, "\\u%04x", (unsigned)c);
    memcpy(out, s, len);
    return len;
}

/* How many of the bytes stand for themselves: nearly all of nearly every value. */
static size_t plain_run(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n && s[i] >= ' ' && s[i] <= '~' && s[i] != '"' && s[i] != '\\')
        i++;
    return i;
}

static void put_quoted(struct line *l, const char *s)
{
    size_t n = strlen(s), written = 0;
    char out[16];

    put_char(l, '"');
    for (size_t i = 0; i < n;) {
        size_t room = VALUE_MAX_BYTES - written,
               run = plain_run(s + i, n - i < room ? n - i : room);
        if (run > 0) {
            put(l, s + i, run);
            written += run;
            i += run;
            continue;
        }
        uint32_t c;
        size_t len = utf8_decode(s + i, n - i, &c);
        size_t m = escape(l->format == LOG_JSON, s + i, len, c, out);
        if (written + m > VALUE_MAX_BYTES) {
            put_str(l, "...");
            break;
        }
        put(l, out, m);
        written += m;
        i += len ? len : 1;
    }
    put_char(l, '"');
}

/* Plain words stand bare in logfmt; everything else is quoted. */
static bool needs_quotes(const char *s)
{
    if (!*s || strlen(s) > VALUE_MAX_BYTES)
        return true;
    for (; *s; s++)
        if (!((*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
                strchr("-_.:/@+,*%()[]{}<>~!#$&;?^|", *s)))
            return true;
    return false;
}

static void put_value(struct line *l, const struct log_field *f)
{
    char number[48];

    switch (f->type) {
    case LOG_FIELD_STR:
        if (l->format == LOG_JSON || needs_quotes(f->s))
            put_quoted(l, f->s);
        else
            put_str(l, f->s);
        return;
    case LOG_FIELD_INT:
        snprintf(number, sizeof number, "%" PRId64, f->i);
        break;
    case LOG_FIELD_UINT:
        snprintf(number, sizeof number, "%" PRIu64, f->u);
        break;
    case LOG_FIELD_BOOL:
        snprintf(number, sizeof number, "%s", f->u ? "true" : "false");
        break;
    case LOG_FIELD_DOUBLE: /* JSON has no infinity and no NaN */
        snprintf(number, sizeof number, isfinite(f->d) ? "%.6g" : "null", f->d);
        break;
    }
    put_str(l, number);
}

static void put_field(struct line *l, const struct log_field *f)
{
    size_t before = l->len;
    char last = before ? l->buf[before - 1] : '\0';

    if (f->type == LOG_FIELD_STR && !f->s)
        return;
    if (l->format == LOG_JSON) {
        if (last != '{')
            put_char(l, ',');
        put_quoted(l, f->key);
        put_char(l, ':');
    } else {
        if (last && last != '>')
            put_char(l, ' ');
        put_str(l, f->key);
        put_char(l, '=');
    }
    put_value(l, f);
    /* A field goes in whole or not at all; the reserve is for "}" and the newline. */
    if (l->len > sizeof l->buf - 2)
        l->len = before;
}

static void compose(struct line *l, enum log_level level, const char *event,
    const struct log_field *fields, size_t n)
{
    if (l->format == LOG_JSON)
        put_char(l, '{');
    if (l->stamp) {
        char ts[CLOCK_ISO_LEN];
        put_field(l, &LOG_S("ts", clock_iso(clock_wall_ms(), ts)));
    }
    put_field(l, &LOG_S("level", log_level_name(level)));
    put_field(l, &LOG_S("program", state.program));
    put_field(l, &LOG_S("event", event));
    for (size_t i = 0; i < n; i++)
        put_field(l, &fields[i]);
    if (l->format == LOG_JSON)
        put_char(l, '}');
}

void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t n)
{
    struct line l = {.format = state.format, .stamp = !state.journal};
    int saved = errno;

    if (state.journal) {
        char prefix[8];
        snprintf(prefix, sizeof prefix, "<%d>", syslog_levels[level]);
        put_str(&l, prefix);
    }
    compose(&l, level, event, fields, n);
    put_char(&l, '\n');
    ssize_t written;
    do
        written = write(STDERR_FILENO, l.buf, l.len);
    while (written < 0 && errno == EINTR);
    if (log_ring_started()) {
        struct line kept = {.format = LOG_JSON, .stamp = true};
        compose(&kept, level, event, fields, n);
        log_ring_add(level, kept.buf, kept.len);
    }
    errno = saved; /* a log line that cannot be written must not disturb the program */
}
