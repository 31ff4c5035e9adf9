/*
 * elexgate-monitor: what the keeper may have done with root's rights, and nothing else.
 *
 * elexgate-keeper reads what pages and commands ask of it. The monitor is its other half: the only
 * one that starts jobs. The keeper names an act and a kind out of the tables below, with arguments
 * of these types: a run's name, names of data types, flags, a text for people, a restore's request.
 * It never names a path, a program or an option, and the monitor takes no message's word for
 * anything: all of it is checked here, whatever the keeper has checked.
 *
 *   standard input   a socket (SOCK_SEQPACKET): a request and its answer, one at a time, each of
 * one size standard output  a pipe: a struct monitor_event for each job that has ended
 *
 * What a person must confirm (link/rights.h) it starts only for a grant that came past the keeper,
 * at a door of its own (link/grant.h), once, for the very request (acts.h).
 *
 * When the keeper's end of the socket is closed, jobs that do not last are told to end, and the
 * monitor ends.
 */
#ifndef ELEXGATE_BACKUP_MONITOR_MONITOR_H
#define ELEXGATE_BACKUP_MONITOR_MONITOR_H

#include <stdint.h>
#include "backup/rules/archive_name.h"

#define MONITOR_JOBS_MAX  32 /* at the same time */
#define MONITOR_TYPES_MAX 64
#define MONITOR_NAME_MAX  208
#define MONITOR_TEXT_MAX  4096
#define MONITOR_AUDIT_MAX (64 * 1024)

enum monitor_act {
    MONITOR_START, /* kind and its arguments, a descriptor where the kind reads one: pid, and the
                      descriptor of what the job says */
    MONITOR_STOP,  /* job: SIGTERM to one that was started here */
    /* about a restore that somebody else has begun */
    MONITOR_TRAIL,        /* the descriptor of what it has said so far, to be read */
    MONITOR_STOP_RESTORE, /* SIGTERM to the process that holds the run lock */
    /* about files that the keeper may not see or write */
    MONITOR_STATE,  /* see struct monitor_state */
    MONITOR_CONFIG, /* a copy of the configuration file, and whether it is whole */
    MONITOR_RELOAD, /* the settings of the monitor's own: where the audit log is */
    MONITOR_AUDIT,  /* a descriptor: lines of JSON for the audit log, at most MONITOR_AUDIT_MAX */
    MONITOR_CLOSED, /* the keeper's socket: its file is removed */
    MONITOR_PEOPLE, /* a descriptor: [{"name","role"}], the page's accounts without their hashes */
};

enum monitor_kind {
    MONITOR_BACKUP,
    MONITOR_DRILL,
    MONITOR_PUT_BACK,
    MONITOR_ALARM,
    MONITOR_VERIFY,
    MONITOR_LIST,
    MONITOR_INFO, /* what is in a backup, and what differs from now */
    MONITOR_REMOVE,
    MONITOR_MARK, /* a backup gets a label, protection, or none any more */
    /* the text of these is a request of backup/rules/restore_request.h */
    MONITOR_RESTORE, /* that changes something */
    MONITOR_RESTORE_PLAN,
    MONITOR_RESTORE_STATUS,
    MONITOR_OPEN, /* for reading, beside everything else, for a while */
    MONITOR_CERT_RENEW,
    MONITOR_NOTIFY,
    MONITOR_BINLOG, /* archives the server's binary log, for as long as it runs */
    MONITOR_LOOK,   /* answers questions as long as it is asked */
    MONITOR_PAGE_CERT,
    MONITOR_PAGE_CONFIG,
    MONITOR_PAGE_AUDIT,
    MONITOR_PAGE_RETENTION,
    MONITOR_PAGE_PASSWORD,
    MONITOR_PROVE,    /* that the archived binary log leads from one backup to the next */
    MONITOR_TIMELINE, /* one day at a glance: text */
    MONITOR_PAGE_ACCOUNT,
    MONITOR_KINDS
};

/* There is none with which a person puts himself above a trial or a rule (--no-trial, --force):
 * those are root's, with elexgate(1). */
enum monitor_flag {
    MONITOR_NOW = 1 << 0,
    MONITOR_DUMP = 1 << 1,
    MONITOR_LOCK = 1 << 2,
    MONITOR_DRY_RUN = 1 << 3,
    MONITOR_ACCEPT_SMALLER = 1 << 4,
    MONITOR_IF_ANY = 1 << 5,
    MONITOR_LABEL = 1 << 6, /* text is a backup's label; "" takes it away */
    MONITOR_PROTECT = 1 << 7,
    MONITOR_UNPROTECT = 1 << 8,
    MONITOR_LIVE = 1 << 9,
    MONITOR_AGAINST_NOW = 1 << 10,
};

/* Unused members are zero; every text ends with a NUL in its array. */
struct monitor_request {
    uint32_t act, kind, flags;
    uint32_t job;                 /* the number that the keeper gives to a job */
    char which[MONITOR_NAME_MAX]; /* a run, "latest", "all" */
    uint32_t types_count;
    char types[MONITOR_TYPES_MAX][ARCHIVE_TYPE_MAX + 1];
    char text[MONITOR_TEXT_MAX]; /* one line for people, or a request in JSON */
};

/* How things stand in [backup] state_dir; 0 = there is none of it. */
struct monitor_state {
    int64_t journal_s; /* change time of a restore's journal */
    int64_t trail_ns;  /* of what a restore has said */
    uint64_t audit_lost;
    int32_t holder;        /* the process that holds the run lock */
    uint8_t settings_left; /* settings of the server that a killed job may have left changed */
    uint8_t audit_failing;
    uint8_t whole;   /* MONITOR_CONFIG: our own editor wrote just this text */
    uint8_t unbound; /* jobs keep every capability that the keeper was started with */
};

struct monitor_answer {
    int32_t result; /* 0 or a negative errno, in words then */
    int32_t pid;
    struct monitor_state state;
    struct err e;
};

struct monitor_event {
    uint32_t job;
    int32_t exit_code, signal; /* as in keeper_job_events */
};

#endif
