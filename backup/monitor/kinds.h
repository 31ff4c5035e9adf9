/*
 * The kinds of jobs: which program with which words, what it may be asked with, and what of root's
 * rights it gets.
 */
#ifndef ELEXGATE_BACKUP_MONITOR_KINDS_H
#define ELEXGATE_BACKUP_MONITOR_KINDS_H

#include <stdbool.h>
#include "backup/monitor/monitor.h"
#include "common/config.h"

enum kind_input {
    INPUT_NOTHING,
    INPUT_GIVEN, /* a descriptor comes with the request */
    INPUT_TOLD,  /* the same, and it holds the request that was confirmed: the job reads a copy */
};

struct kind {
    const char *words[4]; /* of the program's command line */
    bool cli;             /* elexgate(1), else elexgate-job */
    bool lasts;           /* goes on when keeper and monitor end */
    bool bound;           /* no program that it runs may have more rights than it (no_new_privs) */
    enum kind_input input;
    const char *command; /* of the keeper's, that INPUT_TOLD answers */
    enum { WHICH_NONE, WHICH_RUN, WHICH_LATEST, WHICH_ALL } which;
    enum { TYPES_NONE, TYPES_ONE, TYPES_MANY } types;
    enum { TEXT_NONE, TEXT_NEEDED, TEXT_LABEL, TEXT_REQUEST, TEXT_DAY } text;
    unsigned actions; /* of a restore, one of which its request asks for */
    uint32_t flags;   /* that it takes */
    uint64_t rights;  /* capabilities, as bits of CAP_...; with RIGHTS_FOLDER and RIGHTS_HOOKS */
};

/* NULL: there is no such kind. */
const struct kind *kind_of(uint32_t kind);
/* The command line of a job, NULL-terminated, each word malloc'ed as the array; free_words frees.
 * -EINVAL: something in the request is not of its type, or not for this kind. */
int kind_words(
    const struct monitor_request *q, const char *config_path, char ***out, struct err *e) MUSTCHECK;
/* The upload that a request names, malloc'ed; NULL: none. q as kind_words has taken it. */
char *kind_upload(const struct monitor_request *q) MUSTCHECK;
void free_words(char **words);
/* The capabilities that it gets: less where neither folder nor hooks need more. */
uint64_t kind_rights(const struct kind *k, const struct config *c);

#endif
