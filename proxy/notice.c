#include <stdio.h>
#include <string.h>
#include "common/phrase.h"
#include "common/utf8.h"
#include "proxy/wire/packet.h"
#include "proxy/worker.h"

/* Where no character set is negotiated drivers read ASCII: umlauts are written out, accents
 * left off, the rest becomes "?". */
char *notice_ascii(const char *utf8)
{
    static const struct {
        const char *from, *to;
    } table[] = {{"ä", "ae"}, {"ö", "oe"}, {"ü", "ue"}, {"Ä", "Ae"}, {"Ö", "Oe"}, {"Ü", "Ue"},
        {"ß", "ss"}, {"é", "e"}, {"è", "e"}, {"ê", "e"}, {"à", "a"}, {"â", "a"}, {"î", "i"},
        {"ô", "o"}, {"û", "u"}, {"ù", "u"}, {"ì", "i"}, {"ò", "o"}, {"É", "E"}, {"È", "E"},
        {"À", "A"}, {"ç", "c"}, {"…", "..."}, {"–", "-"}, {"«", "\""}, {"»", "\""}, {"’", "'"}};
    char *out = xmalloc(strlen(utf8) * 3 + 1), *o = out;
    for (const char *p = utf8; *p;) {
        size_t i = 0;
        while (
            i < sizeof table / sizeof table[0] && strncmp(p, table[i].from, strlen(table[i].from)))
            i++;
        if (i < sizeof table / sizeof table[0]) {
            o = stpcpy(o, table[i].to);
            p += strlen(table[i].from);
        } else if ((unsigned char)*p < 0x80)
            *o++ = *p++;
        else {
            *o++ = '?';
            do
                p++;
            while (((unsigned char)*p & 0xc0) == 0x80);
        }
    }
    *o = 0;
    return out;
}

char *notice_words(const struct tongues *t, const json_t *phrase)
{
    static const char between[] = " / ";
    char *words[LANG_COUNT], *whole = xcalloc(1, ERROR_TEXT_MAX + 1);
    size_t n = 0, len = 0;
    for (size_t i = 0; i < t->n; i++) {
        char *said = phrase_words(t->of[i], phrase);
        bool known = false;
        for (size_t j = 0; j < n; j++)
            known |= strcmp(words[j], said) == 0;
        if (known)
            free(said);
        else
            words[n++] = said;
    }
    for (size_t i = 0; i < n; i++) {
        size_t stroke = i ? strlen(between) : 0, more = strlen(words[i]);
        if (i == 0)
            more = utf8_cut(words[i], more, ERROR_TEXT_MAX);
        if (len + stroke + more > ERROR_TEXT_MAX)
            break;
        memcpy(whole + len, between, stroke);
        memcpy(whole + len + stroke, words[i], more);
        len += stroke + more;
    }
    for (size_t i = 0; i < n; i++)
        free(words[i]);
    return whole;
}

struct notice *notice_make(const struct tongues *t, json_t *phrase)
{
    struct notice *n = xcalloc(1, sizeof *n);
    n->refs = 1;
    n->text = notice_words(t, phrase);
    n->ascii = notice_ascii(n->text);
    json_decref(phrase);
    return n;
}

struct notice *notice_ref(struct notice *n)
{
    atomic_fetch_add_explicit(&n->refs, 1, memory_order_relaxed);
    return n;
}

void notice_unref(struct notice *n)
{
    if (!n || atomic_fetch_sub_explicit(&n->refs, 1, memory_order_acq_rel) > 1)
        return;
    free(n->text);
    free(n->ascii);
    free(n);
}
