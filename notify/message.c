#include "notify/message.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "common/json_get.h"
#include "common/phrase.h"

static char *subject(const struct message *m, enum lang lang, const json_t *o)
{
    const char *how = strcmp(m->state, "recovered") == 0  ? N_("Elexgate %s: solved: %s")
                      : strcmp(m->state, "reminder") == 0 ? N_("Elexgate %s: still: %s")
                                                          : "Elexgate %s: %s";
    _cleanup_free_ char *title = phrase_in(lang, o, "title");
    json_t *p = phrase_of(how);
    (void)json_array_append_new(p, json_text(m->host));
    (void)json_array_append_new(p, json_text(title));
    char *words = phrase_words(lang, p);
    json_decref(p);
    return words;
}

static char *body(const struct message *m, const struct letter *l, const json_t *o)
{
    _cleanup_free_ char *advice = phrase_in(l->lang, o, "advice");
    json_t *since = phrase("Since %s (UTC).", m->since);
    _cleanup_free_ char *head = phrase_words(l->lang, since);
    json_decref(since);
    return xasprintf("%s%s%s%s%s\n", *m->since ? head : "", *m->since ? "\n\n" : "", l->detail,
        *l->detail ? "\n\n" : "",
        strcmp(m->state, "recovered") == 0
            ? lang_text(l->lang, N_("That is over; there is nothing to do."))
            : advice);
}

int message_make(const json_t *o, const struct config *c, struct message *out, struct err *e)
{
    struct message m = {.event = json_get_text(o, "event"),
        .state = json_get_text(o, "state"),
        .since = json_get_text(o, "since")};
    char host[256] = "";
    enum lang languages[LANG_COUNT];
    if (!*m.event || !*json_get_text(o, "title") || !*json_get_text(o, "advice"))
        return err_set(e, EINVAL,
            N_("a message needs \"event\", \"title\" and \"advice\"; this one is of an older keeper, which a restart ends"));
    (void)gethostname(host, sizeof host - 1);
    m.host = xstrdup(*host ? host : "localhost");
    m.letter_count = lang_list(config_list(c, "notify", NULL, "languages"), languages);
    for (size_t i = 0; i < m.letter_count; i++) {
        struct letter *l = &m.letters[i];
        l->lang = languages[i];
        l->subject = subject(&m, l->lang, o);
        l->detail = phrase_in(l->lang, o, "detail");
        l->body = body(&m, l, o);
    }
    *out = m;
    return 0;
}

void message_clear(struct message *m)
{
    free(m->host);
    for (size_t i = 0; i < m->letter_count; i++) {
        free(m->letters[i].subject);
        free(m->letters[i].detail);
        free(m->letters[i].body);
    }
    memset(m, 0, sizeof *m);
}
