/*
 * The operating log: one line an event, logfmt or JSON, to standard error (systemd or Docker keep
 * it). Safe to call from several threads; a line is one write(2), so lines never mix.
 *
 *     log_event(LOG_INFO, "session-end", LOG_U("session", id), LOG_S("reason", why));
 *
 * gives   ts=2026-11-22T21:46:56.123Z level=info event=session-end session=7 reason="client closed"
 * Values are quoted and escaped where logfmt or JSON needs it; control characters and invalid UTF-8
 * in what a peer sent are escaped, so that nobody can forge a line. When stderr is the journal
 * (JOURNAL_STREAM is set) the time stamp is left out and the level goes in front as "<6>".
 */
#ifndef ELEXGATE_COMMON_LOG_H
#define ELEXGATE_COMMON_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include "common/error.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_LOGFMT, LOG_JSON };

struct log_field {
    const char *key;
    enum { LOG_FIELD_STR, LOG_FIELD_INT, LOG_FIELD_UINT, LOG_FIELD_BOOL, LOG_FIELD_DOUBLE } type;
    union {
        const char *s; /* NULL: the field is left out */
        int64_t i;
        uint64_t u;
        double d;
    };
};

#define LOG_S(k, v) ((struct log_field){.key = (k), .type = LOG_FIELD_STR, .s = (v)})
#define LOG_I(k, v) ((struct log_field){.key = (k), .type = LOG_FIELD_INT, .i = (int64_t)(v)})
#define LOG_U(k, v) ((struct log_field){.key = (k), .type = LOG_FIELD_UINT, .u = (uint64_t)(v)})
#define LOG_B(k, v) ((struct log_field){.key = (k), .type = LOG_FIELD_BOOL, .u = (v) ? 1 : 0})
#define LOG_D(k, v) ((struct log_field){.key = (k), .type = LOG_FIELD_DOUBLE, .d = (v)})

/* program: goes into every line as program=...; static storage. Default: logfmt, info, fd 2. */
void log_init(const char *program, enum log_format format, enum log_level level);
void log_set_level(enum log_level level); /* any thread, at any time */
enum log_level log_get_level(void);

void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t n);
#define log_event(level, event, ...)                                                               \
    do {                                                                                           \
        if ((level) <= log_get_level()) {                                                          \
            const struct log_field log_fields_[] = {__VA_ARGS__};                                  \
            log_write((level), (event), log_fields_, sizeof log_fields_ / sizeof log_fields_[0]);  \
        }                                                                                          \
    } while (0)
/* An event that carries an error: adds error="text". */
#define log_err(level, event, e, ...)                                                              \
    log_event(level, event, LOG_S("error", (e)->text), ##__VA_ARGS__)

#endif
