/* Sizes as people read them, for sentences too, which know nothing of time: the rest is shown.h. */
#ifndef ELEXGATE_COMMON_SIZES_H
#define ELEXGATE_COMMON_SIZES_H

#include <stddef.h>
#include <stdint.h>

#include "common/lang.h"

/* "512 B", "8,1 MB", "12 kB", in French "8,1 Mo": decimal, as disks are sold. */
char *shown_bytes(enum lang lang, uint64_t bytes, char *buf, size_t size);

#endif
