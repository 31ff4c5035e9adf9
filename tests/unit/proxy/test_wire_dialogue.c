/* The dialogue against answers written by hand; test_wire_recorded.c has those of real clients. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proxy/wire/dialogue.h"

#define CAPS                                                                                       \
    (CAP_PROTOCOL_41 | CAP_SECURE_CONNECTION | CAP_PLUGIN_AUTH | CAP_LOCAL_FILES |                 \
        CAP_MULTI_STATEMENTS | CAP_PROGRESS)

#define AUTOCOMMIT   "\x02\0"
#define IN_TRANS     "\x03\0"
#define MORE         "\x0a\0"
#define CURSOR       "\x42\0"
#define OK(status)   "\0\0\0" status "\0\0"
#define EOF_(status) "\xfe\0\0" status
#define ERR_         "\xff\x15\x04#28000denied"
#define COLUMN                                                                                     \
    "\x03"                                                                                         \
    "def\0\0\0\1a\0\x0c\x3f\0\1\0\0\0\x08\x81\0\0\0\0"

#define T(bytes) bytes, sizeof(bytes) - 1

static struct dialogue d;

static int setup(void **state)
{
    (void)state;
    dialogue_init(&d, CAPS, 2);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    dialogue_clear(&d);
    return 0;
}

static void use_caps(uint64_t caps)
{
    dialogue_clear(&d);
    dialogue_init(&d, caps, 2);
}

static uint8_t *packet(const char *payload, size_t n, uint8_t seq)
{
    uint8_t *p = malloc(n + PACKET_HEADER);
    packet_header(p, (uint32_t)n, seq);
    memcpy(p + PACKET_HEADER, payload, n);
    return p;
}

/* One packet from either side, whole. */
static unsigned client_seq(const char *payload, size_t n, uint8_t seq)
{
    uint8_t *p = packet(payload, n, seq);
    size_t taken;
    unsigned events = dialogue_client(&d, p, n + PACKET_HEADER, &taken);
    assert_int_equal(taken, n + PACKET_HEADER);
    free(p);
    return events;
}

static unsigned client(const char *payload, size_t n)
{
    return client_seq(payload, n, 0);
}

static unsigned query(const char *text)
{
    char payload[256];
    size_t n = (size_t)snprintf(payload, sizeof payload, "\x03%s", text);
    return client(payload, n);
}

static unsigned server(const char *payload, size_t n)
{
    uint8_t *p = packet(payload, n, 1);
    unsigned events = dialogue_server(&d, p, n + PACKET_HEADER);
    free(p);
    return events;
}

static void server_quiet(const char *payload, size_t n)
{
    assert_int_equal(server(payload, n), 0);
    assert_false(dialogue_between(&d));
}

static void result_set(const char *status_bytes) /* one column, two rows, up to its EOF */
{
    char end[] = EOF_(AUTOCOMMIT);
    memcpy(end + 3, status_bytes, 2);
    server_quiet(T("\x01"));
    server_quiet(T(COLUMN));
    server_quiet(T(EOF_(AUTOCOMMIT)));
    server_quiet(T("\x01x"));
    server_quiet(T("\x01y"));
    server(end, 5);
}

static void read_query(void **state)
{
    (void)state;
    assert_int_equal(query("SELECT 1"), DIALOGUE_READ);
    assert_int_equal(d.outstanding, 1);
    assert_int_equal(d.write_outstanding, 0);
    assert_int_equal(d.last_kind, DIALOGUE_KIND_READ);
    result_set(AUTOCOMMIT);
    assert_int_equal(d.outstanding, 0);
    assert_true(dialogue_between(&d));
    assert_int_equal(d.reads, 1);
    assert_int_equal(d.writes, 0);
}

static void write_query(void **state)
{
    (void)state;
    assert_int_equal(query("UPDATE t SET a=1"), DIALOGUE_WRITE);
    assert_int_equal(d.write_outstanding, 1);
    assert_true(d.transaction_wrote);
    assert_int_equal(server(T(OK(AUTOCOMMIT))), DIALOGUE_ANSWERED);
    assert_int_equal(d.write_outstanding, 0);
    assert_false(d.transaction_wrote);
    assert_int_equal(d.last_kind, DIALOGUE_KIND_WRITE);
    assert_int_equal(d.writes, 1);
}

