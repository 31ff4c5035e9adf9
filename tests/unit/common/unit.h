/*
 * What cmocka needs in front of it, and a few helpers of the unit tests of common/.
 */
#ifndef ELEXGATE_TESTS_UNIT_COMMON_UNIT_H
#define ELEXGATE_TESTS_UNIT_COMMON_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/error.h"

/* The error's words hold this text. */
#define assert_says(e, part)                                                                       \
    do {                                                                                           \
        if (!strstr((e)->text, (part)))                                                            \
            fail_msg("\"%s\" does not say \"%s\"", (e)->text, (part));                             \
    } while (0)

/* A fresh folder for the test; removed by unit_remove_dir. */
char *unit_make_dir(void);
void unit_remove_dir(char *dir); /* frees dir too */
/* dir/name with this text; returns the path, malloc'ed. */
char *unit_write(const char *dir, const char *name, const char *text, size_t len, unsigned mode);

#endif
