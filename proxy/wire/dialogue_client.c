/* The client's direction: commands, and what it sends while an answer runs (LOCAL INFILE data,
 * proofs). */
#include <string.h>
#include "proxy/wire/dialogue.h"
#include "proxy/wire/dialogue_private.h"

enum command {
    COM_QUIT = 0x01,
    COM_INIT_DB = 0x02,
    COM_QUERY = 0x03,
    COM_FIELD_LIST = 0x04,
    COM_STATISTICS = 0x09,
    COM_PROCESS_INFO = 0x0a,
    COM_PROCESS_KILL = 0x0c,
    COM_DEBUG = 0x0d,
    COM_PING = 0x0e,
    COM_CHANGE_USER = 0x11,
    COM_BINLOG_DUMP = 0x12,
    COM_REGISTER_SLAVE = 0x15,
    COM_STMT_PREPARE = 0x16,
    COM_STMT_EXECUTE = 0x17,
    COM_STMT_SEND_LONG_DATA = 0x18,
    COM_STMT_CLOSE = 0x19,
    COM_STMT_RESET = 0x1a,
    COM_SET_OPTION = 0x1b,
    COM_STMT_FETCH = 0x1c,
    COM_BINLOG_DUMP_GTID = 0x1e,
    COM_RESET_CONNECTION = 0x1f,
    COM_SEMISYNC_ACK = 0xef, /* not a command: the replica's word in a binlog stream */
    COM_STMT_BULK_EXECUTE = 0xfa,
};

enum feed { /* what becomes of the payload's bytes */
    FEED_SKIP,
    FEED_COMMAND,    /* the next byte is the command */
    FEED_START,      /* kept in start[] until START_WANTED */
    FEED_ATTRIBUTES, /* query attributes in front of the text */
    FEED_SET,        /* their number of sets */
    FEED_TEXT,       /* the statement's text */
    FEED_CALLS,      /* the rest of a text that is a read unless it calls a function */
    FEED_COLLECT,    /* names: into collect */
    FEED_INFILE,     /* file data: an empty packet ends it */
    FEED_PROOF,      /* COM_CHANGE_USER's next proof */
};

#define START_WANTED  5u /* behind the command: statement id, cursor flags */
#define LAST_PREPARED UINT32_MAX

/* What each known command's payload is and which answer it has. All others: one packet, may write.
 */
static const struct {
    bool known;
    uint8_t feed, reply;
} commands[256] = {
    [COM_QUIT] = {true, FEED_SKIP, REPLY_NONE},
    [COM_INIT_DB] = {true, FEED_COLLECT, REPLY_DATABASE},
    [COM_QUERY] = {true, FEED_TEXT, REPLY_QUERY},
    [COM_FIELD_LIST] = {true, FEED_SKIP, REPLY_LIST},
    [COM_STATISTICS] = {true, FEED_SKIP, REPLY_ONE},
    [COM_PROCESS_INFO] = {true, FEED_SKIP, REPLY_QUERY},
    [COM_PROCESS_KILL] = {true, FEED_SKIP, REPLY_ONE},
    [COM_DEBUG] = {true, FEED_SKIP, REPLY_ONE},
    [COM_PING] = {true, FEED_SKIP, REPLY_ONE},
    [COM_CHANGE_USER] = {true, FEED_COLLECT, REPLY_AUTH},
    [COM_BINLOG_DUMP] = {true, FEED_SKIP, REPLY_NONE},
    [COM_BINLOG_DUMP_GTID] = {true, FEED_SKIP, REPLY_NONE},
    [COM_REGISTER_SLAVE] = {true, FEED_SKIP, REPLY_ONE},
    [COM_STMT_PREPARE] = {true, FEED_TEXT, REPLY_PREPARE},
    [COM_STMT_EXECUTE] = {true, FEED_START, REPLY_QUERY},
    [COM_STMT_BULK_EXECUTE] = {true, FEED_START, REPLY_QUERY},
    [COM_STMT_SEND_LONG_DATA] = {true, FEED_SKIP, REPLY_NONE},
    [COM_STMT_CLOSE] = {true, FEED_START, REPLY_NONE},
    [COM_STMT_RESET] = {true, FEED_SKIP, REPLY_ONE},
    [COM_SET_OPTION] = {true, FEED_START, REPLY_ONE},
    [COM_STMT_FETCH] = {true, FEED_SKIP, REPLY_LIST},
    [COM_RESET_CONNECTION] = {true, FEED_SKIP, REPLY_RESET},
};

