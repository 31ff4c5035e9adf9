#include <errno.h>

#include "common/config.h"
#include "common/config_edit.h"
#include "unit.h"

#define SET(s, k, v)      ((struct config_edit){.section = (s), .key = (k), .value = (v)})
#define NAMED(s, n, k, v) ((struct config_edit){(s), (n), (k), (v)})

static void assert_edit(const char *text, struct config_edit edit, const char *expected)
{
    char *out = NULL;
    size_t len = 0;
    struct err e = {0};
    if (config_edit(text, strlen(text), &edit, 1, &out, &len, &e) < 0)
        fail_msg("%s", e.text);
    assert_string_equal(out, expected);
    assert_int_equal(len, strlen(expected));
    free(out);
}

static void assert_refused(const char *text, struct config_edit edit, int code, const char *words)
{
    char *out = NULL;
    size_t len = 0;
    struct err e = {0};
    assert_int_equal(config_edit(text, strlen(text), &edit, 1, &out, &len, &e), -code);
    assert_null(out);
    assert_says(&e, words);
}

static void changes_the_value_alone(void **state)
{
    (void)state;
    assert_edit(
        "# mine\n[log]\nlevel = info\n\n[backup]\n  # nights\n\tschedule\t=  0 1 * * *   ; at one\nidle = quiet\n",
        SET("backup", "schedule", "15 3 * * 1-5"),
        "# mine\n[log]\nlevel = info\n\n[backup]\n  # nights\n\tschedule\t=  15 3 * * 1-5   ; at one\nidle = quiet\n");
    assert_edit("[backup]\nschedule:@daily\n", SET("backup", "schedule", "@weekly"),
        "[backup]\nschedule:@weekly\n");
    assert_edit("[backup]\nschedule=@daily", SET("backup", "schedule", "@weekly"),
        "[backup]\nschedule=@weekly");
}

static void an_empty_value_gets_one(void **state)
{
    (void)state;
    assert_edit("[backup]\nschedule =\n", SET("backup", "schedule", "@daily"),
        "[backup]\nschedule =@daily\n");
    assert_edit("[backup]\nschedule = ; none\n", SET("backup", "schedule", "@daily"),
        "[backup]\nschedule = @daily ; none\n");
    assert_edit("[backup]\nschedule = @daily ; x\n", SET("backup", "schedule", ""),
        "[backup]\nschedule =  ; x\n");
}

static void other_sections_and_names_stay(void **state)
{
    (void)state;
    const char *text = "[drill]\nschedule = weekly\n[data a]\npath = /a\n[ data  b ]\npath = /b\n";
    assert_edit(text, NAMED("data", "b", "path", "/c"),
        "[drill]\nschedule = weekly\n[data a]\npath = /a\n[ data  b ]\npath = /c\n");
    assert_edit(text, SET("backup", "schedule", "@daily"),
        "[drill]\nschedule = weekly\n[data a]\npath = /a\n[ data  b ]\npath = /b\n\n"
        "[backup]\nschedule = @daily\n");
    assert_edit(text, NAMED("data", "c", "path", "/c"),
        "[drill]\nschedule = weekly\n[data a]\npath = /a\n[ data  b ]\npath = /b\n\n"
        "[data c]\npath = /c\n");
}

static void a_new_option_comes_behind_its_section(void **state)
{
    (void)state;
    assert_edit("[backup]\nidle = quiet\n\n# about drills\n[drill]\n",
        SET("backup", "schedule", "@daily"),
        "[backup]\nidle = quiet\nschedule = @daily\n\n# about drills\n[drill]\n");
    assert_edit("[backup]\n\n[drill]\n", SET("backup", "schedule", "@daily"),
        "[backup]\nschedule = @daily\n\n[drill]\n");
    assert_edit("[backup]", SET("backup", "schedule", "@daily"), "[backup]\nschedule = @daily\n");
    assert_edit("", SET("backup", "schedule", "@daily"), "[backup]\nschedule = @daily\n");
}

static void a_new_option_comes_behind_its_commented_default(void **state)
{
    (void)state;
    assert_edit("[backup]\n# when\n#schedule =\n\n# how\n#method = physical\nidle = quiet\n",
        SET("backup", "schedule", "@daily"),
        "[backup]\n# when\n#schedule =\nschedule = @daily\n\n# how\n#method = physical\nidle = quiet\n");
    assert_edit("[drill]\n;schedule = weekly\n[backup]\n", SET("backup", "schedule", "@daily"),
        "[drill]\n;schedule = weekly\n[backup]\nschedule = @daily\n");
}

/* The file format has no values over several lines: an indented line is an option of its own. */
static void an_indented_line_is_not_a_continuation(void **state)
{
    (void)state;
    assert_edit("[archive]\nlevel = 1\n    threads = 2\n", SET("archive", "level", "3"),
        "[archive]\nlevel = 3\n    threads = 2\n");
    assert_edit("[archive]\nlevel = 1\n    threads = 2\n", SET("archive", "threads", "4"),
        "[archive]\nlevel = 1\n    threads = 4\n");
    assert_edit("[archive]\nlevel = 1\n  lonely words\n", SET("archive", "level", NULL),
        "[archive]\n  lonely words\n");
}

