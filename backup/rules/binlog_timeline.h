/*
 * Whether the server's log goes on from what we have, or a new timeline begins. Names prove
 * nothing: after RESET MASTER or a restore the same file names and GTIDs come back with other
 * contents. What is compared is when the file was begun, and the bytes of the last event.
 */
#ifndef ELEXGATE_BACKUP_RULES_BINLOG_TIMELINE_H
#define ELEXGATE_BACKUP_RULES_BINLOG_TIMELINE_H

#include "backup/rules/binlog_segment.h"

/* A file of the server's, as SHOW BINARY LOGS has it. */
struct binlog_file {
    char name[BINLOG_NAME_MAX + 1];
    uint64_t size;
};

enum binlog_next {
    BINLOG_GO_ON,     /* ask for the last event that we have, compare it, and go on behind it */
    BINLOG_NEXT_FILE, /* from the beginning of file; the last one is complete */
    BINLOG_NEW,       /* a new timeline, from the beginning of file, for reason */
};
struct binlog_decision {
    enum binlog_next next;
    char file[BINLOG_NAME_MAX + 1];
    enum binlog_reason reason;
};

struct binlog_question {
    const struct binlog_segment *have; /* the last one; NULL = none */
    bool restored;                     /* the data were exchanged since */
    const struct binlog_file *files;   /* the server's, oldest first; at least one */
    size_t n;
    uint32_t created; /* of the server's file of that name; 0 = it has none, or is not known */
    /* Where nothing is archived, and after an exchange of the data: the file to begin with, the
     * first that was written since; NULL = the newest. */
    const char *start;
};
struct binlog_decision binlog_decide(const struct binlog_question *q);

#endif
