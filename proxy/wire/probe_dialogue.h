/*
 * The short conversation by which a database server is asked how it is: greeting, login, one
 * question, its answer. Without an account the greeting is all. Sources: MariaDB knowledge base,
 * "Connection", "Result set packets"; plugin mysql_native_password.
 */
#ifndef ELEXGATE_PROXY_WIRE_PROBE_DIALOGUE_H
#define ELEXGATE_PROXY_WIRE_PROBE_DIALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/error.h"

#define PROBE_OUT_MAX 512u /* of what is sent at once */
#define PROBE_IN_MAX  4096u

enum probe_step {
    PROBE_WAIT,    /* for more from the server */
    PROBE_SEND,    /* out has something for it */
    PROBE_DONE,    /* it answers, and what could be learnt stands in the struct */
    PROBE_REFUSED, /* it answers, and does not let the account in or ask; trouble says why */
    PROBE_FAILED,  /* it is no database that works; trouble says why */
};

struct probe_dialogue {
    const char *user; /* NULL: without login */
    /* mysql_native_password: SHA1(password) XOR SHA1(scramble, SHA1(SHA1(password))) */
    void (*prove)(void *ctx, const uint8_t scramble[20], uint8_t proof[20]);
    void *ctx;

    enum { PROBE_GREETING, PROBE_LOGIN, PROBE_ANSWER } phase;
    unsigned packets; /* of the answer so far */
    uint8_t in[PROBE_IN_MAX];
    size_t in_len;
    uint8_t out[PROBE_OUT_MAX];
    size_t out_len;

    bool asked; /* the following are known */
    bool read_only, galera, galera_ready;
    char trouble[256]; /* printable ASCII */
};

/* user stays the caller's. */
void probe_dialogue_init(struct probe_dialogue *d, const char *user,
    void (*prove)(void *ctx, const uint8_t scramble[20], uint8_t proof[20]), void *ctx);
/* Takes bytes of the server. After PROBE_SEND the caller sends out and goes on feeding (n may be
 * 0); after the last three nothing more is to be fed, but what is in out (out_len > 0) is to be
 * sent before the end: a login that breaks off would be counted against our address. */
enum probe_step probe_dialogue_feed(struct probe_dialogue *d, const void *data, size_t n) MUSTCHECK;

#endif
