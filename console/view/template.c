#include "console/view/template.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_LEN 128

struct render {
    template_partial_fn *partial;
    void *ctx;
    struct err *e;
    const json_t *stack[TEMPLATE_DEPTH_MAX]; /* models, outermost first */
    size_t depth;
    char *out;
    size_t len, cap;
    long tags;
    int nested; /* templates within templates, and sections within sections */
};

/* One piece of text that is rendered: a template or a partial. */
struct source {
    const char *name, *text;
    size_t len;
};

enum kind {
    TAG_TEXT,
    TAG_SENTENCE,
    TAG_RAW,
    TAG_SECTION,
    TAG_INVERTED,
    TAG_END,
    TAG_PARTIAL,
    TAG_COMMENT
};

struct tag {
    enum kind kind;
    char name[NAME_MAX_LEN];
    size_t start, end; /* of the whole tag; widened to the line if it stands alone on it */
};

static int fail(
    const struct render *r, const struct source *s, size_t at, int code, const char *what)
{
    int line = 1;
    for (size_t i = 0; i < at; i++)
        line += s->text[i] == '\n';
    return err_set(r->e, code, "%s, line %d: %s", s->name, line, what);
}

/* --- output ----------------------------------------------------------------------------------- */

static int emit(struct render *r, const char *text, size_t n)
{
    if (n > TEMPLATE_OUTPUT_MAX - r->len)
        return err_set(r->e, EFBIG, "the page is longer than %u bytes", TEMPLATE_OUTPUT_MAX);
    if (r->cap - r->len <= n) {
        while (r->cap - r->len <= n)
            r->cap = r->cap ? r->cap * 2 : 4096;
        r->out = xrealloc(r->out, r->cap);
    }
    memcpy(r->out + r->len, text, n);
    r->len += n;
    return 0;
}

static const char *entity(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

static int emit_escaped(struct render *r, const char *text, size_t n)
{
    size_t from = 0;
    int res = 0;
    for (size_t i = 0; i < n && res == 0; i++) {
        const char *name = entity(text[i]);
        if (!name)
            continue;
        res = emit(r, text + from, i - from);
        if (res == 0)
            res = emit(r, name, strlen(name));
        from = i + 1;
    }
    return res < 0 ? res : emit(r, text + from, n - from);
}

static int emit_value(struct render *r, const json_t *v, bool raw)
{
    char number[64];
    switch (v ? json_typeof(v) : JSON_NULL) {
    case JSON_STRING:
        return raw ? emit(r, json_string_value(v), json_string_length(v))
                   : emit_escaped(r, json_string_value(v), json_string_length(v));
    case JSON_INTEGER:
        snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
        return emit(r, number, strlen(number));
    case JSON_REAL:
        snprintf(number, sizeof number, "%g", json_real_value(v));
        return emit(r, number, strlen(number));
    case JSON_TRUE:
        return emit(r, "true", 4);
    case JSON_FALSE:
        return emit(r, "false", 5);
    default:
        return 0; /* missing, null; a list or object has no text */
    }
}

/* --- the model -------------------------------------------------------------------------------- */

static const json_t *member(const json_t *o, const char *key, size_t n)
{
    char name[NAME_MAX_LEN];
    memcpy(name, key, n);
    name[n] = '\0';
    return json_object_get(o, name);
}

/* "a.b.c": a is looked up outwards, the rest only inside what was found. */
static const json_t *look_up(const struct render *r, const char *name)
{
    if (strcmp(name, ".") == 0)
        return r->stack[r->depth - 1];
    size_t n = strcspn(name, ".");
    const json_t *v = NULL;
    for (size_t i = r->depth; i > 0 && !v; i--)
        v = member(r->stack[i - 1], name, n);
    while (v && name[n] == '.') {
        name += n + 1;
        n = strcspn(name, ".");
        v = member(v, name, n);
    }
    return v;
}

static bool truthy(const json_t *v)
{
    if (!v || json_is_null(v) || json_is_false(v))
        return false;
    if (json_is_array(v))
        return json_array_size(v) > 0;
    if (json_is_string(v))
        return json_string_length(v) > 0;
    if (json_is_number(v))
        return json_number_value(v) != 0.0;
    return true;
}

/* {name} in a text of ours is a value; what that value holds is not looked at again. */
static int emit_sentence(struct render *r, const json_t *v)
{
    const char *s = json_string_value(v), *open, *close;
    char name[NAME_MAX_LEN];
    int res = 0;

    while (res == 0 && s && (open = strchr(s, '{')) && (close = strchr(open, '}')) &&
           close - open <= NAME_MAX_LEN) {
        memcpy(name, open + 1, (size_t)(close - open - 1));
        name[close - open - 1] = '\0';
        res = emit_escaped(r, s, (size_t)(open - s));
        if (res == 0)
            res = emit_value(r, look_up(r, name), false);
        s = close + 1;
    }
    return res < 0 || !s ? res : emit_escaped(r, s, strlen(s));
}

/* --- tags ------------------------------------------------------------------------------------- */

static const char *find_text(const char *text, size_t len, const char *what)
{
    return memmem(text, len, what, strlen(what));
}

static bool good_name(const char *s)
{
    if (strcmp(s, ".") == 0)
        return true;
    if (!*s || *s == '.' || s[strlen(s) - 1] == '.')
        return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr("_-./", *s))
            return false;
    return true;
}