static void outstanding_from_the_first_byte(void **state)
{
    (void)state;
    size_t taken;
    assert_int_equal(dialogue_client(&d, (const uint8_t *)"\x09", 1, &taken), 0);
    assert_int_equal(d.outstanding, 1);
    assert_false(dialogue_between(&d));
    dialogue_client(&d, (const uint8_t *)"\0\0\0\x03UPDAT", 9, &taken);
    assert_int_equal(d.write_outstanding, 0);
    assert_int_equal(dialogue_client(&d, (const uint8_t *)"E", 1, &taken), 0);
    assert_int_equal(dialogue_client(&d, (const uint8_t *)" t", 2, &taken), DIALOGUE_WRITE);
    assert_int_equal(d.write_outstanding, 1);
}

static void transactions(void **state)
{
    (void)state;
    /* one that only read: its end is no write */
    query("BEGIN");
    server(T(OK(IN_TRANS)));
    assert_true(d.in_transaction);
    query("SELECT 1");
    result_set(IN_TRANS);
    assert_true(d.in_transaction);
    assert_int_equal(query("COMMIT"), DIALOGUE_READ);
    server(T(OK(AUTOCOMMIT)));
    assert_false(d.in_transaction);

    /* one that wrote */
    query("BEGIN");
    server(T(OK(IN_TRANS)));
    query("INSERT INTO t VALUES (1)");
    server(T(OK(IN_TRANS)));
    assert_int_equal(query("SELECT 1"), DIALOGUE_READ);
    result_set(IN_TRANS);
    query("INSERT INTO t VALUES (1)"); /* an error leaves the transaction open */
    assert_int_equal(server(T(ERR_)), DIALOGUE_ANSWERED);
    assert_int_equal(d.server_error, 1045);
    assert_true(d.in_transaction);
    assert_int_equal(query("ROLLBACK"), DIALOGUE_WRITE);
    server(T(OK(AUTOCOMMIT)));
    assert_false(d.in_transaction);
    assert_int_equal(d.server_error, 0);
    assert_int_equal(query("COMMIT"), DIALOGUE_READ);
}

/* What ends a transaction by the way, or may do so. */
static void ends_by_the_way(void **state)
{
    (void)state;
    static const char *const ways[] = {
        "SET autocommit=1", "BEGIN", "START TRANSACTION", "UNLOCK TABLES"};
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        use_caps(CAPS);
        assert_int_equal(query(ways[i]), DIALOGUE_READ);
        server(T(OK(IN_TRANS)));
        query("UPDATE t SET a=1");
        server(T(OK(IN_TRANS)));
        assert_int_equal(query(ways[i]), DIALOGUE_WRITE);
        server(T(OK(AUTOCOMMIT)));
        assert_int_equal(query(ways[i]), DIALOGUE_READ);
    }
}

static void a_pipelined_commit_knows_of_the_write_ahead(void **state)
{
    (void)state;
    query("UPDATE t SET a=1");
    query("UPDATE t SET a=2");
    server(T(OK(AUTOCOMMIT)));
    assert_true(d.transaction_wrote);
    assert_int_equal(query("COMMIT"), DIALOGUE_WRITE);
    assert_int_equal(d.outstanding, 2);
}

static void leaving_with_an_open_write_is_a_write(void **state)
{
    (void)state;
    static const struct {
        const char *payload;
        size_t n;
        unsigned events;
    } ways[] = {{T("\x01"), DIALOGUE_QUIT}, {T("\x1f"), 0}, {T("\x11u\0\0\0"), 0}};
    for (size_t i = 0; i < 3; i++) {
        use_caps(CAPS);
        assert_int_equal(client(ways[i].payload, ways[i].n), ways[i].events);
        use_caps(CAPS);
        query("BEGIN");
        server(T(OK(IN_TRANS)));
        query("DELETE FROM t");
        server(T(OK(IN_TRANS)));
        assert_int_equal(client(ways[i].payload, ways[i].n), ways[i].events | DIALOGUE_WRITE);
    }
}

