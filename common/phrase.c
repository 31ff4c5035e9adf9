#include "common/phrase.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/json_get.h"
#include "common/sizes.h"
#include "common/utf8.h"

#define DEPTH_MAX 6
#define WORDS_MAX 8000 /* of a whole phrase: what is longer is cut */
/* Arguments and parts: a key may name one again and again, at each depth. */
#define STEPS_MAX 2000

/* A conversion of printf: "%-5.*s", "%2$lld", "%%". */
struct conversion {
    const char *end;   /* behind it */
    unsigned place;    /* N of "N$", 0 without */
    unsigned stars;    /* arguments for width and precision */
    char length, sort; /* 'L' for "ll", 'H' for "hh"; sort '%' for "%%", 0: it is none */
};

/* at: behind the '%'. */
static struct conversion parse(const char *at)
{
    struct conversion c = {0};
    const char *digits = at;
    while (isdigit((unsigned char)*digits) && digits - at < 3)
        digits++;
    if (digits > at && *digits == '$') {
        for (; at < digits; at++)
            c.place = c.place * 10 + (unsigned)(*at - '0');
        at++;
    }
    for (; *at && strchr("-+ #0.*123456789", *at); at++)
        c.stars += *at == '*';
    if (*at && strchr("hlzjt", *at)) {
        c.length = *at++;
        if (*at == c.length)
            c.length = (char)toupper((unsigned char)*at++);
    }
    c.sort = *at && strchr("%diouxXcsfgep", *at) ? *at : '\0';
    c.end = *at ? at + 1 : at;
    return c;
}

/* --- written ---------------------------------------------------------------------------------- */

static long long signed_of(char length, va_list *ap)
{
    switch (length) {
    case 'l':
        return va_arg(*ap, long);
    case 'L':
        return va_arg(*ap, long long);
    case 'z':
        return va_arg(*ap, ssize_t);
    case 'j':
        return va_arg(*ap, intmax_t);
    case 't':
        return va_arg(*ap, ptrdiff_t);
    default:
        return va_arg(*ap, int);
    }
}

static unsigned long long unsigned_of(char length, va_list *ap)
{
    switch (length) {
    case 'l':
        return va_arg(*ap, unsigned long);
    case 'L':
        return va_arg(*ap, unsigned long long);
    case 'z':
        return va_arg(*ap, size_t);
    case 'j':
        return va_arg(*ap, uintmax_t);
    case 't':
        return (unsigned long long)va_arg(*ap, ptrdiff_t);
    default:
        return va_arg(*ap, unsigned);
    }
}

/* One argument as printf would write it. spec: the whole conversion with its '%', of a literal in
 * our code. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static char *argument(const char *spec, const struct conversion *c, va_list *ap)
{
    int star[2] = {0};
    char wide[40];
    size_t flags = strcspn(spec, "hlzjt");
    CHECK(c->stars <= 2 && flags < 30); /* our own literals */
    for (unsigned i = 0; i < c->stars; i++)
        star[i] = va_arg(*ap, int);
    const bool number = strchr("diouxX", c->sort), plus = strchr("di", c->sort);
    size_t head = number ? strcspn(spec, "hlzjtdiouxX") : strlen(spec) - 1;
    snprintf(wide, sizeof wide, "%.*s%s%c", (int)head, spec, number ? "ll" : "", c->sort);
#define WRITE(value)                                                                               \
    (c->stars == 0      ? xasprintf(wide, value)                                                   \
        : c->stars == 1 ? xasprintf(wide, star[0], value)                                          \
                        : xasprintf(wide, star[0], star[1], value))
    if (number && plus) {
        long long n = signed_of(c->length, ap);
        return WRITE(n);
    }
    if (number) {
        unsigned long long n = unsigned_of(c->length, ap);
        return WRITE(n);
    }
    if (c->sort == 's') {
        const char *s = va_arg(*ap, const char *);
        return WRITE(s ? s : "(null)");
    }
    if (c->sort == 'c') {
        int one = va_arg(*ap, int);
        return WRITE(one);
    }
    if (c->sort == 'p') {
        void *p = va_arg(*ap, void *);
        return WRITE(p);
    }
    double n = va_arg(*ap, double);
    return WRITE(n);
