#include "backup/server/binlog_client.h"

#include <errmsg.h>
#include <errno.h>
#include <mysql.h>
#include <mysqld_error.h>
#include <mariadb_rpl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include "common/lang.h"
#include "common/said.h"

/* The semi-synchronous protocol (MariaDB Knowledge Base, "Semi-Sync Replication"): two bytes before
 * each event, and a packet of the place that was reached as the answer. */
#define SEMI_SYNC     0xef
#define SEMI_SYNC_ACK 1 /* a commit waits for the answer */

struct binlog_client {
    MYSQL *my;
    MARIADB_RPL *rpl;
    char *file;
    bool semi_sync, awaited;
};

static int code_of(unsigned number)
{
    switch (number) {
    case CR_SERVER_GONE_ERROR:
    case CR_SERVER_LOST:
    case CR_CONNECTION_ERROR:
    case CR_CONN_HOST_ERROR:
    case CR_UNKNOWN_HOST:
    case ER_CONNECTION_KILLED:
    case ER_SERVER_SHUTDOWN:
        return EPIPE;
    case ER_ACCESS_DENIED_ERROR:
    case ER_SPECIFIC_ACCESS_DENIED_ERROR:
        return EACCES;
    case ER_MASTER_FATAL_ERROR_READING_BINLOG:
        return ENOENT;
    default:
        return EIO;
    }
}

static int fail(struct binlog_client *c, const char *what, struct err *e)
{
    struct err said = {0};
    unsigned number = mysql_errno(c->my);
    if (!number)
        return err_set(e, EIO, "%s: the client library refuses it (error %u)", what,
            c->rpl ? mariadb_rpl_errno(c->rpl) : 0);
    return err_set(
        e, code_of(number), "%s: %s", what, said_of_ours(number, mysql_error(c->my), &said));
}

/* What a replica says before it asks for the log: it understands checksums and GTIDs. */
static int greet(struct binlog_client *c, const struct binlog_client_options *o, struct err *e)
{
    char statements[3][120];
    snprintf(statements[0], sizeof statements[0],
        "SET @master_binlog_checksum=@@global.binlog_checksum, @mariadb_slave_capability=4");
    snprintf(statements[1], sizeof statements[1], "SET @master_heartbeat_period=%llu",
        (unsigned long long)o->heartbeat_ms * 1000000);
    snprintf(statements[2], sizeof statements[2], "SET @rpl_semi_sync_slave=%d", o->semi_sync);
    for (size_t i = 0; i < 3; i++)
        if (mysql_query(c->my, statements[i]) != 0)
            return fail(c, N_("the binary log cannot be asked for"), e);
    return 0;
}

static int begin(struct binlog_client *c, const struct binlog_client_options *o, struct err *e)
{
    unsigned flags = MARIADB_RPL_BINLOG_SEND_ANNOTATE_ROWS;
    if (o->once)
        flags |= MARIADB_RPL_BINLOG_DUMP_NON_BLOCK;
    c->rpl = mariadb_rpl_init(c->my);
    CHECK(c->rpl);
    c->file = xstrdup(o->file);
    mariadb_rpl_optionsv(c->rpl, MARIADB_RPL_FILENAME, c->file, strlen(c->file));
    mariadb_rpl_optionsv(c->rpl, MARIADB_RPL_START, (unsigned long)o->position);
    mariadb_rpl_optionsv(c->rpl, MARIADB_RPL_SERVER_ID, o->server_id);
    mariadb_rpl_optionsv(c->rpl, MARIADB_RPL_FLAGS, flags);
    if (mariadb_rpl_open(c->rpl) != 0)
        return fail(c, N_("the binary log cannot be read"), e);
    return 0;
}

