/* The manifest: struct to text and back, and every way in which it may be wrong. */
#include "tests/unit/common/unit.h"

#include <errno.h>
#include <stdio.h>

#include "backup/rules/manifest.h"
#include "common/json_get.h"

#define SUM "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct manifest sample(void)
{
    struct manifest m = {.type = "elexisdb", .run = "2026-11-22-0315", .method = MANIFEST_PHYSICAL};
    m.version = MANIFEST_VERSION;
    m.sequence = 41;
    memcpy(m.installation, SUM, sizeof SUM);
    memcpy(m.entries_sha256, SUM, sizeof SUM);
    m.started_ms = INT64_C(1795313700123);
    m.finished_ms = m.started_ms + 60000;
    m.local_time = xstrdup("2026-11-22T03:15:00+01:00");
    m.zone = xstrdup("CET");
    m.host = xstrdup("praxis");
    m.program = xstrdup("elexgate 0.1.0");
    m.archive.file = xstrdup("elexisdb_2026-11-22-0315.tar.gz");
    m.archive.size = 5000000000;
    memcpy(m.archive.sha256, SUM, sizeof SUM);
    m.archive.backend = xstrdup("isal");
    m.archive.level = 1;
    m.content.files = 3;
    m.content.bytes = 1;
    m.content.tar_bytes = 10240;
    m.has_server = true;
    m.server.version = xstrdup("10.11.19-MariaDB");
    m.server.page_size = 16384;
    m.server.lower_case_table_names = 1;
    m.server.lsn = UINT64_C(9000000000000000000);
    m.server.state = xstrdup("clean");
    manifest_add_table(&m, "elexis", "kontakt", "InnoDB", 12345, "987654321");
    manifest_add_table(&m, "elexis", "eine_sicht", NULL, -1, NULL);
    manifest_add_note(&m, "mysql.sock was left out: it is %s", "a socket");
    manifest_add_note(&m, "b\xff"
                          "d");
    m.info = json_pack("{s:i}", "lock_ms", 17);
    return m;
}

static void test_head_round_trip(void **state)
{
    (void)state;
    struct manifest m = sample(), back;
    struct err e = {0};
    _cleanup_free_ char *text = manifest_head_text(&m);
    if (manifest_head_parse(text, strlen(text), &back, &e) != 0)
        fail_msg("%s", e.text);
    assert_string_equal(back.type, m.type);
    assert_string_equal(back.run, m.run);
    assert_int_equal(back.started_ms, m.started_ms);
    assert_string_equal(back.archive.sha256, SUM);
    assert_true(back.archive.size == m.archive.size && back.server.lsn == m.server.lsn);
    assert_true(back.sequence == 41 && back.version == MANIFEST_VERSION && !back.brief);
    assert_string_equal(back.installation, SUM);
    assert_int_equal(back.table_count, 2);
    assert_null(back.tables[1].engine);
    assert_int_equal(back.tables[1].rows, -1);
    assert_string_equal(back.tables[0].checksum, "987654321");
    assert_string_equal(back.notes[1], "b?d");
    assert_int_equal(json_get_int(back.info, "lock_ms"), 17);
    _cleanup_free_ char *again = manifest_head_text(&back);
    assert_string_equal(again, text);
    manifest_clear(&m);
    manifest_clear(&back);
}

