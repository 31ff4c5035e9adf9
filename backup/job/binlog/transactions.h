/*
 * The archived log as transactions: which tables each one changed, and how many rows. For people to
 * read: what cannot be made out is left open, and is no reason to end.
 */
#ifndef ELEXGATE_BACKUP_JOB_BINLOG_TRANSACTIONS_H
#define ELEXGATE_BACKUP_JOB_BINLOG_TRANSACTIONS_H

#include <jansson.h>
#include "backup/job/binlog/events.h"
#include "backup/rules/binlog_rows.h"

#define BINLOG_TOUCHED_MAX 64 /* of one transaction: more are counted */
#define BINLOG_ROWS_SHOWN  200

struct binlog_touched {
    char *what;                    /* "db.table", or a kind of statement: "DROP TABLE" */
    bool statement;                /* no rows are known of it */
    bool unsure;                   /* not all of its rows could be counted */
    uint64_t rows[BINLOG_CHANGES]; /* inserted, changed, deleted */
};
struct binlog_transaction {
    const struct binlog_segment *segment;
    struct binlog_gtid gtid;
    uint32_t when;   /* as the server notes it: when the statement began that ended it */
    uint32_t thread; /* the server's number of the connection; 0 = the log does not say */
    struct binlog_touched touched[BINLOG_TOUCHED_MAX];
    size_t n;
    uint64_t more;   /* tables and statements that found no place */
    json_t *content; /* [{"table","change","row":[..],"was":[..]}] of the first rows; NULL = not
                        asked for */
    bool named;      /* it names what was asked for: transactions.names */
};

typedef int binlog_transaction_fn(void *ctx, const struct binlog_transaction *t, struct err *e);

struct binlog_transactions;
/* names: "table" or "db.table", which sets named; NULL = nothing. rows: contents as well. */
struct binlog_transactions *binlog_transactions_new(
    binlog_transaction_fn *fn, void *ctx, const char *names, bool rows) MUSTCHECK;
/* An event; fn is called when a transaction has ended. */
int binlog_transactions_event(
    struct binlog_transactions *t, const struct binlog_event *ev, struct err *e) MUSTCHECK;
/* The log is over: the last one, if it has ended. */
int binlog_transactions_end(struct binlog_transactions *t, struct err *e) MUSTCHECK;
void binlog_transactions_drop(struct binlog_transactions *t); /* NULL allowed */

#endif