int binlog_client_open(
    const struct binlog_client_options *o, struct binlog_client **out, struct err *e)
{
    struct binlog_client *c = xcalloc(1, sizeof *c);
    const struct server_target *t = o->target;
    unsigned connect_s = t->connect_timeout_ms < 1000 ? 1 : t->connect_timeout_ms / 1000;
    unsigned read_s = 3 * o->heartbeat_ms / 1000 + 2, no_files = 0;
    my_bool no = 0;
    unsigned long packet = 1ul << 30;
    c->my = mysql_init(NULL);
    CHECK(c->my);
    mysql_options(c->my, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
    mysql_options(c->my, MYSQL_OPT_READ_TIMEOUT, &read_s);
    mysql_options(c->my, MYSQL_OPT_LOCAL_INFILE, &no_files);
    mysql_options(c->my, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet);
    mysql_options4(c->my, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", "elexgate-job");
    c->semi_sync = o->semi_sync;
    if (o->semi_sync) { /* what is acknowledged is written to the socket itself: never TLS */
        mysql_options(c->my, MYSQL_OPT_SSL_ENFORCE, &no);
        mysql_options(c->my, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &no);
    }
    int r = 0;
    if (!mysql_real_connect(
            c->my, t->socket ? NULL : t->host, t->user, t->password, NULL, t->port, t->socket, 0))
        r = fail(c, N_("cannot log in to the database server for its binary log"), e);
    if (r == 0)
        r = greet(c, o, e);
    if (r == 0)
        r = begin(c, o, e);
    if (r < 0) {
        binlog_client_close(c);
        return r;
    }
    *out = c;
    return 0;
}

/* mariadb_rpl_fetch() is not used: it takes events apart, ends at those that it does not know (a
 * LOAD DATA that was logged as a statement), acknowledges what is not on the disk yet, and ends the
 * process when it cannot (3.3: the words of that error want arguments that it does not have). */
int binlog_client_next(struct binlog_client *c, const uint8_t **event, size_t *n, struct err *e)
{
    unsigned long length = mysql_net_read_packet(c->my);
    const uint8_t *p = c->my->net.read_pos;
    c->awaited = false;
    if (length == (unsigned long)packet_error)
        return fail(c, N_("the binary log ended"), e);
    if (length < 9 && length > 0 && p[0] == 0xfe)
        return 1;
    size_t at = 1; /* behind the byte that says: all is well */
    if (c->semi_sync && length >= 3 + BINLOG_HEADER_SIZE && p[1] == SEMI_SYNC &&
        binlog_u32(p + 3 + 9) == length - 3) { /* and no time that begins alike */
        c->awaited = p[2] & SEMI_SYNC_ACK;
        at = 3;
    }
    if (length < at + BINLOG_HEADER_SIZE || p[0] != 0)
        return err_set(e, EBADMSG, "the server sent an event that is too short");
    if (c->awaited)
        c->my->net.pkt_nr = 1; /* the server counts anew behind such an event */
    *event = p + at;
    *n = length - at;
    return 0;
}

bool binlog_client_awaited(const struct binlog_client *c)
{
    return c->awaited;
}

int binlog_client_acknowledge(
    struct binlog_client *c, const char *file, uint64_t position, struct err *e)
{
    uint8_t packet[4 + 9 + BINLOG_NAME_MAX + 1];
    size_t name = strlen(file) + 1, length = 9 + name;
    c->awaited = false;
    packet[0] = (uint8_t)length;
    packet[1] = (uint8_t)(length >> 8);
    packet[2] = packet[3] = 0;
    packet[4] = SEMI_SYNC;
    for (int i = 0; i < 8; i++)
        packet[5 + i] = (uint8_t)(position >> (8 * i));
    CHECK(name <= BINLOG_NAME_MAX + 1); /* binlog_name_valid */
    memcpy(packet + 13, file, name);
    if (mysql_get_ssl_cipher(c->my))
        return err_set(e, ENOTSUP,
            "the server wants TLS for the connection of its binary log: set durability = async in [binlog]");
    if (send(mysql_get_socket(c->my), packet, 4 + length, MSG_NOSIGNAL) == (ssize_t)(4 + length))
        return 0;
    return err_set(e, EPIPE, "the server cannot be told what is archived: the connection is gone");
}

void binlog_client_close(struct binlog_client *c)
{
    if (!c)
        return;
    if (c->rpl)
        mariadb_rpl_close(c->rpl);
    mysql_close(c->my);
    free(c->file);
    free(c);
}

int binlog_client_created(const struct server_target *t, uint32_t server_id, const char *file,
    uint32_t *created, struct err *e)
{
    struct binlog_client_options o = {.target = t,
        .file = file,
        .position = BINLOG_MAGIC_SIZE,
        .server_id = server_id,
        .heartbeat_ms = 2000,
        .once = true};
    struct binlog_client *c = NULL;
    const uint8_t *event;
    size_t n;
    struct binlog_format f;
    int r = binlog_client_open(&o, &c, e);
    while (r == 0 && (r = binlog_client_next(c, &event, &n, e)) == 0) {
        if (n < BINLOG_HEADER_SIZE || event[4] != BINLOG_FORMAT)
            continue;
        r = binlog_format_parse(event, n, &f, e);
        if (r == 0)
            *created = f.created;
        break;
    }
    binlog_client_close(c);
    return r == 1 ? err_set(e, ENOENT, "the server's log %s has no beginning", file) : r;
}
