/*
 * Renders templates for test_console_template.py: a line
 * {"template":...,"model":...,"partials":{...}} in, a line
 * {"out":...} or {"error":...} out.
 */
#include <stdio.h>
#include <string.h>

#include "console/view/template.h"

static const char *partial(void *ctx, const char *name, size_t *len)
{
    const json_t *text = json_object_get(ctx, name);
    *len = json_string_length(text);
    return json_string_value(text);
}

int main(void)
{
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, stdin) > 0) {
        json_t *request = json_loads(line, 0, NULL), *answer;
        const json_t *text = json_object_get(request, "template");
        struct err e = {0};
        char *out = NULL;
        size_t len = 0;
        CHECK(json_is_string(text));
        if (template_render("template", json_string_value(text), json_string_length(text),
                json_object_get(request, "model"), partial, json_object_get(request, "partials"),
                &out, &len, &e) == 0)
            answer = json_pack("{ss%}", "out", out, len);
        else
            answer = json_pack("{ss}", "error", e.text);
        json_dumpf(answer, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(answer);
        json_decref(request);
        free(out);
    }
    free(line);
    return 0;
}
