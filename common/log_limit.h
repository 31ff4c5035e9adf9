/*
 * At most so many log lines of one kind a minute: a scanner at the port must not fill the disk, nor
 * hide what else the log says. What was kept back is counted and told once the minute is over. Any
 * thread.
 */
#ifndef ELEXGATE_COMMON_LOG_LIMIT_H
#define ELEXGATE_COMMON_LOG_LIMIT_H

#include <stdbool.h>
#include <stdint.h>
#include "common/error.h"

#define LOG_LIMIT_WINDOW_MS 60000u

struct log_limit;

struct log_limit *log_limit_new(unsigned lines) MUSTCHECK;
void log_limit_free(struct log_limit *l); /* NULL allowed */

/* May a line be written at now_ms (any steady clock)? If not, it counts as kept back. */
bool log_limit_may(struct log_limit *l, uint64_t now_ms);
/* How many were kept back in a minute that is over; told once, then 0. */
unsigned log_limit_kept_back(struct log_limit *l, uint64_t now_ms);

#endif
