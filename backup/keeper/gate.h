/*
 * Asking the two witnesses whether the database is idle, off the loop: the proxy over its control
 * socket, the server over libmariadb, both of which block. One question at a time.
 */
#ifndef ELEXGATE_BACKUP_KEEPER_GATE_H
#define ELEXGATE_BACKUP_KEEPER_GATE_H

#include <uv.h>
#include "backup/rules/idle_rule.h"
#include "backup/rules/settings.h"

struct keeper_gate;

/* What they said; the words say why one is unknown. */
struct keeper_witnesses {
    struct idle_proxy proxy;
    struct idle_server server;
    char proxy_words[256], server_words[256];
    bool cause_known; /* server_words are for people: what a set-up says that failed */
    bool server_down; /* nobody answers there; else an unknown server runs, and refuses */
};

typedef void keeper_gate_fn(void *ctx, const struct keeper_witnesses *w);

struct keeper_gate *keeper_gate_new(uv_loop_t *loop, keeper_gate_fn *fn, void *ctx) MUSTCHECK;
/* Asks, unless an answer is still awaited; fn is called on the loop. Settings are copied. */
void keeper_gate_ask(struct keeper_gate *g, const struct backup_settings *s);
/* fn is not called any more; memory goes when the last question is answered. */
void keeper_gate_drop(struct keeper_gate *g);

#endif
