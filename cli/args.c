#include "cli/args.h"

#include <errno.h>
#include <string.h>

#include "cli/cli.h"
#include "common/clock.h"
#include "common/json_lines.h"
#include "common/units.h"

struct args args_begin(struct cli *cli, int argc, char **argv)
{
    return (struct args){.cli = cli, .argc = argc, .next = 1, .argv = argv};
}

/* The length of an option's name, without the "=" that says that it takes a value. */
static size_t name_length(const char *option)
{
    size_t n = strlen(option);

    return option[n - 1] == '=' ? n - 1 : n;
}

static const char *find_option(const char *const *options, const char *arg)
{
    size_t n = strcspn(arg, "=");

    for (size_t i = 0; options[i]; i++)
        if (name_length(options[i]) == n && strncmp(options[i], arg, n) == 0)
            return options[i];
    return NULL;
}

static const char *mistake(struct args *a)
{
    a->failed = EXIT_USAGE;
    return NULL;
}

const char *args_next(struct args *a, const char *const *options)
{
    a->value = NULL;
    if (a->failed || a->ended || a->next >= a->argc)
        return NULL;
    const char *arg = a->argv[a->next];
    if (arg[0] != '-' || arg[1] == '\0')
        return NULL;
    a->next++;
    if (strcmp(arg, "--") == 0) {
        a->ended = true;
        return NULL;
    }
    const char *option = find_option(options, arg);
    if (!option) {
        cli_usage(a->cli, "there is no option %s", arg);
        return mistake(a);
    }
    const char *equals = strchr(arg, '=');
    bool takes_value = option[name_length(option)] == '=';
    if (!takes_value && equals) {
        cli_usage(a->cli, "%s takes no value", option);
        return mistake(a);
    }
    if (takes_value && equals) {
        a->value = equals + 1;
    } else if (takes_value) {
        if (a->next >= a->argc) {
            cli_usage(a->cli, "%s needs a value", arg);
            return mistake(a);
        }
        a->value = a->argv[a->next++];
    }
    return option;
}

void args_members(struct args *a, const struct args_member *members, json_t *request)
{
    const char *options[32] = {NULL}, *option;
    size_t n = 0, i;
    for (; members[n].option; n++) {
        CHECK(n + 1 < sizeof options / sizeof options[0]);
        options[n] = members[n].option;
    }
    while ((option = args_next(a, options))) {
        for (i = 0; members[i].option != option;)
            i++;
        (void)json_object_set_new(
            request, members[i].member, a->value ? json_text(a->value) : json_true());
    }
}

int args_operands(struct args *a, int min, int max)
{
    static const char *const no_options[] = {NULL};

    args_next(a, no_options); /* takes a "--", and refuses what looks like an option */
    if (a->failed)
        return a->failed;
    int n = a->argc - a->next;
    if (n > max)
        return cli_usage(a->cli, "\"%s\" is not expected here", a->argv[a->next + max]);
    if (n < min)
        return cli_usage(a->cli, "an argument is missing");
    return EXIT_GOOD;
}

int args_type_and_words(struct args *a, const char **type, const char **words, int min, int max)
{
    static const char *const options[] = {"--type=", NULL};
    int n = 0;
    for (;;) {
        while (args_next(a, options))
            *type = a->value;
        if (a->failed || a->next >= a->argc || n == max)
            break;
        words[n++] = a->argv[a->next++];
    }
    int code = a->failed ? a->failed : args_operands(a, n < min ? min - n : 0, 0);
    while (n < max)
        words[n++] = NULL;
    return code;
}

int args_parse_moment(const char *text, int64_t *wall_ms)
{
    int64_t now = clock_wall_ms(), ms;
    struct tm tm;

    if (text[0] == '+') {
        if (units_parse_duration(text + 1, &ms) < 0 || ms < 0 ||
            __builtin_add_overflow(now, ms, &ms))
            return -EINVAL;
        *wall_ms = ms;
        return 0;
    }
    int r = clock_parse(text, &ms);
    if (r < 0)
        return r;
    bool time_only = strlen(text) > 2 && text[2] == ':';
    if (time_only && ms <= now) { /* tomorrow, which need not be 24 hours away */
        time_t sec = (time_t)(ms / 1000);
        if (!localtime_r(&sec, &tm))
            return -EINVAL;
        tm.tm_mday++;
        tm.tm_isdst = -1;
        ms = (int64_t)mktime(&tm) * 1000;
    }
    *wall_ms = ms;
    return 0;
}
