/*
 * Where a message goes to, and whether a secret may go there too.
 */
#ifndef ELEXGATE_NOTIFY_ADDRESS_H
#define ELEXGATE_NOTIFY_ADDRESS_H

#include <stdbool.h>
#include "common/error.h"

struct address {
    char *scheme, *host; /* of curl_url_get */
    bool local;          /* this machine: localhost, 127.x.y.z, ::1 */
    bool secret;         /* a user or a password stands in the URL */
};

/* -EINVAL, with the reason in e. Free with address_clear. */
int address_parse(const char *url, struct address *out, struct err *e) MUSTCHECK;
void address_clear(struct address *a);

#endif
