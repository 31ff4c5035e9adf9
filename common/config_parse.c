/*
 * The INI text: read through inih a line at a time, in two passes over what was collected, because
 * a section's options need the section, and a [listen] needs none of its options to exist.
 *
 * Debian's inih is built with a line limit of 200 bytes that cuts silently, passes no line number
 * to its handler and tells nothing of a section without options. The reader below therefore hands
 * out whole lines only, counts them, and notes the section headings itself.
 */
#include <errno.h>
#include <ini.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "common/config_intent.h"
#include "common/config_internal.h"
#include "common/file.h"
#include "common/lang.h"
#include "common/suggestion.h"
#include "common/utf8.h"
#include "common/zone.h"

#define FILE_MAX     (1024 * 1024)
#define SECTION_MAX  48 /* inih cuts section headings at 49 bytes */
#define SECTIONS_MAX 200
#define LINE_BYTES   2000

struct entry {
    size_t section;
    char *key, *text;
    int line;
};

struct parser {
    struct config *config;
    const char *pos, *end; /* what is still to be read */
    int line;
    struct entry *entries;
    size_t entry_count;
    size_t section; /* the current one; SIZE_MAX before the first heading */
    struct err *e;
    int result;
};

static void configure_inih(void)
{
#ifdef HAVE_INI_MAX_LINE
    ini_max_line = LINE_BYTES + 3;
#endif
}

/* "file:line: words". Only the first failure is kept. */
static int PRINTF(4, 5) fail(struct parser *p, int line, int code, const char *fmt, ...)
{
    va_list ap;

    if (p->result < 0)
        return p->result;
    va_start(ap, fmt);
    p->result = err_set_v(p->e, code, fmt, ap);
    va_end(ap);
    return err_prefix(p->e, p->result, "%s:%d", p->config->path, line);
}

static const struct option *any_of_section(const char *kind)
{
    for (size_t i = 0; i < config_options_count; i++)
        if (strcmp(config_options[i].section, kind) == 0)
            return &config_options[i];
    return NULL;
}

static void unknown_section(struct parser *p, const char *kind)
{
    struct suggestion s = {.wanted = kind};

    for (size_t i = 0; i < config_options_count; i++)
        suggestion_offer(&s, config_options[i].section);
    if (s.best)
        fail(p, p->line, EINVAL, N_("there is no section [%s]; did you mean [%s]?"), kind, s.best);
    else
        fail(p, p->line, EINVAL, N_("there is no section [%s]; see elexgate.ini(5)"), kind);
}

/* Names stand in messages, file names and metrics. */
static bool is_plain_name(const char *s)
{
    return *s &&
           s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")] == '\0';
}

static size_t find_section(const struct config *c, const char *kind, const char *name)
{
    for (size_t i = 0; i < c->section_count; i++) {
        const struct config_section *s = &c->sections[i];
        if (strcmp(s->kind, kind) == 0 && (!name || strcmp(s->name, name) == 0))
            return i;
    }
    return SIZE_MAX;
}

static size_t add_section(struct config *c, const char *kind, const char *name, int line)
{
    c->sections = xrealloc(c->sections, (c->section_count + 1) * sizeof *c->sections);
    c->sections[c->section_count] = (struct config_section){
        .kind = xstrdup(kind), .name = xstrdup(name), .line = line};
    return c->section_count++;
}

/* heading: what stands between the brackets, without blanks at the ends. */
static void enter_section(struct parser *p, char *heading)
{
    char *name = heading + strcspn(heading, " \t");

    if (*name) {
        *name++ = '\0';
        name += strspn(name, " \t");
    }
    const struct option *o = any_of_section(heading);
    if (!o) {
        unknown_section(p, heading);
        return;
    }
    if (o->named && !is_plain_name(name)) {
        fail(p, p->line, EINVAL,
            N_("section [%s] needs a name of letters, digits, - and _: [%s NAME]"), heading,
            heading);
        return;
    }
    if (!o->named && *name) {
        fail(p, p->line, EINVAL, N_("section [%s] takes no name"), heading);
        return;
    }
    p->section = find_section(p->config, heading, o->named ? name : NULL);
    if (p->section == SIZE_MAX && p->config->section_count >= SECTIONS_MAX)
        fail(p, p->line, E2BIG, N_("more than %d sections"), SECTIONS_MAX);
    else if (p->section == SIZE_MAX)
        p->section = add_section(p->config, heading, o->named ? name : NULL, p->line);
    else if (o->named) /* most likely a copy whose name was not changed */
        fail(p, p->line, EEXIST, N_("section [%s %s] stands twice, first in line %d"), heading,
            name, p->config->sections[p->section].line);
}

