/*
 * A restore: everything old or everything new.
 *
 * - pick.c, foreign.c: which archives are meant
 * - site.c, holder.c: what is found: a server that answers or not, where its files are, who has
 * them
 * - plan.c: what would be replaced by what, for a person to decide
 * - stage.c: what is asked for is judged, unpacked beside the live data and tried out, while
 * clients work
 * - staging.c: the folders that it is done in
 * - stage_trial.c, accounts.c, foreign_look.c: the copy is judged and booted, and gets the accounts
 * that the restore needs
 * - exchange.c, clients.c: from block to open: clients out, server stopped, folders swapped, server
 *   started, clients in
 * - database.c: stopping and starting the server, and the proof that it stands still
 * - swap.c: the folders change their contents
 * - journal.c: what has been begun, on disk, so that a killed restore is finished or undone
 * - sql.c, sql_text.c, sql_stage.c: SQL text becomes a data directory, and goes the way of files
 * - live_copy.c, mirror.c: the copy that it is read into; carry.c: what was written elsewhere since
 * - beside.c, objects.c: the same within a server whose files are out of reach
 * - inventory.c: what a database holds, and what would be lost
 * - into.c, serve.c: unpacked elsewhere, with a throwaway server on it
 * - moment.c: what was written since the backup, up to a moment
 * - restore.c: the commands: run, sql, into, serve, undo, accept, recover, status; and the trail,
 *   which is what it tells, on disk, for a keeper that comes later
 *
 * Staging lies beside the live folder (.elexgate-restore-NAME) where that is the same file system,
 * else in it: new/ what comes, old/ what was, try/ for the throwaway server. While old data are
 * kept, `undo` changes back and forth, and `accept` lets go of what is not live.
 */
#ifndef ELEXGATE_BACKUP_JOB_RESTORE_RESTORE_H
#define ELEXGATE_BACKUP_JOB_RESTORE_RESTORE_H

#include <jansson.h>
#include "backup/archive/store.h"
#include "backup/rules/binlog_segment.h"
#include "backup/rules/restore_request.h"
#include "backup/job/method/layout.h"
#include "backup/job/restore/swap.h"
#include "backup/job/run.h"

#define RESTORE_PARTS_MAX   32
#define RESTORE_VERSION_LEN 64

/* In the order in which they are passed; names in journal.c. */
enum restore_phase {
    RESTORE_STAGING, /* clients work; nothing live has been touched */
    RESTORE_BLOCKED, /* clients are or may be blocked, the server may be stopped; nothing swapped */
    RESTORE_SWAPPING, /* folders on their way to the new state */
    RESTORE_STARTING, /* all new; the server is being started and looked at */
    RESTORE_UNDOING,  /* folders on their way to the old state */
    RESTORE_KEPT,     /* done; what is not live is kept */
    RESTORE_PHASES
};

/* The database server before the block: what going back must reach again. */
enum restore_before {
    RESTORE_ANSWERED,
    RESTORE_RAN,  /* and did not answer, or refused the keeper */
    RESTORE_DEAD, /* it did not run */
};

struct restore_part {
    char type[ARCHIVE_TYPE_MAX + 1];
    bool database;
    char *live, *root; /* the live folder, and the staging folder */
    struct swap swap;  /* filled from RESTORE_SWAPPING on */
};

struct restore {
    struct run *run;
    struct binlog_place place; /* of what is staged, in the archived log; timeline 0 = not known */
    char *journal;             /* path */
    enum restore_phase phase;
    char suffix[RUN_SUFFIX_LEN]; /* the run that is restored */
    int64_t started_ms;
    bool new_live;    /* what was live before this exchange; with RESTORE_KEPT: what is */
    bool target_new;  /* what the exchange makes live */
    bool again;       /* an exchange of what is kept already: undo, or undo of the undo */
    bool clients_out; /* with RESTORE_STAGING: clients are blocked for a copy of the live data */
    struct restore_part parts[RESTORE_PARTS_MAX];
    size_t n;
    enum restore_before before;
    bool made_live; /* the live folder had to be made */
    /* Tables that could not be opened on the old and the new side before; NULL = not known. */
    json_t *broken[2];
    /* The version of the server that each side was last live under; "" = not known. */
    char server[2][RESTORE_VERSION_LEN];
    json_t
        *beside; /* SQL in a database beside the live one (beside.h); NULL: folders change places */
    json_t *addresses;      /* clients that were connected when the block came */
    uint64_t expected_ms;   /* how long clients are told to wait; 0 = as long as a swap takes */
    uint64_t blocked_at_ms; /* monotonic, for the report */
    uint64_t blocked_for_ms;
    struct {
        int fd;
        bool leased; /* nobody else had it open */
    } locks[8];      /* held on the files of a stopped server */
    size_t n_locks;
    /* Called when clients are out and the server still runs, on the way to the new side; NULL = no
     * one. What it returns but 0 ends the exchange, back to the old side. */
    int (*before_stop)(struct restore *r, void *ctx, struct err *e);
    void *before_stop_ctx;
    bool guarded;       /* files were missing, and stand-ins are locked instead */
    uint64_t silent_ms; /* monotonic: since when the server that is to end answers nothing; 0 = it
                           does */
    int server_fd;      /* pidfd of the server that was asked to end; 0 = not known */
};

/* A new one, with its journal's path. */
void restore_init(struct restore *r, struct run *run);
const struct restore_part *restore_database(
    const struct restore *r); /* NULL: none in this restore */
/* Opens live/, new/ and old/ of a part; the caller closes. */
int restore_open_folders(
    const struct restore_part *p, struct swap_folders *f, struct err *e) MUSTCHECK;
void restore_close_folders(struct swap_folders *f);

/* journal.c */
const char *restore_phase_name(enum restore_phase p);
int restore_journal_save(struct restore *r, enum restore_phase phase, struct err *e) MUSTCHECK;
/* 1: there is none. */
int restore_journal_load(struct restore *r, struct err *e) MUSTCHECK;
/* Frees what a journal says. */
void restore_journal_clear(struct restore *r);
int restore_journal_remove(struct restore *r, struct err *e) MUSTCHECK;
#endif
