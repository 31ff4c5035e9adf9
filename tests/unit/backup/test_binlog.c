/* Events of a binary log, indices of its archived segments, and which timeline goes on. */
#include "tests/unit/common/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backup/rules/binlog_query.h"
#include "backup/rules/binlog_rows.h"
#include "backup/rules/binlog_segment.h"
#include "backup/rules/binlog_timeline.h"

/* As MariaDB 10.11.19 wrote them. */
static const char format_hex[] =
    "4b950d6b0f01000000fc000000000100000000040031302e31312e31392d4d6172696144422d302b646562313275312d6c6f6700000000000000000000000000000000000000004b950d6b13380d000800120004040404120000e400041a08000000080808020000000a0a0a0000000000000a0a0a0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000041304000d0808080a0a0a0108cf6e49";
static const char gtid_hex[] =
    "4b950d6ba2010000002a0000006b0100000800010000000000000000000000290000000000002fae5052";
static const char query_hex[] =
    "00f15365020100000090000000760200000000040000004ba4b905000000260000000000050100002054000000000603737464042d002d002d0007040081040000000000000000435245415445205441424c4520642e747a20286120696e742c20742054494d455354414d502836292044454641554c54204e4f572836292920636f6d6d656e742027c3a42752db0cdb";

/* CREATE TABLE t (id INT, m INT); UPDATE t SET m=5, three rows */
static const char table_map_hex[] =
    "fec10d6b13010000002a000000e1040000000012000000000001000170000174000203030002d9183e43";
static const char update_hex[] =
    "fec10d6b1801000000580000003905000000001200000000000100020303fc0100000001000000fc0100000005000000fc0200000002000000fc0200000005000000fc0300000003000000fc03000000050000001b09e62b";

static uint8_t *bytes_of(const char *hex, size_t *n)
{
    *n = strlen(hex) / 2;
    uint8_t *out = xmalloc(*n);
    for (size_t i = 0; i < *n; i++) {
        unsigned v;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &v), 1);
        out[i] = (uint8_t)v;
    }
    return out;
}

static void test_format(void **state)
{
    (void)state;
    size_t n;
    struct binlog_header h;
    struct binlog_format f;
    _cleanup_free_ uint8_t *event = bytes_of(format_hex, &n);
    assert_int_equal(binlog_header_parse(event, n, &h, NULL), 0);
    assert_int_equal(h.type, BINLOG_FORMAT);
    assert_int_equal(h.length, n);
    assert_int_equal(h.next, 256);
    assert_true(binlog_checksum_good(event, n));
    assert_int_equal(binlog_format_parse(event, n, &f, NULL), 0);
    assert_string_equal(f.server, "10.11.19-MariaDB-0+deb12u1-log");
    assert_int_equal(f.created, h.when);
    assert_true(f.checksums);
    event[17] |= BINLOG_F_IN_USE; /* the server's own copy differs in that */
    assert_true(binlog_checksum_good(event, n));
    event[60] ^= 1;
    assert_false(binlog_checksum_good(event, n));
}

static void test_rows_end(void **state)
{
    (void)state;
    uint8_t event[40] = {[4] = BINLOG_WRITE_ROWS_V1, [9] = sizeof event, [20] = 7, [30] = 99};
    uint64_t table;
    bool last;
    for (int sum = 0; sum < 2; sum++) {
        event[BINLOG_HEADER_SIZE + 6] = 4;
        assert_int_equal(binlog_rows_parse(event, sizeof event - 4, &table, &last, NULL), 0);
        assert_true(!last && table == 7 << 8);
        binlog_rows_flag(event, sizeof event, BINLOG_ROWS_END, sum);
        assert_int_equal(binlog_rows_parse(event, sizeof event - 4, &table, &last, NULL), 0);
        assert_true(last && table == 7 << 8 && event[BINLOG_HEADER_SIZE + 6] == 5);
        assert_int_equal(binlog_checksum_good(event, sizeof event), sum);
    }
}

