#include "common/lang.h"

#include <ctype.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

static const struct {
    const char *code, *name;
} languages[LANG_COUNT] = {
    {"en", "English"}, {"de", "Deutsch"}, {"fr", "Français"}, {"it", "Italiano"}};

/* Put in order here and not by po/compile.py: what PRId64 is in a key only the compiler knows. */
static const struct lang_entry **in_order;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int compare(const void *x, const void *y)
{
    const struct lang_entry *const *a = x, *const *b = y;
    return strcmp((*a)->english, (*b)->english);
}

static void put_in_order(void)
{
    const struct lang_entry **all = xcalloc(lang_entry_count + 1, sizeof(void *));
    for (unsigned i = 0; i < lang_entry_count; i++)
        all[i] = &lang_entries[i];
    qsort(all, lang_entry_count, sizeof(void *), compare);
    in_order = all;
}

static const struct lang_entry *find_sentence(const char *english)
{
    const struct lang_entry key = {.english = english}, *wanted = &key;
    pthread_once(&once, put_in_order);
    const struct lang_entry **at = bsearch(
        &wanted, in_order, lang_entry_count, sizeof(void *), compare);
    return at ? *at : NULL;
}

static const char *translated(enum lang lang, const char *english, bool many)
{
    if (lang <= LANG_EN || lang >= LANG_COUNT)
        return NULL;
    const struct lang_entry *entry = find_sentence(english);
    return entry ? entry->in[lang - LANG_DE][many] : NULL;
}

const char *lang_text(enum lang lang, const char *english)
{
    const char *found = translated(lang, english, false);
    return found ? found : english;
}

const char *lang_text_n(enum lang lang, const char *one, const char *many, unsigned long long n)
{
    /* French counts none as one; the others of ours do not */
    bool several = lang == LANG_FR ? n > 1 : n != 1;
    const char *found = translated(lang, one, several);
    return found ? found : several ? many : one;
}

enum lang lang_parse(const char *name)
{
    for (enum lang lang = LANG_EN; lang < LANG_COUNT; lang++)
        if (name && strncasecmp(name, languages[lang].code, 2) == 0 &&
            !isalpha((unsigned char)name[2]))
            return lang;
    return LANG_COUNT;
}

enum lang lang_of_locale(void)
{
    static const char *const variables[] = {"LC_ALL", "LC_MESSAGES", "LANG"};

    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
        const char *value = getenv(variables[i]);
        if (!value || !*value)
            continue;
        enum lang lang = lang_parse(value);
        return lang < LANG_COUNT ? lang : LANG_EN;
    }
    return LANG_EN;
}

size_t lang_list(const char *const *codes, enum lang out[static LANG_COUNT])
{
    bool taken[LANG_COUNT + 1] = {[LANG_COUNT] = true};
    size_t n = 0;
    for (; codes && *codes; codes++) {
        enum lang lang = lang_parse(*codes);
        if (!taken[lang])
            out[n++] = lang;
        taken[lang] = true;
    }
    if (n == 0)
        out[n++] = LANG_EN;
    return n;
}

const char *lang_code(enum lang lang)
{
    return languages[lang < LANG_COUNT ? lang : LANG_EN].code;
}

const char *lang_name(enum lang lang)
{
    return languages[lang < LANG_COUNT ? lang : LANG_EN].name;
}
