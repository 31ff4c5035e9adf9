#include "cli/option_docs.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "common/config.h"

#define SAMPLE_COLUMNS 90

static const char *type_words(const struct option *o)
{
    switch (o->type) {
    case OPT_STRING:
        return "text";
    case OPT_PATH:
        return "path";
    case OPT_BOOL:
        return "yes or no";
    case OPT_INT:
        return "number";
    case OPT_SIZE:
        return "size";
    case OPT_DURATION:
        return "duration";
    case OPT_ENUM:
        return "";
    case OPT_LIST:
        return "list";
    }
    return "";
}

static void print_type(FILE *f, const struct option *o)
{
    const char *words = type_words(o);

    fputs(words, f);
    if (o->choices) {
        fputs(o->only ? " of " : *words ? " or " : "", f);
        /* "A", "a or b", "a, b or c" */
        for (size_t i = 0; o->choices[i]; i++)
            fprintf(f, "%s%s", i == 0 ? "" : o->choices[i + 1] ? ", " : " or ", o->choices[i]);
    }
}

static void print_quantity(FILE *f, enum option_type type, int64_t v)
{
    char buf[CONFIG_QUANTITY_LEN];

    fputs(config_quantity(type, v, buf), f);
}

/* "duration, 100ms to 1m; default 5s; env DBHOST; needs a restart" */
static void print_facts(FILE *f, const struct option *o)
{
    print_type(f, o);
    if (o->min || o->max) {
        fputs(", ", f);
        print_quantity(f, o->type, o->min);
        fputs(" to ", f);
        print_quantity(f, o->type, o->max);
    }
    fprintf(f, o->def ? "; default %s" : "; not set by default", o->def);
    if (o->env)
        fprintf(f, "; environment %s", o->env);
    fputs(o->reloadable ? "" : "; needs a restart", f);
}

/* Wrapped text, each line behind "# ". */
static void print_comment(FILE *f, const char *text)
{
    int column = 0;

    while (*text) {
        int n = (int)strcspn(text, " ");
        if (column && column + 1 + n > SAMPLE_COLUMNS) {
            fputc('\n', f);
            column = 0;
        }
        column += fprintf(f, column ? " %.*s" : "# %.*s", n, text);
        text += n;
        text += strspn(text, " ");
    }
    fputc('\n', f);
}

static bool starts_section(size_t i)
{
    return i == 0 || strcmp(config_options[i].section, config_options[i - 1].section) != 0;
}

static void sample_section(FILE *f, const struct option *o)
{
    const char *help = config_section_help(o->section);

    fputc('\n', f);
    if (help)
        print_comment(f, help);
    /* Only the listener that is there anyway stands uncommented: the sample changes nothing. */
    if (!o->named)
        fprintf(f, "[%s]\n", o->section);
    else
        fprintf(f, "%s[%s %s]\n", strcmp(o->section, "listen") == 0 ? "" : "#", o->section,
            config_section_example(o->section));
}

void option_docs_sample(FILE *f)
{
    fputs(
        "# Elexgate's configuration: /etc/elexgate/elexgate.ini; see elexgate.ini(5).\n"
        "# Every option stands here, commented out, with its default. \"elexgate config check\" looks\n"
        "# this file over; \"elexgate reload\" takes it over, apart from what needs a restart.\n"
        "# Made from the table in common/options.c by scripts/gendocs.\n",
        f);
    for (size_t i = 0; i < config_options_count; i++) {
        const struct option *o = &config_options[i];
        if (starts_section(i))
            sample_section(f, o);
        fputc('\n', f);
        print_comment(f, o->help);
        fputs("# (", f);
        print_facts(f, o);
        fprintf(f, ")\n#%s =%s%s\n", o->key, o->def ? " " : "", o->def ? o->def : "");
    }
}

/* mdoc: a line must not begin with a control character, and a backslash is an escape. A capital
 * and a full stop make the help a sentence. */
static void print_mdoc(FILE *f, const char *text, bool sentence)
{
    bool first = sentence;

    if (*text == '.' || *text == '\'')
        fputs("\\&", f);
    for (const char *p = text; *p; p++) {
        if (*p == '\\')
            fputs("\\e", f);
        else
            fputc(first ? toupper((unsigned char)*p) : *p, f);
        if (p[0] == '.' && p[1] == ' ' && isupper((unsigned char)p[2])) {
            fputc('\n', f); /* a new sentence, a new line */
            p++;
        }
        first = false;
    }
    if (sentence && text[strlen(text) - 1] != '.')
        fputc('.', f);
    fputc('\n', f);
}

void option_docs_man(FILE *f)
{
    for (size_t i = 0; i < config_options_count; i++) {
        const struct option *o = &config_options[i];
        const char *help = config_section_help(o->section);
        if (starts_section(i)) {
            fprintf(f, "%s.Ss [%s%s]\n", i ? ".El\n" : "", o->section, o->named ? " NAME" : "");
            if (help)
                print_mdoc(f, help, false);
            fputs(".Bl -tag -width Ds\n", f);
        }
        fprintf(f, ".It Cm %s\n", o->key);
        print_mdoc(f, o->help, true);
        fputs(".br\n(", f);
        print_facts(f, o);
        fputs(")\n", f);
    }
    fputs(".El\n", f);
}