/* A section, comment or partial tag alone on its line takes the line with it. */
static void widen(const struct source *s, struct tag *t)
{
    size_t start = t->start, end = t->end;
    while (start > 0 && (s->text[start - 1] == ' ' || s->text[start - 1] == '\t'))
        start--;
    if (start > 0 && s->text[start - 1] != '\n')
        return;
    while (end < s->len && (s->text[end] == ' ' || s->text[end] == '\t'))
        end++;
    if (end < s->len && s->text[end] == '\r')
        end++;
    if (end < s->len && s->text[end] != '\n')
        return;
    t->start = start;
    t->end = end < s->len ? end + 1 : end;
}

static enum kind kind_of(char c)
{
    switch (c) {
    case '{':
        return TAG_RAW;
    case '%':
        return TAG_SENTENCE;
    case '#':
        return TAG_SECTION;
    case '^':
        return TAG_INVERTED;
    case '/':
        return TAG_END;
    case '>':
        return TAG_PARTIAL;
    case '!':
        return TAG_COMMENT;
    default:
        return TAG_TEXT;
    }
}

/* Takes the name between sigil and closing braces. */
static int take_name(
    struct render *r, const struct source *s, struct tag *t, const char *from, const char *to)
{
    while (from < to && isspace((unsigned char)*from))
        from++;
    while (to > from && isspace((unsigned char)to[-1]))
        to--;
    size_t n = (size_t)(to - from);
    if (n >= NAME_MAX_LEN)
        return fail(r, s, t->start, EINVAL, "a name is too long");
    memcpy(t->name, from, n);
    t->name[n] = '\0';
    if (strlen(t->name) != n || !good_name(t->name))
        return fail(r, s, t->start, EINVAL, "a tag needs a name of letters, digits and . _ -");
    return 0;
}

/* The next tag at or behind at. 0: found; 1: there is none. */
static int next_tag(struct render *r, const struct source *s, size_t at, struct tag *t)
{
    const char *open = find_text(s->text + at, s->len - at, "{{");
    if (!open)
        return 1;
    if (++r->tags > TEMPLATE_TAGS_MAX)
        return err_set(r->e, ELOOP, "%s: too much work for one page", s->name);
    t->start = (size_t)(open - s->text);
    const char *body = open + 2, *end = s->text + s->len;
    t->kind = body < end ? kind_of(*body) : TAG_TEXT;
    if (t->kind != TAG_TEXT)
        body++;
    const char *closing = t->kind == TAG_RAW ? "}}}" : "}}";
    const char *close = find_text(body, (size_t)(end - body), closing);
    if (!close)
        return fail(r, s, t->start, EINVAL, "a tag is not closed");
    t->end = (size_t)(close - s->text) + strlen(closing);
    t->name[0] = '\0';
    int res = t->kind == TAG_COMMENT ? 0 : take_name(r, s, t, body, close);
    if (res == 0 && t->kind > TAG_RAW)
        widen(s, t);
    return res;
}

