/*
 * The last lines of the operating log, kept in memory for the page and for `elexgate log`: at most
 * LOG_RING_LINES. Each program that answers {"cmd":"log"} on its control socket starts it. What the
 * level leaves out is not in it. Safe from several threads.
 *
 * In a file as well, so that a restart forgets nothing: lines of level info and above as "NUMBER
 * JSON", in two files of LOG_RING_FILE_MAX bytes, PATH and the one before it, PATH.1. A line that
 * cannot be written is in memory all the same.
 */
#ifndef ELEXGATE_COMMON_LOG_RING_H
#define ELEXGATE_COMMON_LOG_RING_H

#include <jansson.h>
#include <stdint.h>
#include "common/log.h"

#define LOG_RING_LINES    2000
#define LOG_RING_FILE_MAX (1u << 20)

void log_ring_start(void); /* from now on; log.c fills it */
/* What an earlier process left in the file comes before what this one has said so far; numbers go
 * on where it stopped. A line there that is none is passed over. */
void log_ring_keep(const char *path);
void log_ring_stop(void); /* and forgets them; the file stays */
bool log_ring_started(void);
/* For log.c: a line as a JSON object. Not kept before log_ring_start. */
void log_ring_add(enum log_level level, const char *json, size_t len);

/*
 * The answer to {"cmd":"log","after":SEQ?,"level":"info"?,"limit":N?}; new reference.
 *
 *   {"ok":true,"program":NAME,"next":SEQ,"lines":[{"seq":N,"time":ISO,"level":..,"event":..,"text":..,
 *    FIELDS}..]}
 *
 * Oldest first. With "after" the lines that came behind that one; without it the last ones. "next"
 * is the "after" of the next question. "missed":true: lines have been forgotten in between.
 * "restarted":true: the program is a new one that knows nothing of that number, and its lines are
 * given from the first. Bounded to
 * half of what a line of the protocol takes; "more":true when there are further ones.
 */
json_t *log_ring_answer(const char *program, const json_t *request) MUSTCHECK;

#endif
