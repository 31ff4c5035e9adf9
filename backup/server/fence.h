/*
 * The fence: brings a running server to a point where its files on disk are complete, holds it
 * there while they are copied, and can tell afterwards whether it stayed there. docs/backup.md has
 * the sequence with the reason for each step.
 *
 * Use, in one thread:
 *     fence_open      connects, stops the statistics thread
 *     fence_settling  wait until it returns 0
 *     fence_take      locks; copy; fence_check; fence_release      any number of times
 *     fence_close     puts everything back, on every way out
 *
 * With yield on, a write that arrives while the fence stands makes it let go within milliseconds,
 * in the middle of fence_take or of the copy: fence_lost() turns true, and the copy is worth
 * nothing. Reads are never held up, but for the moment of locking when they come through the proxy.
 */
#ifndef ELEXGATE_BACKUP_SERVER_FENCE_H
#define ELEXGATE_BACKUP_SERVER_FENCE_H

#include "backup/rules/binlog_segment.h"
#include "backup/server/server.h"

struct fence;

struct fence_options {
    struct server_target target;
    const char *program;
    const char *journal;      /* file that remembers the changed server settings */
    const char *proxy_socket; /* NULL: clients do not come through a proxy, nobody is held */
    bool yield;               /* let go when somebody wants to write */
    unsigned settle_ms; /* silence of the statistics thread before the lock; 12000 is measured */
    unsigned hold_ms;   /* how long the proxy may wait for a moment without transactions */
    bool old_server;    /* take the path for servers without innodb_log_checkpoint_now */
};

/* What is noted when the fence stands. */
struct fence_marks {
    uint64_t lsn, checkpoint_lsn, pages_flushed;
    uint64_t pages_dirty, history, checkpoint_age;
    unsigned lock_ms;  /* from the lock to the fence standing */
    unsigned flush_ms; /* the heavy flush before the lock */
    unsigned hold_ms;  /* how long clients of the proxy were held */
    char taken_at[32]; /* UTC */
    /* Where the server's binary log stands; file "" = nowhere, and then why, "" = it has none. */
    struct binlog_place binlog;
    char gtids[BINLOG_GTIDS_TEXT];
    struct err binlog_words;
};

enum fence_outcome {
    FENCE_BUSY = 1,    /* the server is not quiet: an open transaction, purge held back, ... */
    FENCE_YIELDED = 2, /* somebody wanted to write */
};

enum fence_verdict {
    FENCE_CLEAN,       /* nothing moved: the copy starts without crash recovery */
    FENCE_RECOVERABLE, /* the log moved, no page and no file did: right after crash recovery */
    FENCE_REJECT,      /* the copy is worth nothing */
};

int fence_open(const struct fence_options *o, struct fence **out, struct err *e) MUSTCHECK;
/* Milliseconds to wait before fence_take makes sense. */
unsigned fence_settling(const struct fence *f);
/* 0 and *marks, or a fence_outcome with the reason in *e, or negative. After anything but 0 the
 * server runs as before. */
int fence_take(struct fence *f, struct fence_marks *marks, struct err *e) MUSTCHECK;
/* True once the lock was let go for a writer; any thread. */
bool fence_lost(const struct fence *f);
/* Reads the counters again, over the connection that holds the lock; files_changed is what the
 * copying saw. moved says what moved, or for whom it was let go; nothing for FENCE_CLEAN. */
enum fence_verdict fence_check(struct fence *f, bool files_changed, struct err *moved);
/* Unlocks; does nothing when the lock is gone already. */
void fence_release(struct fence *f);
/* Releases, puts the server's settings back, closes. 0 or the first error; the fence is gone in any
 * case, and what could not be put back stays in the journal. NULL allowed. */
int fence_close(struct fence *f, struct err *e) MUSTCHECK;

const char *fence_verdict_name(enum fence_verdict v);

#endif