static char *replaced(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    if (!at)
        fail_msg("the text has no %s", from ? from : "NULL"); /* gcc with sanitizers insists */
    return xasprintf("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

static void test_head_refused(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *says;
    } cases[] = {
        {"elexgate-manifest", "other", "format is not elexgate-manifest"},
        {"\"version\":2,", "\"version\":3,", "another version"},
        {"\"version\":2,", "\"version\":1,", "another version"},
        {"\"version\":2,", "", "version is missing"},
        {"\"version\":2,", "\"version\":2,\"extra\":1,", "does not know"},
        {"\"version\":2,", "\"version\":2,\"sealed\":false,", "does not know"},
        {"\"sequence\":41", "\"sequence\":-1", "sequence is out of range"},
        {"\"sequence\":41,", "", "sequence is missing"},
        {"\"installation\":\"01", "\"installation\":\"1", "installation is not as long"},
        {"\"full_sha256\":null", "\"full_sha256\":\"" SUM "\"", "does not fit to brief"},
        {"\"type\":\"elexisdb\"", "\"type\":\"../x\"", "type is not a valid name"},
        {"\"run\":\"2026-11-22-0315\"", "\"run\":\"2026-11-22-2515\"", "run is not"},
        {"\"physical\"", "\"magic\"", "method is not one of the known words"},
        {"\"started\":\"2", "\"started\":\"X", "started is not a time in UTC"},
        {"123Z", "123+01:00", "is not a time in UTC"},
        {"\"size\":5000000000", "\"size\":-1", "archive.size is out of range"},
        {"\"size\":5000000000", "\"size\":\"5\"", "archive.size is not a whole number"},
        {"\"size\":5000000000", "\"size\":5e9", "archive.size is not a whole number"},
        {"\"file\":\"elexisdb_", "\"file\":\"elexisdb2_", "archive.file is not the name"},
        {"\"file\":\"elexisdb_", "\"file\":\"../elexisdb_", "archive.file is not the name"},
        {"0123456789abcdef\"", "0123456789ABCDEF\"", "is not as long as it must be"},
        {"\"encryption\":null", "\"encryption\":\"rot13\"", "archive.encryption is not known"},
        {"\"files\":3", "\"files\":true", "content.files is not a whole number"},
        {"\"state\":\"clean\"", "\"state\":\"fine\"", "server.state is not one"},
        {"\"lower_case_table_names\":1", "\"lower_case_table_names\":3", "out of range"},
        {"\"rows\":12345", "\"rows\":-2", "tables.rows is out of range"},
        {"\"schema\":\"elexis\",\"name\":\"kontakt\"", "\"schema\":\"elexis\"",
            "tables.name is missing"},
        {"\"brief\":false", "\"brief\":true", "does not fit to brief"},
        {"\"brief\":false,\"full_sha256\":null", "\"brief\":true,\"full_sha256\":\"" SUM "\"",
            "brief does not fit"},
        {"\"brief\":false", "\"brief\":0", "brief is not true or false"},
        {"\"info\":{\"lock_ms\":17}", "\"info\":[]", "info is not an object"},
        {"\"host\":\"praxis\"", "\"host\":\"praxis\",\"host\":\"x\"", "not JSON"},
        {"\"format\"", "{\"format\"", "version"},
        {"\"format\"", "[\"format\"", "not JSON"},
        {"\"entries\":[", "\"entries\":{", "cut or reformatted"},
    };
    struct manifest m = sample();
    _cleanup_free_ char *text = manifest_head_text(&m);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err e = {0};
        struct manifest back = {0};
        _cleanup_free_ char *bad = replaced(text, cases[i].from, cases[i].to);
        if (manifest_head_parse(bad, strlen(bad), &back, &e) != -EINVAL)
            fail_msg("%s was accepted", cases[i].to);
        if (!strstr(e.text, cases[i].says))
            fail_msg("%s: \"%s\"", cases[i].to, e.text);
        assert_null(back.host); /* untouched */
    }
    /* cut anywhere */
    for (size_t n = 0; n + 1 < strlen(text); n++) {
        struct manifest back;
        assert_int_equal(manifest_head_parse(text, n, &back, NULL), -EINVAL);
    }
    manifest_clear(&m);
}