static void several_statements_in_one(void **state)
{
    (void)state;
    query("SELECT 1; DELETE FROM t");
    assert_int_equal(d.write_outstanding, 0);
    server_quiet(T("\x01"));
    server_quiet(T(COLUMN));
    server_quiet(T(EOF_(AUTOCOMMIT)));
    assert_int_equal(server(T(EOF_(MORE))), DIALOGUE_LATE_WRITE);
    assert_int_equal(d.write_outstanding, 1);
    assert_int_equal(d.writes, 1);
    assert_int_equal(server(T(OK(MORE))), 0); /* once */
    assert_int_equal(server(T(OK(AUTOCOMMIT))), DIALOGUE_ANSWERED);
    assert_int_equal(d.write_outstanding, 0);
    assert_int_equal(d.outstanding, 0);

    query("SELECT 1; SELECT x");
    server(T(OK(MORE)));
    assert_int_equal(server(T(ERR_)), DIALOGUE_ANSWERED);
    assert_true(dialogue_between(&d));
}

static void call_has_more_results(void **state)
{
    (void)state;
    assert_int_equal(query("CALL p()"), DIALOGUE_WRITE);
    result_set(MORE);
    assert_int_equal(d.outstanding, 1);
    result_set(MORE);
    assert_int_equal(server(T(OK(AUTOCOMMIT))), DIALOGUE_ANSWERED);
}

static void eofs_abolished(void **state)
{
    (void)state;
    use_caps(CAPS | CAP_DEPRECATE_EOF);
    query("SELECT 1");
    server_quiet(T("\x01"));
    server_quiet(T(COLUMN));
    server_quiet(T("\x01x"));
    assert_int_equal(server(T("\xfe\0\0" IN_TRANS "\0\0")), DIALOGUE_ANSWERED);
    assert_true(d.in_transaction);
    /* with a text behind it that is longer than a classic EOF could be */
    query("SELECT 1");
    server_quiet(T("\x01"));
    server_quiet(T(COLUMN));
    assert_int_equal(server(T("\xfe\0\0" AUTOCOMMIT "\0\0 some long text")), DIALOGUE_ANSWERED);
    assert_false(d.in_transaction);
}

static void metadata_left_out(void **state)
{
    (void)state;
    use_caps(CAPS | CAP_CACHE_METADATA);
    client(T("\x17\1\0\0\0\0\1\0\0\0"));
    server_quiet(T("\x01\0"));
    server_quiet(T(EOF_(AUTOCOMMIT)));
    server_quiet(T("\0\0x"));
    assert_int_equal(server(T(EOF_(AUTOCOMMIT))), DIALOGUE_ANSWERED);

    use_caps(CAPS | CAP_CACHE_METADATA | CAP_DEPRECATE_EOF);
    client(T("\x17\1\0\0\0\0\1\0\0\0"));
    server_quiet(T("\x01\0"));
    server_quiet(T("\0\0x"));
    assert_int_equal(server(T("\xfe\0\0" AUTOCOMMIT "\0\0")), DIALOGUE_ANSWERED);

    client(T("\x17\1\0\0\0\0\1\0\0\0"));
    server_quiet(T("\x01\1"));
    server_quiet(T(COLUMN));
    assert_int_equal(server(T("\xfe\0\0" AUTOCOMMIT "\0\0")), DIALOGUE_ANSWERED);
}

static void prepare(const char *text, const char *id4, bool reads)
{
    char payload[64], ok[] = "\0....\1\0\1\0\0\0\0";
    size_t n = (size_t)snprintf(payload, sizeof payload, "\x16%s", text);
    assert_int_equal(client(payload, n), 0);
    memcpy(ok + 1, id4, 4);
    server_quiet(ok, 12);
    server_quiet(T(COLUMN));
    server_quiet(T(EOF_(AUTOCOMMIT)));
    server_quiet(T(COLUMN));
    assert_int_equal(server(T(EOF_(AUTOCOMMIT))), DIALOGUE_ANSWERED);
    uint32_t id;
    memcpy(&id, id4, 4);
    assert_int_equal(statements_reads(&d.statements, id), reads);
}

