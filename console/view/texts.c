#include "console/view/texts.h"

#include <errno.h>

#include "console/http/assets.h"

int texts_load(const char *dir, const char *name, enum lang lang, json_t **out, struct err *e)
{
    _cleanup_free_ char *path = xasprintf("texts/%s.json", name), *owned = NULL;
    const char *text;
    size_t len;
    json_error_t je;
    int r = asset_get(dir, path, &text, &len, &owned, e);
    if (r < 0)
        return r;
    json_t *all = json_loadb(text, len, JSON_REJECT_DUPLICATES, &je);
    if (!json_is_object(all)) {
        json_decref(all);
        return err_set(e, EINVAL, "%s, line %d: %s", path, je.line, je.text);
    }
    const char *key;
    json_t *sentence;
    json_object_foreach (all, key, sentence)
        if (lang != LANG_EN && json_is_string(sentence))
            (void)json_string_set(sentence, lang_text(lang, json_string_value(sentence)));
    *out = all;
    return 0;
}
