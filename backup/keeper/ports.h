/* The keeper's ways to the world. */
#ifndef ELEXGATE_BACKUP_KEEPER_PORTS_H
#define ELEXGATE_BACKUP_KEEPER_PORTS_H

#include "backup/keeper/control.h"
#include "backup/keeper/gate.h"
#include "backup/keeper/job.h"

struct keeper_errand;
struct keeper_notify;
struct keeper_opened_one;
struct keeper_people;

/* The witnesses' last answer. */
struct keeper_heard {
    struct keeper_witnesses witnesses;
    /* UTC: since when they are as the last answer said; 0 = unknown */
    int64_t database_since_ms, proxy_since_ms;
};

/* Of the certificate: renew.h */
struct keeper_renewal {
    struct keeper_job *job; /* NULL = none runs */
    json_t *said;
    int64_t looked_ms, told_ms; /* monotonic; 0 = never */
};

/* Of the binary log: stream.h */
struct keeper_stream {
    struct keeper_job *job;      /* NULL = none runs */
    const struct config *config; /* that it was started, or told to end, with; only compared */
    json_t *said;
    json_t *base;     /* what it last said of the backup to begin with; NULL = not known */
    int64_t ended_ms; /* monotonic; 0 = never */
};

/* Backups that are open for reading: opened.h */
#define KEEPER_OPENED_MAX 3
struct keeper_opened {
    struct keeper_opened_one *all[KEEPER_OPENED_MAX]; /* NULL = free */
    unsigned last;                                    /* number that was given */
    struct keeper_job *sweep;                         /* NULL = none runs */
    bool swept;
};

struct keeper_ports {
    struct keeper_monitor *monitor; /* starts all that is started */
    struct keeper_jobs jobs;
    uv_timer_t tick;
    uv_signal_t signals[3];
    struct keeper_gate *gate;
    struct keeper_heard heard;
    struct keeper_control *control;
    struct keeper_notify *notify;
    struct keeper_people *people;
    struct keeper_errand *errands; /* questions under way */
    struct keeper_renewal renewal;
    struct keeper_stream stream;
    struct keeper_opened opened;
};

#endif
