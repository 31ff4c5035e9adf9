/*
 * From a request to its answer: elexgate-proof's whole policy. docs/handbook/en/tls.md, "Zero
 * configuration".
 *
 *   {"cmd":"proof","user":NAME,"scramble":40 hex,"proof":64 hex,"certificate":64 hex}
 *   {"ok":true,"proof":64 hex}   or   {"ok":false,"code":...,"error":...}
 *
 * The asker has to bring a proof that the server itself has just made for this scramble. It gets
 * the same proof for another certificate, and never a salt: so whoever has taken over the asker can
 * vouch for a certificate only to those who log in at that moment, and cannot guess passwords.
 */
#ifndef ELEXGATE_PROOF_ANSWER_H
#define ELEXGATE_PROOF_ANSWER_H

#include <jansson.h>
#include <stdbool.h>
#include "proof/accounts.h"

#define ANSWER_SERVERS_MAX 16u /* as many as the gate may have */

/* One database server. */
struct answer_server {
    struct accounts_target target;
    struct accounts *accounts;
    uint8_t leaf[LEAF_LEN]; /* its certificate */
    bool leaf_known;
    uint64_t leaf_in_vain_ms; /* when asking for it last was no help; 0 = never */
};

struct answerer {
    struct answer_server servers[ANSWER_SERVERS_MAX];
    size_t n;
    size_t last; /* the one that the last proof was from */
};

/* New reference, never NULL. now_ms: a steady clock, above 0. */
json_t *answer_make(struct answerer *a, const json_t *request, uint64_t now_ms) MUSTCHECK;

#endif
