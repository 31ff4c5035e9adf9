/*
 * The catalogue: every sentence that people read, in their language. The key is the English
 * sentence.
 *
 * po/de.po, po/fr.po and po/it.po are gettext's files, kept by scripts/po and checked by msgfmt;
 * po/compile.py turns them into a table in the programs. libc's gettext() would read the same
 * files, but it takes one language a process and only from installed locales:
 * newlocale("de_CH.UTF-8") fails in a container and on a minimal Debian, in the C locale gettext
 * translates nothing whatever LANGUAGE says, and the console answers readers of four languages at
 * once, in threads. A table needs no file that a sandbox would have to let in.
 *
 * Thread-safe. All texts are static and UTF-8.
 */
#ifndef ELEXGATE_COMMON_LANG_H
#define ELEXGATE_COMMON_LANG_H

#include <stddef.h>

enum lang { LANG_EN, LANG_DE, LANG_FR, LANG_IT, LANG_COUNT };

/* Marks a sentence for the catalogue where it stands in a table; lang_text() is called where it is
 * shown. */
#define N_(english) english

/* The sentence in that language; itself where the catalogue has none. */
const char *lang_text(enum lang lang, const char *english) __attribute__((format_arg(2)));
/* One or many, by the language's own rule: none is "0 Sitzungen", but "0 session". */
const char *lang_text_n(enum lang lang, const char *one, const char *many, unsigned long long n)
    __attribute__((format_arg(2), format_arg(3)));

/* "de", "de_CH.UTF-8", "fr-CH,fr;q=0.9": by the first two letters; LANG_COUNT for what is none of
 * ours. */
enum lang lang_parse(const char *name);
/* From LC_ALL, LC_MESSAGES or LANG; English where none of them names one of ours. */
enum lang lang_of_locale(void);
/* The languages of an option's list, each once, as ours; English where it is empty. How many. */
size_t lang_list(const char *const *codes, enum lang out[static LANG_COUNT]);
/* An option's languages, as lang_list reads them. */
struct tongues {
    enum lang of[LANG_COUNT];
    size_t n;
};
/* "en", "de", "fr", "it". */
const char *lang_code(enum lang lang);
/* Its own name: "Deutsch", "Français". */
const char *lang_name(enum lang lang);

/* --- the compiled catalogue ------------------------------------------------------------------- */

struct lang_entry {
    const char *english;
    const char *in[LANG_COUNT - 1][2]; /* from LANG_DE on; [1]: of many, NULL without plural */
};
extern const struct lang_entry lang_entries[];
extern const unsigned lang_entry_count;

#endif
