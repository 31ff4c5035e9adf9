#include "cli/help.h"

#include <ctype.h>
#include <string.h>

#include "cli/output.h"
#include "common/config.h"
#include "common/memory.h"

#define COLUMNS  80
#define TERM_MAX 24 /* a longer term stands in a line of its own */
#define INDENT   2

const struct command *help_find(const struct command *const *commands, const char *name)
{
    for (size_t i = 0; commands[i]; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

/* Bytes of the next piece that is not torn apart: a word, or a bracket with all that is in it. */
static size_t piece_length(const char *text, bool brackets)
{
    size_t n = 0;
    for (int depth = 0; text[n] && (text[n] != ' ' || depth > 0); n++)
        if (brackets && (text[n] == '[' || text[n] == ']'))
            depth += text[n] == '[' ? 1 : -1;
    return n;
}

/* Goes on in the line at column, later lines begin at indent. Returns the column behind it. */
static size_t print_wrapped(FILE *f, const char *text, size_t column, size_t indent, bool brackets)
{
    bool first = true;

    while (*text) {
        int n = (int)piece_length(text, brackets);
        _cleanup_free_ char *word = xasprintf("%.*s", n, text);
        size_t wide = output_columns(word);
        if (!first && column + 1 + wide > COLUMNS) {
            fprintf(f, "\n%*s", (int)indent, "");
            column = indent;
        } else if (!first) {
            fputc(' ', f);
            column++;
        }
        fputs(word, f);
        column += wide;
        first = false;
        text += n;
        text += strspn(text, " ");
    }
    return column;
}

static size_t term_indent(const char *term)
{
    return INDENT + 2 * (strspn(term, " ") > 0);
}

/* Where the texts begin: behind the longest term that does not stand alone. */
static size_t text_column(const struct help_line *lines)
{
    size_t most = 0;

    for (; lines->term || lines->text; lines++)
        if (lines->term) {
            size_t n = term_indent(lines->term) +
                       output_columns(lines->term + strspn(lines->term, " "));
            if (n <= TERM_MAX && n > most)
                most = n;
        }
    return most + 2;
}

static void print_entry(FILE *f, enum lang lang, const struct help_line *line, size_t at)
{
    size_t indent = term_indent(line->term);
    fprintf(f, "%*s", (int)indent, "");
    size_t column = print_wrapped(f, line->term + strspn(line->term, " "), indent, indent, true);
    if (line->text) {
        if (column + 2 > at) {
            fputc('\n', f);
            column = 0;
        }
        fprintf(f, "%*s", (int)(at - column), "");
        print_wrapped(f, lang_text(lang, line->text), at, at, false);
    }
    fputc('\n', f);
}

/* Sentences in a row make a paragraph. Returns the last one. */
static const struct help_line *print_paragraph(
    FILE *f, enum lang lang, const struct help_line *line)
{
    char *all = xstrdup(lang_text(lang, line->text));

    for (; line[1].text && !line[1].term; line++) {
        char *longer = xasprintf("%s %s", all, lang_text(lang, line[1].text));
        free(all);
        all = longer;
    }
    print_wrapped(f, all, 0, 0, false);
    fputc('\n', f);
    free(all);
    return line;
}

/* Entries in columns, paragraphs, and an empty line between the two. */
static void print_lines(FILE *f, enum lang lang, const struct help_line *lines)
{
    size_t at = text_column(lines);

    for (const struct help_line *l = lines; l->term || l->text; l++) {
        if (l > lines && !l->term != !l[-1].term)
            fputc('\n', f);
        if (l->term)
            print_entry(f, lang, l, at);
        else
            l = print_paragraph(f, lang, l);
    }
}

void help_overview(FILE *f, enum lang lang, const struct command *const *commands)
{
    size_t count = 0;

    while (commands[count])
        count++;
    _cleanup_free_ struct help_line *lines = xcalloc(count + 1, sizeof *lines);
    _cleanup_free_ char *config = xasprintf(
        lang_text(lang, N_("the configuration (else $ELEXGATE_CONFIG, else %s)")),
        CONFIG_DEFAULT_PATH);

    for (size_t i = 0; commands[i]; i++)
        lines[i] = (struct help_line){commands[i]->name, commands[i]->help};
    print_wrapped(f,
        lang_text(lang, N_("Usage: elexgate [--config FILE] [--json] COMMAND [ARGUMENTS]")), 0, 4,
        true);
    fprintf(f, "\n\n%s\n", lang_text(lang, N_("Commands:")));
    print_lines(f, lang, lines);
    fprintf(f, "\n%s\n", lang_text(lang, N_("Options:")));
    print_lines(f, lang,
        (const struct help_line[]){
            {"--config FILE", config},
            {"--json", N_("answer as JSON")},
            {"--help", N_("show this; with a command, its arguments")},
            {"--version", N_("show the version")},
            {0},
        });
    fputc('\n', f);
    print_wrapped(f,
        lang_text(lang,
            N_("Exit codes: 0 good, 1 failed, 2 usage, 3 not reachable, 4 not idle, 5 not enough space, 6 inconsistent, 7 busy, 8 vetoed by a hook, 9 refused, 10 cancelled, 11 incomplete. See elexgate(1).")),
        0, 0, false);
    fputc('\n', f);
}

void help_command(FILE *f, enum lang lang, const struct command *c)
{
    _cleanup_free_ char *usage = xasprintf(lang_text(lang, N_("Usage: elexgate %s")), c->name);
    size_t column = output_columns(usage);

    fputs(usage, f);
    if (*c->args) {
        fputc(' ', f);
        print_wrapped(f, c->args, column + 1, 4, true);
    }
    fputs("\n\n", f);
    const char *help = lang_text(lang, c->help);
    _cleanup_free_ char *sentence = xasprintf("%c%s.", toupper((unsigned char)*help), help + 1);
    print_wrapped(f, sentence, 0, 0, false);
    fputc('\n', f);
    if (c->details) {
        fputc('\n', f);
        print_lines(f, lang, c->details);
    }
}
