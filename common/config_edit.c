#include "common/config_edit.h"
#include "common/lang.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "common/utf8.h"

#define TEXT_MAX  (1024 * 1024)
#define VALUE_MAX 1900 /* a line of the file has at most 2000 bytes */

/* A piece of the text. */
struct span {
    const char *at;
    size_t len;
};

/* Where the option stands, or where it would go. */
struct place {
    const char *line; /* the option's own line, NULL if it has none */
    const char *next; /* where that line ends, its line end included */
    struct span value;
    const char *behind; /* a new line goes in here; NULL: there is no such section */
    bool commented;     /* behind a line that has the option commented out */
    int number;         /* of the option's line */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

static struct span trim(struct span s)
{
    while (s.len && is_blank(s.at[0])) {
        s.at++;
        s.len--;
    }
    while (s.len && is_blank(s.at[s.len - 1]))
        s.len--;
    return s;
}

static bool is(struct span s, const char *word)
{
    return strlen(word) == s.len && memcmp(s.at, word, s.len) == 0;
}

/* "[data documents]" against section and name; s begins with '['. */
static bool is_heading_of(struct span s, const struct config_edit *edit)
{
    const char *end = memchr(s.at, ']', s.len);
    if (!end)
        return false;
    struct span inner = trim((struct span){s.at + 1, (size_t)(end - s.at) - 1});
    size_t word = 0;
    while (word < inner.len && !is_blank(inner.at[word]))
        word++;
    struct span kind = {inner.at, word};
    struct span name = trim((struct span){inner.at + word, inner.len - word});
    return is(kind, edit->section) && (edit->name ? is(name, edit->name) : name.len == 0);
}

/* Splits "key = value ; comment" the way the parser does (inih): at the first = or :, and a ";"
 * behind a blank begins a comment. */
static bool split(struct span line, struct span *key, struct span *value)
{
    size_t i = 0;
    while (i < line.len && line.at[i] != '=' && line.at[i] != ':')
        i++;
    if (i == line.len)
        return false;
    *key = trim((struct span){line.at, i});
    struct span rest = {line.at + i + 1, line.len - i - 1};
    for (size_t j = 1; j < rest.len; j++)
        if (rest.at[j] == ';' && is_blank(rest.at[j - 1]))
            rest.len = j;
    *value = trim(rest);
    if (value->len == 0) { /* "key =": a new value goes in behind the separator, not the comment */
        value->at = line.at + i + 1;
        if (rest.len && is_blank(value->at[0]))
            value->at++;
    }
    return true;
}

/* "#schedule = 15 3 * * 1-5": the sample's way of showing a default. */
static bool is_commented(struct span line, const char *key)
{
    struct span k, v;
    while (line.len && (line.at[0] == '#' || line.at[0] == ';')) {
        line.at++;
        line.len--;
    }
    return split(line, &k, &v) && is(k, key);
}

static int find_place(
    struct span text, const struct config_edit *edit, struct place *out, struct err *e)
{
    struct place p = {0};
    const char *end = text.at + text.len;
    bool inside = false, mark = text.len >= 3 && memcmp(text.at, "\xEF\xBB\xBF", 3) == 0;
    int number = 0;
    for (const char *at = text.at + (mark ? 3 : 0), *next; at < end; at = next) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        struct span line = trim((struct span){at, (size_t)((newline ? newline : end) - at)}), k, v;
        next = newline ? newline + 1 : end;
        number++;
        if (line.len && line.at[0] == '[') {
            inside = is_heading_of(line, edit);
            if (inside && !p.commented)
                p.behind = next;
        } else if (!inside || line.len == 0) {
            continue;
        } else if (line.at[0] == '#' || line.at[0] == ';') {
            if (is_commented(line, edit->key)) {
                p.behind = next;
                p.commented = true;
            }
        } else if (split(line, &k, &v)) {
            if (!p.commented)
                p.behind = next;
            if (!is(k, edit->key))
                continue;
            if (p.line)
                return err_set(e, EEXIST, "\"%s\" stands twice in [%s], in lines %d and %d",
                    edit->key, edit->section, p.number, number);
            p.line = at;
            p.next = next;
            p.value = v;
            p.number = number;
        }
    }
    *out = p;
    return 0;
}

