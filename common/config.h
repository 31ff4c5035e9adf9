/*
 * Configuration: one INI file, one table of all options.
 *
 * The table (options.c) says for every option its section, name, type, default, whether a reload
 * takes it, which environment variable overrides it, and one line of help. The sample file, the
 * manual and `elexgate config` are checked against it by a test. Unknown sections and keys, values
 * of the wrong type and values out of range are errors that name file, line, section and key, and
 * what would be right.
 *
 * Sections that may occur several times carry a name: [listen elexis], [data documents]. Their
 * options stand in the table under the section "listen" or "data".
 *
 * Order of precedence: environment, file, default. A file that does not exist is an error unless it
 * is the default path.
 */
#ifndef ELEXGATE_COMMON_CONFIG_H
#define ELEXGATE_COMMON_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/error.h"

#define CONFIG_DEFAULT_PATH "/etc/elexgate/elexgate.ini"

enum option_type {
    OPT_STRING,
    OPT_PATH,     /* must be absolute; a relative one is taken from the config file's folder */
    OPT_BOOL,     /* yes no true false on off 1 0 */
    OPT_INT,      /* min..max */
    OPT_SIZE,     /* bytes: 4096, 64k, 1M, 2G (binary) ; min..max */
    OPT_DURATION, /* milliseconds: 250ms, 30s, 5m, 2h, 3d ; min..max in ms */
    OPT_ENUM,     /* one of choices */
    OPT_LIST,     /* separated by commas and/or spaces */
};

struct option {
    const char *section;
    const char *key;
    enum option_type type;
    const char *def;            /* default as written in the file; NULL = not set */
    int64_t min, max;           /* both 0 = no limit */
    const char *const *choices; /* OPT_ENUM: NULL-terminated; others may list special words that are
                                   allowed beside the type, as "auto" */
    bool only;                  /* OPT_LIST: nothing but its choices may stand in it */
    bool named;                 /* the section may occur several times, with a name */
    bool reloadable; /* a reload takes a new value; otherwise the log says that a restart is needed
                      */
    bool page; /* may be set from the admin's page: runs no program, names no file, gives nobody
                  rights, decides neither who can read archives nor who is given a secret */
    const char *env; /* environment variable that overrides it; an empty one counts as not set. In
                        sections with a name it is for the first one in the file */
    const char *help;
};

extern const struct option config_options[];
extern const size_t config_options_count;

/* One that there was, and why not any more. */
struct retired_option {
    const char *section, *key, *why;
};
extern const struct retired_option config_retired[];
extern const size_t config_retired_count;

/* The type of dumps, the first part of their file names. */
#define DUMP_TYPE "elexisdb-sql"

/* One or two sentences about a section, NULL if there are none; a fitting name for a named one.
 * Both in option_sections.c. */
const char *config_section_help(const char *section);
const char *config_section_example(const char *section);

/* A quantity as it is written in the file: "64k", "5m", "3312". Returns buf. */
#define CONFIG_QUANTITY_LEN 32
char *config_quantity(enum option_type type, int64_t v, char buf[static CONFIG_QUANTITY_LEN]);

struct config; /* immutable once loaded; free from any thread */

/* path NULL = default path. A TZ that is no time zone is an error too. On failure *out is
 * untouched.
 */
int config_load(const char *path, struct config **out, struct err *e) MUSTCHECK;
/* Parses text instead of a file, for tests and fuzzing; name stands in messages. */
int config_parse(
    const char *text, size_t len, const char *name, struct config **out, struct err *e) MUSTCHECK;
void config_free(struct config *c); /* NULL allowed */
const char *config_path(const struct config *c);

/* Names of the sections of one kind in file order, e.g. config_section(c, "listen", 0) = "elexis";
 * NULL past the end. Where the file has no [listen ...] at all there is one, "elexis", with the
 * defaults. */
const char *config_section(const struct config *c, const char *kind, size_t index);

/* Whether the file has [kind name]. */
bool config_has_section(const struct config *c, const char *kind, const char *name);

/* name: the section's name, NULL for plain sections. Asking for an option that is not in the table,
 * or with the wrong type, is a programming error (CHECK). Strings live as long as the config. */
const char *config_str(const struct config *c, const char *section, const char *name,
    const char *key); /* NULL when not set; OPT_STRING, OPT_PATH, OPT_ENUM and special words */
bool config_bool(const struct config *c, const char *section, const char *name, const char *key);
/* OPT_INT, OPT_SIZE (bytes), OPT_DURATION (ms); 0 for a special word as "auto" and when not set. */
int64_t config_int(const struct config *c, const char *section, const char *name, const char *key);
/* NULL-terminated array, empty when not set. */
const char *const *config_list(
    const struct config *c, const char *section, const char *name, const char *key);
/* true if the value comes from file or environment rather than from the default */
bool config_is_set(const struct config *c, const char *section, const char *name, const char *key);

/* How [proxy] keepalive goes on: so many questions, so many seconds apart. */
#define KEEPALIVE_PROBES         4
#define KEEPALIVE_GAP(keepalive) ((keepalive) / 4 > 0 ? (keepalive) / 4 : 1)
/* A peer that owes an answer to data is given up later than one that is only silent, which those
 * questions find: ms. */
#define KEEPALIVE_OWES_MS(keepalive)                                                               \
    (((keepalive) + KEEPALIVE_PROBES * KEEPALIVE_GAP(keepalive)) * 1500)

enum config_source { CONFIG_DEFAULT, CONFIG_FILE, CONFIG_ENVIRONMENT };
/* Calls fn for every value in the table's order, named sections in file order. value NULL = not
 * set; line 0 = not from the file. */
void config_each(const struct config *c,
    void (*fn)(void *ctx, const struct option *o, const char *name, const char *value,
        enum config_source source, int line),
    void *ctx);

/* A sentence, with file and line, for each retired option that the file sets; NULL past the last.
 */
const struct err *config_warning(const struct config *c, size_t index);

/* Calls fn for every option whose value differs, e.g. to log what a reload changed. */
void config_diff(const struct config *a, const struct config *b,
    void (*fn)(void *ctx, const struct option *o, const char *name, const char *old_value,
        const char *new_value),
    void *ctx);

/* Reads a one-line secret (trailing newline removed) from a file; refuses a file that group or
 * others can read (unless it lies in $CREDENTIALS_DIRECTORY), is longer than 1024 bytes or empty.
 * *out is malloc'ed; free it with secret_free, which wipes it. */
int secret_read(const char *path, char **out, struct err *e) MUSTCHECK;
void secret_free(char *s);

#endif