static void test_transaction(void **state)
{
    (void)state;
    size_t n;
    struct binlog_group g;
    char text[BINLOG_GTID_LEN];
    _cleanup_free_ uint8_t *event = bytes_of(gtid_hex, &n);
    assert_true(binlog_checksum_good(event, n));
    assert_int_equal(binlog_group_parse(event, n - 4, &g, NULL), 0);
    assert_string_equal(binlog_gtid_text(&g.gtid, text), "0-1-1");
    assert_true(g.standalone && g.ddl && !g.prepares_xa);
}

static char *quote(void *ctx, const char *text)
{
    (void)ctx;
    return xasprintf("'%s'", text);
}

/* MariaDB 11.8: which collation a character set means. */
static void test_collations(void **state)
{
    (void)state;
    static const uint8_t status[] = {131, 2, 45, 0, 46, 0, 8, 0, 47, 0};
    uint8_t event[BINLOG_HEADER_SIZE + 13 + sizeof status + 9] = {0};
    uint8_t *p = event + BINLOG_HEADER_SIZE + 13;
    struct binlog_query q;
    p[-2] = sizeof status;
    memcpy(p, status, sizeof status);
    memcpy(p + sizeof status + 1, "SELECT 1", 8);
    assert_int_equal(binlog_query_parse(event, sizeof event, &q, NULL), 0);
    assert_int_equal(q.n_collations, 2);
    assert_int_equal(q.collations[0], 46);
    assert_int_equal(q.collations[1], 47);
    assert_int_equal(q.length, 8);
    p[1] = 3; /* one more than there are */
    assert_int_equal(binlog_query_parse(event, sizeof event, &q, NULL), -EBADMSG);
    p[1] = 200;
    assert_int_equal(binlog_query_parse(event, sizeof event, &q, NULL), -EBADMSG);
}

static void test_statement(void **state)
{
    (void)state;
    size_t n;
    struct binlog_query q;
    char kind[BINLOG_KIND_LEN];
    _cleanup_free_ uint8_t *event = bytes_of(query_hex, &n);
    assert_int_equal(binlog_query_parse(event, n - 4, &q, NULL), 0);
    assert_true(q.length > 20 && memcmp(q.text, "CREATE TABLE d.tz (a int,", 25) == 0);
    assert_string_equal(binlog_query_kind(&q, kind), "CREATE TABLE");
    _cleanup_free_ char *set = binlog_query_settings(&q, quote, NULL);
    assert_string_equal(set,
        "SET TIMESTAMP=1700000000, pseudo_thread_id=4, sql_auto_is_null=0, check_constraint_checks=1, explicit_defaults_for_timestamp=1, foreign_key_checks=0, unique_checks=1, sql_if_exists=0, system_versioning_insert_history=0, sql_mode=1411383296, auto_increment_increment=1, auto_increment_offset=1, character_set_client=45, collation_connection=45, collation_server=45, lc_time_names=4, collation_database=DEFAULT, time_zone='SYSTEM'");
    q.client = q.connection = 2304; /* utf8mb4_uca1400_ai_ci, the default since 11.5 */
    _cleanup_free_ char *later = binlog_query_settings(&q, quote, NULL);
    assert_non_null(strstr(later, "character_set_client=45, collation_connection=2304,"));
    /* a setting of a server to come is no reason to guess */
    event[BINLOG_HEADER_SIZE + 13] = 200;
    struct err e = {0};
    assert_int_equal(binlog_query_parse(event, n - 4, &q, &e), -ENOTSUP);
    assert_non_null(strstr(e.text, "200"));
}

static void test_its_own_account(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool run;
    } all[] = {{"GRANT SELECT ON d.t TO current_user()", false},
        {"grant r to x, CURRENT_USER", false}, {"ALTER USER Current_User IDENTIFIED BY 'x'", false},
        {"SET DEFAULT ROLE r FOR CURRENT_USER", false},
        {"SET STATEMENT a=1 FOR CREATE VIEW v AS SELECT CURRENT_USER()", true},
        {"GRANT SELECT ON d.t TO u", true},
        {"CREATE TRIGGER t BEFORE INSERT ON k FOR EACH ROW SET NEW.u=CURRENT_USER()", true},
        {"GRANT SELECT ON d.t TO CURRENT_USE", true}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        struct binlog_query q = {.text = all[i].text, .length = strlen(all[i].text)};
        assert_int_equal(binlog_query_check(&q, NULL), all[i].run ? 0 : -ENOTSUP);
    }
}

