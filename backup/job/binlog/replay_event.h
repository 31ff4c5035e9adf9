/*
 * One event into one session. replay.c has the server and the order.
 */
#ifndef ELEXGATE_BACKUP_JOB_BINLOG_REPLAY_EVENT_H
#define ELEXGATE_BACKUP_JOB_BINLOG_REPLAY_EVENT_H

#include "backup/job/binlog/replay.h"
#include "backup/rules/binlog_query.h"

struct binlog_player {
    struct server_target target;
    struct server *server; /* NULL: not connected */
    bool connected;        /* once it was */
    struct binlog_replayed done;
    bool lacking;     /* the backup lacks tables (stand_in.h) */
    unsigned refused; /* the number of the error that the server last answered with */
    /* of the file */
    uint8_t *format;
    size_t format_len;
    bool format_given; /* to this session */
    /* of the transaction */
    struct binlog_group group;
    uint8_t xid[128];
    bool in_group, begun; /* BEGIN or XA START was sent */
    bool collations;      /* this session was given character_set_collations */
    bool prepared;        /* this session holds a prepared XA transaction, xid */
    /* of the statement: its table maps, and behind them rows that were not sent yet; the last event
     * of these begins at last_rows */
    uint8_t *events;
    size_t events_len, events_room, maps_len, last_rows;
    json_t *tables; /* {"table id": "schema.table"} of its maps, where the backup lacks tables */
    bool last_sum;  /* it has a CRC */
    char *text;     /* a statement being made */
    size_t text_room;
    char kind[BINLOG_KIND_LEN];
};

/* A transaction begins. What was open is taken back: it was never finished. */
int binlog_player_begin(struct binlog_player *p, const struct binlog_event *ev,
    const struct binlog_group *g, struct err *e) MUSTCHECK;
int binlog_player_event(
    struct binlog_player *p, const struct binlog_event *ev, struct err *e) MUSTCHECK;
/* Takes back what is open. */
int binlog_player_end(struct binlog_player *p, struct err *e) MUSTCHECK;
void binlog_player_clear(struct binlog_player *p);

/* replay_rows.c: the table maps of a statement, then its rows. */
int binlog_player_table_map(
    struct binlog_player *p, const struct binlog_event *ev, struct err *e) MUSTCHECK;
int binlog_player_rows(
    struct binlog_player *p, const struct binlog_event *ev, struct err *e) MUSTCHECK;
/* A text of n bytes as one statement. expected: an error that it may end with, 0 = none. */
int binlog_player_send(struct binlog_player *p, const struct binlog_event *ev, const char *sql,
    size_t n, unsigned expected, struct err *e) MUSTCHECK;
/* EXIT_INCONSISTENT, with the event's place. kind: of its statement, "" = none. */
int binlog_player_failed(
    const struct binlog_event *ev, const char *kind, const char *why, struct err *e);

#endif
