#include "cli/config_set.h"

#include <stdio.h>
#include <string.h>

#include "cli/output.h"

#define TIMEOUT_MS 15000

/* NULL after a mistake that has been told. */
static json_t *parse_values(struct cli *cli, char *const *words, int n)
{
    json_t *values = json_object();
    for (int i = 0; i < n; i++) {
        const char *equals = strchr(words[i], '=');
        if (!equals || equals == words[i] || !memchr(words[i], '.', (size_t)(equals - words[i]))) {
            json_decref(values);
            cli_usage(cli, "\"%s\" is not section.key=value, such as retention.keep=14", words[i]);
            return NULL;
        }
        _cleanup_free_ char *key = xasprintf("%.*s", (int)(equals - words[i]), words[i]);
        json_object_set_new(values, key, equals[1] ? json_string(equals + 1) : json_null());
    }
    return values;
}

static void print_list(const char *label, const json_t *list)
{
    size_t i;
    const json_t *v;
    if (json_array_size(list) > 0)
        printf("%s:\n", label);
    json_array_foreach (list, i, v) {
        _cleanup_free_ char *safe = output_safe(json_string_value(v));
        printf("  %s\n", safe);
    }
}

int config_set(struct cli *cli, char *const *words, int n)
{
    json_t *values = parse_values(cli, words, n), *answer = NULL;
    if (!values)
        return EXIT_USAGE;
    int code = cli_call(cli, CLI_KEEPER, TIMEOUT_MS,
        json_pack("{s:s, s:o}", "cmd", "config-set", "values", values), &answer);
    if (code != EXIT_GOOD)
        return code;
    if (cli->json) {
        cli_print_json(answer);
    } else {
        const json_t *changed = json_object_get(answer, "changed");
        const json_t *restart = json_object_get(answer, "restart_needed");
        if (json_array_size(changed) + json_array_size(restart) == 0)
            printf("%s\n", tr(cli, "That was so already."));
        print_list(tr(cli, "Changed and in force"), changed);
        print_list(tr(cli, "Needs a restart"), restart);
    }
    json_decref(answer);
    return EXIT_GOOD;
}
