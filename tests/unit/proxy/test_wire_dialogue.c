/* The dialogue: statements, transactions, the pipeline, and what cannot be followed. */
#include "dialogue_fixture.h"
#include "proxy/wire/dialogue.h"

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
    assert_int_equal(d.transaction, TRANSACTION_OPEN);
    query("SELECT 1");
    result_set(IN_TRANS);
    assert_int_equal(d.transaction, TRANSACTION_OPEN);
    assert_int_equal(query("COMMIT"), DIALOGUE_READ);
    server(T(OK(AUTOCOMMIT)));
    assert_int_equal(d.transaction, TRANSACTION_NONE);

    /* one that wrote */
    query("BEGIN");
    server(T(OK(IN_TRANS)));
    query("INSERT INTO t VALUES (1)");
    server(T(OK(IN_TRANS)));
    assert_int_equal(query("SELECT 1"), DIALOGUE_READ);
    result_set(IN_TRANS);
    query("INSERT INTO t VALUES (1)"); /* open still, or a deadlock's victim */
    assert_int_equal(server(T(ERR_)), DIALOGUE_ANSWERED);
    assert_int_equal(d.server_error, 1045);
    assert_int_equal(d.transaction, TRANSACTION_UNKNOWN);
    assert_int_equal(query("ROLLBACK"), DIALOGUE_WRITE);
    server(T(OK(AUTOCOMMIT)));
    assert_int_equal(d.transaction, TRANSACTION_NONE);
    assert_int_equal(d.server_error, 0);
    assert_int_equal(query("COMMIT"), DIALOGUE_READ);
}

