#include "common/error_phrase.h"

#include "common/json_get.h"

void error_phrase_put(json_t *object, const struct err *e)
{
    json_t *p = *e->phrase ? json_loads(e->phrase, 0, NULL) : NULL;
    (void)json_object_set_new(object, "error", json_text(e->text));
    if (p)
        (void)json_object_set_new(object, "error_phrase", p);
    else
        (void)json_object_del(object, "error_phrase");
}

int error_phrase_take(struct err *e, int code, const json_t *object)
{
    if (!e)
        return -code;
    const json_t *p = json_object_get(object, "error_phrase");
    (void)err_set(e, code, "%s", json_get_text(object, "error"));
    size_t n = json_is_array(p) ? json_dumpb(p, e->phrase, sizeof e->phrase - 1, JSON_COMPACT) : 0;
    e->phrase[n < sizeof e->phrase ? n : 0] = '\0';
    return -code;
}

char *error_phrase_words(enum lang lang, const struct err *e)
{
    json_t *p = *e->phrase ? json_loads(e->phrase, 0, NULL) : NULL;
    char *words = p ? phrase_words(lang, p) : xstrdup("");
    json_decref(p);
    if (*words)
        return words;
    free(words);
    return xstrdup(e->text);
}
