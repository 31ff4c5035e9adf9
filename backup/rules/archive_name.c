/* Names in the backup folder. */
#include "backup/rules/archive_name.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include "common/utf8.h"

#define SUFFIX_CHARS (RUN_SUFFIX_LEN - 1)

bool archive_type_valid(const char *type)
{
    size_t n = 0;
    for (; type[n]; n++) {
        char ch = type[n];
        bool alnum = (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') ||
                     (ch >= 'A' && ch <= 'Z');
        if (!alnum && (n == 0 || (ch != '-' && ch != '_')))
            return false;
        if (n == ARCHIVE_TYPE_MAX)
            return false;
    }
    return n > 0;
}

static int month_days(int year, int month)
{
    static const int days[13] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month];
}

struct minute {
    int year, month, day, hour, min;
};

static int digits(const char *s, int n)
{
    int v = 0;
    for (int i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9')
            return -1;
        v = v * 10 + (s[i] - '0');
    }
    return v;
}

/* s has at least SUFFIX_CHARS bytes. */
static bool suffix_read(const char *s, struct minute *m)
{
    *m = (struct minute){
        digits(s, 4), digits(s + 5, 2), digits(s + 8, 2), digits(s + 11, 2), digits(s + 13, 2)};
    return s[4] == '-' && s[7] == '-' && s[10] == '-' && m->year >= 1970 && m->year <= 2999 &&
           m->month >= 1 && m->month <= 12 && m->day >= 1 &&
           m->day <= month_days(m->year, m->month) && m->hour >= 0 && m->hour <= 23 &&
           m->min >= 0 && m->min <= 59;
}

static void suffix_write(const struct minute *m, char out[static RUN_SUFFIX_LEN])
{
    char text[64]; /* wider than needed: the compiler cannot see the ranges */
    snprintf(
        text, sizeof text, "%04d-%02d-%02d-%02d%02d", m->year, m->month, m->day, m->hour, m->min);
    memcpy(out, text, SUFFIX_CHARS);
    out[SUFFIX_CHARS] = 0;
}

bool run_suffix_valid(const char *run)
{
    struct minute m;
    return strlen(run) == SUFFIX_CHARS && suffix_read(run, &m);
}

static bool has_only(const char *s, size_t max, const char *extra)
{
    size_t n = 0;
    for (; s[n]; n++)
        if (!(s[n] >= 'a' && s[n] <= 'z') && !(s[n] >= 'A' && s[n] <= 'Z') &&
            !(s[n] >= '0' && s[n] <= '9') && !strchr(extra, s[n]))
            return false;
    return n > 0 && n <= max;
}

bool foreign_name_valid(const char *name)
{
    return name[0] != '.' && name[0] != '-' && has_only(name, 200, "._-");
}

bool upload_name_valid(const char *name)
{
    return has_only(name, 64, "_-");
}

static bool cut_end(const char *name, size_t *len, const char *end)
{
    size_t n = strlen(end);
    if (*len < n || memcmp(name + *len - n, end, n) != 0)
        return false;
    *len -= n;
    return true;
}

bool archive_name_parse(const char *name, struct archive_name *out)
{
    struct archive_name a = {0};
    size_t len = strlen(name);
    if (len >= ARCHIVE_NAME_LEN)
        return false;
    if (*name == '.') {
        if (!cut_end(name, &len, ".part") || len == 0)
            return false;
        a.part = true;
        name++;
        len--;
    }
    a.encrypted = cut_end(name, &len, ".age");
    if (cut_end(name, &len, ".tar.gz"))
        a.kind = ARCHIVE_NAME_ARCHIVE;
    else if (cut_end(name, &len, ".manifest.json"))
        a.kind = ARCHIVE_NAME_MANIFEST;
    else if (!a.encrypted && cut_end(name, &len, ".status.json"))
        a.kind = ARCHIVE_NAME_STATUS;
    else
        return false;

    struct minute m;
    if (len < SUFFIX_CHARS + 2 || len - SUFFIX_CHARS - 1 > ARCHIVE_TYPE_MAX ||
        name[len - SUFFIX_CHARS - 1] != '_' || !suffix_read(name + len - SUFFIX_CHARS, &m))
        return false;
    memcpy(a.run, name + len - SUFFIX_CHARS, SUFFIX_CHARS);
    memcpy(a.type, name, len - SUFFIX_CHARS - 1);
    if (!archive_type_valid(a.type))
        return false;
    *out = a;
    return true;
}

bool archive_label_valid(const char *label)
{
    size_t n = strlen(label);
    if (n > ARCHIVE_LABEL_MAX)
        return false;
    for (size_t at = 0, len; at < n; at += len) {
        uint32_t c;
        len = utf8_decode(label + at, n - at, &c);
        if (len == 0 || utf8_is_control(c))
            return false;
    }
    return true;
}

char *archive_name_format(const struct archive_name *n, char buf[static ARCHIVE_NAME_LEN])
{
    static const char *const ends[] = {[ARCHIVE_NAME_ARCHIVE] = ".tar.gz",
        [ARCHIVE_NAME_MANIFEST] = ".manifest.json",
        [ARCHIVE_NAME_STATUS] = ".status.json"};
    CHECK(archive_type_valid(n->type) && run_suffix_valid(n->run));
    snprintf(buf, ARCHIVE_NAME_LEN, "%s%s_%s%s%s%s", n->part ? "." : "", n->type, n->run,
        ends[n->kind], n->encrypted ? ".age" : "", n->part ? ".part" : "");
    return buf;
}

char *run_suffix_format(
    int64_t utc_s, const struct cron_zone *zone, char buf[static RUN_SUFFIX_LEN])
{
    time_t local = (time_t)(utc_s + zone->offset(zone->ctx, utc_s));
    struct tm tm;
    CHECK(gmtime_r(&local, &tm));
    struct minute m = {tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min};
    suffix_write(&m, buf);
    return buf;
}

void run_suffix_next(const char in[static RUN_SUFFIX_LEN], char out[static RUN_SUFFIX_LEN])
{
    struct minute m;
    CHECK(suffix_read(in, &m));
    if (++m.min == 60) {
        m.min = 0;
        m.hour++;
    }
    if (m.hour == 24) {
        m.hour = 0;
        m.day++;
    }
    if (m.day > month_days(m.year, m.month)) {
        m.day = 1;
        m.month++;
    }
    if (m.month == 13) {
        m.month = 1;
        m.year++;
    }
    suffix_write(&m, out);
}