/* Under which character set which text is not run: by the number of any of its collations. */
static void test_ambiguous_letters(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint16_t client;
        const char *name; /* NULL: it is run */
    } all[] = {{"DROP TABLE `\xe4\xb8\xad`", 28, "gbk"}, {"DROP TABLE `\xe4\xb8\xad`", 1111, "gbk"},
        {"SELECT '\xa4'", 84, "big5"}, {"SELECT '\xa4'", 1037, "sjis"},
        {"SELECT '\xa4'", 96, "cp932"}, {"SELECT '\xa4'", 249, "gb18030"},
        {"DROP TABLE `a`", 10, "swe7"}, {"DROP TABLE a", 10, NULL}, {"DROP TABLE a", 1106, NULL},
        {"DROP TABLE a", 35, "ucs2"}, {"DROP TABLE a", 1147, "utf16"},
        {"DROP TABLE a", 737, "utf32"}, {"DROP TABLE a", 2560, "ucs2"},
        {"DROP TABLE `a\\`", 28, NULL}, {"DROP TABLE `\xc3\xa4`", 45, NULL},
        {"DROP TABLE `\xc3\xa4`", 1270, NULL}, {"DROP TABLE `\xc3\xa4`", 2559, NULL},
        {"DROP TABLE `\xe4`", 8, NULL}, {"DROP TABLE `\xe4`", 1071, NULL},
        {"DROP TABLE `\xa4\xa4`", 19, NULL}, {"DROP TABLE `\xa4\xa4`", 12, NULL}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        struct err e = {0};
        struct binlog_query q = {.has_charset = true,
            .client = all[i].client,
            .text = all[i].text,
            .length = strlen(all[i].text)};
        if (binlog_query_check(&q, &e) != (all[i].name ? -ENOTSUP : 0) ||
            (all[i].name && !strstr(e.text, all[i].name)))
            fail_msg("%zu: %s", i, e.text);
    }
}

static char *variable(const char *bytes, size_t n, uint32_t collation)
{
    uint8_t event[BINLOG_HEADER_SIZE + 100] = {[4] = BINLOG_USER_VAR};
    struct binlog_variable v;
    struct err e = {0};
    memcpy(event + BINLOG_HEADER_SIZE, bytes, n);
    if (binlog_variable_parse(event, BINLOG_HEADER_SIZE + n, &v, &e) < 0)
        return xstrdup(e.text);
    assert_int_equal(v.collation, collation);
    return v.text;
}

/* SET @t=…; CREATE EVENT … AT @t: name and value are anybody's bytes. */
static void test_user_variables(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        uint32_t collation;
        const char *want;
    } all[] = {
#define VARIABLE(collation, want, bytes) {bytes, sizeof bytes - 1, collation, want}
        VARIABLE(8, "SET @`a``b`:=CAST(X'273b' AS CHAR)", "\3\0\0\0a`b\0\0\x08\0\0\0\2\0\0\0';\0"),
        VARIABLE(33, "SET @`t`:=CAST(X'' AS CHAR)", "\1\0\0\0t\0\0\x21\0\0\0\0\0\0\0"),
        VARIABLE(0, "SET @`t`:=NULL", "\1\0\0\0t\1"),
        VARIABLE(0, "SET @`t`:=CAST(-2 AS SIGNED)",
            "\1\0\0\0t\0\2\x3f\0\0\0\x08\0\0\0\xfe\xff\xff\xff\xff\xff\xff\xff\0"),
        VARIABLE(0, "SET @`t`:=CAST(18446744073709551614 AS UNSIGNED)",
            "\1\0\0\0t\0\2\x3f\0\0\0\x08\0\0\0\xfe\xff\xff\xff\xff\xff\xff\xff\1"),
        VARIABLE(0, "SET @`t`:=-1.50000000000000000e+00",
            "\1\0\0\0t\0\1\x3f\0\0\0\x08\0\0\0\0\0\0\0\0\0\xf8\xbf\0"),
        VARIABLE(0, "SET @`t`:=CAST('7.5' AS DECIMAL(2,1))",
            "\1\0\0\0t\0\4\x3f\0\0\0\4\0\0\0\2\1\x87\5\0"),
        VARIABLE(0, "a variable's event is damaged", "\1\0\0\0t\0\0\x21\0\0\0\1\0\0\0"),
        VARIABLE(0, "a variable's event is damaged", "\1\0\0\0t\0\0\x21"),
        VARIABLE(0, "a variable's event is damaged", "\x09\0\0\0t\0\0\x21"),
        VARIABLE(0, "a variable's event is damaged", "\1\0\0"),
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        _cleanup_free_ char *got = variable(all[i].bytes, all[i].n, all[i].collation);
        assert_string_equal(got, all[i].want);
    }
    /* of a kind that no server makes, and one whose digits need more bytes than there are */
    _cleanup_free_ char *unknown = variable("\1\0\0\0t\0\3\x3f\0\0\0\4\0\0\0\2\1\x87\5\0", 20, 0);
    assert_non_null(strstr(unknown, "binlog_format=ROW"));
    _cleanup_free_ char *longer = variable("\1\0\0\0t\0\4\x3f\0\0\0\4\0\0\0\x09\1\x87\5\0", 20, 0);
    assert_non_null(strstr(longer, "binlog_format=ROW"));
}

