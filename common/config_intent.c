#include "common/config_intent.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/config_internal.h"
#include "common/file.h"
#include "common/utf8.h"

#define VOUCHER_MAX 64

/* Length and FNV-1a: against accidents, not against people. */
static char *voucher(const char *text, size_t len)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)text[i]) * 0x100000001b3u;
    return xasprintf("%zu %016" PRIx64 "\n", len, h);
}

int config_intent_vouch(const char *path, const char *text, size_t len, mode_t mode, struct err *e)
{
    _cleanup_free_ char *beside = xasprintf("%s.whole", path);
    _cleanup_free_ char *line = voucher(text, len);

    return file_publish(beside, line, strlen(line), mode, e);
}

bool config_intent_whole(const char *path, const char *text, size_t len)
{
    _cleanup_free_ char *beside = xasprintf("%s.whole", path);
    _cleanup_free_ char *line = voucher(text, len);
    _cleanup_free_ char *had = NULL;
    size_t n;

    return file_read(beside, VOUCHER_MAX, &had, &n, NULL) == 0 && strcmp(had, line) == 0;
}

void config_intent_set_whole(struct config *c)
{
    c->whole = true;
}

int config_intent_not_lost(const char *path, const char *text, size_t len, struct err *e)
{
    _cleanup_free_ char *beside = xasprintf("%s.whole", path);
    _cleanup_free_ char *had = NULL;
    size_t n;
    unsigned long long before = 0;

    for (size_t i = 0; i < len; i++)
        if (text[i] != '\0' && !strchr(" \t\r\n", text[i]))
            return 0;
    if (file_read(beside, VOUCHER_MAX, &had, &n, NULL) < 0 || sscanf(had, "%llu", &before) != 1 ||
        before == 0)
        return 0;
    return err_set(e, ENODATA,
        "%s is empty and had %llu bytes: was it lost in a crash? Put it back, for example from %s~; or remove %s as well for the defaults",
        path, before, path, beside);
}

struct losses {
    bool differ;        /* in anything */
    unsigned had, lost; /* options that the file set; those of them that are gone */
    unsigned fresh;     /* options that are set in another way, or anew */
    char first[200];
};

static bool same(const struct config_value *v, const struct config_value *w)
{
    return v->text == w->text || (v->text && w->text && strcmp(v->text, w->text) == 0);
}

static void compare(const struct config *running, const struct config *next, struct losses *l)
{
    for (size_t i = 0; i < running->value_count; i++) {
        const struct config_value *v = &running->values[i];
        const struct option *o = v->option;
        const struct config_value *w = config_find(next, o->section, v->name, o->key);
        l->differ |= !w ? v->text != NULL : !same(v, w);
        if (v->source != CONFIG_FILE)
            continue;
        l->had++;
        bool gone = !w || w->source == CONFIG_DEFAULT;
        if (!gone || (w && same(v, w))) /* the default itself, left out */
            l->fresh += !gone && !same(v, w);
        else if (l->lost++ == 0)
            utf8_format(l->first, sizeof l->first, "[%s%s%s] %s", o->section, v->name ? " " : "",
                v->name ? v->name : "", o->key);
    }
    for (size_t i = 0; i < next->value_count; i++) {
        const struct config_value *w = &next->values[i];
        const struct config_value *v = config_find(
            running, w->option->section, w->name, w->option->key);
        l->differ |= !v && w->text;
        l->fresh += w->source == CONFIG_FILE && (!v || v->source == CONFIG_DEFAULT) &&
                    !(v && same(v, w));
    }
}

static bool is_beginning(const struct config *running, const struct config *next)
{
    return next->len < running->len && memcmp(next->text, running->text, next->len) == 0;
}

/* An editor leaves the end of the last line as it was. */
static bool is_open(const struct config *running, const struct config *next)
{
    return running->len > 0 && running->text[running->len - 1] == '\n' && next->len > 0 &&
           next->text[next->len - 1] != '\n';
}

int config_intent_check(const struct config *running, const struct config *next, struct err *e)
{
    struct losses l = {0};
    const char *path = next->path;

    compare(running, next, &l);
    if (!l.differ || next->whole)
        return 0;
    if (l.lost > 0 && (l.fresh == 0 || 2 * l.lost > l.had))
        return err_set(e, ENODATA,
            "%s lacks %u of the %u options that it had when it was read last, %s first: was it cut off or emptied? Put it back, or, if that is meant: elexgate reload --force",
            path, l.lost, l.had, l.first);
    if (is_beginning(running, next) || is_open(running, next))
        return err_set(e, ENODATA,
            "%s ends in the middle of a line: was it cut off? Put it back, or, if that is meant: elexgate reload --force",
            path);
    return 0;
}
