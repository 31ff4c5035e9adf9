#include <stdio.h>
#include <string.h>
#include "proxy/worker.h"

/* Where no character set is negotiated drivers read ASCII: umlauts are written out, the rest
 * becomes "?". */
char *notice_ascii(const char *utf8)
{
    static const struct {
        const char *from, *to;
    } table[] = {{"ä", "ae"}, {"ö", "oe"}, {"ü", "ue"}, {"Ä", "Ae"}, {"Ö", "Oe"}, {"Ü", "Ue"},
        {"ß", "ss"}, {"é", "e"}, {"è", "e"}, {"à", "a"}, {"ç", "c"}, {"…", "..."}, {"–", "-"},
        {"«", "\""}, {"»", "\""}};
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

struct notice *notice_make(const char *german, const char *english)
{
    struct notice *n = xcalloc(1, sizeof *n);
    n->refs = 1;
    n->text = xasprintf("%s / %s", german, english);
    n->ascii = notice_ascii(n->text);
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
