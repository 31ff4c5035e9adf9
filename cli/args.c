#include "cli/args.h"

#include <errno.h>
#include <string.h>

#include "cli/cli.h"
#include "common/clock.h"
#include "common/json_lines.h"
#include "common/units.h"

/* The length of an option's name, without the "=" that says that it takes a value. */
static size_t name_length(const char *option)
{
    size_t n = strlen(option);
    return option[n - 1] == '=' ? n - 1 : n;
}

static const struct args_option *find_option(const struct args_option *o, const char *arg)
{
    size_t n = strcspn(arg, "=");
    for (; o && o->name; o++)
        if (name_length(o->name) == n && strncmp(o->name, arg, n) == 0)
            return o;
    return NULL;
}

void args_words_add(struct args_words *to, const char *word)
{
    CHECK(to->n < ARGS_WORDS);
    to->v[to->n++] = word;
}

static int apply(const struct args_option *o, const char *arg, const char *value)
{
    if (o->text)
        *o->text = value;
    if (o->flag)
        *o->flag = true;
    if (o->request)
        (void)json_object_set_new(o->request, o->member, value ? json_text(value) : json_true());
    if (o->pass) {
        args_words_add(o->pass, arg);
        if (value)
            args_words_add(o->pass, value);
    }
    return o->take ? o->take(o->ctx, arg, value) : EXIT_GOOD;
}

/* The option at argv[*at]; moves *at to its last word. */
static int take_option(
    struct cli *cli, int argc, char **argv, int *at, const struct args_option *options)
{
    char *arg = argv[*at], *value = strchr(arg, '=');
    const struct args_option *o = find_option(options, arg);
    if (!o)
        return cli_usage(cli, "there is no option %s", arg);
    bool takes_value = o->name[name_length(o->name)] == '=';
    if (!takes_value && value)
        return cli_usage(cli, "%s takes no value", o->name);
    if (takes_value && value)
        *value++ = '\0';
    else if (takes_value && *at + 1 >= argc)
        return cli_usage(cli, "%s needs a value", arg);
    else if (takes_value)
        value = argv[++*at];
    return apply(o, arg, value);
}

int args_parse(struct cli *cli, int argc, char **argv, const struct args_option *options, int min,
    int max, const char **words)
{
    bool only_words = false;
    int n = 0, code;
    for (int i = 0; i < max; i++)
        words[i] = NULL;
    for (int i = 1; i < argc; i++) {
        if (only_words || argv[i][0] != '-' || argv[i][1] == '\0') {
            if (n == max)
                return cli_usage(cli, "\"%s\" is not expected here", argv[i]);
            words[n++] = argv[i];
            only_words |= !options;
        } else if (strcmp(argv[i], "--") == 0) {
            only_words = true;
        } else if ((code = take_option(cli, argc, argv, &i, options)) != EXIT_GOOD) {
            return code;
        }
    }
    return n < min ? cli_usage(cli, "an argument is missing") : EXIT_GOOD;
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