static void prepared_statements(void **state)
{
    (void)state;
    prepare("SELECT ?", "\1\0\0\0", true);
    prepare("UPDATE t SET a=?", "\2\0\0\0", false);
    assert_int_equal(client(T("\x17\1\0\0\0\0\1\0\0\0")), DIALOGUE_READ);
    server(T(ERR_));
    assert_int_equal(client(T("\x17\2\0\0\0\0\1\0\0\0")), DIALOGUE_WRITE);
    server(T(OK(AUTOCOMMIT)));
    assert_int_equal(client(T("\x17\x09\0\0\0\0\1\0\0\0")), DIALOGUE_WRITE); /* unknown */
    server(T(ERR_));
    assert_int_equal(client(T("\xfa\2\0\0\0\x80\0")), DIALOGUE_WRITE); /* bulk */
    server(T(OK(AUTOCOMMIT)));
    assert_int_equal(client(T("\x17\1")), DIALOGUE_WRITE); /* malformed */
    server(T(ERR_));

    assert_int_equal(client(T("\x18\2\0\0\0\0\0abc")), 0); /* long data: no answer */
    assert_int_equal(d.outstanding, 0);
    assert_int_equal(client(T("\x1a\1\0\0\0")), 0);
    assert_int_equal(server(T(OK(AUTOCOMMIT))), DIALOGUE_ANSWERED);
    assert_int_equal(client(T("\x19\1\0\0\0")), 0); /* close: no answer */
    assert_true(dialogue_between(&d));
    assert_int_equal(client(T("\x17\1\0\0\0\0\1\0\0\0")), DIALOGUE_WRITE);
}

static void prepare_without_definitions(void **state)
{
    (void)state;
    client(T("\x16SET @a=1"));
    assert_int_equal(server(T("\0\3\0\0\0\0\0\0\0\0\0\0")), DIALOGUE_ANSWERED);
    use_caps(CAPS | CAP_DEPRECATE_EOF);
    client(T("\x16SELECT ?"));
    server_quiet(T("\0\3\0\0\0\1\0\1\0\0\0\0"));
    server_quiet(T(COLUMN));
    assert_int_equal(server(T(COLUMN)), DIALOGUE_ANSWERED);
    client(T("\x16SELECT"));
    assert_int_equal(server(T(ERR_)), DIALOGUE_ANSWERED);
}

static void pipelined_prepare_and_execute(void **state)
{
    (void)state;
    assert_int_equal(client(T("\x16SELECT 1")), 0);
    assert_int_equal(client(T("\x17\xff\xff\xff\xff\0\1\0\0\0")), DIALOGUE_READ);
    assert_int_equal(d.outstanding, 2);
    assert_int_equal(client(T("\x16"
                              "DELETE FROM t")),
        0);
    assert_int_equal(client(T("\x17\xff\xff\xff\xff\0\1\0\0\0")), DIALOGUE_WRITE);
    assert_int_equal(d.outstanding, 4);
    assert_int_equal(server(T("\0\1\0\0\0\0\0\0\0\0\0\0")), DIALOGUE_ANSWERED);
    result_set(AUTOCOMMIT);
    assert_int_equal(d.outstanding, 2);
    assert_int_equal(server(T("\0\2\0\0\0\0\0\0\0\0\0\0")), DIALOGUE_ANSWERED);
    assert_true(statements_reads(&d.statements, 1));
    assert_false(statements_reads(&d.statements, 2));
    server(T(OK(AUTOCOMMIT)));
    assert_true(dialogue_between(&d));
}

static void cursors(void **state)
{
    (void)state;
    prepare("SELECT ?", "\1\0\0\0", true);
    client(T("\x17\1\0\0\0\1\1\0\0\0"));
    server_quiet(T("\x01"));
    server_quiet(T(COLUMN));
    assert_int_equal(server(T(EOF_(CURSOR))), DIALOGUE_ANSWERED);
    assert_true(dialogue_between(&d));
    assert_int_equal(client(T("\x1c\1\0\0\0\2\0\0\0")), 0);
    server_quiet(T("\0\0x"));
    server_quiet(T("\0\0y"));
    assert_int_equal(server(T(EOF_("\x82\0"))), DIALOGUE_ANSWERED);

    /* none asked for: rows follow, whatever another cursor left in the flags */
    client(T("\x17\1\0\0\0\0\1\0\0\0"));
    server_quiet(T("\x01"));
    server_quiet(T(COLUMN));
    server_quiet(T(EOF_(CURSOR)));
    assert_int_equal(server(T(EOF_(AUTOCOMMIT))), DIALOGUE_ANSWERED);
}

