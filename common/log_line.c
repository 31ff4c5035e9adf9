#include "common/log_line.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/utf8.h"

static const char *const level_names[] = {
    [LOG_ERROR] = "error", [LOG_WARNING] = "warning", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};

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

static void put_bytes(struct log_line *l, const char *s, size_t n)
{
    if (n > l->size - l->len)
        n = l->size - l->len;
    memcpy(l->text + l->len, s, n);
    l->len += n;
}

static void put_str(struct log_line *l, const char *s)
{
    put_bytes(l, s, strlen(s));
}

static void put_char(struct log_line *l, char c)
{
    put_bytes(l, &c, 1);
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

static void put_quoted(struct log_line *l, const char *s)
{
    size_t n = strlen(s), written = 0;
    char out[16];

    put_char(l, '"');
    for (size_t i = 0; i < n;) {
        size_t room = l->value_max - written, run = plain_run(s + i, n - i < room ? n - i : room);
        if (run > 0) {
            put_bytes(l, s + i, run);
            written += run;
            i += run;
            continue;
        }
        uint32_t c;
        size_t len = utf8_decode(s + i, n - i, &c);
        size_t m = escape(l->format == LOG_JSON, s + i, len, c, out);
        if (written + m > l->value_max) {
            put_str(l, "...");
            break;
        }
        put_bytes(l, out, m);
        written += m;
        i += len ? len : 1;
    }
    put_char(l, '"');
}

/* Plain words stand bare in logfmt; everything else is quoted. */
static bool needs_quotes(const struct log_line *l, const char *s)
{
    static const bool bare[256] = {['0' ... '9'] = true,
        ['a' ... 'z'] = true,
        ['A' ... 'Z'] = true,
        ['-'] = true,
        ['_'] = true,
        ['.'] = true,
        [':'] = true,
        ['/'] = true,
        ['@'] = true,
        ['+'] = true,
        [','] = true,
        ['*'] = true,
        ['%'] = true,
        ['('] = true,
        [')'] = true,
        ['['] = true,
        [']'] = true,
        ['{'] = true,
        ['}'] = true,
        ['<'] = true,
        ['>'] = true,
        ['~'] = true,
        ['!'] = true,
        ['#'] = true,
        ['$'] = true,
        ['&'] = true,
        [';'] = true,
        ['?'] = true,
        ['^'] = true,
        ['|'] = true};
    size_t n = 0;
    while (bare[(unsigned char)s[n]])
        n++;
    return n == 0 || s[n] || n > l->value_max;
}

static void put_uint(struct log_line *l, uint64_t v)
{
    char digits[20];
    size_t i = sizeof digits;
    do
        digits[--i] = (char)('0' + v % 10);
    while (v /= 10);
    put_bytes(l, digits + i, sizeof digits - i);
}

static void put_value(struct log_line *l, const struct log_field *f)
{
    char number[32];

    switch (f->type) {
    case LOG_FIELD_STR:
        if (l->format == LOG_JSON || needs_quotes(l, f->s))
            put_quoted(l, f->s);
        else
            put_str(l, f->s);
        return;
    case LOG_FIELD_INT:
        if (f->i < 0)
            put_char(l, '-');
        put_uint(l, f->i < 0 ? -(uint64_t)f->i : (uint64_t)f->i);
        return;
    case LOG_FIELD_UINT:
        put_uint(l, f->u);
        return;
    case LOG_FIELD_BOOL:
        put_str(l, f->u ? "true" : "false");
        return;
    case LOG_FIELD_DOUBLE: /* JSON has no infinity and no NaN */
        snprintf(number, sizeof number, isfinite(f->d) ? "%.6g" : "null", f->d);
        put_str(l, number);
    }
}

void log_line_begin(
    struct log_line *l, enum log_format format, char *room, size_t size, size_t value_max)
{
    *l = (struct log_line){.format = format, .text = room, .size = size, .value_max = value_max};
    if (format == LOG_JSON)
        put_char(l, '{');
}

void log_line_field(struct log_line *l, const struct log_field *f)
{
    size_t before = l->len;

    if (f->type == LOG_FIELD_STR && !f->s)
        return;
    if (l->format == LOG_JSON) {
        if (l->text[l->len - 1] != '{')
            put_char(l, ',');
        put_char(l, '"'); /* keys are ours and plain */
        put_str(l, f->key);
        put_bytes(l, "\":", 2);
    } else {
        if (l->len)
            put_char(l, ' ');
        put_str(l, f->key);
        put_char(l, '=');
    }
    put_value(l, f);
    /* The reserve is for "}" and the newline. */
    if (l->len > l->size - 2)
        l->len = before;
}

void log_line_stamp(struct log_line *l, const char *key)
{
    char now[CLOCK_ISO_LEN];
    log_line_field(l, &LOG_S(key, clock_iso(clock_wall_ms(), now)));
}

void log_line_end(struct log_line *l)
{
    put_str(l, l->format == LOG_JSON ? "}\n" : "\n");
}
