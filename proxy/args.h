/*
 * The command line of elexgate-proxy. Apart from main.c because getopt(3) and common/config.h both
 * have a struct option.
 */
#ifndef ELEXGATE_PROXY_ARGS_H
#define ELEXGATE_PROXY_ARGS_H

#include <stdbool.h>

struct args {
    const char *config_path; /* NULL: the default */
    bool check;
    bool takeover;   /* from the process that answers on the control socket, if there is one */
    int takeover_fd; /* or over this connection; -1 = none */
};
/* 0: go on. 1: all is done (--help, --version). -1: wrong usage, said on standard error. */
int args_parse(int argc, char **argv, struct args *a);

#endif