static void local_infile(void **state)
{
    (void)state;
    query("LOAD DATA LOCAL INFILE 'x' INTO TABLE t");
    server_quiet(T("\xfbx"));
    assert_int_equal(client_seq(T("UPDATE no command"), 2), 0);
    assert_int_equal(client_seq(T("\x03SELECT 1"), 3), 0);
    assert_int_equal(d.outstanding, 1);
    uint8_t seq;
    assert_true(dialogue_can_end(&d, &seq));
    assert_int_equal(seq, 4);
    assert_int_equal(client_seq(T(""), 4), 0);
    assert_int_equal(server(T(OK(AUTOCOMMIT))), DIALOGUE_ANSWERED);
    assert_true(dialogue_between(&d));
    assert_int_equal(query("SELECT 1"), DIALOGUE_READ);

    use_caps(CAPS & ~CAP_LOCAL_FILES);
    query("SELECT 1");
    assert_int_equal(server(T("\xfb/etc/passwd")), DIALOGUE_LOST);
}

/* Data after an early error is still no command. */
static void local_infile_refused_midway(void **state)
{
    (void)state;
    query("LOAD DATA LOCAL INFILE 'x' INTO TABLE t");
    server_quiet(T("\xfbx"));
    client_seq(T("1\n"), 2);
    assert_int_equal(server(T(ERR_)), DIALOGUE_ANSWERED);
    assert_false(dialogue_between(&d));
    client_seq(T("\x03"
                 "DELETE"),
        3);
    assert_int_equal(d.outstanding, 0);
    client_seq(T(""), 4);
    assert_true(dialogue_between(&d));
}

static void progress_is_no_end(void **state)
{
    (void)state;
    query("ALTER TABLE t ADD a INT");
    server_quiet(T("\xff\xff\xff\1\1\2\0\0\0\4copy"));
    assert_int_equal(server(T(OK(AUTOCOMMIT))), DIALOGUE_ANSWERED);
    use_caps(CAPS & ~CAP_PROGRESS);
    query("ALTER TABLE t ADD a INT");
    assert_int_equal(server(T("\xff\xff\xff\1\1\2\0\0\0\4copy")), DIALOGUE_ANSWERED);
}

static void change_user_with_switch(void **state)
{
    (void)state;
    prepare("SELECT ?", "\1\0\0\0", true);
    client(T("\x11praxis\0\0lager\0\x2d\0mysql_native_password\0"));
    server_quiet(T("\xfe"
                   "client_ed25519\0scramble"));
    assert_int_equal(client_seq(T("\x03"
                                  "DELETE"),
                         3),
        0); /* a proof, no command */
    assert_int_equal(d.outstanding, 1);
    assert_int_equal(server(T(OK(AUTOCOMMIT))), DIALOGUE_USER_CHANGED | DIALOGUE_ANSWERED);
    assert_string_equal(d.names.user, "praxis");
    assert_string_equal(d.names.database, "lager");
    assert_false(statements_reads(&d.statements, 1));
    assert_true(dialogue_between(&d));

    client(T("\x11other\0\0\0"));
    assert_int_equal(server(T(ERR_)), DIALOGUE_ANSWERED);
    assert_string_equal(d.names.user, "praxis");
}

static void database_changes(void **state)
{
    (void)state;
    client(T("\x02lager"));
    assert_int_equal(server(T(OK(AUTOCOMMIT))), DIALOGUE_DB_CHANGED | DIALOGUE_ANSWERED);
    assert_string_equal(d.names.database, "lager");
    assert_null(d.names.user);
    client(T("\x02missing"));
    assert_int_equal(server(T(ERR_)), DIALOGUE_ANSWERED);
    assert_string_equal(d.names.database, "lager");

    client(T("\x02"
             "a")); /* pipelined: only the newest has its name */
    client(T("\x02"
             "b"));
    assert_int_equal(server(T(OK(AUTOCOMMIT))), DIALOGUE_ANSWERED);
    assert_int_equal(server(T(OK(AUTOCOMMIT))), DIALOGUE_DB_CHANGED | DIALOGUE_ANSWERED);
    assert_string_equal(d.names.database, "b");
}

