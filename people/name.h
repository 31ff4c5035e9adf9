/*
 * Names of the page's accounts.
 */
#ifndef ELEXGATE_PEOPLE_NAME_H
#define ELEXGATE_PEOPLE_NAME_H

#include <stdbool.h>

#define ACCOUNT_NAME_MAX 40 /* bytes */

/* Letters of any alphabet, digits and . _ - @; what is shown and logged must not deceive. */
bool account_name_good(const char *name);

#endif