/* What is known after an error: the state before it, autocommit, the command that failed. */
static void errors_say_nothing_of_transactions(void **state)
{
    (void)state;
    static const struct {
        const char *status; /* of the OK before */
        const char *payload;
        size_t n;
        enum dialogue_transaction then;
    } cases[] = {
        {AUTOCOMMIT, T("\x03SELECT broken"), TRANSACTION_NONE},
        {AUTOCOMMIT, T("\x03SHOW nothing"), TRANSACTION_NONE},
        {AUTOCOMMIT, T("\x03INSERT INTO t VALUES (1)"), TRANSACTION_UNKNOWN},
        {AUTOCOMMIT,
            T("\x03"
              "CALL p()"),
            TRANSACTION_UNKNOWN},
        {AUTOCOMMIT,
            T("\x03"
              "BEGIN"),
            TRANSACTION_UNKNOWN},
        {AUTOCOMMIT, T("\x03SET autocommit=0, x=1"), TRANSACTION_UNKNOWN},
        {AUTOCOMMIT, T("\x17\1\0\0\0\0\1\0\0\0"), TRANSACTION_UNKNOWN},
        {AUTOCOMMIT, T("\x02nowhere"), TRANSACTION_NONE},
        {AUTOCOMMIT,
            T("\x16"
              "CALL p()"),
            TRANSACTION_NONE},
        {AUTOCOMMIT, T("\x0e"), TRANSACTION_NONE},
        {AUTOCOMMIT, T("\x1f"), TRANSACTION_UNKNOWN},
        {AUTOCOMMIT, T("\x77"), TRANSACTION_NONE}, /* no command that this server knows */
        {"\0\0", T("\x03SELECT broken"), TRANSACTION_UNKNOWN},
        {"\0\0", T("\x02nowhere"), TRANSACTION_NONE},
        {IN_TRANS, T("\x03SELECT broken"), TRANSACTION_UNKNOWN},
        {IN_TRANS, T("\x02nowhere"), TRANSACTION_OPEN},
        {IN_TRANS, T("\x1c\1\0\0\0\1\0\0\0"), TRANSACTION_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char ok[] = OK(AUTOCOMMIT);
        use_caps(CAPS);
        memcpy(ok + 3, cases[i].status, 2);
        query("DO 1");
        server(T(ok));
        client(cases[i].payload, cases[i].n);
        assert_int_equal(server(T(ERR_)), DIALOGUE_ANSWERED);
        if (d.transaction != cases[i].then)
            fail_msg("case %zu: %d", i, d.transaction);
        client(T("\x0e"));
        server(T(OK(AUTOCOMMIT)));
        assert_int_equal(d.transaction, TRANSACTION_NONE);
    }
    query("SELECT 1; CALL p()"); /* the first of two was a read, and good */
    result_set(MORE);
    server(T(ERR_));
    assert_int_equal(d.transaction, TRANSACTION_UNKNOWN);
}

/* What a function wrote, the end of its transaction writes. */
static void ends_of_what_only_a_function_wrote(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned end;
    } cases[] = {
        {"SELECT f()", DIALOGUE_WRITE},
        {"/* a */ SELECT 1 FROM (SELECT db.f()) x", DIALOGUE_WRITE},
        {"SELECT(f(1))", DIALOGUE_WRITE},
        {"SET @a = f(1)", DIALOGUE_WRITE},
        {"DO f()", DIALOGUE_WRITE},
        {"SHOW TABLES WHERE f()", DIALOGUE_WRITE},
        {"SELECT NEXT VALUE FOR s", DIALOGUE_WRITE},
        {"SELECT COUNT(*), MAX(a) FROM t WHERE a IN (1, 2) AND b = 'f(1)'", DIALOGUE_READ},
        {"SELECT * FROM t", DIALOGUE_READ},
    };
    static const char *const ends[] = {"COMMIT", "BEGIN", "SET autocommit=1"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t k = 0; k < 3; k++) {
            use_caps(CAPS);
            query("BEGIN");
            server(T(OK(IN_TRANS)));
            assert_int_equal(query(cases[i].text), DIALOGUE_READ);
            result_set(IN_TRANS);
            if (query(ends[k]) != cases[i].end)
                fail_msg("%s behind %s", ends[k], cases[i].text);
            server(T(OK(AUTOCOMMIT)));
            assert_int_equal(query("COMMIT"), DIALOGUE_READ);
        }
    /* pipelined: nothing is known of the transaction yet */
    use_caps(CAPS);
    query("BEGIN");
    query("SELECT f()");
    server(T(OK(IN_TRANS)));
    result_set(IN_TRANS);
    assert_int_equal(query("COMMIT"), DIALOGUE_WRITE);
    /* autocommit is off: the SELECT begins it */
    use_caps(CAPS);
    query("SET autocommit=0");
    server(T(OK("\0\0")));
    query("SELECT f()");
    result_set("\1\0");
    assert_int_equal(query("COMMIT"), DIALOGUE_WRITE);
}

/* EXPLAIN runs a function in a derived table; a prepared statement that calls one may write. */
static void explained_and_prepared_calls(void **state)
{
    (void)state;
    assert_int_equal(query("EXPLAIN SELECT * FROM (SELECT f()) d"), DIALOGUE_WRITE);
    server(T(OK(AUTOCOMMIT)));
    assert_int_equal(query("EXPLAIN SELECT * FROM t WHERE a IN (1)"), DIALOGUE_READ);
    server(T(OK(AUTOCOMMIT)));
    assert_int_equal(query("DESC t"), DIALOGUE_READ);
    server(T(OK(AUTOCOMMIT)));
    client(T("\x16SELECT f(?)"));
    assert_int_equal(client(T("\x17\xff\xff\xff\xff\0\1\0\0\0")), DIALOGUE_WRITE);
}

