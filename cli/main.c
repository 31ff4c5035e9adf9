/*
 * elexgate(1): one command for people and scripts. This file takes the global options and calls the
 * command; see cli/commands.h for the list.
 */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "certs/secure_heap.h"
#include "common/private_memory.h"
#include "common/suggestion.h"
#include "common/utf8.h"

#define COMMAND_POINTER(name) &cmd_##name,
static const struct command *const commands[] = {COMMANDS(COMMAND_POINTER) NULL};

struct request {
    struct cli cli;
    bool help, version;
    int argc; /* the command and its own arguments */
    char **argv;
};

/* Takes the global options out, wherever they stand before a "--"; the rest stays in order. */
static int take_global_options(struct request *rq, int argc, char **argv)
{
    int i;

    rq->argv = xcalloc((size_t)argc + 1, sizeof *rq->argv);
    /* what is asked goes as JSON to the other programs */
    for (i = 1; i < argc; i++) {
        size_t n = strlen(argv[i]);
        _cleanup_free_ char *shown = xmalloc(n + 1);
        if (utf8_check(argv[i], n) != n)
            return cli_usage(&rq->cli,
                "\"%s\" is not UTF-8; give a file of that name another one, or a link to it",
                utf8_copy(shown, n + 1, argv[i]));
    }
    for (i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--json") == 0)
            rq->cli.json = true;
        else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            rq->help = true;
        else if (strcmp(argv[i], "--version") == 0)
            rq->version = true;
        else if (strncmp(argv[i], "--config=", 9) == 0)
            rq->cli.config_path = argv[i] + 9;
        else if (strcmp(argv[i], "--config") == 0) {
            if (++i == argc)
                return cli_usage(&rq->cli, "--config needs a file");
            rq->cli.config_path = argv[i];
        } else
            rq->argv[rq->argc++] = argv[i];
    }
    for (; i < argc; i++)
        rq->argv[rq->argc++] = argv[i];
    return EXIT_GOOD;
}

static int unknown_command(const struct request *rq)
{
    struct suggestion s = {.wanted = rq->argv[0]};

    for (size_t i = 0; commands[i]; i++)
        suggestion_offer(&s, commands[i]->name);
    if (s.best)
        return cli_usage(
            &rq->cli, "there is no command \"%s\"; did you mean \"%s\"?", rq->argv[0], s.best);
    return cli_usage(&rq->cli, "there is no command \"%s\"", rq->argv[0]);
}

static int dispatch(struct request *rq)
{
    if (rq->version) {
        printf("elexgate %s\n", ELEXGATE_VERSION);
        return EXIT_GOOD;
    }
    if (rq->argc == 0) {
        help_overview(rq->help ? stdout : stderr, rq->cli.lang, commands);
        return rq->help ? EXIT_GOOD : EXIT_USAGE;
    }
    const struct command *c = help_find(commands, rq->argv[0]);
    if (!c)
        return unknown_command(rq);
    if (rq->help) {
        help_command(stdout, rq->cli.lang, c);
        return EXIT_GOOD;
    }
    rq->cli.command = c;
    return c->run(&rq->cli, rq->argc, rq->argv);
}

/* A full disk or a closed pipe must not look like success. */
static int flush_output(int code)
{
    if ((fflush(stdout) != 0 || ferror(stdout)) && errno != EPIPE && code == EXIT_GOOD) {
        fprintf(stderr, "elexgate: cannot write the output: %s\n", strerror(errno));
        return EXIT_FAILED;
    }
    return code;
}

int main(int argc, char **argv)
{
    private_memory_begin();
    secure_heap_begin();
    const char *from_env = getenv("ELEXGATE_CONFIG");
    struct request rq = {.cli = {.commands = commands,
                             .lang = lang_of_locale(),
                             .config_path = from_env && *from_env ? from_env : NULL}};

    setlocale(LC_CTYPE, "");
    int code = take_global_options(&rq, argc, argv);
    if (code == EXIT_GOOD)
        code = dispatch(&rq);
    code = flush_output(code);
    config_free(rq.cli.config);
    free(rq.argv);
    return code;
}
