/*
 * The command line. In a file of its own since getopt.h has a struct option too.
 */
#ifndef ELEXGATE_CONSOLE_ARGS_H
#define ELEXGATE_CONSOLE_ARGS_H

struct args {
    const char *config; /* NULL: the default */
    const char *assets; /* NULL: what is embedded */
};

/* 0: go on; 1: done (--help, --version); -1: wrong, the words are on standard error. */
int args_parse(int argc, char **argv, struct args *out);

#endif