/* The numbers that a statement used: a count of each kind, or two seeds; eight bytes each. */
static void test_numbers_of_a_statement(void **state)
{
    (void)state;
    static const struct {
        uint8_t type, kind;
        size_t n;
        const char *want;
    } all[] = {
        {BINLOG_INTVAR, 1, 9, "SET LAST_INSERT_ID=578437695752307201"},
        {BINLOG_INTVAR, 2, 9, "SET INSERT_ID=578437695752307201"},
        {BINLOG_INTVAR, 2, 8, NULL},
        {BINLOG_INTVAR, 0, 9, NULL},
        {BINLOG_INTVAR, 3, 9, NULL},
        {BINLOG_RAND, 2, 16,
            "SET @@rand_seed1=506097522914230530, @@rand_seed2=1084818905618843912"},
        {BINLOG_RAND, 2, 15, NULL},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        uint8_t event[BINLOG_HEADER_SIZE + 16] = {[4] = all[i].type};
        for (uint8_t k = 0; k < 16; k++)
            event[BINLOG_HEADER_SIZE + k] = k ? k : all[i].kind;
        struct binlog_variable v = {0};
        int r = binlog_variable_parse(event, BINLOG_HEADER_SIZE + all[i].n, &v, NULL);
        assert_int_equal(r, all[i].want ? 0 : -ENOTSUP);
        if (all[i].want)
            assert_string_equal(v.text, all[i].want);
        free(v.text);
    }
}

/* Cut off anywhere, none is accepted and nothing behind the end is read (by the sanitizer). */
static void test_cut_off(void **state)
{
    (void)state;
    static const char *const all[] = {format_hex, gtid_hex, query_hex};
    for (size_t i = 0; i < 3; i++) {
        size_t n;
        _cleanup_free_ uint8_t *event = bytes_of(all[i], &n);
        for (size_t cut = 0; cut < n; cut++) {
            struct binlog_header h;
            struct binlog_format f;
            struct binlog_group g;
            struct binlog_query q;
            uint8_t *part = xmalloc(cut + 1);
            memcpy(part, event, cut);
            assert_false(binlog_checksum_good(part, cut));
            if (binlog_header_parse(part, cut, &h, NULL) == 0) {
                assert_true(h.length > cut);
                (void)!binlog_format_parse(part, cut, &f, NULL);
                (void)!binlog_group_parse(part, cut, &g, NULL);
                (void)!binlog_query_parse(part, cut, &q, NULL);
            }
            free(part);
        }
    }
}

