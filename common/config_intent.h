/*
 * Whether a file that lost something was meant to: a configuration that a reload finds cut off,
 * emptied or gone must not open what the running one closes.
 *
 * What our own editor writes it vouches for, in FILE.whole beside the file: such a file is whole,
 * and what it lacks was taken out. For others a loss needs a word, `elexgate reload --force`.
 */
#ifndef ELEXGATE_COMMON_CONFIG_INTENT_H
#define ELEXGATE_COMMON_CONFIG_INTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "common/config.h"
#include "common/error.h"

/* Vouches for a text that is about to be published at path. */
int config_intent_vouch(
    const char *path, const char *text, size_t len, mode_t mode, struct err *e) MUSTCHECK;
/* -ENODATA: the text is empty, and one that was not was vouched for: after a crash, say. */
int config_intent_not_lost(const char *path, const char *text, size_t len, struct err *e) MUSTCHECK;
/* Whether path was vouched for with just this text. */
bool config_intent_whole(const char *path, const char *text, size_t len);

/* What config_load finds out by itself: the text that c was parsed from is vouched for. */
void config_intent_set_whole(struct config *c);

/* 0: next may follow running. -ENODATA: it only lost options or sections, or lost most of them, or
 * its text is a beginning of running's, or its last line is cut; the text names the first loss and
 * the way out. A loss beside something new is an edit. Two files that mean the same always pass. */
int config_intent_check(
    const struct config *running, const struct config *next, struct err *e) MUSTCHECK;

#endif
