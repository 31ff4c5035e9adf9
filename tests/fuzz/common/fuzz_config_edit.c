/*
 * Edits of configuration text. The input: value, a line break, then the file. An edit that is taken
 * changes nothing but its option: lines stay, and where the text was a good configuration the other
 * options keep their values. Removing what was added gives a text without the option.
 */
#include <stdint.h>
#include <string.h>

#include "common/config.h"
#include "common/config_edit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void only_this_one(void *ctx, const struct option *o, const char *name,
    const char *old_value, const char *new_value)
{
    (void)ctx, (void)name, (void)old_value, (void)new_value;
    CHECK(strcmp(o->section, "backup") == 0 && strcmp(o->key, "type") == 0);
}

/* The lines of a text, apart from one. */
static size_t lines(const char *text, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++)
        n += text[i] == '\n';
    return n;
}

static void compare(
    const char *before, size_t before_len, const char *after, size_t after_len, const char *value)
{
    struct config *a = NULL, *b = NULL;
    struct err e = {0};
    if (config_parse(before, before_len, "/f", &a, &e) < 0)
        return;
    if (config_parse(after, after_len, "/f", &b, &e) == 0) {
        const char *now = config_str(b, "backup", NULL, "type");
        CHECK(!*value || (now && strcmp(now, value) == 0)); /* an empty one counts as not set */
        config_diff(a, b, only_this_one, NULL);
        config_free(b);
    } else { /* only for what the option's own value is not */
        CHECK(strstr(e.text, "type") || strstr(e.text, "longer than"));
    }
    config_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *split = memchr(data, '\n', size);
    if (!split)
        return 0;
    char *value = xmalloc((size_t)(split - data) + 1), *out = NULL, *without = NULL;
    memcpy(value, data, (size_t)(split - data));
    value[split - data] = '\0';
    const char *text = (const char *)split + 1;
    size_t len = size - (size_t)(split - data) - 1, out_len = 0, without_len = 0;
    struct config_edit set = {.section = "backup", .key = "type", .value = value};
    struct config_edit drop = {.section = "backup", .key = "type"};
    struct err e = {0};
    if (config_edit(text, len, &set, 1, &out, &out_len, &e) == 0) {
        CHECK(strlen(value) == 0 || memmem(out, out_len, value, strlen(value)));
        CHECK(lines(out, out_len) >= lines(text, len));
        compare(text, len, out, out_len, value);
        CHECK(config_edit(out, out_len, &drop, 1, &without, &without_len, &e) == 0);
        CHECK(without_len < out_len);
    }
    free(out);
    free(without);
    free(value);
    return 0;
}
