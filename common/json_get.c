#include "common/json_get.h"

#include <string.h>

#include "common/utf8.h"

const char *json_get_str(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

const char *json_get_text(const json_t *object, const char *key)
{
    const char *s = json_get_str(object, key);
    return s ? s : "";
}

json_int_t json_get_int(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

bool json_get_true(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

json_t *json_text(const char *text)
{
    size_t size = text ? strlen(text) + 1 : 0;

    if (!text)
        return json_null();
    _cleanup_free_ char *valid = xmalloc(size);
    return json_string(utf8_copy(valid, size, text));
}

void json_keep(json_t **place, json_t *value)
{
    json_incref(value);
    json_decref(*place);
    *place = value;
}

void json_take(json_t *to, const json_t *from, const char *const *keys)
{
    for (; *keys; keys++)
        (void)json_object_set(to, *keys, json_object_get(from, *keys)); /* NULL: does nothing */
}
