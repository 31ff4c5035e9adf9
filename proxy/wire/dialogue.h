/*
 * The command phase of one session, followed from both sides without changing a byte.
 *
 * The relay passes every plaintext byte that it forwards, in any pieces. The dialogue knows from
 * it: whether a statement is in flight, whether it may write, whether a transaction is open, and
 * whether both directions stand between packets, so that an error can be put in. It reads packet
 * headers, the command byte, the first keyword, and the status flags of the answers; no SQL text,
 * no row.
 *
 * Hot path: a packet that lies whole in the bytes costs a header and a switch; nothing is allocated
 * per packet.
 *
 * Commands may be pipelined (MariaDB Connector/J sends PREPARE and EXECUTE together): outstanding
 * answers are kept in a ring of at most DIALOGUE_PIPELINE_MAX; when it is full dialogue_client
 * takes no further command and the relay must stop reading from the client until an answer has
 * ended.
 *
 * Where something comes that cannot be followed, the dialogue says so once (DIALOGUE_LOST) and from
 * then on gives the careful answer: in flight, writing. The relay goes on.
 */
#ifndef ELEXGATE_PROXY_WIRE_DIALOGUE_H
#define ELEXGATE_PROXY_WIRE_DIALOGUE_H

#include "common/buffer.h"
#include "proxy/wire/calls.h"
#include "proxy/wire/keyword.h"
#include "proxy/wire/login.h"
#include "proxy/wire/packet.h"
#include "proxy/wire/statements.h"

#ifndef DIALOGUE_PIPELINE_MAX /* smaller where it is to be reached: elexgate-proxy-small */
#define DIALOGUE_PIPELINE_MAX 1024u
#endif

/* Events of one call, or-ed together. WRITE is told as early as known, for statements that may
 * write and for what rolls back a transaction that wrote (QUIT, RESET_CONNECTION, CHANGE_USER).
 * LATE_WRITE: a "read" turned out to be several statements; its answer is one of write_outstanding
 * from now on. */
#define DIALOGUE_READ         0x01u  /* a statement that reads was recognised */
#define DIALOGUE_WRITE        0x02u  /* one that may write */
#define DIALOGUE_ANSWERED     0x04u  /* at least one answer ended */
#define DIALOGUE_QUIT         0x08u  /* COM_QUIT was seen */
#define DIALOGUE_USER_CHANGED 0x10u  /* COM_CHANGE_USER was accepted: take dialogue.names */
#define DIALOGUE_DB_CHANGED   0x20u  /* COM_INIT_DB was accepted: take dialogue.names.database */
#define DIALOGUE_LOST         0x40u  /* no longer understood; dialogue.lost_why says where */
#define DIALOGUE_FULL         0x80u  /* pipeline full: *taken < n */
#define DIALOGUE_LATE_WRITE   0x100u /* see above */
#define DIALOGUE_FULL_AUTH    0x200u /* at a change of user: the password itself is asked for */

/* Is a transaction open on the server? UNKNOWN: an answer without status flags (an error) has come
 * since it last said so, to a statement that may have begun or ended one: a deadlock's victim, DDL
 * that failed behind its implicit commit, a CALL that wrote and failed. Whoever must not cut work
 * short treats it as open; the next answer with flags tells, to a ping as well. */
enum dialogue_transaction { TRANSACTION_NONE, TRANSACTION_OPEN, TRANSACTION_UNKNOWN };

enum dialogue_kind { DIALOGUE_KIND_NONE, DIALOGUE_KIND_READ, DIALOGUE_KIND_WRITE };

/* What is looked at of a packet: enough for OK, EOF, PREPARE, and an ERR's first words. */
#define DIALOGUE_START_MAX 64u

struct dialogue_side { /* where a direction stands in its stream of packets */
    uint32_t left;     /* payload bytes of the current packet still to come */
    uint8_t head_len;  /* header bytes seen, 0..4; 4 = inside a payload */
    uint8_t head[4];
    uint8_t seq;       /* sequence number of the last packet begun */
    bool continued;    /* the packet before had PACKET_MAX bytes: the next one goes on */
    uint8_t start_len; /* bytes of the payload's start that are kept */
    uint8_t start[DIALOGUE_START_MAX];
};