/* ---- what is learnt from a command ---- */

/* flags for the answer that the current command waits for; the server may have ended it already. */
static void flag_reply(struct dialogue *d, unsigned flags)
{
    if (d->receiving)
        *ring_back(d) |= (uint8_t)flags;
}

static unsigned writes(struct dialogue *d)
{
    d->last_kind = DIALOGUE_KIND_WRITE;
    d->writes++;
    d->transaction_wrote = true;
    /* A server that answers early with several results has made it a write already. */
    if (d->receiving && !(*ring_back(d) & REPLY_WRITES)) {
        flag_reply(d, REPLY_WRITES);
        d->write_outstanding++;
    }
    return DIALOGUE_WRITE;
}

static unsigned reads(struct dialogue *d)
{
    d->last_kind = DIALOGUE_KIND_READ;
    d->reads++;
    flag_reply(d, REPLY_READS);
    return DIALOGUE_READ;
}

/* What rolls back an open transaction that wrote, writes. */
static unsigned rolls_back(struct dialogue *d)
{
    return d->transaction_wrote ? writes(d) : 0;
}

/* Each statement is its own transaction, as far as can be told: none is on its way that begins one.
 */
static bool commits_itself(const struct dialogue *d)
{
    return d->autocommit && d->transaction == TRANSACTION_NONE && d->outstanding <= 1;
}

/* The first keyword has decided. */
static unsigned text_decided(struct dialogue *d, enum keyword_kind kind)
{
    bool prepare = d->command == COM_STMT_PREPARE;
    bool pending = kind == KEYWORD_EXPLAIN || (prepare && kind == KEYWORD_READ);
    d->feed = FEED_SKIP;
    if (prepare && !pending) {
        d->last_prepare_reads = false;
        return 0;
    }
    if (kind == KEYWORD_WRITE || (kind == KEYWORD_END && d->transaction_wrote))
        return writes(d);
    if (pending || !commits_itself(d)) {
        d->feed = FEED_CALLS;
        d->calls_decide = pending;
        calls_start(&d->calls);
    }
    if (pending)
        return 0;
    if (kind == KEYWORD_READ)
        return reads(d);
    d->last_kind = DIALOGUE_KIND_READ; /* no mark of a reader: it moves the transaction */
    d->reads++;
    return DIALOGUE_READ;
}

/* The text calls a function of somebody's, or is over and did not. */
static unsigned calls_known(struct dialogue *d, bool found)
{
    d->feed = FEED_SKIP;
    if (!d->calls_decide) { /* what it writes, the end of its transaction writes */
        d->transaction_wrote |= found;
        return 0;
    }
    if (d->command != COM_STMT_PREPARE)
        return found ? writes(d) : reads(d);
    d->last_prepare_reads = !found;
    flag_reply(d, found ? 0 : REPLY_READS);
    return 0;
}

static unsigned text(struct dialogue *d, const uint8_t *p, size_t n)
{
    enum keyword_kind kind = keyword_feed(&d->keyword, p, n);
    if (kind == KEYWORD_UNDECIDED)
        return 0;
    size_t at = d->keyword.at;
    unsigned events = text_decided(d, kind);
    if (d->feed == FEED_CALLS && calls_feed(&d->calls, p + at, n - at))
        events |= calls_known(d, true);
    return events;
}

static uint32_t start_u32(const struct dialogue *d)
{
    struct cursor c = cursor_make(d->client.start, d->client.start_len);
    return cursor_u32(&c);
}

