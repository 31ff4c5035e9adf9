/*
 * One run of elexgate-job, as its parts share it: settings, the suffix of its archives, progress on
 * standard output, and being told to stop.
 *
 * Results: 0 good, negative = an errno value with its words, positive = an exit code
 * (common/exit_codes.h) with its words. Every function that returns one leaves nothing behind but
 * what it has published.
 *
 * Standard output, one JSON object a line:
 *   {"event":"start","run":SUFFIX,"types":[..],"method":..}
 *   {"event":"phase","type":T,"phase":"settle|hold|copy|verify|publish|checksums|extract|boot|check|hook"}
 *   {"event":"progress","type":T,"phase":P,"bytes":N,"total":N,"bytes_out":N,"files":N,"bytes_s":N,
 *    "eta_ms":N,"path":..}                         at most ten a second
 *   {"event":"again","type":T,"attempt":N,"reason":WORDS}
 *   {"event":"archive","type":T,"file":..,"size":N,"bytes":N,"state":"clean|recoverable|dump|files",..}
 *   {"event":"removed","type":T,"run":SUFFIX}      an old generation went
 *   {"event":"would-remove","type":T,"run":SUFFIX} it would go, of a dry run
 *   {"event":"note","text":WORDS,"text_phrase":PHRASE}
 *   {"event":"warning","what":WORD,"text":WORDS,"text_phrase":PHRASE}   the run is good, and
 * something is not
 *   {"event":"restore-begin",..}                   see restore/restore.c
 *   {"event":"blocked","since":TIME} {"event":"opened"}   a restore keeps clients out, lets them in
 *   {"done":true,"ok":BOOL,"exit":N,"nothing":true where there was nothing to
 * do,"error":WORDS,"error_phrase":PHRASE where there are
 * some,"code":ERRNO,"run":SUFFIX,"archives":[..],"proofs":[..] of a drill,"ended":TIME}
 */
#ifndef ELEXGATE_BACKUP_JOB_RUN_H
#define ELEXGATE_BACKUP_JOB_RUN_H

#include <jansson.h>
#include "backup/archive/archive_settings.h"
#include "backup/archive/store.h"
#include "backup/archive/trust.h"
#include "backup/rules/settings.h"

struct run {
    struct backup_settings s;
    struct archive_settings a;
    struct trust trust;
    int lock; /* of all runs: held until the end is told, by which others know that it is over */
    char suffix[RUN_SUFFIX_LEN];
    uint64_t sequence; /* its number, of a backup */
    char medium[MEDIUM_ID_LEN];
    bool remove_nothing; /* a source lost much: older backups stay, whatever retention says */
    const char *label;   /* what somebody calls the backup; NULL = nothing */
    bool protect;        /* retention never removes it */
    bool accept_smaller; /* a source may have lost most of its content: somebody said so */
    int64_t started_ms;
    bool now;         /* asked for by a person: tries again by itself instead of waiting for idle */
    bool yield;       /* let go for writers */
    bool nothing;     /* there was nothing to do, which is no success either */
    bool urgent;      /* a restore: clients wait for it, and the server that it starts inherits
                         priorities */
    bool clients_out; /* a restore before this one, which could not be settled, keeps them out */
    bool finishing;   /* from here on it goes to its end, and being asked to stop is not heeded */
    json_t *archives;
    json_t *proofs; /* of a drill: what was tried, and how it went */
    json_t
        *incomplete; /* types of which not all could be read: {TYPE: {"files":N,"first":WORDS}} */
    /* What was made is kept, and is not what it should be; the run then ends as inconsistent. */
    struct err doubt;

    /* the phase that progress is told for */
    const char *type, *phase;
    uint64_t total, copied, phase_since, told_at;
    bool (*also_stop)(void *ctx); /* a further reason to stop, besides the signal */
    void *also_ctx;
};

int run_init(struct run *r, const struct config *c, struct err *e) MUSTCHECK;
void run_clear(struct run *r);
/* SIGTERM, SIGINT and SIGHUP ask for a stop; a reader of standard output that goes away does not.
 */
void run_catch_signals(void);
bool run_stopped(void);

/* A backup must not slow the practice down: from here on this thread and those that it starts come
 * last for processor and disk. The witness, which lets writers through, is started before. Not in
 * an urgent run; NULL allowed. */
void run_be_modest(const struct run *r);

/* store_find with our folder and trust. EXIT_REFUSED when there are only backups
 * that nobody vouches for; those that were left out beside others, and those that come because of
 * `foreign`, are told in a note. */
int run_find(struct run *r, const char *which, const char *type, bool foreign,
    struct store_list *out, struct err *e) MUSTCHECK;

/* Prints and takes over the reference. */
void run_event(json_t *event);
/* Once more, attempt: why. */
void run_again(const char *type, int64_t attempt, const struct err *why);
/* From now on every event goes there too, until the process ends; takes fd over. */
void run_also_to(int fd);
void run_note(const char *fmt, ...) PRINTF(1, 2);
/* An error that does not end the run, in the reader's language too; alone, or behind "sentence: ".
 */
void run_tell(const struct err *why);
void run_tell_of(const struct err *why, const char *fmt, ...) PRINTF(2, 3);
/* What must be seen by people though the run is good: kept with the run. what: one word; takes the
 * phrase over. */
void run_warn(const char *what, json_t *phrase);
/* total: bytes that this phase will go through, 0 = unknown. */
void run_phase(struct run *r, const char *type, const char *phase, uint64_t total);
void run_progress(
    struct run *r, uint64_t bytes, uint64_t bytes_out, uint64_t files, const char *path);

/* Callbacks for pack and unpack; ctx is the struct run. */
bool run_go_on(void *ctx);
void run_unpack_progress(void *ctx, uint64_t done, uint64_t total, const char *path);

/* Options for one archive of this run. */
struct pack_options run_pack_options(struct run *r, const char *type, bool strict);
/* What pack_* returned, as a result of the run: EXIT_CANCELLED, EXIT_NO_SPACE, ... */
int run_pack_result(int r, struct err *e);
/* Head of a manifest: method, times, zone. */
void run_manifest(struct run *r, struct manifest *m, enum manifest_method method);
/* Closes, publishes, tells and remembers the archive. state as in the event. */
int run_publish(
    struct run *r, struct pack *p, struct manifest *m, const char *state, struct err *e) MUSTCHECK;

/* The parts of a backup. */
int physical_backup(struct run *r, struct err *e) MUSTCHECK;
int dump_backup(struct run *r, struct err *e) MUSTCHECK;
int data_backup(struct run *r, const char *name, struct err *e) MUSTCHECK;

#endif
