/*
 * "Did you mean ...?": the candidate closest to what somebody typed.
 */
#ifndef ELEXGATE_COMMON_SUGGESTION_H
#define ELEXGATE_COMMON_SUGGESTION_H

#include <stddef.h>

/* Set wanted, offer the candidates one by one; afterwards best is the closest one that is close
 * enough to be meant, or NULL. */
struct suggestion {
    const char *wanted, *best; /* borrowed */
    size_t distance;
};
void suggestion_offer(struct suggestion *s, const char *candidate);

#endif