#undef WRITE
}
#pragma GCC diagnostic pop

char *phrase_carried(const json_t *p)
{
    _cleanup_free_ char *json = json_dumps(p, JSON_COMPACT);
    CHECK(json);
    return xasprintf("%c%s", PHRASE_MARK, json);
}

json_t *phrase_uncarried(const char *text)
{
    return *text == PHRASE_MARK ? json_loads(text + 1, 0, NULL) : NULL;
}

json_t *phrase_v(const char *english, va_list ap)
{
    json_t *all = json_array();
    va_list rest;
    va_copy(rest, ap);
    (void)json_array_append_new(all, json_text(english));
    for (const char *at = strchr(english, '%'); at; at = strchr(at, '%')) {
        struct conversion c = parse(at + 1);
        CHECK(c.sort && c.place == 0); /* the compiler has checked the literal */
        if (c.sort != '%') {
            char spec[40];
            CHECK((size_t)(c.end - at) < sizeof spec);
            snprintf(spec, sizeof spec, "%.*s", (int)(c.end - at), at);
            _cleanup_free_ char *value = argument(spec, &c, &rest);
            json_t *inner = phrase_uncarried(value);
            (void)json_array_append_new(
                all, inner ? inner : json_text(value + (*value == PHRASE_MARK)));
        }
        at = c.end;
    }
    va_end(rest);
    if (strcmp(english, "%s") != 0 || !json_is_array(json_array_get(all, 1)))
        return all;
    json_t *only = json_incref(json_array_get(all, 1));
    json_decref(all);
    return only;
}

json_t *phrase(const char *english, ...)
{
    va_list ap;
    va_start(ap, english);
    json_t *all = phrase_v(english, ap);
    va_end(ap);
    return all;
}

json_t *phrase_of(const char *english)
{
    return english ? json_pack("[o]", json_text(english)) : NULL;
}

void phrase_set(json_t *p, size_t argument, json_t *inner)
{
    CHECK(json_array_set_new(p, argument + 1, inner) == 0);
}

json_t *phrase_local(const char *text)
{
    return json_pack("{so}", "local", json_text(text));
}

json_t *phrase_bytes(uint64_t bytes)
{
    return json_pack("{sI}", "bytes", (json_int_t)bytes);
}

char *phrase_bytes_carried(uint64_t bytes)
{
    _cleanup_json_ json_t *p = json_pack("[so]", "%s", phrase_bytes(bytes));
    return phrase_carried(p);
}

json_t *phrase_list(json_t *phrases)
{
    return json_pack("[s, {s:o}]", "%s", "list", phrases);
}

/* --- read ------------------------------------------------------------------------------------- */

struct words {
    FILE *f;
    enum lang lang;
    unsigned steps;
};

static void write_any(struct words *w, const json_t *p, int depth);

static bool is_enough(struct words *w)
{
    return w->steps >= STEPS_MAX || ftell(w->f) > WORDS_MAX;
}

/* "2026-11-30 14:05" is "30.11.2026 14:05" in all our languages but English. */
static void write_local(FILE *f, enum lang lang, const char *text)
{
    int year, month, day, n = 0;
    if (lang != LANG_EN && sscanf(text, "%4d-%2d-%2d%n", &year, &month, &day, &n) == 3 && n == 10)
        fprintf(f, "%02d.%02d.%04d%s", day, month, year, text + n);
    else
        fputs(text, f);
}

static void write_bytes(FILE *f, enum lang lang, json_int_t bytes)
{
    char text[32];
    fputs(shown_bytes(lang, bytes > 0 ? (uint64_t)bytes : 0, text, sizeof text), f);
}

static void write_list(struct words *w, const json_t *list, int depth)
{
    const json_t *one;
    size_t i;
    json_array_foreach (list, i, one) {
        if (i > 0)
            fputs(", ", w->f);
        write_any(w, one, depth + 1);
    }
}

