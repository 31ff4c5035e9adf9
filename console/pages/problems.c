#include "console/pages/problems.h"

#include <string.h>

#include "common/json_get.h"
#include "common/phrase.h"

struct search {
    const json_t *proxy, *keeper, *messages;
    enum lang lang;
    json_t *errors, *warnings, *hints;
    bool proxy_down; /* the keeper says so already */
};

/* A message in the reader's language; "" where there is none. */
static const char *message_of(const struct search *s, const char *key)
{
    const char *english = json_get_text(s->messages, key);
    return *english ? lang_text(s->lang, english) : "";
}

static char *message(
    const struct search *s, const char *kind, const char *key, const char *name, const char *value)
{
    _cleanup_free_ char *full = xasprintf("%s-%s", kind, key);
    const char *text = message_of(s, full);
    _cleanup_free_ char *mark = xasprintf("{%s}", name);
    const char *at = strstr(text, mark);
    return at ? xasprintf("%.*s%s%s", (int)(at - text), text, value, at + strlen(mark))
              : xstrdup(text);
}

/* What is to be done names the page already where the link goes: the link is that word in it. */
static json_t *problem(const struct search *s, const char *code, const char *level,
    const char *text, const char *action, const char *page)
{
    const char *link = message_of(s, page), *at = *link ? strstr(action, link) : NULL;
    json_t *p = json_pack("{sssssssssssssb}", "code", code, "level", level, "text", text, "action",
        action, "href", page, "link", link, "call",
        strstr(action, "systemctl") || strstr(action, "elexgate doctor"));
    if (at)
        (void)json_object_set_new(p, "link_within",
            json_pack(
                "{ss%ss}", "before", action, (size_t)(at - action), "after", at + strlen(link)));
    return p;
}

/* name, value: what is put into the message's text for {name}. advice: the key of what to do. */
static void add(struct search *s, bool error, const char *code, const char *name, const char *value,
    const char *advice, const char *page)
{
    _cleanup_free_ char *text = message(s, "p", code, name, value),
                        *what = message(s, "a", advice, name, value);
    (void)json_array_append_new(error ? s->errors : s->warnings,
        problem(s, code, error ? "bad" : "warn", text, what, page));
}

/* The same for what a program says itself, in the member of that name. */
static void add_said(struct search *s, bool error, const char *code, const char *name,
    const json_t *from, const char *page)
{
    _cleanup_free_ char *words = phrase_in(s->lang, from, name);
    add(s, error, code, name, words, code, page);
}

static bool restoring(const struct search *s)
{
    const char *kind = json_get_text(json_object_get(s->keeper, "job"), "kind");
    return strcmp(kind, "restore") == 0 || strcmp(kind, "recover") == 0 ||
           strcmp(kind, "undo") == 0;
}

static void add_warnings(struct search *s, const json_t *list)
{
    const json_t *warning;
    size_t i;
    json_array_foreach (list, i, warning)
        if (!s->keeper || !json_get_true(warning, "date")) /* else the keeper tells of it */
            add_said(s, false, "warning", "text", warning, "/certificates");
}

static void look_at_proxy(struct search *s)
{
    if (!s->proxy) {
        if (!s->proxy_down)
            add(s, true, "proxy-away", "", "", "proxy-away", "/log");
        return;
    }
    if (strcmp(json_get_text(s->proxy, "state"), "open") != 0 && restoring(s))
        add(s, false, "blocked-job", "", "", "blocked-job", "/restore");
    else if (strcmp(json_get_text(s->proxy, "state"), "open") != 0)
        add_said(s, true, "blocked", "reason", s->proxy, "/clients");
    add_warnings(s, json_object_get(s->proxy, "warnings"));
    add_warnings(s, json_object_get(json_object_get(s->proxy, "certificate"), "warnings"));
}

/* A sentence, as it stands on a page. */
static char *sentence(const char *text)
{
    size_t n = strlen(text);
    char *s = xasprintf("%s%s", text, n && strchr(".!?", text[n - 1]) ? "" : ".");
    if (s[0] >= 'a' && s[0] <= 'z')
        s[0] = (char)(s[0] - 'a' + 'A');
    return s;
}

/* Where something can be done about it. */
static const char *page_of(const json_t *finding)
{
    static const struct {
        const char *key, *page;
    } pages[] = {{"no-schedule", "/schedule"}, {"backup-missed", "/schedule"},
        {"backup", "/backups"}, {"drill", "/backups"}, {"disk", "/backups"},
        {"certificate", "/certificates"}};
    const char *keys[] = {json_get_text(finding, "code"), json_get_text(finding, "area")};
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++)
            if (strcmp(pages[i].key, keys[k]) == 0)
                return pages[i].page;
    return "/log";
}

/* The keeper's verdict in its words; where to click is the page's to say. */
static void add_finding(struct search *s, const json_t *finding)
{
    const char *code = json_get_text(finding, "code"), *level = json_get_text(finding, "level");
    _cleanup_free_ char *said = phrase_in(s->lang, finding, "text"), *text = sentence(said);
    _cleanup_free_ char *what = message(s, "a", code, "", "");
    if (!*what) {
        free(what);
        what = phrase_in(s->lang, finding, "advice");
    }
    s->proxy_down |= strcmp(code, "proxy-down") == 0;
    json_t *list = strcmp(level, "bad") == 0    ? s->errors
                   : strcmp(level, "hint") == 0 ? s->hints
                                                : s->warnings;
    (void)json_array_append_new(list, problem(s, code, level, text, what, page_of(finding)));
}

json_t *problems_find(
    const json_t *proxy, const json_t *keeper, const json_t *messages, enum lang lang)
{
    struct search s = {.proxy = proxy,
        .keeper = keeper,
        .messages = messages,
        .lang = lang,
        .errors = json_array(),
        .warnings = json_array(),
        .hints = json_array()};
    const json_t *finding;
    size_t i;
    json_array_foreach (json_object_get(keeper, "findings"), i, finding)
        add_finding(&s, finding);
    look_at_proxy(&s);
    if (!keeper)
        add(&s, true, "keeper-away", "", "", "keeper-away", "/log");
    (void)json_array_extend(s.errors, s.warnings);
    (void)json_array_extend(s.errors, s.hints);
    json_decref(s.warnings);
    json_decref(s.hints);
    return s.errors;
}
