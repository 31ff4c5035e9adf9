/*
 * From the programs' answers to what people read: the language's words, dates, sizes, durations.
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

/* "1,2 GB", "512 B"; decimal units. Returns buf. */
char *view_bytes(int64_t bytes, enum lang lang, char *buf, size_t size);
/* "450 ms", "3 s", "12 min", "4 h 10 min", "5 Tage". Returns buf. */
char *view_duration(int64_t ms, enum lang lang, char *buf, size_t size);
/* Local time; "?" for what is no time. Returns buf. */
char *view_time(int64_t wall_ms, enum lang lang, char *buf, size_t size);
/* The same with seconds, as logs have it. */
char *view_moment(int64_t wall_ms, enum lang lang, char *buf, size_t size);

#endif
