/*
 * Whether all is well with backups, as far as the keeper can know: the one verdict. The page,
 * `elexgate status`, `elexgate doctor`, messages, metrics and alerts show what is found here, in
 * these words; nobody judges again.
 *
 * Pure: facts and a clock in, a list of findings out. health_words.c has the words.
 */
#ifndef ELEXGATE_BACKUP_RULES_HEALTH_H
#define ELEXGATE_BACKUP_RULES_HEALTH_H

#include <jansson.h>
#include "backup/rules/cron.h"

/* In the order in which they are told: what nobody can work without comes first. */
enum health_code {
    HEALTH_DATABASE_DOWN,
    HEALTH_DATABASE_REFUSING,
    HEALTH_SETUP_FAILED,
    HEALTH_PROXY_DOWN,
    HEALTH_NO_BACKUP,
    HEALTH_BACKUP_FAILED,
    HEALTH_BACKUP_MISSED,
    HEALTH_NO_SCHEDULE,
    HEALTH_BACKUP_WARNING,
    HEALTH_BINLOG_STOPPED,
    HEALTH_BASE_MISSING,
    HEALTH_CHAIN_BROKEN,
    HEALTH_CHAIN_UNTRIED,
    HEALTH_DRILL_FAILED,
    HEALTH_DRILL_LATE,
    HEALTH_NOT_PROVEN,
    HEALTH_DISK_LOW,
    HEALTH_CERTIFICATE,
    HEALTH_CA_ENDS,
    HEALTH_NOTIFY_FAILED,
    HEALTH_NOBODY_TOLD,
    HEALTH_ACCOUNTS_DAMAGED,
    HEALTH_CODES
};
enum health_level {
    HEALTH_HINT, /* all is well all the same */
    HEALTH_WARN, /* to be looked at */
    HEALTH_BAD,
};

/* Of the runs that say something: neither one that was cancelled nor one that found another. */
struct health_run {
    bool is;
    int exit_code;
    int64_t started_ms;
    const json_t *error; /* a text or a phrase; NULL allowed, as everywhere here */
};
struct health_schedule {
    bool is;
    struct cron cron;
    const struct cron_zone *zone;
};

/* All times UTC, ms since 1970, 0 = unknown. Texts are borrowed; where one is JSON, it is a text or
 * a phrase (common/phrase.h). */
struct health_facts {
    int64_t now_ms;
    int64_t born_ms; /* since when there is a keeper here: nothing from before is missed */
    bool busy;       /* a job runs: room comes and goes, and a run has not ended */
    bool restoring;  /* a restore: database and gate are as it wants them */

    struct health_schedule backup, drill;
    int64_t deadline_ms;          /* how long a due backup may wait */
    bool again;                   /* the last backup is tried again by itself */
    struct health_run last, good; /* backups */
    struct health_run proof;      /* the last drill of a database */
    const json_t *warnings;       /* of the last backup: [{"text","text_phrase"}] */

    bool binlog_stopped;     /* the server's binary log is to be archived, and is not */
    int64_t binlog_saved_ms; /* everything up to then is safe */
    const json_t *binlog_error;
    struct health_run chain; /* the last proof of it */
    /* What is archived since base_ms cannot be brought back: no physical backup leads there. */
    bool base_missing;
    int64_t base_ms;
    const char *base_stop; /* the kind of a statement that cannot be run again; NULL = a timeline */

    bool disk_known;
    uint64_t free_bytes, min_free, needed; /* needed: by the next backup */

    struct {
        bool known;
        int alarm;  /* certs/renew.h: 0 = none, higher is graver, 4 = it has ended */
        bool early; /* it is not valid yet; date_ms is when it will be */
        int days;
        int64_t date_ms;
        const char *file, *subject;
    } certificate;
    struct {
        bool known, ends; /* within the time in which the next one must reach all workstations */
        int64_t date_ms;
        const char *subject;
    } ca;

    bool nobody;           /* neither mail nor webhook is set */
    const json_t *trouble; /* why somebody would not be told; NULL = they would be */
    bool other_way;        /* a way failed, and another one works */

    const json_t *accounts; /* why the list of the page's accounts cannot be read; NULL = it can */

    enum { DATABASE_UNKNOWN, DATABASE_UP, DATABASE_DOWN, DATABASE_REFUSING } database;
    int64_t database_since_ms;
    const json_t *cause; /* why, of the set-up of a container */
    bool proxy_down;
    int64_t proxy_since_ms;
    const json_t *proxy_words;
};

struct health_finding {
    enum health_code code;
    enum health_level level;
    int grade; /* higher is graver, of one code: worth another message */
    bool tell; /* worth a message */
    /* what the words are made of */
    int64_t at_ms, number;
    const json_t *said;
    const char *name, *of; /* a certificate's subject, and its file */
};
#define HEALTH_MAX (HEALTH_CODES + 8) /* the last backup may have several warnings */
struct health {
    struct health_finding found[HEALTH_MAX];
    size_t n;
    /* Codes that are not found, and are not known to be well either: as they were. */
    bool open[HEALTH_CODES];
};

void health_find(const struct health_facts *f, struct health *out);

/* --- health_words.c --- */

/* What does not depend on the arguments. */
struct health_about {
    const char *code;   /* "backup-failed" */
    const char *area;   /* "backup", "binlog", "drill", "disk", "certificate", "notify", "database",
                           "proxy", "accounts" */
    const char *title;  /* what it is, for a subject; of the catalogue, as is */
    const char *advice; /* what to do */
};
const struct health_about *health_about(enum health_code code);
/* NULL: there is no such code. */
const struct health_about *health_about_name(const char *code);

/* What is found, as a phrase; new reference. */
json_t *health_phrase(const struct health_finding *f, const struct cron_zone *zone) MUSTCHECK;
/* [{"code","area","level":"hint|warn|bad","text","title","advice", each with its phrase}], new
 * reference. */
json_t *health_json(const struct health *h, const struct cron_zone *zone) MUSTCHECK;

#endif
