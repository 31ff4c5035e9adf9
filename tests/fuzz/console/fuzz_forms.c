/*
 * The same bytes as a form, as a JSON body, as a Cookie header and as an Accept-Language header.
 * What is taken is UTF-8 without a NUL, bounded, and comes out the same when it is written again.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/utf8.h"
#include "console/pages/forms.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_encoded(FILE *f, const char *s)
{
    for (; *s; s++)
        fprintf(f, "%%%02X", (unsigned char)*s);
}

static void write_pair(FILE *f, const char *name, const json_t *value)
{
    write_encoded(f, name);
    fputc('=', f);
    write_encoded(f, json_string_value(value));
    fputc('&', f);
}

/* Every byte as %XX: the parser must give the same object again. */
static void check_round_trip(const json_t *form)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    const char *name;
    json_t *value, *again = NULL;
    json_object_foreach ((json_t *)(uintptr_t)form, name, value) {
        if (json_is_string(value))
            write_pair(f, name, value);
        for (size_t i = 0; i < json_array_size(value); i++)
            write_pair(f, name, json_array_get(value, i));
    }
    fclose(f);
    CHECK(form_parse(text, len, &again, NULL) == 0 && json_equal(form, again));
    json_decref(again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct err e = {0};
    json_t *form = NULL;
    int r = form_parse(text, size, &form, &e);

    CHECK(r == 0 ? json_object_size(form) <= FORM_FIELDS_MAX : !form && r == -e.code && e.text[0]);
    if (r == 0) {
        check_round_trip(form);
        json_t *list = form_texts(form, "a");
        const char *trimmed = form_text(form, "a");
        CHECK(json_array_size(list) <= FORM_FIELDS_MAX);
        CHECK(!trimmed || !*trimmed || (*trimmed != ' ' && trimmed[strlen(trimmed) - 1] != ' '));
        json_decref(list);
    }
    json_decref(form);
    form = NULL;
    r = form_parse_json(text, size, &form, &e);
    CHECK(r == 0 ? json_is_object(form) : !form);
    json_decref(form);
    char *header = strndup(text, size);
    char *cookie = cookie_find(header, "id");
    CHECK(!cookie || (strstr(header, "id=") && !strchr(cookie, ';')));
    CHECK(language_choose(header) < LANG_COUNT);
    free(cookie);
    free(header);
    return 0;
}
