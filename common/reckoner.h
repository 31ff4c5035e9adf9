/*
 * A part of this program that meets what others have written, in a process of its own that can do
 * nothing but read what it is given, reckon, and write what it makes of it: this program, started
 * anew with another first word. It has two files, no capability, and a filter of system calls
 * (common/call_filter.h). Who started it checks what it says, as what it read.
 *
 * It stays the user that it was, so that who started it may end it; without capabilities and
 * without a call that a user could matter for, that is nobody.
 */
#ifndef ELEXGATE_COMMON_RECKONER_H
#define ELEXGATE_COMMON_RECKONER_H

#include "common/process.h"

/* words: the first word and its arguments, NULL-terminated. in, out: its standard input and output,
 * which stay the caller's here. Ends with the thread that starts it. */
int reckoner_start(
    const char *const *words, int in, int out, struct process *child, struct err *e) MUSTCHECK;
/* Ends it and reaps it at once, whatever it does. */
void reckoner_end(struct process *child);

/* In it, before it reads: gives up all but that. threads: it may make threads of its own. What it
 * needs from files (locales, tables) it has opened before. 0, or -1. */
int reckoner_shut(bool threads) MUSTCHECK;

#endif