/* EXECUTE, CLOSE and SET_OPTION, when enough of them has come or they are over. */
static unsigned start_complete(struct dialogue *d)
{
    const uint8_t *start = d->client.start;
    uint8_t len = d->client.start_len;
    bool last = len >= 4 && start_u32(d) == LAST_PREPARED;
    d->feed = FEED_SKIP;
    switch (d->command) {
    case COM_STMT_EXECUTE:
        if (len > 4 && start[4] != 0)
            flag_reply(d, REPLY_CURSOR);
        __attribute__((fallthrough));
    case COM_STMT_BULK_EXECUTE:
        if (last ? d->last_prepare_reads
                 : len >= 4 && statements_reads(&d->statements, start_u32(d)))
            return reads(d);
        return writes(d);
    case COM_STMT_CLOSE:
        if (len >= 4)
            statements_remove(&d->statements, start_u32(d));
        return 0;
    default: /* COM_SET_OPTION: 0 on, 1 off */
        if (len >= 2)
            d->multi_statements = start[0] == 0 && start[1] == 0;
        return 0;
    }
}

/* Only one command at a time can have its names collected; clients do not pipeline these. An older
 * one that is still unanswered then ends without telling its names. */
static void collect_begin(struct dialogue *d)
{
    for (uint16_t i = 0; i < d->ring_len; i++)
        *ring_at(d, i) &= (uint8_t)~REPLY_NAMES;
    if (!d->collect) {
        d->collect = xmalloc(sizeof *d->collect);
        buffer_init(d->collect, LOGIN_PACKET_MAX);
    }
    buffer_free(d->collect);
    flag_reply(d, REPLY_NAMES);
}

static void collect(struct dialogue *d, const uint8_t *p, size_t n)
{
    if (buffer_append(d->collect, p, n) < 0) {
        buffer_free(d->collect); /* no real one is that long: its names stay unknown */
        d->feed = FEED_SKIP;
    }
}

static unsigned command_known(struct dialogue *d, uint8_t command)
{
    bool known = commands[command].known;
    d->command = command;
    d->feed = commands[command].feed;
    d->client.start_len = 0;
    if (d->streaming && command == COM_SEMISYNC_ACK) {
        flag_reply(d, REPLY_NONE);
        return 0;
    }
    flag_reply(d, known ? commands[command].reply : REPLY_ONE);
    switch (command) {
    case COM_QUERY:
        if (d->caps & CAP_QUERY_ATTRIBUTES)
            d->feed = FEED_ATTRIBUTES;
        __attribute__((fallthrough));
    case COM_STMT_PREPARE:
        keyword_start(&d->keyword);
        return 0;
    case COM_INIT_DB:
        collect_begin(d);
        return 0;
    case COM_CHANGE_USER:
        collect_begin(d);
        collect(d, &command, 1);
        return rolls_back(d);
    case COM_RESET_CONNECTION:
        return rolls_back(d);
    case COM_QUIT:
        return rolls_back(d) | DIALOGUE_QUIT;
    default:
        return known ? 0 : writes(d);
    }
}

/* ---- payload ---- */

/* One byte of what stands in front of a query's text: number of attributes, number of sets. MySQL's
 * clients send 0 and 1; with attributes the text is not looked for. */
static unsigned attribute_byte(struct dialogue *d, uint8_t byte)
{
    if (byte == (d->feed == FEED_ATTRIBUTES ? 0 : 1)) {
        d->feed = d->feed == FEED_ATTRIBUTES ? FEED_SET : FEED_TEXT;
        return 0;
    }
    d->feed = FEED_SKIP;
    return writes(d);
}

static unsigned payload(struct dialogue *d, const uint8_t *p, size_t n)
{
    unsigned events = 0;
    for (; n > 0; p++, n--) {
        switch (d->feed) {
        case FEED_COMMAND:
            events |= command_known(d, p[0]);
            break;
        case FEED_ATTRIBUTES:
        case FEED_SET:
            events |= attribute_byte(d, p[0]);
            break;
        case FEED_TEXT:
            return events | text(d, p, n);
        case FEED_CALLS:
            return calls_feed(&d->calls, p, n) ? events | calls_known(d, true) : events;
        case FEED_START:
            d->client.start[d->client.start_len++] = p[0];
            if (d->client.start_len == START_WANTED)
                events |= start_complete(d);
            break;
        case FEED_COLLECT:
            collect(d, p, n);
            return events;
        default: /* SKIP, INFILE, PROOF: nothing to learn */
            return events;
        }
    }
    return events;
}