static void write_argument(struct words *w, const json_t *p, unsigned place, int depth)
{
    const json_t *value = json_array_get(p, place);
    w->steps++;
    if (json_is_string(
            value)) /* a sentence of ours stands in the catalogue; a name or number does not */
        fputs(strchr(json_string_value(value), ' ') ? lang_text(w->lang, json_string_value(value))
                                                    : json_string_value(value),
            w->f);
    else if (json_is_array(value))
        write_any(w, value, depth + 1);
    else if (json_is_array(json_object_get(value, "list")))
        write_list(w, json_object_get(value, "list"), depth);
    else if (json_get_str(value, "local"))
        write_local(w->f, w->lang, json_get_str(value, "local"));
    else if (json_is_integer(json_object_get(value, "bytes")))
        write_bytes(w->f, w->lang, json_get_int(value, "bytes"));
    else
        fputc('?', w->f);
}

static void write_sentence(struct words *w, const json_t *p, int depth)
{
    const char *at = lang_text(w->lang, json_string_value(json_array_get(p, 0))), *next;
    unsigned place = 0;
    for (; !is_enough(w) && (next = strchr(at, '%')); at = next) {
        fwrite(at, 1, (size_t)(next - at), w->f);
        struct conversion c = parse(next + 1);
        if (c.sort == '%')
            fputc('%', w->f);
        else if (c.sort)
            write_argument(w, p, c.place ? c.place : ++place, depth);
        else
            fwrite(next, 1, (size_t)(c.end - next), w->f);
        next = c.end;
    }
    if (!is_enough(w))
        fputs(at, w->f);
}

static void write_any(struct words *w, const json_t *p, int depth)
{
    const json_t *part;
    size_t i;
    w->steps++;
    if (depth > DEPTH_MAX || is_enough(w))
        return;
    if (json_is_string(json_array_get(p, 0))) {
        write_sentence(w, p, depth);
        return;
    }
    json_array_foreach (p, i, part) {
        if (i > 0)
            fputs(w->lang == LANG_FR ? "\302\240: " : ": ", w->f);
        write_any(w, part, depth + 1);
    }
}

char *phrase_words(enum lang lang, const json_t *p)
{
    char *words = NULL;
    size_t len = 0;
    struct words w = {.f = open_memstream(&words, &len), .lang = lang};
    CHECK(w.f);
    write_any(&w, p, 0);
    CHECK(fclose(w.f) == 0);
    if (len > WORDS_MAX)
        words[utf8_cut(words, len, WORDS_MAX)] = '\0';
    return words;
}

/* --- members ---------------------------------------------------------------------------------- */

void phrase_put(json_t *object, const char *key, json_t *p)
{
    if (!p)
        return;
    _cleanup_free_ char *words = phrase_words(LANG_EN, p), *name = xasprintf("%s_phrase", key);
    (void)json_object_set_new(object, key, json_text(words));
    (void)json_object_set_new(object, name, p);
}

void phrase_copy(json_t *to, const char *to_key, const json_t *from, const char *key)
{
    _cleanup_free_ char *name = xasprintf("%s_phrase", key);
    _cleanup_free_ char *to_name = xasprintf("%s_phrase", to_key);
    if (json_object_get(from, key))
        (void)json_object_set(to, to_key, json_object_get(from, key));
    if (json_object_get(from, name))
        (void)json_object_set(to, to_name, json_object_get(from, name));
}

const json_t *phrase_got(const json_t *object, const char *key)
{
    _cleanup_free_ char *name = xasprintf("%s_phrase", key);
    const json_t *p = json_object_get(object, name), *text = json_object_get(object, key);
    return json_is_array(p) ? p : json_is_string(text) ? text : NULL;
}

char *phrase_in(enum lang lang, const json_t *object, const char *key)
{
    _cleanup_free_ char *name = xasprintf("%s_phrase", key);
    const json_t *p = json_object_get(object, name);
    char *words = json_is_array(p) ? phrase_words(lang, p) : NULL;
    if (words && *words)
        return words;
    free(words);
    return xstrdup(json_get_text(object, key));
}
