/*
 * What is to be done next: pure. Facts and a clock in, one action out; the caller does it and asks
 * again, until there is nothing. No file, no socket, no clock is read here; drive.c acts.
 *
 * All times in milliseconds: wall = UTC since 1970, for schedules; mono = a clock that nobody sets,
 * for pauses and for how long a run has waited.
 */
#ifndef ELEXGATE_BACKUP_KEEPER_PLAN_H
#define ELEXGATE_BACKUP_KEEPER_PLAN_H

#include <jansson.h>
#include "backup/rules/archive_name.h"
#include "backup/rules/cron.h"
#include "backup/rules/idle_rule.h"

/* What the configuration says. */
struct plan_rules {
    bool has_backup, has_drill; /* a schedule is set */
    struct cron backup, drill;
    const struct cron_zone *zone;
    bool catch_up; /* what was due while no keeper ran is made up for */
    struct idle_settings idle;
    int64_t deadline_ms; /* how long a due run waits; 0 = not at all */
    /* The binary log is archived, and its chain is proven after each backup; and beside that each
     * hour, when something was written and nobody writes now. */
    bool prove, prove_hourly;
    bool physical; /* a backup is one that the archived log can be run on */
};

/* The run that is due and waits. */
struct plan_pending {
    int64_t due_ms;   /* 0 = nothing is due */
    int64_t asked_ms; /* when it began to wait */
    bool missed;      /* made up for: the machine was off, or the keeper */
    bool by_hand;     /* asked for by a person, to run when idle: it has no deadline */
    unsigned yielded; /* how often it began and made way */
    unsigned failed;  /* how often it began and failed */
    json_t *types;    /* array of names; empty = all */
    char label[ARCHIVE_LABEL_MAX + 1]; /* what somebody calls it; "" = nothing */
    bool protect;
};

/* What lasts across restarts (state.h). 0 = none. */
struct plan_memory {
    int64_t backup_seen_ms, drill_seen_ms; /* schedules are looked at up to here */
    struct plan_pending pending;
    bool drill_due;
    bool prove_due;         /* a backup was made since the last proof of the chain */
    int64_t chain_due_ms;   /* when a broken chain last made a backup due */
    int64_t base_due_ms;    /* when a missing base of the archived log last did, */
    uint32_t base_timeline; /* and for which timeline */
};

struct plan {
    struct plan_memory *memory; /* borrowed */
    struct idle_watch watch;    /* from the witnesses' answers */
    struct idle_proxy proxy;    /* the last one, */
    struct idle_server server;  /* which is used once: */
    bool heard;
    struct idle_decision decision; /* the last one about the run that waits */
    bool decided;
    int64_t waits_mono_ms;      /* since when it waits */
    int64_t asked_mono_ms;      /* when the witnesses were last asked; 0 = never */
    int64_t not_before_mono_ms; /* pause after a run that made way, failed or found another one */
    bool put_back_due;          /* a killed job may have left settings of the server changed */
    int64_t settled_s;          /* change time of the restore's journal that was settled */
    int64_t settled_mono_ms;    /* when that was last tried; 0 = never */
    bool looked;                /* for one, since the keeper began */
    unsigned prove_failed;      /* how often the proof that is due could not be tried */
    int64_t prove_not_before_mono_ms;
    bool base_was;                   /* there has been one since the last was due */
    int64_t base_not_before_mono_ms; /* the stream has yet to see the backup that was made, */
    uint32_t made_timeline;          /* in this timeline; another one waits for nothing */
    int64_t live_mono_ms;            /* when the running server was last compared */
    uint64_t live_counters;          /* what its counters were then */
};

enum plan_base {
    PLAN_BASE_UNKNOWN,
    PLAN_BASE_THERE,
    PLAN_BASE_MISSING,
    PLAN_BASE_STOPPED, /* missing: behind it is a statement that cannot be run again */
};

struct plan_facts {
    int64_t wall_ms, mono_ms;
    bool busy;         /* a job runs */
    int64_t journal_s; /* change time of the journal of a restore; 0 = there is none */
    /* What is archived of the binary log now needs a physical backup to begin with. */
    enum plan_base base;
    uint32_t timeline;
};

enum plan_do {
    PLAN_NOTHING,
    PLAN_TELL_DUE,       /* due_ms, missed: from now on it waits */
    PLAN_TELL_MISSED,    /* due_ms: it is not made up for */
    PLAN_TELL_DUE_AGAIN, /* due_ms: one waits already; they become one */
    PLAN_TELL_DRILL_DUE,
    PLAN_TELL_BASE_DUE, /* the archived log has no backup to begin with: one waits now */
    PLAN_TELL_WAITS,    /* for another reason than before: plan->decision */
    PLAN_RECOVER,       /* settle a restore's journal */
    PLAN_PUT_BACK,      /* settings of the server that a killed job left changed */
    PLAN_BACKUP,        /* the run that waits, by method */
    PLAN_SKIP,          /* due_ms: not idle before the deadline, plan->decision says why */
    PLAN_DRILL,
    PLAN_PROVE,      /* the chain up to the newest backup */
    PLAN_PROVE_LIVE, /* up to what the running server has now */
    PLAN_ASK,        /* the witnesses; plan_heard takes the answer */
};
struct plan_action {
    enum plan_do what;
    int64_t due_ms;
    bool missed;
    const char *method; /* "", "dump", "lock" */
};

/* memory as it was read: whatever waits begins to wait anew, since somebody has to be there. */
void plan_start(struct plan *p, struct plan_memory *memory, const struct plan_facts *facts);
/* Each answer changes what the next one stands on: none comes twice. */
struct plan_action plan_next(
    struct plan *p, const struct plan_rules *rules, const struct plan_facts *facts) MUSTCHECK;
void plan_heard(struct plan *p, const struct idle_proxy *proxy, const struct idle_server *server,
    int64_t mono_ms);

/* How a job ended. */
struct plan_end {
    enum plan_do
        job; /* PLAN_BACKUP, PLAN_DRILL, PLAN_PROVE, PLAN_RECOVER; PLAN_NOTHING = another one */
    bool scheduled; /* a backup: it is the one that waited */
    bool cancelled; /* by a person */
    bool stopping;  /* the keeper ends */
    bool restore;   /* a restore, or PLAN_RECOVER */
    bool told;      /* it gave a result; else it was cut off */
    int exit_code, signal;
};
void plan_ended(struct plan *p, const struct plan_end *end, const struct plan_facts *facts);

/* A person asks for a backup as soon as nobody writes. false: one waits already. */
bool plan_ask_for(struct plan *p, json_t *types, const struct plan_facts *facts) MUSTCHECK;
/* A time that had passed before there was this schedule is none that was missed. */
void plan_schedule_changed(struct plan *p, bool drill, int64_t wall_ms);
/* The next time that a schedule comes; 0 = never. */
int64_t plan_next_due(const struct plan_rules *rules, bool drill, int64_t wall_ms);
/* "running", "waiting", "idle" */
const char *plan_state_name(const struct plan *p, bool busy);

void plan_pending_set(struct plan_pending *p, int64_t due_ms, int64_t now_ms);
void plan_pending_drop(struct plan_pending *p);

/* Questions that child processes answer beside a job: so many at once, each so long. */
#define PLAN_ERRANDS_MAX 12
bool plan_errand_over(int64_t started_mono_ms, int64_t mono_ms);

#endif