/* ---- packets ---- */

/* The command has come in whole. */
static unsigned command_ended(struct dialogue *d)
{
    unsigned events = 0;
    switch (d->feed) {
    case FEED_COMMAND: /* an empty packet: the server answers with an error */
        flag_reply(d, REPLY_ONE);
        break;
    case FEED_TEXT:
        events = text_decided(d, keyword_finish(&d->keyword));
        if (d->feed == FEED_CALLS)
            events |= calls_known(d, false);
        break;
    case FEED_CALLS:
        events = calls_known(d, false);
        break;
    case FEED_ATTRIBUTES:
    case FEED_SET:
        events = writes(d);
        break;
    case FEED_START:
        events = start_complete(d);
        break;
    default:
        break;
    }
    if (d->command == COM_BINLOG_DUMP || d->command == COM_BINLOG_DUMP_GTID)
        d->streaming = true;
    if (d->receiving && (*ring_back(d) & REPLY_KIND) == REPLY_NONE) {
        if (*ring_back(d) & REPLY_WRITES)
            d->write_outstanding--;
        d->outstanding--;
        d->ring_len--;
    }
    d->receiving = false;
    return events;
}

static unsigned packet_ended(struct dialogue *d)
{
    struct dialogue_side *s = &d->client;
    uint32_t len = packet_length(s->head);
    bool whole = len != PACKET_MAX;
    bool empty = len == 0 && !s->continued;
    s->head_len = 0;
    s->continued = !whole;
    if (!whole || d->lost)
        return 0;
    switch (d->feed) {
    case FEED_INFILE:
        d->server_spoke_last = false;
        if (empty)
            d->infile = false;
        return 0;
    case FEED_PROOF:
        d->server_spoke_last = false;
        d->auth_turn = false;
        return 0;
    default:
        return command_ended(d);
    }
}

/* The first byte of a packet that goes on with none before it. false: a command that has no room.
 */
static bool packet_begins(struct dialogue *d)
{
    struct dialogue_side *s = &d->client;
    if (d->lost) {
        d->feed = FEED_SKIP;
    } else if (d->infile) {
        d->feed = FEED_INFILE;
    } else if (d->auth_turn) {
        d->feed = FEED_PROOF;
    } else {
        if (d->ring_len >= DIALOGUE_PIPELINE_MAX)
            return false;
        ring_push(d);
        s->seq =
            0; /* a command's, until its header says so: an error may have to answer half of one */
        d->command = 0;
        d->feed = FEED_COMMAND;
    }
    return true;
}

unsigned dialogue_client(struct dialogue *d, const uint8_t *p, size_t n, size_t *taken)
{
    struct dialogue_side *s = &d->client;
    unsigned events = 0;
    size_t at = 0;
    while (at < n) {
        if (s->head_len < PACKET_HEADER) {
            if (s->head_len == 0 && !s->continued && !packet_begins(d)) {
                events |= DIALOGUE_FULL;
                break;
            }
            if (s->head_len == 0 && n - at >= PACKET_HEADER) {
                memcpy(s->head, p + at, PACKET_HEADER);
                s->head_len = PACKET_HEADER;
                at += PACKET_HEADER;
            } else {
                s->head[s->head_len++] = p[at++];
                if (s->head_len < PACKET_HEADER)
                    continue;
            }
            s->left = packet_length(s->head);
            s->seq = s->head[3];
        } else {
            size_t here = n - at < s->left ? n - at : s->left;
            events |= payload(d, p + at, here);
            s->left -= (uint32_t)here;
            at += here;
        }
        if (s->left == 0)
            events |= packet_ended(d);
    }
    *taken = at;
    return events;
}
