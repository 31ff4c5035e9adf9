/* Crontab times: parsing. The next run is in cron_next.c, the words in cron_words.c. */
#include "backup/rules/cron.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include "common/error_phrase.h"
#include "common/json_get.h"
#include "common/utf8.h"

struct name {
    const char *word;
    int value;
};

static const struct name month_names[] = {{"jan", 1}, {"feb", 2}, {"mar", 3}, {"apr", 4},
    {"may", 5}, {"jun", 6}, {"jul", 7}, {"aug", 8}, {"sep", 9}, {"oct", 10}, {"nov", 11},
    {"dec", 12}, {"mär", 3}, {"mrz", 3}, {"mai", 5}, {"okt", 10}, {"dez", 12}, {NULL, 0}};
static const struct name weekday_names[] = {{"sun", 0}, {"mon", 1}, {"tue", 2}, {"wed", 3},
    {"thu", 4}, {"fri", 5}, {"sat", 6}, {"so", 0}, {"mo", 1}, {"di", 2}, {"mi", 3}, {"do", 4},
    {"fr", 5}, {"sa", 6}, {NULL, 0}};

struct field {
    const char *title; /* of the form too */
    int min, max;
    const struct name *names;
    const char *form; /* what would be right */
};

enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY, FIELDS };
static const struct field fields[FIELDS] = {
    {N_("minute"), 0, 59, NULL, "0-59, *, */15, 0,30"},
    {N_("hour"), 0, 23, NULL, "0-23, *, */2, 8-18"},
    {N_("day"), 1, 31, NULL, "1-31, *, 1,15, */2"},
    {N_("month"), 1, 12, month_names, N_("1-12, jan-dec, *, 1-6")},
    {N_("weekday"), 0, 7, weekday_names,
        N_("0-7 (0 and 7 are Sunday), sun-sat, mo-so, *, mon-fri")},
};