/* What the version before the seal wrote is read, and is what it was. */
static void test_old_head(void **state)
{
    (void)state;
    static const char text[] =
        "{\"format\":\"elexgate-manifest\",\"version\":1,\"type\":\"bilder\",\"run\":\"2026-11-22-0315\",\"method\":\"files\",\"started\":\"2026-11-22T02:15:00.123Z\",\"finished\":\"2026-11-22T02:15:01.123Z\",\"local_time\":\"2026-11-22T03:15:00+01:00\",\"zone\":\"CET\",\"host\":\"praxis\",\"program\":\"elexgate 0.1.0\",\"sealed\":false,"
        "\"archive\":{\"file\":\"bilder_2026-11-22-0315.tar.gz\",\"size\":5,\"sha256\":\"" SUM
        "\",\"backend\":\"isal\",\"level\":1,\"encryption\":null},\"content\":{\"files\":1,\"directories\":0,\"symlinks\":0,\"bytes\":1,\"tar_bytes\":10240},\"server\":null,\"tables\":[],\"notes\":[],\"info\":{},\"entries\":[\n";
    struct manifest m;
    struct manifest_seal seal = {0};
    struct err e = {0};
    assert_int_equal(manifest_seal_parse(text, sizeof text - 1, &seal, &e), 1);
    if (manifest_head_parse(text, sizeof text - 1, &m, &e) != 0)
        fail_msg("%s", e.text);
    assert_int_equal(m.version, 1);
    assert_true(m.sequence == 0 && !*m.installation && !m.brief);
    manifest_clear(&m);
}

static void test_seal_line(void **state)
{
    (void)state;
    struct manifest_seal seal = {.digest = SUM, .key = SUM, .signature = SUM SUM}, back;
    struct err e = {0};
    _cleanup_free_ char *text = manifest_seal_text(&seal);
    seal.key[0] = 0;
    _cleanup_free_ char *none = manifest_seal_text(&seal);
    assert_int_equal(manifest_seal_parse(text, strlen(text), &back, &e), 0);
    assert_string_equal(back.key, SUM);
    assert_string_equal(back.digest, SUM);
    assert_string_equal(back.signature, SUM SUM);
    assert_int_equal(manifest_seal_parse(none, strlen(none), &back, &e), 0);
    assert_int_equal(back.key[0], 0);
#define HEAD "{\"head_sha256\":\"" SUM "\""
    static const char *const bad[] = {"", "{", HEAD, HEAD ",",
        HEAD ",\"seal\":", HEAD ",\"seal\":0,", "{\"seal\":null,",
        "{\"head_sha256\":null,\"seal\":null,", HEAD ",\"seal\":{},",
        HEAD ",\"seal\":null,\"x\":1,", HEAD ",\"seal\":{\"key\":\"" SUM "\"},",
        HEAD ",\"seal\":{\"key\":\"" SUM "\",\"signature\":\"" SUM "\"},",
        HEAD ",\"seal\":{\"key\":\"" SUM "\",\"signature\":\"" SUM SUM "\",\"more\":1},"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(manifest_seal_parse(bad[i], strlen(bad[i]), &back, NULL), -EINVAL);
    for (size_t n = 0; n + 1 < strlen(text); n++) /* cut anywhere */
        assert_int_equal(manifest_seal_parse(text, n, &back, NULL), -EINVAL);
}

static void test_entries(void **state)
{
    (void)state;
    char name[] = "mysql/befund.ibd", latin[] = "\xff\xfe/x", target[] = "../y";
    struct manifest_entry list[] = {
        {ENTRY_FILE, name, 16384, 16384, 0660, INT64_C(1795313700123456789), SUM, NULL, false,
            false},
        {ENTRY_FILE, latin, 16384, 4096, 01777, -5, SUM, NULL, true, false},
        {ENTRY_FILE, name, 0, 0, 0, 0, SUM, NULL, false, true},
        {.type = ENTRY_DIRECTORY, .path = name, .mode = 02750},
        {.type = ENTRY_SYMLINK, .path = name, .mode = 0777, .target = target},
    };
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        struct err e = {0};
        struct manifest_entry back;
        _cleanup_free_ char *text = manifest_entry_text(&list[i]);
        _cleanup_free_ char *comma = xasprintf("%s,\n", text);
        if (manifest_entry_parse(comma, strlen(comma), &back, &e) != 0)
            fail_msg("%s: %s", text, e.text);
        assert_string_equal(back.path, list[i].path);
        assert_int_equal(back.type, list[i].type);
        assert_true(back.size == list[i].size && back.stored == list[i].stored);
        assert_true(back.mode == list[i].mode && back.mtime_ns == list[i].mtime_ns);
        assert_true(back.replaced == list[i].replaced && back.unstable == list[i].unstable);
        _cleanup_free_ char *again = manifest_entry_text(&back);
        assert_string_equal(again, text);
        manifest_entry_clear(&back);
    }
}

