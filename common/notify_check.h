/*
 * Whether anybody would be told of a failure, as far as the configuration and this machine say
 * without sending anything. The one grammar of a mail address.
 */
#ifndef ELEXGATE_COMMON_NOTIFY_CHECK_H
#define ELEXGATE_COMMON_NOTIFY_CHECK_H

#include <stdbool.h>
#include "common/config.h"

struct notify_trouble {
    bool nobody;    /* neither mail_to nor webhook is set */
    struct err why; /* one sentence: what is wrong, what to do */
};

/* An address goes into a header and onto a command line. */
bool notify_address_good(const char *a);
/* true: nothing is wrong, and *out is untouched. */
bool notify_check(const struct config *c, struct notify_trouble *out);

#endif
