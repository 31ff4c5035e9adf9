/*
 * From the programs' answers to what people read, by common/shown.h and common/phrase.h.
 */
#ifndef ELEXGATE_CONSOLE_VIEW_VIEW_H
#define ELEXGATE_CONSOLE_VIEW_VIEW_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include "common/lang.h"

/*
 * Walks through the model and adds to it, in place:
 *   X and X_phrase               X becomes the words of the language (common/phrase.h)
 *   X = "2026-11-22T21:46:56Z"   X_text "22.11.2026 22:46" in local time, X_ago "vor 3 h" or "in 3
 * h" X_ms = 1500                  X_text "1.5 s" size, bytes, free ... = N    size_text "1,2 GB"
 */
void view_localise(json_t *model, enum lang lang);

/* Codes into words and flags, for templates cannot compare: for X one of phase, kind, method,
 * level, state, role and program, X_words becomes texts["X_VALUE"], or the value where there is no
 * such text, and X_is becomes {VALUE: true}. */
void view_words(json_t *model, const json_t *texts);

#endif