static void test_entries_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "{}", "[]", "null",
        "{\"path\":\"/etc/passwd\",\"type\":\"directory\",\"mode\":493,\"mtime_ns\":0}",
        "{\"path\":\"a/../b\",\"type\":\"directory\",\"mode\":493,\"mtime_ns\":0}",
        "{\"path\":\"\",\"type\":\"directory\",\"mode\":493,\"mtime_ns\":0}",
        "{\"path\":\"a//b\",\"type\":\"directory\",\"mode\":493,\"mtime_ns\":0}",
        "{\"path\":\"a/\",\"type\":\"directory\",\"mode\":493,\"mtime_ns\":0}",
        "{\"path\":\"a\\u0000b\",\"type\":\"directory\",\"mode\":493,\"mtime_ns\":0}",
        "{\"path\":\"a\",\"type\":\"device\",\"mode\":493,\"mtime_ns\":0}",
        "{\"path\":\"a\",\"type\":\"directory\",\"mode\":4096,\"mtime_ns\":0}",
        "{\"path\":\"a\",\"type\":\"directory\",\"mode\":493,\"mtime_ns\":0,\"size\":1}",
        "{\"path\":\"a\",\"type\":\"directory\",\"mode\":493,\"mtime_ns\":0,\"path_hex\":\"61\"}",
        "{\"path_hex\":\"6\",\"type\":\"directory\",\"mode\":493,\"mtime_ns\":0}",
        "{\"path_hex\":\"6100\",\"type\":\"directory\",\"mode\":493,\"mtime_ns\":0}",
        "{\"path_hex\":\"zz\",\"type\":\"directory\",\"mode\":493,\"mtime_ns\":0}",
        "{\"path_hex\":\"2e2e2f61\",\"type\":\"directory\",\"mode\":493,\"mtime_ns\":0}",
        "{\"path\":\"a\",\"type\":\"symlink\",\"mode\":493,\"mtime_ns\":0}",
        "{\"path\":\"a\",\"type\":\"file\",\"mode\":493,\"mtime_ns\":0,\"size\":1}",
        "{\"path\":\"a\",\"type\":\"file\",\"mode\":493,\"mtime_ns\":0,\"size\":1,\"stored\":2,\"sha256\":\"" SUM
        "\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct manifest_entry en = {.size = 7};
        struct err e = {0};
        if (manifest_entry_parse(bad[i], strlen(bad[i]), &en, &e) != -EINVAL)
            fail_msg("%s was accepted", bad[i]);
        assert_true(en.size == 7 && strncmp(e.text, "manifest:", 9) == 0);
    }
}

static void test_paths(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "a/b", ".a", "..a", "a/...", "-", " "};
    static const char *const bad[] = {
        "", "/", "/a", "a/", "a//b", ".", "..", "a/.", "a/..", "../a", "./a", "a/../b"};
    char long_path[MANIFEST_PATH_MAX + 2];
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(manifest_path_valid(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(manifest_path_valid(bad[i]));
    memset(long_path, 'a', sizeof long_path);
    long_path[MANIFEST_PATH_MAX + 1] = 0;
    assert_false(manifest_path_valid(long_path));
    long_path[MANIFEST_PATH_MAX] = 0;
    assert_true(manifest_path_valid(long_path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_head_round_trip),
        cmocka_unit_test(test_head_refused),
        cmocka_unit_test(test_old_head),
        cmocka_unit_test(test_seal_line),
        cmocka_unit_test(test_entries),
        cmocka_unit_test(test_entries_refused),
        cmocka_unit_test(test_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
