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

/* The options of a command: walk with args_next until it returns NULL; afterwards argv[args.next..]
 * are the operands. "--" ends the options. */
struct args {
    struct cli *cli;
    int argc, next;
    char **argv;
    const char *value; /* of the option that args_next returned, where one belongs to it */
    bool ended;        /* by "--": what follows are operands */
    int failed;        /* EXIT_USAGE once a mistake has been told, else 0 */
};
struct args args_begin(struct cli *cli, int argc, char **argv);
/* options: NULL-terminated names, those that take a value end in "=", as "--reason=". Accepts
 * "--reason TEXT" and "--reason=TEXT". Returns the entry of options, or NULL at the first operand,
 * at the end and after a mistake (then .failed). */
const char *args_next(struct args *a, const char *const *options);
/* An option, as above, and what it is called in a request. */
struct args_member {
    const char *option, *member;
};
/* The options up to the next operand as members of a request: true, or its text. Ends with
 * {NULL, NULL}. After a mistake .failed. */
void args_members(struct args *a, const struct args_member *members, json_t *request);
/* After the options: 0 if min to max operands follow, else tells it and returns EXIT_USAGE. */
int args_operands(struct args *a, int min, int max) MUSTCHECK;

/* For what takes --type TYPE and nothing else, anywhere between its operands: words gets them, then
 * NULLs up to max. 0, or it was told and EXIT_USAGE. */
int args_type_and_words(
    struct args *a, const char **type, const char **words, int min, int max) MUSTCHECK;

/* A moment for people: ISO (RFC 3339 or local "YYYY-MM-DD HH:MM"), "HH:MM" (its next occurrence),
 * or
 * "+30m" from now. 0 or -EINVAL. */
int args_parse_moment(const char *text, int64_t *wall_ms) MUSTCHECK;

#endif
