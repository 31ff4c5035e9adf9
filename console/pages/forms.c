#include "console/pages/forms.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/utf8.h"
#include "common/json_get.h"

#define JSON_DEPTH_HERE 5

/* --- forms ------------------------------------------------------------------------------------ */

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One name or value; *out is malloc'ed. */
static int decode(const char *s, size_t n, char **out, struct err *e)
{
    _cleanup_free_ char *text = xmalloc(n + 1);
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        if (c == '+') {
            c = ' ';
        } else if (c == '%') {
            if (n - i < 3 || hex(s[i + 1]) < 0 || hex(s[i + 2]) < 0)
                return err_set(e, EINVAL, "the form holds a broken %%xx");
            c = (char)(hex(s[i + 1]) * 16 + hex(s[i + 2]));
            i += 2;
        }
        text[len++] = c;
    }
    text[len] = '\0';
    if (memchr(text, '\0', len) || utf8_check(text, len) != len)
        return err_set(e, EINVAL, "the form holds bytes that are not UTF-8 text");
    *out = text;
    text = NULL;
    return 0;
}

static void add_field(json_t *form, const char *name, json_t *value)
{
    json_t *there = json_object_get(form, name);
    if (!there)
        (void)json_object_set_new(form, name, value);
    else if (json_is_array(there))
        (void)json_array_append_new(there, value);
    else
        (void)json_object_set_new(form, name, json_pack("[Oo]", there, value));
}

static int add_pair(json_t *form, const char *pair, size_t n, struct err *e)
{
    const char *equals = memchr(pair, '=', n);
    size_t name_len = equals ? (size_t)(equals - pair) : n;
    _cleanup_free_ char *name = NULL, *value = NULL;
    int r = decode(pair, name_len, &name, e);
    if (r == 0)
        r = equals ? decode(equals + 1, n - name_len - 1, &value, e) : 0;
    if (r == 0)
        add_field(form, name, json_string(value ? value : ""));
    return r;
}

int form_parse(const char *body, size_t len, json_t **out, struct err *e)
{
    _cleanup_json_ json_t *form = json_object();
    int r = 0;
    for (size_t at = 0, fields = 0; at < len && r == 0;) {
        const char *amp = memchr(body + at, '&', len - at);
        size_t n = amp ? (size_t)(amp - body) - at : len - at;
        if (n > 0 && ++fields > FORM_FIELDS_MAX)
            r = err_set(e, E2BIG, "the form has more than %d fields", FORM_FIELDS_MAX);
        else if (n > 0)
            r = add_pair(form, body + at, n, e);
        at += n + 1;
    }
    if (r == 0)
        *out = json_incref(form);
    return r;
}

/* Before the parser recurses: brackets outside of strings. */
static bool too_deep(const char *body, size_t len)
{
    int depth = 0;
    bool text = false;
    for (size_t i = 0; i < len; i++) {
        char c = body[i];
        if (text && c == '\\')
            i++;
        else if (c == '"')
            text = !text;
        else if (!text && (c == '{' || c == '[') && ++depth > JSON_DEPTH_HERE)
            return true;
        else if (!text && (c == '}' || c == ']'))
            depth--;
    }
    return false;
}

int form_parse_json(const char *body, size_t len, json_t **out, struct err *e)
{
    json_error_t je;
    if (too_deep(body, len))
        return err_set(e, EINVAL, "the JSON is nested too deep");
    _cleanup_json_ json_t *form = json_loadb(body, len, JSON_REJECT_DUPLICATES, &je);
    if (!form)
        return err_set(e, EINVAL, "not JSON: %s", UTF8_SHORT(je.text, 100));
    if (!json_is_object(form))
        return err_set(e, EINVAL, "a JSON object is expected");
    *out = json_incref(form);
    return 0;
}

/* In place: the form is ours. */
const char *form_text(const json_t *form, const char *key)
{
    json_t *v = json_object_get(form, key);
    const char *s = json_string_value(v);
    if (!s)
        return NULL;
    size_t n = json_string_length(v), from = 0;
    while (from < n && isspace((unsigned char)s[from]))
        from++;
    while (n > from && isspace((unsigned char)s[n - 1]))
        n--;
    if (from == 0 && n == json_string_length(v))
        return s;
    _cleanup_free_ char *trimmed = strndup(s + from, n - from);
    /* UTF-8 less blanks at its ends is UTF-8: both parsers above let nothing else through. */
    CHECK(trimmed && json_string_set(v, trimmed) == 0);
    return json_string_value(v);
}

bool form_flag(const json_t *form, const char *key)
{
    const char *s = form_text(form, key);
    if (!s)
        return json_get_true(form, key);
    return !strcmp(s, "1") || !strcmp(s, "on") || !strcmp(s, "yes") || !strcmp(s, "true");
}

json_t *form_texts(const json_t *form, const char *key)
{
    const json_t *v = json_object_get(form, key);
    json_t *list = json_array();
    if (json_is_string(v) && json_string_length(v) > 0)
        (void)json_array_append_new(list, json_string(json_string_value(v)));
    for (size_t i = 0; i < json_array_size(v); i++)
        if (json_is_string(json_array_get(v, i)))
            (void)json_array_append(list, json_array_get(v, i));
    return list;
}

/* --- cookies ---------------------------------------------------------------------------------- */

char *cookie_find(const char *header, const char *name)
{
    size_t name_len = strlen(name);
    const char *value = NULL;
    size_t value_len = 0;
    while (header && *header) {
        while (*header == ' ' || *header == '\t' || *header == ';')
            header++;
        size_t n = strcspn(header, ";");
        if (n > name_len && strncmp(header, name, name_len) == 0 && header[name_len] == '=') {
            if (value)
                return NULL;
            value = header + name_len + 1;
            value_len = n - name_len - 1;
        }
        header += n;
    }
    if (!value)
        return NULL;
    while (value_len > 0 && (value[value_len - 1] == ' ' || value[value_len - 1] == '\t'))
        value_len--;
    if (value_len >= 2 && value[0] == '"' && value[value_len - 1] == '"') {
        value++;
        value_len -= 2;
    }
    char *copy = strndup(value, value_len);
    CHECK(copy);
    return copy;
}

/* --- languages -------------------------------------------------------------------------------- */

/* "q=0.8" -> 800; 1000 without one, 0 if it is broken. */
static int weight(const char *params, size_t n)
{
    const char *q = memmem(params, n, "q=", 2);
    if (!q)
        return 1000;
    const char *end = params + n;
    q += 2;
    if (q == end || (*q != '0' && *q != '1'))
        return 0;
    int value = (*q - '0') * 1000, unit = 100;
    if (++q < end && *q == '.')
        for (q++; q < end && isdigit((unsigned char)*q) && unit > 0; q++, unit /= 10)
            value += (*q - '0') * unit;
    return value > 1000 ? 1000 : value;
}

static enum lang language_of(const char *range, size_t n)
{
    return n >= 2 && (n == 2 || range[2] == '-') ? lang_parse(range) : LANG_COUNT;
}

enum lang language_choose(const char *header)
{
    enum lang best = LANG_DE;
    int most = 0;
    while (header && *header) {
        header += strspn(header, " \t,");
        size_t n = strcspn(header, ","), range = strcspn(header, ",; \t");
        enum lang lang = language_of(header, range);
        int w = weight(header + range, n - range);
        if (lang < LANG_COUNT && w > most) {
            best = lang;
            most = w;
        }
        header += n;
    }
    return best;
}
