#include "notify/message.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "common/utf8.h"
#include "common/json_get.h"

static char *subject(const struct message *m, const char *words, bool german)
{
    const char *prefix = strcmp(m->state, "recovered") == 0  ? german ? "behoben: " : "solved: "
                         : strcmp(m->state, "reminder") == 0 ? german ? "noch immer: " : "still: "
                                                             : "";
    return xasprintf("Elexgate %s: %s%s", m->host, prefix, words);
}

static char *body(const struct message *m, const char *advice, bool german)
{
    bool solved = strcmp(m->state, "recovered") == 0;
    const char *since = german ? "Seit" : "Since";
    char *head = *m->since ? xasprintf("%s %s (UTC).\n\n", since, m->since) : xstrdup("");
    const char *text = german ? m->detail_de : m->detail;
    char *detail = *text ? xasprintf("%s\n\n", text) : xstrdup("");
    char *whole = xasprintf("%s%s%s\n", head, detail,
        solved ? german ? "Das ist vorbei; es ist nichts zu tun." : "That is over; nothing to do."
               : advice);
    free(head);
    free(detail);
    return whole;
}

int message_make(const json_t *o, struct message *out, struct err *e)
{
    struct message m = {.event = json_get_text(o, "event"),
        .state = json_get_text(o, "state"),
        .since = json_get_text(o, "since"),
        .detail = json_get_text(o, "detail")};
    const char *title = json_get_text(o, "title"), *advice = json_get_text(o, "advice");
    char host[256] = "";
    m.detail_de = json_get_str(o, "detail_de");
    if (!m.detail_de)
        m.detail_de = m.detail;
    if (!*m.event || !*title || !*advice)
        return err_set(e, EINVAL,
            "a message needs \"event\", \"title\" and \"advice\"; this one is of an older keeper, which a restart ends");
    (void)gethostname(host, sizeof host - 1);
    m.host = xstrdup(*host ? host : "localhost");
    m.subject = subject(&m, title, false);
    m.subject_de = subject(&m, json_get_text(o, "title_de"), true);
    m.body = body(&m, advice, false);
    m.body_de = body(&m, json_get_text(o, "advice_de"), true);
    *out = m;
    return 0;
}

void message_clear(struct message *m)
{
    free(m->host);
    free(m->subject);
    free(m->subject_de);
    free(m->body);
    free(m->body_de);
    memset(m, 0, sizeof *m);
}
