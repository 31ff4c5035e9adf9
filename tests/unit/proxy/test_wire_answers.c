/* The dialogue: every form of command and answer, written by hand. Those of real clients:
 * tests/system/test_dialogue.py. */
#include "dialogue_fixture.h"
#include "proxy/wire/dialogue.h"

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
    assert_int_equal(d.transaction, TRANSACTION_OPEN);
    /* with a text behind it that is longer than a classic EOF could be */
    query("SELECT 1");
    server_quiet(T("\x01"));
    server_quiet(T(COLUMN));
    assert_int_equal(server(T("\xfe\0\0" AUTOCOMMIT "\0\0 some long text")), DIALOGUE_ANSWERED);
    assert_int_equal(d.transaction, TRANSACTION_NONE);
}

/* One packet of text, which carries no flags, and one EOF or OK, which does. */
static void answers_of_one_packet(void **state)
{
    (void)state;
    client(T("\x09")); /* COM_STATISTICS */
    assert_int_equal(server(T("Uptime: 5  Threads: 1")), DIALOGUE_ANSWERED);
    client(T("\x1b\0\0")); /* COM_SET_OPTION */
    assert_int_equal(server(T(EOF_(IN_TRANS))), DIALOGUE_ANSWERED);
    assert_int_equal(d.transaction, TRANSACTION_OPEN);
    client(T("\x0e")); /* COM_PING */
    assert_int_equal(server(T(OK(AUTOCOMMIT))), DIALOGUE_ANSWERED);
    assert_int_equal(d.transaction, TRANSACTION_NONE);
    client(T("\x1b\0\0"));
    assert_int_equal(server(T("\xfe\0\0")), DIALOGUE_LOST); /* cut off */
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

static void optional_metadata_is_not_followed(void **state)
{
    (void)state;
    use_caps(CAPS | CAP_OPTIONAL_METADATA | CAP_MYSQL);
    query("SELECT 1");
    assert_int_equal(server(T("\x01\1")), DIALOGUE_LOST);
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

    client(T("\x1f"));
    server(T(ERR_)); /* a reset that failed forgets nothing */
    assert_int_equal(client(T("\x17\1\0\0\0\0\1\0\0\0")), DIALOGUE_READ);
    server(T(ERR_));
    client(T("\x1f"));
    server(T(OK(AUTOCOMMIT)));
    assert_int_equal(client(T("\x17\1\0\0\0\0\1\0\0\0")), DIALOGUE_WRITE);
    server(T(ERR_));
    prepare("SELECT ?", "\1\0\0\0", true);

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

static void prepare_with_several_definitions(void **state)
{
    (void)state;
    client(T("\x16SELECT ?, ?"));
    server_quiet(T("\0\3\0\0\0\2\0\2\0\0\0\0"));
    for (int group = 0; group < 2; group++) {
        server_quiet(T(COLUMN));
        server_quiet(T(COLUMN));
        assert_int_equal(server(T(EOF_(AUTOCOMMIT))), group ? DIALOGUE_ANSWERED : 0);
    }
}

static void definitions_without_their_end(void **state)
{
    (void)state;
    client(T("\x16SELECT ?"));
    server_quiet(T("\0\3\0\0\0\1\0\1\0\0\0\0"));
    server_quiet(T(COLUMN));
    assert_int_equal(server(T(COLUMN)), DIALOGUE_LOST);
    use_caps(CAPS);
    query("SELECT 1");
    server_quiet(T("\x01"));
    server_quiet(T(COLUMN));
    assert_int_equal(server(T(COLUMN)), DIALOGUE_LOST);
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
    server_quiet(T("")); /* a plugin's data may be empty */
    client_seq(T("proof"), 2);
    assert_int_equal(d.outstanding, 1);
    client(T("\x0e")); /* one packet for each turn: this is a command */
    assert_int_equal(d.outstanding, 2);
    assert_int_equal(server(T(ERR_)), DIALOGUE_ANSWERED);
    assert_int_equal(server(T(OK(AUTOCOMMIT))), DIALOGUE_ANSWERED);
    assert_string_equal(d.names.user, "praxis");
}

/* caching_sha2_password: who follows is told before the client would send its password in clear. */
static void change_user_that_asks_for_the_password(void **state)
{
    (void)state;
    client(T("\x11"
             "beat\0\0\0\x2d\0mysql_native_password\0"));
    server_quiet(T("\xfe"
                   "caching_sha2_password\0scramble"));
    client_seq(T("a hash"), 2);
    server_quiet(T("\x01\x03"));
    server_quiet(T("\x60\x04"));
    assert_int_equal(server(T("\x01\x04")), DIALOGUE_FULL_AUTH);
    client_seq(T("a hash"), 6);
    assert_int_equal(server(T(OK(AUTOCOMMIT))), DIALOGUE_USER_CHANGED | DIALOGUE_ANSWERED);
}

static void change_user_larger_than_any_real_one(void **state)
{
    (void)state;
    size_t n = LOGIN_PACKET_MAX + 1000;
    char *payload = calloc(1, n);
    memcpy(payload, "\x11u", 2);
    assert_int_equal(client(payload, n), 0);
    free(payload);
    assert_int_equal(server(T(OK(AUTOCOMMIT))), DIALOGUE_ANSWERED); /* its names stay unknown */
    assert_null(d.names.user);
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
    query("SHUTDOWN"); /* an EOF in place of an OK is taken as well */
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
    big[PACKET_HEADER] = 0xfd; /* one that looks like any other row */
    assert_int_equal(dialogue_server(&d, big, n), 0);
    assert_false(dialogue_can_end(&d, &seq));
    server_quiet(T(EOF_(AUTOCOMMIT)));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(call_has_more_results),
        TEST(eofs_abolished),
        TEST(answers_of_one_packet),
        TEST(metadata_left_out),
        TEST(optional_metadata_is_not_followed),
        TEST(prepared_statements),
        TEST(prepare_without_definitions),
        TEST(prepare_with_several_definitions),
        TEST(definitions_without_their_end),
        TEST(cursors),
        TEST(local_infile),
        TEST(local_infile_refused_midway),
        TEST(progress_is_no_end),
        TEST(change_user_with_switch),
        TEST(change_user_that_asks_for_the_password),
        TEST(change_user_larger_than_any_real_one),
        TEST(database_changes),
        TEST(plain_commands),
        TEST(binlog_stream),
        TEST(query_attributes),
        TEST(huge_packets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