/* The tag that ends the section; its inside may hold sections of the same name. */
static int find_end(
    struct render *r, const struct source *s, const struct tag *open, struct tag *close)
{
    char names[TEMPLATE_DEPTH_MAX][NAME_MAX_LEN];
    size_t depth = 1, at = open->end;
    memcpy(names[0], open->name, NAME_MAX_LEN);
    for (;;) {
        int res = next_tag(r, s, at, close);
        if (res < 0)
            return res;
        if (res > 0)
            return fail(r, s, open->start, EINVAL, "a section is not ended");
        at = close->end;
        if (close->kind == TAG_SECTION || close->kind == TAG_INVERTED) {
            if (depth == TEMPLATE_DEPTH_MAX)
                return fail(r, s, close->start, ELOOP, "sections are nested too deep");
            memcpy(names[depth++], close->name, NAME_MAX_LEN);
        } else if (close->kind == TAG_END) {
            if (strcmp(names[--depth], close->name) != 0)
                return fail(r, s, close->start, EINVAL, "ends a section that is not open");
            if (depth == 0)
                return 0;
        }
    }
}

/* --- rendering -------------------------------------------------------------------------------- */

static int render(struct render *r, const struct source *s, size_t from, size_t to);

static int render_within(
    struct render *r, const struct source *s, const json_t *model, size_t from, size_t to)
{
    if (r->depth == TEMPLATE_DEPTH_MAX)
        return fail(r, s, from, ELOOP, "sections are nested too deep");
    r->stack[r->depth++] = model;
    int res = render(r, s, from, to);
    r->depth--;
    return res;
}

/* Renders the section and gives where it ends. */
static int render_section(
    struct render *r, const struct source *s, const struct tag *open, size_t *end)
{
    struct tag close;
    int res = find_end(r, s, open, &close);
    if (res < 0)
        return res;
    *end = close.end;
    const json_t *v = look_up(r, open->name);
    if (open->kind == TAG_INVERTED)
        return truthy(v) ? 0 : render(r, s, open->end, close.start);
    if (!truthy(v))
        return 0;
    if (!json_is_array(v))
        return render_within(r, s, v, open->end, close.start);
    for (size_t i = 0; i < json_array_size(v) && res == 0; i++)
        res = render_within(r, s, json_array_get(v, i), open->end, close.start);
    return res;
}

static int render_partial(struct render *r, const struct source *s, const struct tag *t)
{
    struct source part = {.name = t->name};
    if (r->partial)
        part.text = r->partial(r->ctx, t->name, &part.len);
    if (!part.text)
        return err_set(r->e, ENOENT, "%s: there is no template %s", s->name, t->name);
    return render(r, &part, 0, part.len);
}

static int render_tag(struct render *r, const struct source *s, const struct tag *t, size_t *end)
{
    switch (t->kind) {
    case TAG_TEXT:
    case TAG_RAW:
        return emit_value(r, look_up(r, t->name), t->kind == TAG_RAW);
    case TAG_SENTENCE:
        return emit_sentence(r, look_up(r, t->name));
    case TAG_SECTION:
    case TAG_INVERTED:
        return render_section(r, s, t, end);
    case TAG_PARTIAL:
        return render_partial(r, s, t);
    case TAG_END:
        return fail(r, s, t->start, EINVAL, "ends a section that is not open");
    default:
        return 0;
    }
}

static int render(struct render *r, const struct source *s, size_t from, size_t to)
{
    if (r->nested == 2 * TEMPLATE_DEPTH_MAX)
        return fail(r, s, from, ELOOP, "templates are nested too deep");
    r->nested++;
    int res = 0;
    while (res == 0 && from < to) {
        struct tag t;
        res = next_tag(r, s, from, &t);
        if (res == 0 && t.start >= to)
            res = 1;
        if (res != 0)
            break;
        res = emit(r, s->text + from, t.start - from);
        from = t.end;
        if (res == 0)
            res = render_tag(r, s, &t, &from);
    }
    if (res == 1)
        res = emit(r, s->text + from, to - from);
    r->nested--;
    return res;
}

int template_render(const char *name, const char *text, size_t len, const json_t *model,
    template_partial_fn *partial, void *ctx, char **out, size_t *out_len, struct err *e)
{
    struct render r = {.partial = partial, .ctx = ctx, .e = e, .stack = {model}, .depth = 1};
    const struct source s = {name, text, len};
    int res = render(&r, &s, 0, len);
    if (res < 0) {
        free(r.out);
        return res;
    }
    if (!r.out)
        r.out = xmalloc(1);
    r.out[r.len] = '\0';
    *out = r.out;
    *out_len = r.len;
    return 0;
}
