/*
 * One line about one event, composed of its fields: logfmt or JSON, for the operating log, its ring
 * and the audit log. Values are quoted and escaped where the format needs it; what is no UTF-8
 * becomes \xHH, so that a line is what it should be whatever a peer sent. A value that is longer
 * than value_max (escaped) is cut and ends in "..."; a field goes in whole or not at all.
 *
 *     char room[LOG_LINE_MAX];
 *     struct log_line l;
 *     log_line_begin(&l, LOG_JSON, room, sizeof room, 1024);
 *     log_line_field(&l, &LOG_S("event", "login"));
 *     log_line_end(&l);                    l.text, l.len: {"event":"login"} and a newline
 */
#ifndef ELEXGATE_COMMON_LOG_LINE_H
#define ELEXGATE_COMMON_LOG_LINE_H

#include <stddef.h>
#include "common/log.h"

struct log_line {
    enum log_format format;
    char *text; /* the caller's; no NUL behind it */
    size_t size, len, value_max;
};

/* "error" "warning" "info" "debug" */
bool log_level_parse(const char *name, enum log_level *out);
const char *log_level_name(enum log_level level);

void log_line_begin(
    struct log_line *l, enum log_format format, char *room, size_t size, size_t value_max);
void log_line_field(struct log_line *l, const struct log_field *f);
/* The time of now, under this key. */
void log_line_stamp(struct log_line *l, const char *key);
void log_line_end(struct log_line *l);

#endif