static int check_value(const struct config_edit *edit, struct err *e)
{
    const char *v = edit->value;
    size_t n = strlen(v);
    const char *wrong = NULL;
    if (n > VALUE_MAX)
        wrong = N_("is too long");
    else if (utf8_check(v, n) != n)
        wrong = "is not UTF-8";
    else if (n && (is_blank(v[0]) || is_blank(v[n - 1])))
        wrong = N_("begins or ends with a blank");
    else if (v[0] == ';' || strstr(v, " ;") || strstr(v, "\t;"))
        wrong = N_("has a \";\" that would begin a comment");
    for (size_t i = 0; !wrong && i < n; i++)
        if (((unsigned char)v[i] < 0x20 && v[i] != '\t') || v[i] == 0x7f)
            wrong = N_("has a line break or a control character in it");
    return wrong ? err_set(e, EINVAL, "[%s] %s: the value %s", edit->section, edit->key, wrong) : 0;
}

static const char *line_end(struct span text)
{
    const char *newline = memchr(text.at, '\n', text.len);
    return newline && newline > text.at && newline[-1] == '\r' ? "\r\n" : "\n";
}

/* text with the piece `old` (which lies in it) replaced. */
static char *splice(struct span text, struct span old, const char *fresh, size_t *len)
{
    size_t before = (size_t)(old.at - text.at), n = strlen(fresh);
    size_t after = text.len - before - old.len;
    char *out = xmalloc(before + n + after + 1);
    memcpy(out, text.at, before);
    memcpy(out + before, fresh, n);
    memcpy(out + before + n, old.at + old.len, after);
    out[before + n + after] = '\0';
    *len = before + n + after;
    return out;
}

static char *add_section(struct span text, const struct config_edit *edit, size_t *len)
{
    const char *eol = line_end(text), *end = text.at + text.len;
    bool open = text.len && end[-1] != '\n';
    _cleanup_free_ char *fresh = xasprintf("%s%s[%s%s%s]%s%s = %s%s", open ? eol : "",
        text.len ? eol : "", edit->section, edit->name ? " " : "", edit->name ? edit->name : "",
        eol, edit->key, edit->value, eol);
    return splice(text, (struct span){end, 0}, fresh, len);
}

static char *add_line(
    struct span text, const struct config_edit *edit, const struct place *p, size_t *len)
{
    const char *eol = line_end(text);
    bool open = p->behind > text.at && p->behind[-1] != '\n';
    _cleanup_free_ char *fresh = xasprintf(
        "%s%s = %s%s", open ? eol : "", edit->key, edit->value, eol);
    return splice(text, (struct span){p->behind, 0}, fresh, len);
}

/* A blank keeps a comment a comment where the old value was empty: "key =;x" has none. */
static char *change_line(
    struct span text, const struct config_edit *edit, const struct place *p, size_t *len)
{
    const char *behind = p->value.at + p->value.len;
    bool comment = p->value.len == 0 && behind < p->next && *behind == ';';
    _cleanup_free_ char *fresh = xasprintf("%s%s", edit->value, comment ? " " : "");
    return splice(text, p->value, fresh, len);
}

static int apply(
    struct span text, const struct config_edit *edit, char **out, size_t *len, struct err *e)
{
    struct place p = {0};
    int r = edit->value ? check_value(edit, e) : 0;
    if (r == 0)
        r = find_place(text, edit, &p, e);
    if (r < 0)
        return r;
    if (!edit->value)
        *out = p.line ? splice(text, (struct span){p.line, (size_t)(p.next - p.line)}, "", len)
                      : splice(text, (struct span){text.at, 0}, "", len);
    else if (p.line)
        *out = change_line(text, edit, &p, len);
    else
        *out = p.behind ? add_line(text, edit, &p, len) : add_section(text, edit, len);
    return 0;
}

int config_edit(const char *text, size_t len, const struct config_edit *edits, size_t n, char **out,
    size_t *out_len, struct err *e)
{
    if (len > TEXT_MAX)
        return err_set(e, EFBIG, "the configuration is longer than %d bytes", TEXT_MAX);
    char *now = xmalloc(len + 1);
    memcpy(now, text, len);
    now[len] = '\0';
    for (size_t i = 0; i < n; i++) {
        char *next;
        int r = apply((struct span){now, len}, &edits[i], &next, &len, e);
        free(now);
        if (r < 0)
            return r;
        now = next;
    }
    *out = now;
    *out_len = len;
    return 0;
}
