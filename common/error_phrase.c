#include "common/error_phrase.h"

#include "common/json_get.h"

json_t *error_phrase_json(const struct err *e)
{
    json_t *p = phrase_uncarried(e->phrase);
    return p ? p : *e->text ? phrase("%s", e->text) : NULL;
}

static void keep(struct err *e, const json_t *p)
{
    _cleanup_free_ char *carried = json_is_array(p) ? phrase_carried(p) : NULL;
    err_keep_phrase(e, carried);
}

int error_phrase_set(struct err *e, int code, json_t *p)
{
    _cleanup_free_ char *words = phrase_words(LANG_EN, p);
    (void)err_set(e, code, "%s", words);
    if (e)
        keep(e, p);
    json_decref(p);
    return -code;
}

void error_phrase_put_as(json_t *object, const char *key, const struct err *e)
{
    json_t *p = phrase_uncarried(e->phrase);
    _cleanup_free_ char *name = xasprintf("%s_phrase", key);
    (void)json_object_set_new(object, key, json_text(e->text));
    if (p)
        (void)json_object_set_new(object, name, p);
    else
        (void)json_object_del(object, name);
}

void error_phrase_put(json_t *object, const struct err *e)
{
    error_phrase_put_as(object, "error", e);
}

int error_phrase_take_from(struct err *e, int code, const json_t *object, const char *key)
{
    _cleanup_free_ char *name = xasprintf("%s_phrase", key);
    (void)err_set(e, code, "%s", json_get_text(object, key));
    if (e)
        keep(e, json_object_get(object, name));
    return -code;
}

int error_phrase_take(struct err *e, int code, const json_t *object)
{
    return error_phrase_take_from(e, code, object, "error");
}

char *error_phrase_words(enum lang lang, const struct err *e)
{
    json_t *p = phrase_uncarried(e->phrase);
    char *words = p ? phrase_words(lang, p) : xstrdup("");
    json_decref(p);
    if (*words)
        return words;
    free(words);
    return xstrdup(e->text);
}
