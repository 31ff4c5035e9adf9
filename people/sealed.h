/*
 * A password on its way through a program that is not to know it: closed with a public key, which
 * anybody may read, opened with the one that only root's half has (libsodium's sealed box).
 */
#ifndef ELEXGATE_PEOPLE_SEALED_H
#define ELEXGATE_PEOPLE_SEALED_H

#include <stdint.h>
#include "common/error.h"

#define SEALED_SIZE       256
#define SEALED_ACT_SIZE   72
#define SEALED_NONCE_SIZE 16

/* All that are sealed are as long, and nothing in them is read by a parser. */
struct sealed {
    char text[SEALED_SIZE];    /* the password, zeros behind it */
    char act[SEALED_ACT_SIZE]; /* what it confirms (link/grant.h), and nothing else; "": nothing */
    uint64_t at_ms;            /* when it was closed: clock_mono_ms */
    unsigned char nonce[SEALED_NONCE_SIZE]; /* no two have the same */
};

/* Where the public key of the keeper that serves this control socket is; malloc'ed. */
char *sealed_key_beside(const char *control_socket) MUSTCHECK;
/* Where the other one is; malloc'ed. */
char *sealed_key_within(const char *state_dir) MUSTCHECK;
/* A new pair, in place of an old one; what was closed with that can be opened no more. */
int sealed_make(const char *public_path, const char *secret_path, struct err *e) MUSTCHECK;
/* *out: text, malloc'ed. act: "" for a password that confirms nothing. -EHOSTDOWN: there is no key,
 * or one that somebody else may have put there. */
int sealed_close(const char *public_path, const char *text, const char *act, char **out,
    struct err *e) MUSTCHECK;
/* -EBADMSG: nothing that was closed with this key. *out is to be wiped by the caller. */
int sealed_open(
    const char *secret_path, const char *sealed, struct sealed *out, struct err *e) MUSTCHECK;

#endif