struct dialogue {
    uint64_t caps; /* negotiated: client's and server's */

    /* read these */
    uint32_t outstanding;       /* commands begun by the client and not yet answered in full; falls
                                   without an event where a command has no answer */
    uint32_t write_outstanding; /* those among them that may write */
    uint8_t transaction;        /* enum dialogue_transaction */
    bool autocommit;            /* as the server last said */
    bool transaction_wrote;     /* ending the open transaction, or the connection, may write */
    bool lost;
    bool multi_statements;    /* may be switched by COM_SET_OPTION */
    uint8_t last_kind;        /* enum dialogue_kind of the last statement */
    uint64_t reads, writes;   /* statements recognised */
    const char *lost_why;     /* static text */
    struct login_names names; /* after *_CHANGED; the taker moves the strings out and clears them.
                                 After DB_CHANGED only database is set, the others are NULL */
    uint16_t server_error; /* code of the ERR packet that was the last answer; 0 after a good one */
    char unasked_error[DIALOGUE_START_MAX]; /* first words of an ERR that answers nothing: killed,
                                               timed out, shut down. Empty if there was none */

    /* private to dialogue*.c */
    struct dialogue_side client, server;
    struct keyword keyword;
    struct calls calls;
    struct statements statements;
    struct buffer *collect; /* payload of COM_CHANGE_USER / COM_INIT_DB until it is answered */
    uint8_t *ring; /* outstanding answers: kind and flags, one byte each; NULL: the inline one */
    uint8_t ring_inline[16]; /* deeper pipelines than this cost memory */
    uint16_t ring_cap, ring_head, ring_len;
    uint8_t command;         /* command byte of the packet being received */
    uint8_t feed;            /* what becomes of the client's payload */
    uint8_t reply_state;     /* where the current answer stands */
    bool receiving;          /* the newest outstanding command has not come in whole */
    bool calls_decide;       /* the text's functions decide what it is, not only its transaction */
    bool last_prepare_reads; /* for COM_STMT_EXECUTE of "the last prepared" */
    bool infile;             /* the client is sending LOCAL INFILE data */
    bool auth_turn;          /* COM_CHANGE_USER: the client's next packet is its proof */
    bool streaming;          /* a binlog stream: the server sends unasked */
    bool server_spoke_last;  /* in the current answer */
    uint64_t columns_left;
    uint16_t prepare_columns; /* definitions that follow those of the parameters */
};

/* caps: client's (those that count) AND server's. status: of the login's OK packet. */
void dialogue_init(struct dialogue *d, uint64_t caps, uint16_t status);
void dialogue_clear(struct dialogue *d); /* frees; zero-initialised ones too */

/* Bytes from the client, in order. *taken: how many were followed; the caller forwards only those.
 * It is n unless the pipeline is full. Returns events. */
unsigned dialogue_client(struct dialogue *d, const uint8_t *p, size_t n, size_t *taken);
/* Bytes from the server, in order. Returns events. */
unsigned dialogue_server(struct dialogue *d, const uint8_t *p, size_t n);

/* Nothing in flight and both directions between packets: a pause or an error can be put in here. */
static inline bool dialogue_between(const struct dialogue *d)
{
    return d->outstanding == 0 && !d->lost && !d->infile && d->client.head_len == 0 &&
           !d->client.continued && d->server.head_len == 0 && !d->server.continued;
}
/* An error packet may follow what the server has sent so far: the server's direction stands between
 * packets (and not inside one that is continued). *seq: its sequence number. */
bool dialogue_can_end(const struct dialogue *d, uint8_t *seq);
/* How many of these n bytes, the server's next ones, belong to the packet that it is in the middle
 * of: 0 = it is in none, n = perhaps more than are here. */
size_t dialogue_server_rest(const struct dialogue *d, const uint8_t *p, size_t n);

#endif
