/*
 * Filters of system calls (seccomp(2)): what a program gives up for itself and all that it starts,
 * for good. Built instruction by instruction for a sandbox; two are ready.
 *
 * What is refused fails with an error, as on a kernel without it; nothing is ended by it.
 */
#ifndef ELEXGATE_COMMON_CALL_FILTER_H
#define ELEXGATE_COMMON_CALL_FILTER_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/error.h"

#define CALL_FILTER_MAX 256

struct call_filter {
    struct sock_filter code[CALL_FILTER_MAX];
    unsigned short n;
};

/* Begins with the architecture, and refuses what no program of ours and no database server needs:
 * mounts, tracing, other processes' memory, io_uring, namespaces, the kernel's inside. */
void call_filter_begin(struct call_filter *f);
/* One more system call that fails with this errno value. */
void call_filter_refuse(struct call_filter *f, int call, int code);
/* Goes on behind the next n instructions unless the loaded value is this one. */
void call_filter_unless(struct call_filter *f, unsigned value, uint8_t n);
/* Half of an argument; a call's number is loaded to begin with. */
enum call_filter_half { CALL_LOW, CALL_HIGH };
void call_filter_load(struct call_filter *f, int argument, enum call_filter_half half);
/* Ends here: 0 = it may, else the errno value. */
void call_filter_answer(struct call_filter *f, int code);
/* Threads yes, processes if said so, namespaces never. */
void call_filter_bound_processes(struct call_filter *f, bool processes);
/* From here on, for this thread; async-signal-safe. 0, or -1 with errno. */
int call_filter_shut(const struct call_filter *f) MUSTCHECK;

/* Nothing but read what is open, reckon, write to what is open, and end with _exit; with threads of
 * its own, if said so. */
int call_filter_only_reckon(bool threads) MUSTCHECK;
/* Of this thread alone: no io_uring from here on, as on a kernel without it. 0, or -1 with errno.
 */
int call_filter_no_ring_here(void) MUSTCHECK;
/* For a program that serves others, all its threads where a filter of before knows seccomp(2): what
 * call_filter_begin refuses, and, unless it has programs to start, to become another one. 0, or -1
 * with errno. */
int call_filter_serve(bool programs) MUSTCHECK;

#endif
