/*
 * elexgate completion: what the shells ask for while a command line is being typed. The answers
 * come from the commands' own help, so that there is no second list to keep.
 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/help.h"

#define WORD_MAX 64

static const char bash_script[] =
    "# eval \"$(elexgate completion bash)\"\n"
    "_elexgate() {\n"
    "    local IFS=$'\\n'\n"
    "    COMPREPLY=($(elexgate completion words -- \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null))\n"
    "}\n"
    "complete -o bashdefault -o default -F _elexgate elexgate\n";

static const char zsh_script[] =
    "#compdef elexgate\n"
    "# eval \"$(elexgate completion zsh)\" after compinit, or as _elexgate in $fpath\n"
    "_elexgate() {\n"
    "    local -a found\n"
    "    found=(${(f)\"$(elexgate completion described -- \"${(@)words[2,CURRENT]}\" 2>/dev/null)\"})\n"
    "    if (( $#found )); then _describe elexgate found; else _files; fi\n"
    "}\n"
    "if [ \"$funcstack[1]\" = _elexgate ]; then _elexgate \"$@\"; else compdef _elexgate elexgate; fi\n";

static bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

/* The candidates so far, each once. */
struct offer {
    const char *prefix;
    char *all;      /* "\nword\nword\n" */
    bool described; /* "word:what it does", for zsh */
    enum lang lang;
    const struct command *command; /* that is being typed; NULL: none yet */
};

/* What the help of the command says of an option or operand; NULL: nothing. */
static const char *text_of(const struct command *c, const char *word, size_t n)
{
    for (const struct help_line *l = c ? c->details : NULL; l && (l->term || l->text); l++)
        for (const char *p = l->term; p && (p = strstr(p, word)); p += n)
            if (l->text && (p == l->term || !is_word_char(p[-1])) && !is_word_char(p[n]))
                return l->text;
    return NULL;
}

/* text: what it does, for those who want it; NULL: as the help of the command has it. */
static void offer(struct offer *o, const char *word, size_t n, const char *text)
{
    if (n == 0 || n > WORD_MAX || strncmp(word, o->prefix, strlen(o->prefix)) != 0 ||
        n < strlen(o->prefix))
        return;
    _cleanup_free_ char *mark = xasprintf("\n%.*s\n", (int)n, word);
    if (strstr(o->all, mark))
        return;
    char *longer = xasprintf("%s%s", o->all, mark + 1);
    free(o->all);
    o->all = longer;
    mark[n + 1] = '\0';
    if (!text)
        text = text_of(o->command, mark + 1, n);
    if (o->described && text)
        printf("%s:%s\n", mark + 1, lang_text(o->lang, text));
    else
        puts(mark + 1);
}

/* "--option" anywhere in a text. */
static void offer_options(struct offer *o, const char *text)
{
    for (const char *p = text; p && (p = strstr(p, "--"));) {
        size_t n = 2;
        while (is_word_char(p[n]))
            n++;
        while (n > 2 && p[n - 1] == '-')
            n--;
        if (n > 2 && p[2] != '-' && (p == text || !is_word_char(p[-1])))
            offer(o, p, n, NULL);
        p += n;
    }
}

/* Fixed words among the operands: "undo" in "WHICH [TYPE...] | undo | accept". */
static void offer_operands(struct offer *o, const char *args)
{
    while (*args) {
        args += strspn(args, " |[]");
        size_t n = strcspn(args, " |[]"), good = 0;
        while (good < n && is_word_char(args[good]))
            good++;
        if (n > 0 && good == n && args[0] != '-')
            offer(o, args, n, NULL);
        args += n;
    }
}

static void offer_words(struct offer *o, const char *words)
{
    while (words && *words) {
        size_t n = strcspn(words, " ");
        offer(o, words, n, NULL);
        words += n + strspn(words + n, " ");
    }
}

/* The command among the words before the last one; global options may stand before it. */
static const struct command *find_word(const struct cli *cli, int argc, char **argv, int *at)
{
    for (int i = 0; i < argc - 1; i++) {
        if (strcmp(argv[i], "--config") == 0)
            i++;
        else if (argv[i][0] != '-') {
            *at = i;
            return help_find(cli->commands, argv[i]);
        }
    }
    *at = -1;
    return NULL;
}

/* argv: what has been typed after "elexgate"; the last word is unfinished. */
static void words(const struct cli *cli, bool described, int argc, char **argv)
{
    struct offer o = {.prefix = argc > 0 ? argv[argc - 1] : "",
        .all = xstrdup("\n"),
        .described = described,
        .lang = cli->lang};
    int at;
    const struct command *c = o.command = find_word(cli, argc, argv, &at);
    bool value = argc > 1 && strcmp(argv[argc - 2], "--config") == 0;
    if (!value && at < 0 && *o.prefix != '-')
        for (size_t i = 0; cli->commands[i]; i++)
            offer(
                &o, cli->commands[i]->name, strlen(cli->commands[i]->name), cli->commands[i]->help);
    if (!value && *o.prefix == '-') {
        if (c)
            offer_options(&o, c->args);
        for (const struct help_line *l = c ? c->details : NULL; l && (l->term || l->text); l++) {
            offer_options(&o, l->term);
            offer_options(&o, l->text);
        }
        offer_options(&o, at < 0 ? "--config --json --help --version" : "--config --json --help");
    } else if (!value && c && argc - 1 == at + 1) {
        offer_operands(&o, c->args);
        offer_words(&o, c->words);
    }
    free(o.all);
}

static json_t *in_words(const struct cli *cli, const char *key)
{
    return key ? json_string(lang_text(cli->lang, key)) : json_null();
}

/* Each command with all its help, an object a line: scripts/gendocs makes manual pages of it. */
static void tables(const struct cli *cli)
{
    for (size_t i = 0; cli->commands[i]; i++) {
        const struct command *c = cli->commands[i];
        json_t *details = json_array();
        for (const struct help_line *l = c->details; l && (l->term || l->text); l++)
            (void)json_array_append_new(
                details, json_pack("[s?o]", l->term, in_words(cli, l->text)));
        json_t *o = json_pack("{sssssoso}", "name", c->name, "args", c->args, "help",
            in_words(cli, c->help), "details", details);
        json_dumpf(o, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(o);
    }
}

static int run_completion(struct cli *cli, int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "bash") == 0)
        fputs(bash_script, stdout);
    else if (argc == 2 && strcmp(argv[1], "zsh") == 0)
        fputs(zsh_script, stdout);
    else if (argc >= 3 && (strcmp(argv[1], "words") == 0 || strcmp(argv[1], "described") == 0) &&
             strcmp(argv[2], "--") == 0)
        words(cli, argv[1][0] == 'd', argc - 3, argv + 3);
    else if (argc == 2 && strcmp(argv[1], "tables") == 0)
        tables(cli);
    else
        return cli_usage(cli, "for which shell? elexgate completion bash, or zsh");
    return EXIT_GOOD;
}

const struct command cmd_completion = {
    "completion",
    "bash | zsh",
    N_("print what makes the shell complete elexgate's command lines"),
    run_completion,
    (const struct help_line[]){
        {"bash",
            N_("eval \"$(elexgate completion bash)\" in ~/.bashrc; or the output as /etc/bash_completion.d/elexgate")},
        {"zsh", N_("the output as a file _elexgate in a folder of $fpath")},
        {0},
    },
};
