/*
 * Arguments that several commands take.
 */
#ifndef ELEXGATE_CLI_ARGS_H
#define ELEXGATE_CLI_ARGS_H

#include <stdbool.h>
#include <jansson.h>
#include <stdint.h>

#include "common/error.h"

struct cli;

/* Words for another program, with a NULL behind the last one. */
#define ARGS_WORDS 100
struct args_words {
    const char *v[ARGS_WORDS + 1];
    size_t n;
};
void args_words_add(struct args_words *to, const char *word);

/* An option, and everything that happens to it. */
struct args_option {
    const char *name;        /* "--force"; "--reason=" takes a value, given as
                                "--reason TEXT" or "--reason=TEXT" */
    const char **text;       /* gets the value; the last one counts */
    bool *flag;              /* becomes true */
    struct args_words *pass; /* gets the option, and its value as a word of its own */
    json_t *request;         /* gets .member: the value as text, or true */
    const char *member;
    int (*take)(void *ctx, const char *name, const char *value); /* "--reason"; an exit code */
    void *ctx;
};

/* Options, which may stand anywhere before a "--" and end with {0}, and from min to max operands:
 * words gets them, and NULLs up to max, whatever comes. options NULL: there are none, and what
 * stands behind the first operand may begin with "-". EXIT_GOOD, or the mistake has been told. */
int args_parse(struct cli *cli, int argc, char **argv, const struct args_option *options, int min,
    int max, const char **words) MUSTCHECK;

/* A moment for people: ISO (RFC 3339 or local "YYYY-MM-DD HH:MM"), "HH:MM" (its next occurrence),
 * or "+30m" from now. 0 or -EINVAL. */
int args_parse_moment(const char *text, int64_t *wall_ms) MUSTCHECK;

#endif
