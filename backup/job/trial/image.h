/*
 * The system in a container's image, as files in a folder: podman or docker makes a container of
 * the image, which is never started, and hands out what is in it.
 */
#ifndef ELEXGATE_BACKUP_JOB_TRIAL_IMAGE_H
#define ELEXGATE_BACKUP_JOB_TRIAL_IMAGE_H

#include "backup/job/run.h"

#define IMAGE_ROOM (1ull << 30) /* bytes, more than an image of a database server needs */

/* *root is a new folder in home, its real path; malloc'ed. An image that is not here is fetched, as
 * the engine's own settings say. 0; EXIT_CANCELLED; negative with words: there is no engine, no
 * such image, no room. */
int image_unpack(
    struct run *run, const char *image, const char *home, char **root, struct err *e) MUSTCHECK;

#endif
