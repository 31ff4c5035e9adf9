/*
 * What a person has confirmed. elexgate-monitor starts what must be confirmed (rights.h) once for
 * each grant that it was told of, for no other request, and not later than GRANT_LASTS_MS after it
 * was confirmed, whatever the keeper says. It is told at a door of its own, a datagram socket of
 * root's beside the keeper's socket: by the job that has compared a password of the page, and by
 * elexgate(1) for whoever is at the machine, as the kernel names him.
 */
#ifndef ELEXGATE_LINK_GRANT_H
#define ELEXGATE_LINK_GRANT_H

#include <jansson.h>
#include <stdint.h>
#include "common/error.h"
#include "common/hex.h"
#include "link/rights.h"

#define GRANT_LASTS_MS   60000
#define GRANT_NONCE_SIZE 16
#define GRANT_TEXT_SIZE  72

/* One datagram, of this size. Texts end with a NUL in their array. */
struct grant {
    char act[GRANT_TEXT_SIZE];     /* grant_act */
    char account[GRANT_TEXT_SIZE]; /* whose password it was; "" = somebody at the machine */
    uint64_t at_ms;                /* when, as clock_mono_ms says, which all on a machine share */
    uint32_t level, unused;        /* enum rights_level */
    unsigned char nonce[GRANT_NONCE_SIZE]; /* no two have the same */
};

/* Whether a request under this row is started for a grant only. */
bool grant_needed(const struct right *right);
/* The digest of what a request will have done: all of it but who asks and how he is answered.
 * Members that are null, false or an empty list are as good as missing, in whatever order. */
void grant_act(const json_t *request, char act[static SHA256_HEX_LEN]);

/* Where it is told; malloc'ed. */
char *grant_door_beside(const char *control_socket) MUSTCHECK;
int grant_send(const char *control_socket, const struct grant *g, struct err *e) MUSTCHECK;
/* For elexgate(1), before it asks the keeper: grants this request, if it needs that. Where that
 * fails the keeper's answer says why the request was refused. */
void grant_by_hand(const char *control_socket, const json_t *request);

#endif