static const struct {
    const char *word, *text;
} macros[] = {{"@hourly", "0 * * * *"}, {"@daily", "0 0 * * *"}, {"@midnight", "0 0 * * *"},
    {"@weekly", "0 0 * * 0"}, {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
    {"@annually", "0 0 1 1 *"}};

#define FIELD_TEXT_MAX 200

/* Where a mistake is told. */
struct fault {
    const char **field;
    struct err *e;
};

/* what: the sentence, with the field's name, what was typed, and the right form. What was typed is
 * cut, and without control characters. */
static int bad(const struct field *f, const char *text, size_t len, const char *what,
    const struct fault *fault)
{
    char shown[64];
    size_t n = utf8_cut(text, len, sizeof shown - 1);
    for (size_t i = 0; i < n; i++)
        shown[i] = (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? '?' : text[i];
    shown[n] = 0;
    utf8_copy(shown, sizeof shown, shown);
    *fault->field = f->title;
    json_t *said = phrase_of(what);
    (void)json_array_append_new(said, phrase_of(f->title));
    (void)json_array_append_new(said, json_text(shown));
    (void)json_array_append_new(said, phrase_of(f->form));
    return error_phrase_set(fault->e, EINVAL, said);
}

static int parse_number(const struct field *f, const char **p, const char *end, int *value)
{
    const char *s = *p;
    if (s < end && isdigit((unsigned char)*s)) {
        int v = 0;
        while (s < end && isdigit((unsigned char)*s)) {
            if (v > 999)
                return -EINVAL;
            v = v * 10 + (*s++ - '0');
        }
        *value = v;
        *p = s;
        return 0;
    }
    /* The longest name that fits, so that "mon" is not read as "mo" and a stray "n". */
    size_t best = 0;
    for (const struct name *n = f->names; n && n->word; n++) {
        size_t len = strlen(n->word);
        if (len > best && (size_t)(end - s) >= len && strncasecmp(s, n->word, len) == 0) {
            best = len;
            *value = n->value;
        }
    }
    *p = s + best;
    return best ? 0 : -EINVAL;
}

/* One element of a list: `*`, `5`, `5-9`, each with an optional step. */
static int parse_element(
    const struct field *f, const char *s, size_t len, uint64_t *bits, const struct fault *fault)
{
    const char *p = s, *end = s + len;
    int from, to, step = 1;
    bool single = false;

    if (p < end && *p == '*') {
        from = f->min;
        to = f->max;
        p++;
    } else {
        if (parse_number(f, &p, end, &from) < 0)
            return bad(f, s, len,
                N_("schedule: %s \"%s\" is not a number or a name; right would be %s"), fault);
        to = from;
        single = true;
        if (p < end && *p == '-') {
            p++;
            if (parse_number(f, &p, end, &to) < 0)
                return bad(f, s, len,
                    N_("schedule: %s \"%s\" is a range without an end; right would be %s"), fault);
            single = false;
            /* fri-sun: Sunday as the end of a range is 7. */
            if (f->max == 7 && to == 0 && from > 0)
                to = 7;
        }
    }
    if (p < end && *p == '/') {
        p++;
        if (single)
            return bad(f, s, len,
                N_("schedule: %s \"%s\" has a step on a single number (write a range or *); right would be %s"),
                fault);
        if (p >= end || !isdigit((unsigned char)*p) || parse_number(f, &p, end, &step) < 0)
            return bad(f, s, len,
                N_("schedule: %s \"%s\" has a step that is not a number; right would be %s"),
                fault);
        if (step < 1 || step > f->max)
            return bad(f, s, len,
                N_("schedule: %s \"%s\" has a step out of range; right would be %s"), fault);
    }
    if (p != end)
        return bad(f, s, len,
            N_("schedule: %s \"%s\" has something behind it that does not belong there; right would be %s"),
            fault);
    if (from < f->min || to > f->max)
        return bad(f, s, len, N_("schedule: %s \"%s\" is out of range; right would be %s"), fault);
    if (from > to)
        return bad(f, s, len,
            N_("schedule: %s \"%s\" is a range that runs backwards; right would be %s"), fault);
    for (int v = from; v <= to; v += step)
        *bits |= UINT64_C(1) << v;
    return 0;
}

static int parse_field(
    const struct field *f, const char *s, size_t len, uint64_t *bits, const struct fault *fault)
{
    const char *whole = s;
    size_t whole_len = len;
    *bits = 0;
    if (len > FIELD_TEXT_MAX)
        return bad(f, s, len, N_("schedule: %s \"%s\" is too long; right would be %s"), fault);
    for (;;) {
        const char *comma = memchr(s, ',', len);
        size_t n = comma ? (size_t)(comma - s) : len;
        if (n == 0)
            return bad(f, whole, whole_len,
                N_("schedule: %s \"%s\" has an empty place in its list; right would be %s"), fault);
        int r = parse_element(f, s, n, bits, fault);
        if (r < 0)
            return r;
        if (!comma)
            return 0;
        s += n + 1;
        len -= n + 1;
    }
}

/* Without this a schedule on 30 February would wait for ever and nobody would be told. */
static bool ever_comes(const struct cron *c)
{
    static const int longest[13] = {0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (!c->any_day && !c->any_weekday)
        return true; /* either one is enough, and every weekday comes */
    for (int m = 1; m <= 12; m++)
        for (int d = 1; c->months >> m & 1 && d <= longest[m]; d++)
            if (c->days >> d & 1)
                return true;
    return false;
}

static const char *expand_macro(const char *text, const struct fault *fault)
{
    size_t len = strcspn(text, " \t");
    if (text[len + strspn(text + len, " \t")] == 0)
        for (size_t i = 0; i < sizeof macros / sizeof macros[0]; i++)
            if (strlen(macros[i].word) == len && strncasecmp(text, macros[i].word, len) == 0)
                return macros[i].text;
    *fault->field = "schedule";
    (void)err_set(fault->e, EINVAL,
        N_("schedule: \"%s\" is not known; right would be @hourly, @daily, @weekly, @monthly, @yearly or five fields"),
        UTF8_SHORT(text, 44));
    return NULL;
}

static int missing(const struct field *f, const struct fault *fault)
{
    *fault->field = f->title;
    json_t *said = phrase(
        "schedule: the field %s is missing; right would be minute hour day month weekday, for example \"15 3 * * 1-5\"",
        f->title);
    phrase_set(said, 0, phrase_of(f->title));
    return error_phrase_set(fault->e, EINVAL, said);
}

static int bad_whole(const char *what, const struct fault *fault)
{
    *fault->field = "schedule";
    return error_phrase_set(fault->e, EINVAL, phrase_of(what));
}

int cron_check(const char *text, struct cron *out, const char **field, struct err *e)
{
    const struct fault said = {field, e}, *const fault = &said;
    struct cron c = {0};
    uint64_t bits[FIELDS];
    int n = 0;

    text += strspn(text, " \t");
    if (*text == '@') {
        text = expand_macro(text, fault);
        if (!text)
            return -EINVAL;
    }
    for (const char *p = text; *p;) {
        size_t len = strcspn(p, " \t");
        if (n == FIELDS)
            return bad_whole(
                N_("schedule: more than five fields; right would be minute hour day month weekday, for example \"15 3 * * 1-5\""),
                fault);
        int r = parse_field(&fields[n], p, len, &bits[n], fault);
        if (r < 0)
            return r;
        if (n == DAY)
            c.any_day = *p == '*';
        if (n == WEEKDAY)
            c.any_weekday = *p == '*';
        n++;
        p += len;
        p += strspn(p, " \t");
    }
    if (n < FIELDS)
        return missing(&fields[n], fault);

    c.minutes = bits[MINUTE];
    c.hours = (uint32_t)bits[HOUR];
    c.days = (uint32_t)bits[DAY];
    c.months = (uint16_t)bits[MONTH];
    c.weekdays = (uint8_t)((bits[WEEKDAY] | bits[WEEKDAY] >> 7) & 0x7f);
    if (!ever_comes(&c))
        return bad_whole(N_("schedule: the day never comes in the months that are given"), fault);
    *out = c;
    return 0;
}

int cron_parse(const char *text, struct cron *out, struct err *e)
{
    const char *field;
    return cron_check(text, out, &field, e);
}