/* Where a file begins, beside where those before it end. */
static void test_a_file_goes_on(void **state)
{
    static const struct {
        const char *counted, *list;
        bool good;
    } rows[] = {{"", "", true}, {"0-1-5,1-2-7", "1-2-7,0-1-5", true}, {"0-1-5", "0-1-4", true},
        {"0-1-5,1-2-7", "0-1-4,1-2-7", true}, {"0-1-5,1-2-7", "0-1-4,1-2-6", false},
        {"0-1-5", "0-1-6", false}, {"0-1-5", "0-1-3", false}, {"0-1-5", "", false},
        {"", "0-1-5", false}, {"0-1-5", "1-1-5", false}, {"0-1-5", "0-1-5,1-1-1", false}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct binlog_gtids counted, list;
        assert_int_equal(binlog_gtids_parse(rows[i].counted, &counted, NULL), 0);
        assert_int_equal(binlog_gtids_parse(rows[i].list, &list, NULL), 0);
        if (binlog_gtids_continue(&counted, &list) != rows[i].good)
            fail_msg("row %zu", i);
    }
}

static void test_gtids(void **state)
{
    (void)state;
    struct binlog_gtids l, same;
    struct binlog_gtid g;
    char text[BINLOG_GTIDS_TEXT];
    assert_int_equal(binlog_gtids_parse("0-1-5,1-2-7", &l, NULL), 0);
    assert_int_equal(binlog_gtids_parse("1-2-7,0-1-5", &same, NULL), 0);
    assert_true(binlog_gtids_continue(&l, &same));
    assert_int_equal(binlog_gtid_parse("0-9-5", &g, NULL), 0);
    assert_true(binlog_gtids_has(&l, &g));
    g.number = 6;
    assert_false(binlog_gtids_has(&l, &g));
    assert_true(binlog_gtids_add(&l, &g));
    assert_string_equal(binlog_gtids_text(&l, text), "0-9-6,1-2-7");
    static const char *const bad[] = {"0-1", "0-1-", "-1-1-1", "0-1-5,", "0-1-5;1-1-1",
        "4294967296-1-1", "0-1-18446744073709551616", "0-1-x", " 0-1-1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(binlog_gtids_parse(bad[i], &l, NULL), -EINVAL);
}

static struct binlog_segment segment(const char *file, uint64_t from, uint64_t to)
{
    struct binlog_segment s = {.timeline = 3,
        .from = from,
        .to = to,
        .last = from,
        .file_ends = true,
        .created = 1000,
        .stored_bytes = 9,
        .groups = 2,
        .begins = 1001,
        .ends = 1002,
        .reason = BINLOG_RESTORED,
        .parent = {2, "mysql-bin.000007", 4711}};
    snprintf(s.file, sizeof s.file, "%s", file);
    memset(s.sha256, 'a', 64);
    memset(s.stored_sha256, 'b', 64);
    binlog_segment_name(&s, ".gz", s.stored);
    assert_true(binlog_name_valid(s.file, &s.number));
    assert_int_equal(binlog_gtids_parse("0-1-5", &s.before, NULL), 0);
    assert_int_equal(binlog_gtids_parse("0-1-7", &s.after, NULL), 0);
    return s;
}

static void test_index(void **state)
{
    (void)state;
    struct binlog_segment s = segment("mysql-bin.000012", 4, 900), back;
    _cleanup_free_ char *plain = binlog_segment_text(&s);
    assert_null(strstr(plain, "stop")); /* as versions before it know it */
    assert_int_equal(binlog_segment_parse(plain, strlen(plain), &back, NULL), 0);
    assert_int_equal(back.stop.first, 0);
    s.stop = (struct binlog_stop){.first = 500, .last = 700, .when = 1001, .kind = "LOAD DATA"};
    _cleanup_free_ char *text = binlog_segment_text(&s);
    assert_string_equal(s.stored, "mysql-bin.000012-000000000004.gz");
    assert_int_equal(binlog_segment_parse(text, strlen(text), &back, NULL), 0);
    _cleanup_free_ char *again = binlog_segment_text(&back);
    assert_string_equal(text, again);
    assert_int_equal(back.parent.position, 4711);
    assert_true(back.stop.last == 700 && strcmp(back.stop.kind, "LOAD DATA") == 0);
    static const char *const edits[][2] = {{"\"from\":4", "\"from\":901"},
        {"\"stored\":\"", "\"stored\":\"../"}, {"\"timeline\":3", "\"timeline\":0"},
        {"mysql-bin.000012\"", "../bin.000012\""}, {"\"groups\":2", "\"groups\":2,\"more\":1"},
        {"\"version\":1", "\"version\":2"}, {"\"restored\"", "\"forgotten\""},
        {"\"sha256\":\"aa", "\"sha256\":\"AA"}, {"0-1-7", "0-1"},
        {"\"first\":500", "\"first\":701"}, {"\"first\":500", "\"first\":0"},
        {"\"time\":1001", "\"time\":-1"}, {"\"kind\":", "\"more\":1,\"kind\":"},
        {"LOAD DATA", "a kind that is longer than any of ours is"}};
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        struct err e = {0};
        const char *at = strstr(text, edits[i][0]);
        assert_non_null(at);
        _cleanup_free_ char *bad = xasprintf(
            "%.*s%s%s", (int)(at - text), text, edits[i][1], at + strlen(edits[i][0]));
        assert_int_equal(binlog_segment_parse(bad, strlen(bad), &back, &e), -EINVAL);
        assert_true(e.text[0]);
    }
    for (size_t cut = 0; cut + 2 < strlen(text); cut++)
        assert_int_equal(binlog_segment_parse(text, cut, &back, NULL), -EINVAL);
}

