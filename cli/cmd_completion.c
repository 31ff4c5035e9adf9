/*
 * elexgate completion: what the shells ask for while a command line is being typed. The answers
 * come from the commands' own help, so that there is no second list to keep.
 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/commands.h"

#define WORD_MAX 64

static const struct command *const commands[] = {
#define COMMAND_POINTER(name) &cmd_##name,
    COMMANDS(COMMAND_POINTER) NULL};

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
    "    found=(${(f)\"$(elexgate completion words -- \"${(@)words[2,CURRENT]}\" 2>/dev/null)\"})\n"
    "    if (( $#found )); then compadd -- $found; else _files; fi\n"
    "}\n"
    "if [ \"$funcstack[1]\" = _elexgate ]; then _elexgate \"$@\"; else compdef _elexgate elexgate; fi\n";

static bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

/* The candidates so far, each once. */
struct offer {
    const char *prefix;
    char *all; /* "\nword\nword\n" */
};

static void offer(struct offer *o, const char *word, size_t n)
{
    char mark[WORD_MAX + 3];
    if (n == 0 || n > WORD_MAX || strncmp(word, o->prefix, strlen(o->prefix)) != 0 ||
        n < strlen(o->prefix))
        return;
    snprintf(mark, sizeof mark, "\n%.*s\n", (int)n, word);
    if (strstr(o->all, mark))
        return;
    char *longer = xasprintf("%s%s", o->all, mark + 1);
    free(o->all);
    o->all = longer;
    printf("%.*s\n", (int)n, word);
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
            offer(o, p, n);
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
            offer(o, args, n);
        args += n;
    }
}

static void offer_words(struct offer *o, const char *words)
{
    while (words && *words) {
        size_t n = strcspn(words, " ");
        offer(o, words, n);
        words += n + strspn(words + n, " ");
    }
}

/* The command among the words before the last one; global options may stand before it. */
static const struct command *find_word(int argc, char **argv, int *at)
{
    for (int i = 0; i < argc - 1; i++) {
        if (strcmp(argv[i], "--config") == 0)
            i++;
        else if (argv[i][0] != '-') {
            *at = i;
            for (size_t k = 0; commands[k]; k++)
                if (strcmp(commands[k]->name, argv[i]) == 0)
                    return commands[k];
            return NULL;
        }
    }
    *at = -1;
    return NULL;
}

/* argv: what has been typed after "elexgate"; the last word is unfinished. */
static void words(int argc, char **argv)
{
    struct offer o = {.prefix = argc > 0 ? argv[argc - 1] : "", .all = xstrdup("\n")};
    int at;
    const struct command *c = find_word(argc, argv, &at);
    bool value = argc > 1 && strcmp(argv[argc - 2], "--config") == 0;
    if (!value && at < 0 && *o.prefix != '-')
        for (size_t i = 0; commands[i]; i++)
            offer(&o, commands[i]->name, strlen(commands[i]->name));
    if (!value && *o.prefix == '-') {
        if (c)
            offer_options(&o, c->args);
        if (c)
            offer_options(&o, c->details);
        offer_options(&o, at < 0 ? "--config --json --help --version" : "--config --json --help");
    } else if (!value && c && argc - 1 == at + 1) {
        offer_operands(&o, c->args);
        offer_words(&o, c->words);
    }
    free(o.all);
}

static int run_completion(struct cli *cli, int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "bash") == 0)
        fputs(bash_script, stdout);
    else if (argc == 2 && strcmp(argv[1], "zsh") == 0)
        fputs(zsh_script, stdout);
    else if (argc >= 3 && strcmp(argv[1], "words") == 0 && strcmp(argv[2], "--") == 0)
        words(argc - 3, argv + 3);
    else
        return cli_usage(cli, "for which shell? elexgate completion bash, or zsh");
    return EXIT_GOOD;
}

const struct command cmd_completion = {"completion", "bash | zsh",
    "print what makes the shell complete elexgate's command lines", run_completion,
    "  bash  eval \"$(elexgate completion bash)\" in ~/.bashrc; or the output as\n"
    "        /etc/bash_completion.d/elexgate\n"
    "  zsh   the output as a file _elexgate in a folder of $fpath\n"};
