/*
 * The audit log read back, for a page: the newest lines of the file and, where a new month has few,
 * of the one that was rotated last (not of compressed ones). Reads the ends of files, at most
 * AUDIT_READ_MAX bytes of each.
 */
#ifndef ELEXGATE_COMMON_AUDIT_READ_H
#define ELEXGATE_COMMON_AUDIT_READ_H

#include <jansson.h>

#define AUDIT_READ_MAX   (512 * 1024)
#define AUDIT_READ_LINES 1000

/* {"ok":true,"file":PATH,"lines":[objects, newest first]}; path NULL: the log is off, and there is
 * no "file". request: "limit" (200; at most AUDIT_READ_LINES). Lines that are no JSON are left out.
 */
json_t *audit_read_answer(const char *path, const json_t *request);

#endif
