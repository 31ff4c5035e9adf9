#include "cli/config_set.h"

#include <stdio.h>
#include <string.h>

#include "cli/output.h"
#include "common/json_get.h"

#define TIMEOUT_MS 15000

/* NULL after a mistake that has been told. */
static json_t *parse_values(struct cli *cli, const char *const *words)
{
    json_t *values = json_object();
    for (int i = 0; words[i]; i++) {
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

int config_set(struct cli *cli, const char *const *words)
{
    json_t *values = parse_values(cli, words);
    _cleanup_json_ json_t *answer = NULL;
    if (!values)
        return EXIT_USAGE;
    int code = cli_ask(cli, CLI_KEEPER, TIMEOUT_MS,
        json_pack("{s:s, s:o}", "cmd", "config-set", "values", values), &answer);
    if (!answer)
        return code;
    const json_t *changed = json_object_get(answer, "changed");
    const json_t *restart = json_object_get(answer, "restart_needed");
    if (json_array_size(changed) + json_array_size(restart) == 0)
        printf("%s\n", tr(cli, "That was so already."));
    output_texts(tr(cli, "Changed and in force"), changed);
    output_texts(tr(cli, "Needs a restart"), restart);
    return code;
}
