/*
 * What the keeper looks at all the time, through a job that may see it (job/look.h): the two
 * witnesses that say whether the database is idle, and how things are. One question at a time.
 */
#ifndef ELEXGATE_BACKUP_KEEPER_GATE_H
#define ELEXGATE_BACKUP_KEEPER_GATE_H

#include "backup/keeper/job.h"
#include "backup/rules/idle_rule.h"

struct keeper_gate;

/* What they said; the words say why one is unknown. */
struct keeper_witnesses {
    struct idle_proxy proxy;
    struct idle_server server;
    struct err proxy_words, server_words;
    bool cause_known; /* server_words are for people: what a set-up says that failed */
    bool server_down; /* nobody answers there; else an unknown server runs, and refuses */
};

typedef void keeper_gate_fn(void *ctx, const struct keeper_witnesses *w);

struct keeper_gate *keeper_gate_new(
    struct keeper_jobs *jobs, keeper_gate_fn *fn, void *ctx) MUSTCHECK;
/* Asks, unless an answer is still awaited; fn is called on the loop. */
void keeper_gate_ask(struct keeper_gate *g);
/* The last answer to a "has_certificate", "certificate", "ca", "notify", "free" of job/look.c;
 * borrowed, NULL: none yet, or it is not known. */
const json_t *keeper_gate_seen(const struct keeper_gate *g, const char *what);
/* With other settings from now on. */
void keeper_gate_again(struct keeper_gate *g);
/* fn is not called any more. */
void keeper_gate_drop(struct keeper_gate *g);

#endif
