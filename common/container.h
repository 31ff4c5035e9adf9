/*
 * Whether this program runs in a container of our images: some advice is then for the machine
 * outside.
 */
#ifndef ELEXGATE_COMMON_CONTAINER_H
#define ELEXGATE_COMMON_CONTAINER_H

#include <stdbool.h>
#include <stdlib.h>

/* Dockerfile sets it. Not /.dockerenv: a server may well live in a container that is a machine. */
static inline bool container_inside(void)
{
    return getenv("ELEXGATE_CONTAINER") != NULL;
}

#endif