static void plain_commands(void **state)
{
    (void)state;
    static const struct {
        const char *command;
        size_t command_len;
        const char *answer;
        size_t answer_len;
    } cases[] = {
        {T("\x0e"), T(OK(IN_TRANS))},          /* PING */
        {T("\x09"), T("Uptime: 17  Threads")}, /* STATISTICS */
        {T("\x0d"), T(EOF_(IN_TRANS))},        /* DEBUG */
        {T("\x1b\1\0"), T(EOF_(IN_TRANS))},    /* SET_OPTION */
        {T("\x1f"), T(OK(IN_TRANS))},          /* RESET_CONNECTION */
        {T("\x0c\1\0\0\0"), T(ERR_)},          /* PROCESS_KILL */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(client(cases[i].command, cases[i].command_len), 0);
        assert_int_equal(d.outstanding, 1);
        assert_int_equal(server(cases[i].answer, cases[i].answer_len), DIALOGUE_ANSWERED);
        assert_true(dialogue_between(&d));
    }
    assert_false(d.multi_statements); /* SET_OPTION */
    assert_int_equal(d.reads + d.writes, 0);

    client(T("\x04t\0%")); /* FIELD_LIST */
    server_quiet(T(COLUMN));
    assert_int_equal(server(T(EOF_(AUTOCOMMIT))), DIALOGUE_ANSWERED);
    client(T("\x0a")); /* PROCESS_INFO */
    result_set(AUTOCOMMIT);
    assert_int_equal(client(T("\x05new")), DIALOGUE_WRITE); /* CREATE_DB: not known */
    assert_int_equal(server(T(OK(AUTOCOMMIT))), DIALOGUE_ANSWERED);
    client(T("")); /* an empty packet is an unknown command */
    assert_int_equal(server(T(ERR_)), DIALOGUE_ANSWERED);
    assert_true(dialogue_between(&d));
}

static void binlog_stream(void **state)
{
    (void)state;
    client(T("\x12\4\0\0\0\0\0\1\0\0\0bin.1"));
    assert_int_equal(d.outstanding, 0);
    assert_int_equal(server(T("\0event")), 0);
    assert_int_equal(client(T("\xef"
                              "ack")),
        0);
    assert_int_equal(server(T("\0event")), 0);
    assert_false(d.lost);
    server(T(ERR_));
    assert_int_equal(query("SELECT 1"), DIALOGUE_READ);
    server(T(ERR_));
    assert_true(dialogue_between(&d));
}

static void query_attributes(void **state)
{
    (void)state;
    use_caps(CAPS | CAP_QUERY_ATTRIBUTES | CAP_MYSQL);
    assert_int_equal(client(T("\x03\0\1SELECT 1")), DIALOGUE_READ);
    assert_int_equal(client(T("\x03\0\1INSERT INTO t")), DIALOGUE_WRITE);
    assert_int_equal(client(T("\x03\1\1\0\1\xfe\0\1nvSELECT 1")), DIALOGUE_WRITE);
    assert_int_equal(client(T("\x03\0")), DIALOGUE_WRITE);
}