static void removes_whole_lines_only(void **state)
{
    (void)state;
    assert_edit("[backup]\n# at night\nschedule = @daily ; x\nidle = quiet\n",
        SET("backup", "schedule", NULL), "[backup]\n# at night\nidle = quiet\n");
    assert_edit("[backup]\nschedule = @daily", SET("backup", "schedule", NULL), "[backup]\n");
    assert_edit("[backup]\n#schedule = @daily\n", SET("backup", "schedule", NULL),
        "[backup]\n#schedule = @daily\n");
    assert_edit("[drill]\n", SET("backup", "schedule", NULL), "[drill]\n");
}

static void line_ends_and_mark_stay(void **state)
{
    (void)state;
    assert_edit("\xEF\xBB\xBF[backup]\r\nidle = quiet\r\n\r\n[drill]\r\n",
        SET("backup", "idle", "no-clients"),
        "\xEF\xBB\xBF[backup]\r\nidle = no-clients\r\n\r\n[drill]\r\n");
    assert_edit("[backup]\r\nidle = quiet\r\n", SET("backup", "schedule", "@daily"),
        "[backup]\r\nidle = quiet\r\nschedule = @daily\r\n");
    assert_edit("[drill]\r\n", SET("backup", "schedule", "@daily"),
        "[drill]\r\n\r\n[backup]\r\nschedule = @daily\r\n");
}

static void utf8_stays(void **state)
{
    (void)state;
    assert_edit("# für die Praxis Müller\n[backup]\ntype = löwe ; größe\n",
        SET("backup", "type", "bär"), "# für die Praxis Müller\n[backup]\ntype = bär ; größe\n");
    assert_refused("[backup]\n", SET("backup", "type", "b\xe4r"), EINVAL, "UTF-8");
}

static void a_section_in_two_pieces(void **state)
{
    (void)state;
    const char *text = "[backup]\nidle = quiet\n[log]\n[backup]\nschedule = @daily\n";
    assert_edit(text, SET("backup", "schedule", "@weekly"),
        "[backup]\nidle = quiet\n[log]\n[backup]\nschedule = @weekly\n");
}

static void what_the_file_cannot_hold_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "a\nb", "a\r", "\x01", "x ;y", ";x", " x", "x ", "a\t;b", "\x7f"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_refused(
            "[backup]\ntype = x\n", SET("backup", "type", bad[i]), EINVAL, "[backup] type");
    assert_edit("[backup]\ntype = x\n", SET("backup", "type", "a;b"), "[backup]\ntype = a;b\n");
    char longer[2001];
    memset(longer, 'x', 2000);
    longer[2000] = '\0';
    assert_refused("", SET("backup", "type", longer), EINVAL, "too long");
    assert_refused("[backup]\nidle = a\nx = 1\n[backup]\nidle = b\n", SET("backup", "idle", "c"),
        EEXIST, "lines 2 and 5");
}

static void several_edits_and_the_parser_agrees(void **state)
{
    (void)state;
    const char *text =
        "[backup]\nidle = quiet ; calm\n#schedule =\n[retention]\nkeep = 7\nkeep_daily = 3\n";
    const struct config_edit edits[] = {SET("backup", "schedule", "15 3 * * 1-5"),
        SET("retention", "keep", "14"), SET("retention", "keep_daily", NULL),
        SET("drill", "schedule", "weekly")};
    char *out = NULL;
    size_t len = 0;
    struct err e = {0};
    struct config *c = NULL;
    assert_int_equal(config_edit(text, strlen(text), edits, 4, &out, &len, &e), 0);
    assert_string_equal(out, "[backup]\nidle = quiet ; calm\n#schedule =\nschedule = 15 3 * * 1-5\n"
                             "[retention]\nkeep = 14\n\n[drill]\nschedule = weekly\n");
    assert_int_equal(config_parse(out, len, "/x.ini", &c, &e), 0);
    assert_string_equal(config_str(c, "backup", NULL, "schedule"), "15 3 * * 1-5");
    assert_string_equal(config_str(c, "backup", NULL, "idle"), "quiet");
    assert_int_equal(config_int(c, "retention", NULL, "keep"), 14);
    assert_int_equal(config_int(c, "retention", NULL, "keep_daily"), 0);
    config_free(c);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_the_value_alone),
        cmocka_unit_test(an_empty_value_gets_one),
        cmocka_unit_test(other_sections_and_names_stay),
        cmocka_unit_test(a_new_option_comes_behind_its_section),
        cmocka_unit_test(a_new_option_comes_behind_its_commented_default),
        cmocka_unit_test(an_indented_line_is_not_a_continuation),
        cmocka_unit_test(removes_whole_lines_only),
        cmocka_unit_test(line_ends_and_mark_stay),
        cmocka_unit_test(utf8_stays),
        cmocka_unit_test(a_section_in_two_pieces),
        cmocka_unit_test(what_the_file_cannot_hold_is_refused),
        cmocka_unit_test(several_edits_and_the_parser_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
