/*
 * The loaded configuration: every option of the table with its value, and the questions to it.
 */
#include "common/config.h"

#include <stdio.h>
#include <string.h>

#include "common/config_internal.h"

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_named_kind(const char *section)
{
    for (size_t i = 0; i < config_options_count; i++)
        if (strcmp(config_options[i].section, section) == 0)
            return config_options[i].named;
    return false;
}

static void add_value(struct config *c, const struct option *o, const char *name)
{
    struct config_value *v = &c->values[c->value_count++];
    struct err e = {0};

    v->option = o;
    v->name = name;
    v->source = CONFIG_DEFAULT;
    /* A default that its own row refuses is a mistake in the table. */
    if (o->def && config_value_set(v, c, o->def, &e) < 0) {
        fprintf(stderr, "[%s] %s: the default %s\n", o->section, o->key, e.text);
        CHECK(false && "default fits its option");
    }
}

/* Named sections come one after the other, each with all its options. */
void config_fill_defaults(struct config *c)
{
    const struct option *all = config_options;
    size_t end;

    c->values = xcalloc(config_options_count * (c->section_count + 1), sizeof *c->values);
    for (size_t begin = 0; begin < config_options_count; begin = end) {
        const char *kind = all[begin].section;
        end = begin;
        while (end < config_options_count && strcmp(all[end].section, kind) == 0)
            end++;
        for (size_t i = begin; !all[begin].named && i < end; i++)
            add_value(c, &all[i], NULL);
        for (size_t s = 0; all[begin].named && s < c->section_count; s++)
            for (size_t i = begin; strcmp(c->sections[s].kind, kind) == 0 && i < end; i++)
                add_value(c, &all[i], c->sections[s].name);
    }
}

void config_free(struct config *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->value_count; i++)
        config_value_clear(&c->values[i]);
    for (size_t i = 0; i < c->section_count; i++) {
        free(c->sections[i].kind);
        free(c->sections[i].name);
    }
    free(c->warnings);
    free(c->values);
    free(c->sections);
    free(c->path);
    free(c->text);
    free(c);
}

const char *config_path(const struct config *c)
{
    return c->path;
}

const char *config_section(const struct config *c, const char *kind, size_t index)
{
    CHECK(is_named_kind(kind));
    for (size_t i = 0; i < c->section_count; i++)
        if (strcmp(c->sections[i].kind, kind) == 0 && index-- == 0)
            return c->sections[i].name;
    return NULL;
}

bool config_has_section(const struct config *c, const char *kind, const char *name)
{
    for (size_t i = 0; i < c->section_count; i++)
        if (strcmp(c->sections[i].kind, kind) == 0 && same(c->sections[i].name, name))
            return true;
    return false;
}

struct config_value *config_find(
    const struct config *c, const char *section, const char *name, const char *key)
{
    for (size_t i = 0; i < c->value_count; i++) {
        struct config_value *v = &c->values[i];
        if (strcmp(v->option->key, key) == 0 && strcmp(v->option->section, section) == 0 &&
            same(v->name, name))
            return v;
    }
    return NULL;
}

static const struct config_value *must_find(
    const struct config *c, const char *section, const char *name, const char *key)
{
    const struct config_value *v = config_find(c, section, name, key);

    if (!v) {
        fprintf(stderr, "there is no option %s in section [%s%s%s]\n", key, section,
            name ? " " : "", name ? name : "");
        CHECK(false && "option is in the table");
    }
    return v;
}

const char *config_str(
    const struct config *c, const char *section, const char *name, const char *key)
{
    const struct config_value *v = must_find(c, section, name, key);
    enum option_type t = v->option->type;

    CHECK(t == OPT_STRING || t == OPT_PATH || t == OPT_ENUM || v->option->choices);
    return v->str;
}

bool config_bool(const struct config *c, const char *section, const char *name, const char *key)
{
    const struct config_value *v = must_find(c, section, name, key);

    CHECK(v->option->type == OPT_BOOL);
    return v->number != 0;
}

int64_t config_int(const struct config *c, const char *section, const char *name, const char *key)
{
    const struct config_value *v = must_find(c, section, name, key);
    enum option_type t = v->option->type;

    CHECK(t == OPT_INT || t == OPT_SIZE || t == OPT_DURATION);
    return v->number;
}

const char *const *config_list(
    const struct config *c, const char *section, const char *name, const char *key)
{
    static const char *const empty[] = {NULL};
    const struct config_value *v = must_find(c, section, name, key);

    CHECK(v->option->type == OPT_LIST);
    return v->list ? (const char *const *)v->list : empty;
}

bool config_is_set(const struct config *c, const char *section, const char *name, const char *key)
{
    return must_find(c, section, name, key)->source != CONFIG_DEFAULT;
}

void config_each(const struct config *c,
    void (*fn)(void *ctx, const struct option *o, const char *name, const char *value,
        enum config_source source, int line),
    void *ctx)
{
    for (size_t i = 0; i < c->value_count; i++) {
        const struct config_value *v = &c->values[i];
        fn(ctx, v->option, v->name, v->text, v->source, v->line);
    }
}

const struct err *config_warning(const struct config *c, size_t index)
{
    return index < c->warning_count ? &c->warnings[index] : NULL;
}

void config_diff(const struct config *a, const struct config *b,
    void (*fn)(void *ctx, const struct option *o, const char *name, const char *old_value,
        const char *new_value),
    void *ctx)
{
    /* A section that only one of them has differs in all its options that are set there. */
    for (size_t i = 0; i < a->value_count; i++) {
        const struct config_value *v = &a->values[i];
        const struct config_value *w = config_find(b, v->option->section, v->name, v->option->key);
        const char *new_value = w ? w->text : NULL;
        if (!same(v->text, new_value))
            fn(ctx, v->option, v->name, v->text, new_value);
    }
    for (size_t i = 0; i < b->value_count; i++) {
        const struct config_value *w = &b->values[i];
        if (w->text && !config_find(a, w->option->section, w->name, w->option->key))
            fn(ctx, w->option, w->name, NULL, w->text);
    }
}