static void huge_packets(void **state)
{
    (void)state;
    size_t n = PACKET_HEADER + PACKET_MAX, taken;
    uint8_t *big = calloc(1, n);
    packet_header(big, PACKET_MAX, 0);
    memcpy(big + PACKET_HEADER, "\x03INSERT ", 8);
    assert_int_equal(dialogue_client(&d, big, n, &taken), DIALOGUE_WRITE);
    assert_int_equal(d.outstanding, 1);
    assert_false(dialogue_between(&d));
    client_seq(T("\x03SELECT 1"), 1); /* the rest of it */
    assert_int_equal(d.outstanding, 1);
    assert_int_equal(d.reads, 0);
    server(T(OK(AUTOCOMMIT)));

    /* a row whose first field is longer than 16 MiB looks like an EOF, and its rest like anything
     */
    query("SELECT a FROM t");
    server_quiet(T("\x01"));
    server_quiet(T(COLUMN));
    server_quiet(T(EOF_(AUTOCOMMIT)));
    memcpy(big + PACKET_HEADER, "\xfe\0\0\0\1\0\0\0\0", 9);
    assert_int_equal(dialogue_server(&d, big, n), 0);
    uint8_t seq;
    assert_false(dialogue_can_end(&d, &seq));
    server_quiet(T(EOF_(AUTOCOMMIT))); /* the rest of the row */
    assert_true(dialogue_can_end(&d, &seq));
    assert_int_equal(server(T(EOF_(AUTOCOMMIT))), DIALOGUE_ANSWERED);

    /* the same with an empty rest, in LOCAL INFILE: no end of the file */
    query("LOAD DATA LOCAL INFILE 'x' INTO TABLE t");
    server_quiet(T("\xfbx"));
    dialogue_client(&d, big, n, &taken);
    client_seq(T(""), 3);
    assert_true(d.infile);
    client_seq(T(""), 4);
    assert_false(d.infile);
    server(T(OK(AUTOCOMMIT)));
    assert_true(dialogue_between(&d));
    free(big);
}

static void what_the_server_sends_unasked(void **state)
{
    (void)state;
    assert_int_equal(server(T("\xff\x87\x07#70100Connection was killed")), 0);
    assert_false(d.lost);
    assert_int_equal(d.server_error, 1927);
    assert_string_equal(d.unasked_error, "Connection was killed");
    assert_int_equal(server(T(OK(AUTOCOMMIT))), DIALOGUE_LOST);
    assert_non_null(d.lost_why);
}

static void an_answer_before_the_command_is_whole(void **state)
{
    (void)state;
    size_t taken;
    dialogue_client(&d, (const uint8_t *)"\xff\0\0\0\x03INSERT INTO t VALUES", 25, &taken);
    assert_int_equal(server(T(ERR_)), DIALOGUE_ANSWERED);
    assert_int_equal(d.outstanding, 0);
    assert_int_equal(d.write_outstanding, 0);
    assert_false(dialogue_between(&d)); /* the rest of it is still to come */
    char rest[255 - 21] = {0};
    dialogue_client(&d, (const uint8_t *)rest, sizeof rest, &taken);
    assert_true(dialogue_between(&d));
    assert_int_equal(query("SELECT 1"), DIALOGUE_READ);
    assert_int_equal(d.outstanding, 1);
}

static void garbage_loses_it_once(void **state)
{
    (void)state;
    static const struct {
        const char *command;
        size_t command_len;
        const char *answer;
        size_t answer_len;
    } cases[] = {
        {T("\x03SELECT 1"), T("")},
        {T("\x03SELECT 1"), T("\xfc\x01")},
        {T("\x03SELECT 1"), T("\xfe\1\0\0\0\0\0\0\0")},
        {T("\x03SELECT 1"), T("\0\0\0")},
        {T("\x0e"), T("\0")},
        {T("\x16SELECT 1"), T("\0\1\0\0")},
        {T("\x16SELECT 1"), T("\1\1\0\0\0\0\0\0\0\0\0\0")},
        {T("\x18\1\0\0\0\0\0x"), T(OK(AUTOCOMMIT))},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        use_caps(CAPS);
        client(cases[i].command, cases[i].command_len);
        assert_int_equal(server(cases[i].answer, cases[i].answer_len), DIALOGUE_LOST);
        assert_true(d.lost);
        assert_non_null(d.lost_why);
        assert_int_equal(d.outstanding, 1); /* the careful answer */
        assert_int_equal(d.write_outstanding, 1);
        assert_int_equal(d.last_kind, DIALOGUE_KIND_WRITE);
        assert_int_equal(server(T("\0")), 0); /* once */
        assert_int_equal(query("SELECT 1"), 0);
        assert_int_equal(d.outstanding, 1);
        assert_false(dialogue_between(&d));
    }
}

