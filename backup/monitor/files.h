/*
 * Files that the keeper may not see or write, and what it is given of them: facts, and descriptors
 * to read from. Which files these are, the configuration says.
 */
#ifndef ELEXGATE_BACKUP_MONITOR_FILES_H
#define ELEXGATE_BACKUP_MONITOR_FILES_H

#include "backup/monitor/monitor.h"
#include "common/config.h"

void files_state(const struct config *c, struct monitor_state *out);
int files_trail(const struct config *c, int *fd, struct err *e) MUSTCHECK;
int files_stop_restore(const struct config *c, struct err *e) MUSTCHECK;
/* config_file: as given on the command line, NULL = the default; what stands in it now. */
int files_config(
    const struct config *c, const char *config_file, bool *whole, int *fd, struct err *e) MUSTCHECK;
int files_people(const struct config *c, int *fd, struct err *e) MUSTCHECK;
int files_closed(const struct config *c, struct err *e) MUSTCHECK;

/* audit_log.c: opened anew, written, and what is older than [audit] keep removed. */
void files_audit_open(const struct config *c);
int files_audit(int lines, struct err *e) MUSTCHECK;
void files_audit_expire(const struct config *c);

#endif
