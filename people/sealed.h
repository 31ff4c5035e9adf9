/*
 * A password on its way through a program that is not to know it: closed with a public key, which
 * anybody may read, opened with the one that only root's half has (libsodium's sealed box).
 */
#ifndef ELEXGATE_PEOPLE_SEALED_H
#define ELEXGATE_PEOPLE_SEALED_H

#include "common/error.h"

/* All that are sealed are as long: the text, zeros behind it. */
#define SEALED_SIZE 256

/* Where the public key of the keeper that serves this control socket is; malloc'ed. */
char *sealed_key_beside(const char *control_socket) MUSTCHECK;
/* Where the other one is; malloc'ed. */
char *sealed_key_within(const char *state_dir) MUSTCHECK;
/* A new pair, in place of an old one; what was closed with that can be opened no more. */
int sealed_make(const char *public_path, const char *secret_path, struct err *e) MUSTCHECK;
/* *out: text, malloc'ed. -EHOSTDOWN: there is no key, or one that somebody else may have put there.
 */
int sealed_close(const char *public_path, const char *text, char **out, struct err *e) MUSTCHECK;
/* -EBADMSG: nothing that was closed with this key. */
int sealed_open(const char *secret_path, const char *sealed, char out[static SEALED_SIZE],
    struct err *e) MUSTCHECK;

#endif
