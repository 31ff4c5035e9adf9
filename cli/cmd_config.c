/*
 * elexgate config: check the configuration, show what is in force and from where, print the sample.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/args.h"
#include "cli/cli.h"
#include "cli/config_set.h"
#include "cli/option_docs.h"
#include "cli/output.h"
#include "common/json_lines.h"
#include "common/error_phrase.h"
#include "common/notify_check.h"
#include "common/utf8.h"

#define SET_MAX 100

struct show {
    struct cli *cli;
    json_t *list; /* with --json */
    const char *section, *name;
};

static const char *source_name(enum config_source source)
{
    static const char *const names[] = {
        [CONFIG_DEFAULT] = "default", [CONFIG_FILE] = "file", [CONFIG_ENVIRONMENT] = "environment"};

    return names[source];
}

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static void show_value(void *ctx, const struct option *o, const char *name, const char *value,
    enum config_source source, int line)
{
    struct show *s = ctx;
    char where[64] = "";

    if (s->list) {
        json_t *entry = json_pack("{s:s, s:s?, s:s, s:s?, s:s}", "section", o->section, "name",
            name, "key", o->key, "value", value, "source", source_name(source));
        CHECK(entry);
        if (line)
            CHECK(json_object_set_new(entry, "line", json_integer(line)) == 0);
        CHECK(json_array_append_new(s->list, entry) == 0);
        return;
    }
    if (!same(s->section, o->section) || !same(s->name, name)) {
        printf(
            "%s[%s%s%s]\n", s->section ? "\n" : "", o->section, name ? " " : "", name ? name : "");
        s->section = o->section;
        s->name = name;
    }
    if (source == CONFIG_FILE)
        snprintf(where, sizeof where, "line %d", line);
    else if (source == CONFIG_ENVIRONMENT)
        utf8_format(where, sizeof where, "environment %s", o->env);
    else
        snprintf(where, sizeof where, "default");
    _cleanup_free_ char *safe = output_safe(value);
    _cleanup_free_ char *setting = xasprintf("%s = %s", o->key, safe);
    printf("%-50s # %s\n", setting, where);
}

static int run_show(struct cli *cli)
{
    const struct config *c = cli_config(cli);
    struct show s = {.cli = cli};

    if (!c)
        return EXIT_FAILED;
    if (cli->json)
        s.list = json_array();
    else
        printf("# %s\n", config_path(c));
    config_each(c, show_value, &s);
    if (s.list) {
        cli_print_new(
            json_pack("{s:b, s:s, s:o}", "ok", 1, "file", config_path(c), "options", s.list));
    }
    return EXIT_GOOD;
}

static int run_check(struct cli *cli)
{
    const struct config *c = cli_config(cli);

    if (!c)
        return EXIT_FAILED;
    struct notify_trouble t = {0};
    bool told = notify_check(c, &t);
    if (cli->json) {
        json_t *answer = json_pack("{s:b, s:s, s:[]}", "ok", 1, "file", config_path(c), "warnings");
        CHECK(answer);
        if (!told)
            json_array_append_new(json_object_get(answer, "warnings"), json_text(t.why.text));
        for (size_t i = 0; config_warning(c, i); i++)
            json_array_append_new(
                json_object_get(answer, "warnings"), json_text(config_warning(c, i)->text));
        cli_print_new(answer);
    } else {
        /* Only the default path may be missing (config_load). */
        printf(access(config_path(c), F_OK) == 0
                   ? tr(cli, "%s is good.\n")
                   : tr(cli, "There is no %s; the defaults are in force.\n"),
            config_path(c));
        _cleanup_free_ char *words = error_phrase_words(cli->lang, &t.why),
                            *safe = output_safe(words);
        if (!told)
            fprintf(stderr, tr(cli, "Warning: %s.\n"), safe);
        for (size_t i = 0; config_warning(c, i); i++) {
            _cleanup_free_ char *said = error_phrase_words(cli->lang, config_warning(c, i)),
                                *other = output_safe(said);
            fprintf(stderr, tr(cli, "Warning: %s.\n"), other);
        }
    }
    return EXIT_GOOD;
}

static int run_config(struct cli *cli, int argc, char **argv)
{
    bool sample = false, man = false;
    const struct args_option options[] = {
        {"--sample", .flag = &sample}, {"--man", .flag = &man}, {0}};
    const char *words[SET_MAX + 1];
    bool set = argc > 1 && strcmp(argv[1], "set") == 0;
    bool prints = argc > 1 && (!strcmp(argv[1], "--sample") || !strcmp(argv[1], "--man"));
    int code = args_parse(cli, argc, argv, options, set ? 2 : !prints,
        set      ? SET_MAX
        : prints ? 0
                 : 2,
        words);
    if (code != EXIT_GOOD)
        return code;
    if (set)
        return config_set(cli, words + 1);
    if (sample || man) {
        (sample ? option_docs_sample : option_docs_man)(stdout);
        return EXIT_GOOD;
    }
    if (words[1])
        cli->config_path = words[1];
    if (strcmp(words[0], "check") == 0)
        return run_check(cli);
    if (strcmp(words[0], "show") == 0)
        return run_show(cli);
    return cli_usage(cli, "there is no \"config %s\"; there are check, show and set", words[0]);
}

const struct command cmd_config = {
    "config",
    "check | show [FILE] | set SECTION.KEY=VALUE... | --sample | --man",
    N_("check the configuration, show or change what is in force, print a sample"),
    run_config,
    (const struct help_line[]){
        {"check [FILE]", N_("look the file over: unknown names, wrong values")},
        {"show [FILE]", N_("print every option with its value and where it comes from")},
        {"set SECTION.KEY=VALUE...",
            N_("change options that the keeper uses, such as retention.keep=14; comments in the file stay, the whole file is checked first, and it is in force at once; an empty value takes the option out of the file")},
        {"--sample", N_("print a sample file with every option")},
        {"--man", N_("print the options as in elexgate.ini(5)")},
        {0},
    },
};
