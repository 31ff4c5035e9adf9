/*
 * Which of several servers is used: a pure decision.
 */
#ifndef ELEXGATE_PROXY_BACKEND_BACKEND_CHOICE_H
#define ELEXGATE_PROXY_BACKEND_BACKEND_CHOICE_H

#include <stdbool.h>
#include <stddef.h>

/* What is known of one. */
struct backend_health {
    bool known;    /* the first look is over */
    bool usable;   /* answers and is not known to be read-only */
    bool writable; /* for sure */
};

/* The index of the one to use from now on: the active one as long as it is usable; else the first
 * that is surely writable, else the first usable; else the active one stays. active -1: none yet;
 * then all have to be known first, and preferred (-1 = none) counts as the active one. */
int backend_choose(const struct backend_health *list, size_t n, int active, int preferred);

#endif
