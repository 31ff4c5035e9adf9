/*
 * What the files of the configuration share: config.c (the model and its getters), config_value.c
 * (one value from text), config_parse.c (the INI text).
 */
#ifndef ELEXGATE_COMMON_CONFIG_INTERNAL_H
#define ELEXGATE_COMMON_CONFIG_INTERNAL_H

#include "common/config.h"

struct config_value {
    const struct option *option;
    const char *name; /* the section's name, borrowed from the config; NULL for plain sections */
    enum config_source source;
    int line;   /* where in the file; 0 = not from the file */
    char *text; /* as written; NULL = not set */
    /* By type: */
    char *str;      /* OPT_STRING, OPT_PATH, OPT_ENUM and special words; NULL otherwise */
    int64_t number; /* OPT_INT, OPT_SIZE, OPT_DURATION, OPT_BOOL; 0 for special words */
    char **list;    /* OPT_LIST: NULL-terminated */
};

struct config_section {
    char *kind, *name; /* name NULL for plain sections */
    int line;
};

struct config {
    char *path; /* stands in messages; relative paths are taken from its folder */
    char *text; /* the file as it was read */
    size_t len;
    bool whole; /* our own editor wrote just this text */
    struct config_section *sections;
    size_t section_count;
    struct config_value *values; /* every option of the table, for each of its sections */
    size_t value_count;
    struct err *warnings; /* of retired options */
    size_t warning_count;
};

/* Fills in the typed members from text. On failure the message says what would be right, without
 * place; the value is unchanged. */
int config_value_set(
    struct config_value *v, const struct config *c, const char *text, struct err *e) MUSTCHECK;
void config_value_clear(struct config_value *v);

struct config_value *config_find(
    const struct config *c, const char *section, const char *name, const char *key);
/* Makes the value of each option, with its default. Sections must be complete. */
void config_fill_defaults(struct config *c);

#endif