/* line: NUL-terminated, begins with '['. */
static void note_heading(struct parser *p, const char *line)
{
    char heading[SECTION_MAX + 1];
    const char *start = line + 1 + strspn(line + 1, " \t"), *end = strchr(start, ']');

    if (!end) {
        fail(p, p->line, EINVAL, N_("the section's heading has no closing bracket"));
        return;
    }
    while (end > start && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    if (strchr(line, ']') - (line + 1) > SECTION_MAX) {
        fail(p, p->line, EINVAL, N_("the section's heading is longer than %d bytes"), SECTION_MAX);
        return;
    }
    memcpy(heading, start, (size_t)(end - start));
    heading[end - start] = '\0';
    enter_section(p, heading);
}

/* inih's reader: the next line into buf, or NULL at the end and after a failure. */
static char *next_line(char *buf, int size, void *ctx)
{
    struct parser *p = ctx;

    if (p->result < 0 || p->pos == p->end)
        return NULL;
    const char *newline = memchr(p->pos, '\n', (size_t)(p->end - p->pos));
    const char *stop = newline ? newline : p->end;
    const char *start = p->pos;
    p->pos = newline ? newline + 1 : p->end;
    p->line++;
    /* Blanks in front would make inih take the line as a continuation of the one before. */
    while (start < stop && (*start == ' ' || *start == '\t'))
        start++;
    size_t n = (size_t)(stop - start);
    if (n + 2 > (size_t)size) {
        fail(p, p->line, EINVAL, N_("the line is longer than %d bytes"), size - 3);
        return NULL;
    }
    if (memchr(start, '\0', n)) {
        fail(p, p->line, EINVAL, N_("the line holds a NUL byte: is this a text file?"));
        return NULL;
    }
    if (utf8_check(start, n) != n) {
        fail(p, p->line, EILSEQ, N_("the line is not UTF-8; save the file in UTF-8"));
        return NULL;
    }
    memcpy(buf, start, n);
    memcpy(buf + n, "\n", 2);
    if (buf[0] == '[')
        note_heading(p, buf);
    return p->result < 0 ? NULL : buf;
}

/* inih's handler. Its section argument is not used: see the top of this file. */
static int take_entry(void *ctx, const char *section, const char *key, const char *text)
{
    struct parser *p = ctx;

    (void)section;
    if (p->result < 0)
        return 0;
    if (p->section == SIZE_MAX) {
        fail(p, p->line, EINVAL, N_("\"%s\" stands before the first section"), key);
        return 0;
    }
    p->entries = xrealloc(p->entries, (p->entry_count + 1) * sizeof *p->entries);
    p->entries[p->entry_count++] = (struct entry){
        .section = p->section, .key = xstrdup(key), .text = xstrdup(text), .line = p->line};
    return 1;
}

static void unknown_key(struct parser *p, const struct entry *en, const char *kind)
{
    struct suggestion s = {.wanted = en->key};
    const char *elsewhere = NULL;

    for (size_t i = 0; i < config_options_count; i++)
        if (strcmp(config_options[i].section, kind) == 0)
            suggestion_offer(&s, config_options[i].key);
        else if (strcmp(config_options[i].key, en->key) == 0)
            elsewhere = config_options[i].section;
    if (s.best)
        fail(p, en->line, EINVAL, "[%s] has no option \"%s\"; did you mean \"%s\"?", kind, en->key,
            s.best);
    else if (elsewhere)
        fail(p, en->line, EINVAL, "[%s] has no option \"%s\"; it belongs in section [%s]", kind,
            en->key, elsewhere);
    else
        fail(p, en->line, EINVAL, "[%s] has no option \"%s\"; see elexgate.ini(5)", kind, en->key);
}

static bool was_retired(struct parser *p, const struct entry *en, const char *kind)
{
    struct config *c = p->config;

    for (size_t i = 0; i < config_retired_count; i++) {
        const struct retired_option *o = &config_retired[i];
        if (strcmp(o->section, kind) != 0 || strcmp(o->key, en->key) != 0)
            continue;
        c->warnings = xrealloc(c->warnings, (c->warning_count + 1) * sizeof *c->warnings);
        struct err *w = &c->warnings[c->warning_count++];
        *w = (struct err){0};
        (void)err_set(w, ENOENT,
            "%s:%d: [%s] %s is passed over, there is no such option any more: %s", c->path,
            en->line, kind, en->key, o->why);
        return true;
    }
    return false;
}

static void apply_entry(struct parser *p, const struct entry *en)
{
    const struct config_section *s = &p->config->sections[en->section];
    struct config_value *v = config_find(p->config, s->kind, s->name, en->key);
    struct err e = {0};
    int r;

    if (!v) {
        if (!was_retired(p, en, s->kind))
            unknown_key(p, en, s->kind);
        return;
    }
    if (v->source == CONFIG_FILE) {
        fail(p, en->line, EEXIST, N_("\"%s\" stands twice in [%s%s%s], first in line %d"), en->key,
            s->kind, s->name ? " " : "", s->name ? s->name : "", v->line);
        return;
    }
    if ((r = config_value_set(v, p->config, en->text, &e)) < 0) {
        fail(p, en->line, -r, "[%s%s%s] %s %s", s->kind, s->name ? " " : "", s->name ? s->name : "",
            en->key, err_words(&e));
        return;
    }
    v->source = CONFIG_FILE;
    v->line = en->line;
}

/* The environment wins over the file; in named sections it is for the first one. */
static int apply_environment(struct config *c, struct err *e)
{
    for (size_t i = 0; i < config_options_count; i++) {
        const struct option *o = &config_options[i];
        const char *text = o->env ? getenv(o->env) : NULL;
        const char *name = o->named ? config_section(c, o->section, 0) : NULL;
        if (!text || !*text || (o->named && !name))
            continue;
        struct config_value *v = config_find(c, o->section, name, o->key);
        CHECK(v);
        if (utf8_check(text, strlen(text)) != strlen(text))
            return err_set(e, EILSEQ, "the environment variable %s is not UTF-8", o->env);
        int r = config_value_set(v, c, text, e);
        if (r < 0)
            return err_prefix(e, r, "the environment variable %s", o->env);
        v->source = CONFIG_ENVIRONMENT;
        v->line = 0;
    }
    return 0;
}

static int read_ini(struct parser *p)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, configure_inih);
    int bad_line = ini_parse_stream(next_line, p, take_entry, p);
    /* inih goes on behind a line that it does not understand: what we noticed later comes second.
     */
    if (bad_line != 0 && (p->result == 0 || bad_line < p->line)) {
        p->result = 0;
        fail(p, bad_line, EINVAL,
            "this is neither a [section], nor a \"key = value\", nor a comment");
    }
    return p->result;
}