static void test_order(void **state)
{
    (void)state;
    struct binlog_segment a = segment("b.000009", 0, 100), b = segment("b.000009", 100, 200),
                          c = segment("b.000010", 0, 50), d = segment("b.000012", 0, 50);
    assert_true(binlog_segment_follows(&a, &b) && binlog_segment_follows(&b, &c));
    assert_false(binlog_segment_follows(&a, &d) || binlog_segment_follows(&c, &d));
    assert_true(binlog_segment_compare(&a, &b) < 0 && binlog_segment_compare(&c, &b) > 0);
    b.from = 101;
    assert_false(binlog_segment_follows(&a, &b));
}

struct decision_case {
    const char *have; /* NULL = nothing */
    uint32_t created; /* of the server's file of that name */
    bool restored;
    const char *files[4];
    uint64_t size; /* of all of them */
    enum binlog_next next;
    const char *file;
    enum binlog_reason reason;
};

static void test_decision(void **state)
{
    (void)state;
    static const struct decision_case cases[] = {
        {NULL, 0, false, {"b.000001", "b.000002"}, 500, BINLOG_NEW, "b.000002", BINLOG_FIRST},
        {"b.000002", 1000, false, {"b.000001", "b.000002", "b.000003"}, 500, BINLOG_GO_ON,
            "b.000002", BINLOG_CHANGED},
        /* begun at another time: it only has the same name */
        {"b.000002", 1001, false, {"b.000001", "b.000002"}, 500, BINLOG_NEW, "b.000001",
            BINLOG_RESET},
        /* shorter than what we have of it */
        {"b.000002", 1000, false, {"b.000001", "b.000002"}, 99, BINLOG_NEW, "b.000002",
            BINLOG_CHANGED},
        {"b.000005", 0, false, {"b.000001"}, 500, BINLOG_NEW, "b.000001", BINLOG_RESET},
        {"b.000002", 0, false, {"b.000003", "b.000004"}, 500, BINLOG_NEXT_FILE, "b.000003",
            BINLOG_GAP},
        {"b.000002", 0, false, {"b.000004"}, 500, BINLOG_NEW, "b.000004", BINLOG_GAP},
        {"b.000002", 0, false, {"other.000003"}, 500, BINLOG_NEW, "other.000003", BINLOG_RESET},
        /* the data were exchanged: what was written since, whatever else lies there */
        {"b.000002", 1000, true, {"b.000001", "b.000002", "b.000003"}, 500, BINLOG_NEW, "b.000003",
            BINLOG_RESTORED},
        {"b.000009", 0, true, {"b.000001", "b.000002"}, 500, BINLOG_NEW, "b.000002",
            BINLOG_RESTORED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct decision_case *c = &cases[i];
        struct binlog_file files[4] = {{{0}, 0}};
        struct binlog_segment have = segment(c->have ? c->have : "b.000001", 0, 100);
        struct binlog_question q = {.have = c->have ? &have : NULL,
            .restored = c->restored,
            .files = files,
            .created = c->created};
        for (; q.n < 4 && c->files[q.n]; q.n++) {
            snprintf(files[q.n].name, sizeof files[q.n].name, "%s", c->files[q.n]);
            files[q.n].size = c->size;
        }
        struct binlog_decision d = binlog_decide(&q);
        assert_int_equal(d.next, c->next);
        assert_string_equal(d.file, c->file);
        if (d.next == BINLOG_NEW)
            assert_int_equal(d.reason, c->reason);
    }
}

static void append_value(void *ctx, size_t column, const char *value)
{
    char *text = ctx;
    snprintf(text + strlen(text), 100, "%zu=%s ", column, value ? value : "NULL");
}

static void same_value(void *ctx, size_t column, const char *value)
{
    const char *const *expected = ctx;
    if (!expected[column])
        assert_null(value);
    else
        assert_string_equal(value, expected[column]);
}

/* Each length of both events but the whole one is refused, and nothing is read behind it. */
static void cut_off_rows(const uint8_t *map, size_t n, const uint8_t *event, size_t m)
{
    struct binlog_columns c;
    struct binlog_rows rows;
    for (size_t i = 0; i < n; i++) {
        uint8_t *less = memcpy(xmalloc(i + 1), map, i);
        if (binlog_columns_parse(less, i, &c, NULL) == 0) /* but for the bits of NULL */
            binlog_columns_clear(&c);
        free(less);
    }
    assert_int_equal(binlog_columns_parse(map, n, &c, NULL), 0);
    for (size_t i = BINLOG_HEADER_SIZE; i < m; i++) {
        uint8_t *less = memcpy(xmalloc(i + 1), event, i);
        int images = 0, r = binlog_rows_begin(less, i, &c, &rows, NULL);
        while (r == 0 && (r = binlog_rows_next(&rows, NULL, NULL, NULL)) == 1) {
            images++;
            r = 0;
            if (rows.p == rows.end)
                break;
        }
        assert_true(images < 6);
        free(less);
    }
    binlog_columns_clear(&c);
}

static void test_rows(void **state)
{
    (void)state;
    size_t n, m;
    struct binlog_columns c;
    struct binlog_rows rows;
    char text[1000] = "";
    _cleanup_free_ uint8_t *map = bytes_of(table_map_hex, &n);
    _cleanup_free_ uint8_t *event = bytes_of(update_hex, &m);
    n -= BINLOG_CHECKSUM;
    m -= BINLOG_CHECKSUM;
    assert_int_equal(binlog_columns_parse(map, n, &c, NULL), 0);
    assert_int_equal(c.n, 2);
    assert_int_equal(binlog_rows_begin(event, m, &c, &rows, NULL), 0);
    assert_int_equal(rows.change, BINLOG_CHANGED_ROW);
    for (int image = 0; image < 6; image++) {
        assert_int_equal(rows.after, image % 2);
        assert_int_equal(binlog_rows_next(&rows, append_value, text, NULL), 1);
    }
    assert_int_equal(binlog_rows_next(&rows, append_value, text, NULL), 0);
    assert_string_equal(text, "0=1 1=1 0=1 1=5 0=2 1=2 0=2 1=5 0=3 1=3 0=3 1=5 ");
    c.types[1] = 200; /* no type of any column */
    assert_int_equal(binlog_rows_begin(event, m, &c, &rows, NULL), 0);
    assert_int_equal(binlog_rows_next(&rows, NULL, NULL, NULL), -EBADMSG);
    c.n = 1; /* a table of another shape */
    assert_int_equal(binlog_rows_begin(event, m, &c, &rows, NULL), -EBADMSG);
    binlog_columns_clear(&c);
    cut_off_rows(map, n, event, m);
}

/* A column of each type, two rows: the least and the greatest, and what lies between
 * (MariaDB 10.11, UTC). */
static const char types_map_hex[] =
    "e4b60e6b13010000006200000086060000000012000000000001000164000174001b01020903080405f6100d0a131313131212121111fefe0f0ffcfefe1c040809030201000103060002050004fe10ee90b004090002f701f801ffffff071978b0f7";
static const char types_rows_hex[] =
    "e4b60e6b1701000000f50000007b070000000012000000000001001bffffff07000000f8fffefffdfffffcfffffffbffffffffffffff0000c03f000000000000d0bf7e1dbffcea02017e81d50f80a2cc7f5d33f67ffffffff6b46efb00000199bb837ebb99bb837ebb07fef3ff7efb0f42366b0eb6c06b0eb6c000660261620200c3a90100770200ff0400626c6f620205000008f87fff7fffff7fffffff7fffffffffffffff7f000000000000000000000000800000000100000121d0074b91058000005a80c8b81ed27ffffef85ee08cb24200008cb2420000329964ba108300000a7fffffff00000000000000000100dd27dc4b";

static void test_values(void **state)
{
    (void)state;
    static const char *const rows_of[][27] = {
        {"-1", "-2", "-3", "-4", "-5", "1.5", "-0.25", "-123456.789", "513", "2026", "2026-12-01",
            "10:11:12", "-10:11:12.1", "-00:00:00.001", "838:59:59.000001", "2026-12-01 23:58:59",
            "2026-12-01 23:58:59.07", "9999-12-31 23:59:59.99999", "1796126400", "1796126400.0102",
            "'ab'", "'\303\251'", "'w'", "x'00ff'", "'blob'", "2", "5"},
        {"127", "32767", "8388607", "2147483647", "9223372036854775807", "0", "0", "0.001", "0",
            "1901", "1000-01-01", "-838:59:59", "00:00:00.9", "12:34:56.789", "-00:00:01.500000",
            "1000-01-01 00:00:00", "1000-01-01 00:00:00.50", "2000-02-29 01:02:03.00001",
            "2147483647", NULL, "''", "''", "''", "''", "''", "1", "0"},
    };
    size_t n, m;
    struct binlog_columns c;
    struct binlog_rows rows;
    _cleanup_free_ uint8_t *map = bytes_of(types_map_hex, &n);
    _cleanup_free_ uint8_t *event = bytes_of(types_rows_hex, &m);
    assert_int_equal(binlog_columns_parse(map, n - BINLOG_CHECKSUM, &c, NULL), 0);
    assert_int_equal(c.n, 27);
    assert_int_equal(binlog_rows_begin(event, m - BINLOG_CHECKSUM, &c, &rows, NULL), 0);
    assert_int_equal(rows.change, BINLOG_INSERTED);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(
            binlog_rows_next(&rows, same_value, (void *)(uintptr_t)rows_of[i], NULL), 1);
    assert_int_equal(binlog_rows_next(&rows, NULL, NULL, NULL), 0);
    binlog_columns_clear(&c);
}

/* MariaDB 10.11 does not say it; as 11.8 notes it: flags, then the connection's number. */
static void test_connection(void **state)
{
    (void)state;
    size_t n;
    _cleanup_free_ uint8_t *event = bytes_of(gtid_hex, &n);
    n -= BINLOG_CHECKSUM;
    assert_int_equal(binlog_group_thread(event, n), 0);
    free(event);
    event = bytes_of(
        "a3c50d6ba2010000002a000000720100000800010000000000000000000000291004000000007e53c055", &n);
    n -= BINLOG_CHECKSUM;
    assert_int_equal(binlog_group_thread(event, n), 4);
    for (size_t i = 0; i < n - 1; i++)
        assert_int_equal(binlog_group_thread(event, i), 0);
    uint8_t *extra = event + BINLOG_HEADER_SIZE + 13;
    extra[-1] |= 0x02; /* a group's number comes before it, and is cut off */
    assert_int_equal(binlog_group_thread(event, n), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_rows_end),
        cmocka_unit_test(test_transaction),
        cmocka_unit_test(test_statement),
        cmocka_unit_test(test_ambiguous_letters),
        cmocka_unit_test(test_its_own_account),
        cmocka_unit_test(test_user_variables),
        cmocka_unit_test(test_numbers_of_a_statement),
        cmocka_unit_test(test_collations),
        cmocka_unit_test(test_cut_off),
        cmocka_unit_test(test_gtids),
        cmocka_unit_test(test_a_file_goes_on),
        cmocka_unit_test(test_index),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_connection),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_decision),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
