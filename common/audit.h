/*
 * The audit log: who did what, apart from the operating log, kept for long. One JSON object a line,
 * appended to a file; docs/audit.md says which events there are.
 *
 *     audit_event("login", LOG_S("user", user), LOG_S("peer", address));
 *
 * gives  {"time":"2026-11-22T21:46:56.123Z","program":"elexgate-proxy","event":"login",...}
 *
 * The file is the month's: once the month is over (and logrotate has not done it within two days)
 * it is renamed to FILE-YYYYMMDD, and the next line goes into a new one.
 *
 * Lines are written by a thread of their own, so that a slow disk holds nobody up. A line that
 * cannot be written is lost: the program serves on, the operating log says so once, and when the
 * disk takes lines again the audit log says how many are missing. Never pass a password or a
 * statement.
 */
#ifndef ELEXGATE_COMMON_AUDIT_H
#define ELEXGATE_COMMON_AUDIT_H

#include <jansson.h>
#include <stdbool.h>
#include "common/error.h"
#include "common/log.h"

/* Lines that may wait for the disk; more are lost. */
#define AUDIT_WAITING_MAX 8192u

/* program: in each line; static storage. Before it, and where no file was set, events go nowhere.
 */
void audit_init(const char *program);
/* Opens the file anew, made with mode 0640 where it is not there: at the start, at each reload, and
 * after it was rotated away. NULL: off. A file that cannot be opened is told in the operating log
 * and tried again later. */
void audit_use(const char *path);
void audit_write(const char *event, const struct log_field *fields, size_t n);
#define audit_event(event, ...)                                                                    \
    do {                                                                                           \
        const struct log_field audit_fields_[] = {__VA_ARGS__};                                    \
        audit_write((event), audit_fields_, sizeof audit_fields_ / sizeof audit_fields_[0]);       \
    } while (0)
/* For a program that may not write the file itself: every line, with its newline, goes to fn, which
 * says whether it took it; nothing is written by this process. Before the first audit_use. */
void audit_use_writer(bool (*fn)(void *ctx, const char *line, size_t len), void *ctx);
/* For the one that writes for it: a line as it came; false: no room. The rest of this header works
 * as for lines of its own. */
bool audit_write_line(const char *line, size_t len);
/* {"file":PATH,"good":BOOL,"lost":N}, for status; JSON null where it is off. New reference. */
json_t *audit_status(void) MUSTCHECK;
/* Writes what waits, at once, and ends the thread. */
void audit_stop(void);

#endif