int config_parse(const char *text, size_t len, const char *name, struct config **out, struct err *e)
{
    struct config *c = xcalloc(1, sizeof *c);
    struct parser p = {.config = c, .pos = text, .end = text + len, .section = SIZE_MAX, .e = e};

    c->path = xstrdup(name);
    c->text = xmalloc(len + 1);
    memcpy(c->text, text, len);
    c->text[len] = '\0';
    c->len = len;
    if (len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        p.pos += 3;
    if (read_ini(&p) == 0) {
        if (any_of_section("listen") && find_section(c, "listen", NULL) == SIZE_MAX)
            add_section(c, "listen", "elexis", 0);
        config_fill_defaults(c);
        for (size_t i = 0; i < p.entry_count && p.result == 0; i++)
            apply_entry(&p, &p.entries[i]);
        if (p.result == 0)
            p.result = apply_environment(c, e);
    }
    for (size_t i = 0; i < p.entry_count; i++) {
        free(p.entries[i].key);
        free(p.entries[i].text);
    }
    free(p.entries);
    if (p.result < 0)
        config_free(c);
    else
        *out = c;
    return p.result;
}

int config_load(const char *path, struct config **out, struct err *e)
{
    _cleanup_free_ char *text = NULL;
    _cleanup_free_ char *absolute = NULL;
    size_t len = 0;
    struct err reading = {0};
    const char *zone = getenv("TZ");

    if (zone && zone_check(zone, e) < 0)
        return -EINVAL;
    if (!path)
        path = CONFIG_DEFAULT_PATH;
    int r = file_read(path, FILE_MAX, &text, &len, &reading);
    if (r == -ENOENT && strcmp(path, CONFIG_DEFAULT_PATH) == 0)
        return config_parse("", 0, path, out, e);
    if (r < 0)
        return err_copy(e, -r, &reading);
    absolute = realpath(path, NULL);
    r = config_intent_not_lost(absolute ? absolute : path, text, len, e);
    if (r == 0)
        r = config_parse(text, len, absolute ? absolute : path, out, e);
    if (r == 0)
        (*out)->whole = config_intent_whole((*out)->path, text, len);
    return r;
}
