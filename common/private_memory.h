/*
 * Keys and passwords stay out of core files, debuggers and swap.
 */
#ifndef ELEXGATE_COMMON_PRIVATE_MEMORY_H
#define ELEXGATE_COMMON_PRIVATE_MEMORY_H

/* At the start of each program that holds a secret: no core file (RLIMIT_CORE; PR_SET_DUMPABLE also
 * for a core_pattern that is a pipe), and no other process of the same user may read its memory
 * (prctl(2), ptrace(2)). */
void private_memory_begin(void);

#endif