static void the_pipeline_is_bounded(void **state)
{
    (void)state;
    size_t taken;
    uint8_t ping[] = {1, 0, 0, 0, 0x0e}, many[5 * (DIALOGUE_PIPELINE_MAX + 10)];
    for (size_t i = 0; i < sizeof many; i += 5)
        memcpy(many + i, ping, 5);
    assert_int_equal(dialogue_client(&d, many, sizeof many, &taken), DIALOGUE_FULL);
    assert_int_equal(taken, 5 * DIALOGUE_PIPELINE_MAX);
    assert_int_equal(d.outstanding, DIALOGUE_PIPELINE_MAX);
    assert_int_equal(dialogue_client(&d, many, 1, &taken), DIALOGUE_FULL);
    assert_int_equal(taken, 0);
    server(T(OK(AUTOCOMMIT)));
    assert_int_equal(dialogue_client(&d, many, 6, &taken), DIALOGUE_FULL);
    assert_int_equal(taken, 5);
    for (unsigned i = 0; i < DIALOGUE_PIPELINE_MAX; i++)
        assert_int_equal(server(T(OK(AUTOCOMMIT))), DIALOGUE_ANSWERED);
    assert_true(dialogue_between(&d));
}

/* The order of answers survives the ring's growing while it is turned. */
static void a_deep_pipeline_keeps_its_order(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 11; i++)
            client(T("\x0e"));
        for (int i = 0; i < 11; i++)
            server(T(OK(AUTOCOMMIT)));
    }
    for (int i = 0; i < 100; i++) {
        query(i % 3 ? "SELECT 1" : "DELETE FROM t");
        client(T("\x16SELECT 1"));
    }
    assert_int_equal(d.write_outstanding, 34);
    for (unsigned i = 0; i < 100; i++) {
        if (i % 3)
            result_set(AUTOCOMMIT);
        else
            server(T(OK(AUTOCOMMIT)));
        assert_int_equal(d.write_outstanding, 33 - i / 3);
        char ok[] = "\0.\0\0\0\0\0\0\0\0\0\0";
        ok[1] = (char)i;
        assert_int_equal(server(ok, 12), DIALOGUE_ANSWERED);
        assert_true(statements_reads(&d.statements, i));
    }
    assert_true(dialogue_between(&d));
}

static void where_an_error_can_be_put_in(void **state)
{
    (void)state;
    uint8_t seq = 99;
    assert_true(dialogue_can_end(&d, &seq));
    assert_int_equal(seq, 1);
    query("SELECT 1");
    assert_true(dialogue_can_end(&d, &seq));
    assert_int_equal(seq, 1);
    dialogue_server(&d, (const uint8_t *)"\1\0\0\1\1\x17\0", 7);
    assert_false(dialogue_can_end(&d, &seq));
    dialogue_server(&d, (const uint8_t *)"\0\2", 2);
    assert_false(dialogue_can_end(&d, &seq));
    dialogue_server(&d, (const uint8_t *)COLUMN, 0x17);
    assert_true(dialogue_can_end(&d, &seq));
    assert_int_equal(seq, 3);
    /* rows passed over in bulk count as well */
    dialogue_server(&d, (const uint8_t *)"\5\0\0\3" EOF_(AUTOCOMMIT) "\2\0\0\4\1x\2\0\0\5\1y", 21);
    assert_true(dialogue_can_end(&d, &seq));
    assert_int_equal(seq, 6);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(read_query),
        TEST(write_query),
        TEST(outstanding_from_the_first_byte),
        TEST(transactions),
        TEST(ends_by_the_way),
        TEST(a_pipelined_commit_knows_of_the_write_ahead),
        TEST(leaving_with_an_open_write_is_a_write),
        TEST(several_statements_in_one),
        TEST(call_has_more_results),
        TEST(eofs_abolished),
        TEST(metadata_left_out),
        TEST(prepared_statements),
        TEST(prepare_without_definitions),
        TEST(pipelined_prepare_and_execute),
        TEST(cursors),
        TEST(local_infile),
        TEST(local_infile_refused_midway),
        TEST(progress_is_no_end),
        TEST(change_user_with_switch),
        TEST(database_changes),
        TEST(plain_commands),
        TEST(binlog_stream),
        TEST(query_attributes),
        TEST(huge_packets),
        TEST(what_the_server_sends_unasked),
        TEST(an_answer_before_the_command_is_whole),
        TEST(garbage_loses_it_once),
        TEST(the_pipeline_is_bounded),
        TEST(a_deep_pipeline_keeps_its_order),
        TEST(where_an_error_can_be_put_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
