/*
 * One value: from text to its type, checked against the option's row.
 */
#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/config_internal.h"
#include "common/lang.h"
#include "common/units.h"
#include "common/utf8.h"

static bool is_choice(const struct option *o, const char *text)
{
    for (size_t i = 0; o->choices && o->choices[i]; i++)
        if (strcmp(o->choices[i], text) == 0)
            return true;
    return false;
}

/* "a, b or c" for messages. */
/* "a, b or c", for people. */
static const char *choices_of(const struct option *o, struct err *words)
{
    _cleanup_free_ char *before = xstrdup("");
    const char *const *c = o->choices;
    for (; c[0] && c[1]; c++)
        xappendf(&before, "%s%s", *before ? ", " : "", *c);
    (void)(*before ? err_set(words, EINVAL, "%s or %s", before, *c)
                   : err_set(words, EINVAL, "%s", *c));
    return err_words(words);
}

char *config_quantity(enum option_type type, int64_t v, char buf[static CONFIG_QUANTITY_LEN])
{
    static const struct {
        enum option_type type;
        int64_t factor;
        const char *unit;
    } units[] = {{OPT_DURATION, 86400000, "d"}, {OPT_DURATION, 3600000, "h"},
        {OPT_DURATION, 60000, "m"}, {OPT_DURATION, 1000, "s"}, {OPT_DURATION, 1, "ms"},
        {OPT_SIZE, INT64_C(1) << 40, "T"}, {OPT_SIZE, 1 << 30, "G"}, {OPT_SIZE, 1 << 20, "M"},
        {OPT_SIZE, 1 << 10, "k"}};

    for (size_t i = 0; v != 0 && i < sizeof units / sizeof units[0]; i++)
        if (units[i].type == type && v % units[i].factor == 0) {
            snprintf(buf, CONFIG_QUANTITY_LEN, "%" PRId64 "%s", v / units[i].factor, units[i].unit);
            return buf;
        }
    snprintf(buf, CONFIG_QUANTITY_LEN, "%" PRId64, v);
    return buf;
}

static int wrong(const struct option *o, const char *text, const char *what, struct err *e)
{
    struct err choices = {0}, all = {0};
    if (o->choices) {
        (void)err_set(&all, EINVAL, "%s or %s", what, choices_of(o, &choices));
        what = err_words(&all);
    }
    return err_set(e, EINVAL, "must be %s, not \"%s\"", what, UTF8_SHORT(text, 100));
}

static int set_bool(struct config_value *v, const char *text, struct err *e)
{
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcasecmp(text, words[i]) == 0) {
            v->number = i % 2;
            return 0;
        }
    return wrong(v->option, text, N_("yes or no"), e);
}

static int set_number(struct config_value *v, const char *text, struct err *e)
{
    const struct option *o = v->option;
    int64_t n;
    int r;
    const char *what;
    char min[CONFIG_QUANTITY_LEN], max[CONFIG_QUANTITY_LEN];
    struct err range = {0};

    if (o->type == OPT_INT) {
        r = units_parse_int(text, &n);
        what = N_("a whole number");
    } else if (o->type == OPT_SIZE) {
        r = units_parse_size(text, &n);
        what = N_("a size such as 64k, 1M or 2G");
    } else {
        r = units_parse_duration(text, &n);
        what = N_("a duration such as 250ms, 30s, 5m, 2h or 3d");
    }
    bool limited = o->min || o->max;
    if (r == 0 && (!limited || (n >= o->min && n <= o->max))) {
        v->number = n;
        return 0;
    }
    if (!limited)
        return wrong(o, text, what, e);
    (void)err_set(&range, EINVAL, "%s from %s to %s", what, config_quantity(o->type, o->min, min),
        config_quantity(o->type, o->max, max));
    return wrong(o, text, err_words(&range), e);
}

/* An absolute path; a relative one is taken from the config file's folder. */
static char *absolute_path(const struct config *c, const char *text)
{
    if (text[0] == '/')
        return xstrdup(text);
    if (c->path[0] == '/') {
        _cleanup_free_ char *copy = xstrdup(c->path);
        const char *dir = dirname(copy);
        return xasprintf("%s/%s", strcmp(dir, "/") == 0 ? "" : dir, text);
    }
    _cleanup_free_ char *cwd = getcwd(NULL, 0);
    return xasprintf("%s/%s", cwd ? cwd : "", text);
}

static char **split_list(const char *text)
{
    const char *separators = ", \t";
    char **list = xcalloc(strlen(text) / 2 + 2, sizeof *list);
    size_t count = 0;

    for (const char *p = text + strspn(text, separators); *p; p += strspn(p, separators)) {
        size_t n = strcspn(p, separators);
        list[count++] = xasprintf("%.*s", (int)n, p);
        p += n;
    }
    return list;
}

static int set_typed(
    struct config_value *v, const struct config *c, const char *text, struct err *e)
{
    const struct option *o = v->option;
    struct err choices = {0};

    /* Special words and the choices of an enum. A list keeps them in the list as well. */
    if (is_choice(o, text) && o->type != OPT_LIST) {
        v->str = xstrdup(text);
        return 0;
    }
    if (!*text && o->type != OPT_STRING && o->type != OPT_PATH && o->type != OPT_LIST)
        return wrong(o, text, N_("set to something"), e);
    switch (o->type) {
    case OPT_STRING:
        v->str = *text ? xstrdup(text) : NULL;
        return 0;
    case OPT_PATH:
        v->str = *text ? absolute_path(c, text) : NULL;
        return 0;
    case OPT_BOOL:
        return set_bool(v, text, e);
    case OPT_INT:
    case OPT_SIZE:
    case OPT_DURATION:
        return set_number(v, text, e);
    case OPT_ENUM:
        return err_set(
            e, EINVAL, "must be %s, not \"%s\"", choices_of(o, &choices), UTF8_SHORT(text, 100));
    case OPT_LIST:
        v->list = split_list(text);
        for (char **word = v->list; o->only && *word; word++)
            if (!is_choice(o, *word)) {
                (void)err_set(e, EINVAL, "must be a list of %s, not \"%s\"",
                    choices_of(o, &choices), UTF8_SHORT(*word, 100));
                config_value_clear(v);
                return -EINVAL;
            }
        v->str = is_choice(o, text) ? xstrdup(text) : NULL;
        return 0;
    }
    CHECK(false && "option of a known type");
    return -EINVAL;
}

int config_value_set(
    struct config_value *v, const struct config *c, const char *text, struct err *e)
{
    struct config_value fresh = {
        .option = v->option, .name = v->name, .source = v->source, .line = v->line};
    int r = set_typed(&fresh, c, text, e);

    if (r < 0)
        return r;
    fresh.text = *text ? xstrdup(text) : NULL;
    config_value_clear(v);
    *v = fresh;
    return 0;
}

void config_value_clear(struct config_value *v)
{
    for (size_t i = 0; v->list && v->list[i]; i++)
        free(v->list[i]);
    free(v->list);
    free(v->str);
    free(v->text);
    v->list = NULL;
    v->str = v->text = NULL;
    v->number = 0;
}