/* An error that answers the first bytes of a command has the number of one that came whole. */
static void half_a_header_is_answered_with_1(void **state)
{
    (void)state;
    uint8_t seq;
    size_t taken;
    client_seq(T("\x03SELECT 1"), 7);
    result_set(AUTOCOMMIT);
    dialogue_client(&d, (const uint8_t *)"\x09", 1, &taken);
    assert_true(dialogue_can_end(&d, &seq));
    assert_int_equal(seq, 1);
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

static void an_error_amid_what_has_no_answer(void **state)
{
    (void)state;
    size_t taken;
    dialogue_client(&d, (const uint8_t *)"\x0a\0\0\0\x18\1\0\0\0", 9, &taken);
    assert_int_equal(d.outstanding, 1);
    assert_int_equal(server(T(ERR_)), DIALOGUE_ANSWERED);
    dialogue_client(&d, (const uint8_t *)"\0\0abc", 5, &taken);
    assert_int_equal(d.outstanding, 0);
    assert_true(dialogue_between(&d));
}

static void a_good_answer_to_what_is_not_whole(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
    } cases[] = {{T("\x0a")}, {T("\x0a\0\0\0\x18\1\0")}};
    for (size_t i = 0; i < 2; i++) {
        size_t taken;
        use_caps(CAPS);
        dialogue_client(&d, (const uint8_t *)cases[i].bytes, cases[i].n, &taken);
        assert_int_equal(server(T(OK(AUTOCOMMIT))), DIALOGUE_LOST);
    }
}

/* How much of what comes belongs to the packet that is under way: an error can go in behind it. */
static void the_rest_of_a_packet(void **state)
{
    (void)state;
    static const uint8_t bytes[] = "\x05\0\0\x01"
                                   "\x04wxyz"
                                   "\x01\0\0\x02\x07";
    const size_t first = PACKET_HEADER + 5;
    for (size_t seen = 0; seen <= first; seen++) {
        use_caps(CAPS);
        query("SELECT 1");
        (void)dialogue_server(&d, bytes, seen);
        size_t rest = seen == 0 ? 0 : first - seen; /* between two nothing is under way */
        assert_int_equal(dialogue_server_rest(&d, bytes + seen, sizeof bytes - 1 - seen), rest);
        for (size_t n = 0; n < rest; n++) /* nor does more of it belong than has come */
            assert_int_equal(dialogue_server_rest(&d, bytes + seen, n), n);
        uint8_t seq;
        assert_int_equal(dialogue_can_end(&d, &seq), rest == 0);
    }
}

static void an_empty_packet_is_no_answer(void **state)
{
    (void)state;
    static const struct {
        const char *command;
        size_t n;
    } rows[] = {{T("\x03SELECT 1")}, {T("\x16SELECT 1")}, {T("\x02practice")}, {T("\x0e")}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        use_caps(CAPS);
        client(rows[i].command, rows[i].n);
        assert_int_equal(server("", 0), DIALOGUE_LOST);
        assert_int_equal(d.transaction, TRANSACTION_UNKNOWN);
        assert_false(dialogue_between(&d));
    }
}

/* Another database is neither a statement that reads nor one that writes. */
static void a_change_of_database_is_no_statement(void **state)
{
    (void)state;
    assert_int_equal(client(T("\x02practice")), 0);
    assert_int_equal(d.reads + d.writes, 0);
    assert_int_equal(server(T(OK(AUTOCOMMIT))), DIALOGUE_ANSWERED | DIALOGUE_DB_CHANGED);
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
        {T("\x03SELECT 1"), T("\xfd\0\0\1")},
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
    const struct CMUnitTest tests[] = {
        TEST(read_query),
        TEST(write_query),
        TEST(outstanding_from_the_first_byte),
        TEST(transactions),
        TEST(errors_say_nothing_of_transactions),
        TEST(ends_of_what_only_a_function_wrote),
        TEST(explained_and_prepared_calls),
        TEST(half_a_header_is_answered_with_1),
        TEST(ends_by_the_way),
        TEST(a_pipelined_commit_knows_of_the_write_ahead),
        TEST(leaving_with_an_open_write_is_a_write),
        TEST(several_statements_in_one),
        TEST(pipelined_prepare_and_execute),
        TEST(what_the_server_sends_unasked),
        TEST(an_answer_before_the_command_is_whole),
        TEST(an_error_amid_what_has_no_answer),
        TEST(a_good_answer_to_what_is_not_whole),
        TEST(the_rest_of_a_packet),
        TEST(an_empty_packet_is_no_answer),
        TEST(a_change_of_database_is_no_statement),
        TEST(garbage_loses_it_once),
        TEST(the_pipeline_is_bounded),
        TEST(a_deep_pipeline_keeps_its_order),
        TEST(where_an_error_can_be_put_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
