#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "common/config.h"
#include "unit.h"

static const char *const variables[] = {
    "DBHOST", "DBPORT", "DBNAME", "DBUSER", "DBPWD", "PUBLIC_DBPORT"};

static int clean_environment(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
        unsetenv(variables[i]);
    return 0;
}

static struct config *parse(const char *text)
{
    struct config *c = NULL;
    struct err e = {0};

    if (config_parse(text, strlen(text), "/etc/x/test.ini", &c, &e) < 0)
        fail_msg("%s", e.text);
    return c;
}

/* The text is refused with exactly these words. */
static void assert_refused_n(const char *text, size_t len, int code, const char *words)
{
    struct config *c = NULL;
    struct err e = {0};

    assert_int_equal(config_parse(text, len, "f.ini", &c, &e), -code);
    assert_null(c);
    assert_string_equal(e.text, words);
    assert_int_equal(e.code, code);
}

static void assert_refused(const char *text, const char *words)
{
    assert_refused_n(text, strlen(text), EINVAL, words);
}

static void defaults(void **state)
{
    struct config *c = parse("");

    (void)state;
    assert_string_equal(config_str(c, "log", NULL, "level"), "info");
    assert_int_equal(config_int(c, "database", NULL, "port"), 3306);
    assert_null(config_str(c, "database", NULL, "socket"));
    assert_false(config_bool(c, "database", NULL, "proxy_protocol"));
    assert_int_equal(config_int(c, "proxy", NULL, "login_timeout"), 15000);
    assert_string_equal(config_str(c, "proxy", NULL, "workers"), "auto");
    assert_int_equal(config_int(c, "proxy", NULL, "workers"), 0);
    assert_string_equal(config_section(c, "listen", 0), "elexis");
    assert_null(config_section(c, "listen", 1));
    assert_false(config_has_section(c, "listen", "elexis2"));
    assert_string_equal(config_list(c, "listen", "elexis", "address")[0], "*");
    assert_null(config_list(c, "listen", "elexis", "allow")[0]);
    assert_false(config_is_set(c, "log", NULL, "level"));
    config_free(c);
    config_free(NULL);
}

static void every_type(void **state)
{
    struct config *c = parse("# a comment\n; another\n\n"
                             "[log]\nlevel = debug\n"
                             "[proxy]\n"
                             "workers=3\n"
                             "  max_sessions : 12   ; behind the value\n"
                             "grace = 250ms\n"
                             "control_socket = run/p.sock\n"
                             "state_dir = /x y/z\n"
                             "control_users = root, admin\tarzt,,praxis\n"
                             "[ database ]\n"
                             "proxy_protocol = On\n"
                             "host = \n");

    (void)state;
    assert_string_equal(config_str(c, "log", NULL, "level"), "debug");
    assert_null(config_str(c, "proxy", NULL, "workers"));
    assert_int_equal(config_int(c, "proxy", NULL, "workers"), 3);
    assert_int_equal(config_int(c, "proxy", NULL, "max_sessions"), 12);
    assert_int_equal(config_int(c, "proxy", NULL, "grace"), 250);
    assert_string_equal(config_str(c, "proxy", NULL, "control_socket"), "/etc/x/run/p.sock");
    assert_string_equal(config_str(c, "proxy", NULL, "state_dir"), "/x y/z");
    const char *const *users = config_list(c, "proxy", NULL, "control_users");
    assert_string_equal(users[0], "root");
    assert_string_equal(users[1], "admin");
    assert_string_equal(users[2], "arzt");
    assert_string_equal(users[3], "praxis");
    assert_null(users[4]);
    assert_true(config_bool(c, "database", NULL, "proxy_protocol"));
    assert_null(config_str(c, "database", NULL, "host")); /* empty = not set */
    assert_true(config_is_set(c, "log", NULL, "level"));
    assert_string_equal(config_path(c), "/etc/x/test.ini");
    config_free(c);
}

static void named_sections(void **state)
{
    struct config *c = parse("[listen elexis]\n[listen web]\nport = 3313\ntls = off\n");

    (void)state;
    assert_string_equal(config_section(c, "listen", 0), "elexis");
    assert_string_equal(config_section(c, "listen", 1), "web");
    assert_null(config_section(c, "listen", 2));
    assert_true(config_has_section(c, "listen", "web"));
    assert_int_equal(config_int(c, "listen", "elexis", "port"), 3312);
    assert_int_equal(config_int(c, "listen", "web", "port"), 3313);
    assert_string_equal(config_str(c, "listen", "web", "tls"), "off");
    config_free(c);
}

static void a_plain_section_may_be_continued(void **state)
{
    struct config *c = parse("[log]\nlevel=debug\n[proxy]\nworkers=2\n[log]\nformat=json\n");

    (void)state;
    assert_string_equal(config_str(c, "log", NULL, "level"), "debug");
    assert_string_equal(config_str(c, "log", NULL, "format"), "json");
    config_free(c);
}

static void unknown_names_get_a_hint(void **state)
{
    (void)state;
    assert_refused(
        "\n[databse]\n", "f.ini:2: there is no section [databse]; did you mean [database]?");
    assert_refused("[Proxy]\n", "f.ini:1: there is no section [Proxy]; did you mean [proxy]?");
    assert_refused("[zebra]\n", "f.ini:1: there is no section [zebra]; see elexgate.ini(5)");
    assert_refused("[proxy]\nworker = 2\n",
        "f.ini:2: [proxy] has no option \"worker\"; did you mean \"workers\"?");
    assert_refused("[log]\nlevel = info\nDBHOST = x\n",
        "f.ini:3: [log] has no option \"DBHOST\"; see elexgate.ini(5)");
    assert_refused("[log]\nannounce = server\n",
        "f.ini:2: [log] has no option \"announce\"; it belongs in section [listen]");
}

static void wrong_values(void **state)
{
    (void)state;
    assert_refused("[log]\nlevel = loud\n",
        "f.ini:2: [log] level must be error, warning, info or debug, not \"loud\"");
    assert_refused("[database]\nport = 70000\n",
        "f.ini:2: [database] port must be a whole number from 1 to 65535, not \"70000\"");
    assert_refused("[database]\nport = 3306x\n",
        "f.ini:2: [database] port must be a whole number from 1 to 65535, not \"3306x\"");
    assert_refused(
        "[database]\nport =\n", "f.ini:2: [database] port must be set to something, not \"\"");
    assert_refused("[proxy]\nworkers = 0\n",
        "f.ini:2: [proxy] workers must be a whole number from 1 to 256 or auto, not \"0\"");
    assert_refused("[database]\nproxy_protocol = maybe\n",
        "f.ini:2: [database] proxy_protocol must be yes or no, not \"maybe\"");
    assert_refused("[listen web]\nport = 0\n",
        "f.ini:2: [listen web] port must be a whole number from 1 to 65535, not \"0\"");
    assert_refused("[proxy]\ngrace = 5\n",
        "f.ini:2: [proxy] grace must be a duration such as 250ms, 30s, 5m, 2h or 3d from 0 to 10m, not \"5\"");
    assert_refused("[proxy]\ngrace = 99999999999999999999d\n",
        "f.ini:2: [proxy] grace must be a duration such as 250ms, 30s, 5m, 2h or 3d from 0 to 10m, not \"99999999999999999999d\"");
}

static void off_is_nought(void **state)
{
    struct config *c = NULL;
    struct err e = {0};
    (void)state;
    const char text[] = "[restore]\nstale_clients = off\n";
    assert_int_equal(config_parse(text, sizeof text - 1, "f.ini", &c, &e), 0);
    assert_int_equal(config_int(c, "restore", NULL, "stale_clients"), 0);
    config_free(c);
}

static void wrong_structure(void **state)
{
    (void)state;
    assert_refused("level = info\n", "f.ini:1: \"level\" stands before the first section");
    assert_refused("[log]\n\nlevel\n",
        "f.ini:3: this is neither a [section], nor a \"key = value\", nor a comment");
    assert_refused("[log\nlevel = info\n", "f.ini:1: the section's heading has no closing bracket");
    assert_refused("[log x]\n", "f.ini:1: section [log] takes no name");
    assert_refused("[listen]\n",
        "f.ini:1: section [listen] needs a name of letters, digits, - and _: [listen NAME]");
    assert_refused("[listen a b]\n",
        "f.ini:1: section [listen] needs a name of letters, digits, - and _: [listen NAME]");
    const char twice[] = "[log]\nlevel = info\nlevel = debug\n";
    assert_refused_n(
        twice, strlen(twice), EEXIST, "f.ini:3: \"level\" stands twice in [log], first in line 2");
    const char copy[] = "[listen a]\n[listen b]\n[listen a]\n";
    assert_refused_n(
        copy, strlen(copy), EEXIST, "f.ini:3: section [listen a] stands twice, first in line 1");
}

static void only_the_first_mistake_is_told(void **state)
{
    (void)state;
    assert_refused("[log]\nlevel = x\n[proxy]\nworkers = y\n",
        "f.ini:2: [log] level must be error, warning, info or debug, not \"x\"");
}

static void the_earliest_line_is_told(void **state)
{
    (void)state;
    assert_refused("[log]\nlevel\n[nope]\n",
        "f.ini:2: this is neither a [section], nor a \"key = value\", nor a comment");
    assert_refused("[log]\nlevel\nworkers = 1\n[log\n",
        "f.ini:2: this is neither a [section], nor a \"key = value\", nor a comment");
}

static void odd_bytes(void **state)
{
    const char nul[] = "[log]\nlevel = in\0fo\n";
    const char latin1[] = "[log]\n# f\xFCr\nlevel = info\n";
    const char utf16[] = "\xFF\xFE[\0l\0o\0g\0]\0";

    (void)state;
    assert_refused_n(
        nul, sizeof nul - 1, EINVAL, "f.ini:2: the line holds a NUL byte: is this a text file?");
    assert_refused_n(latin1, sizeof latin1 - 1, EILSEQ,
        "f.ini:2: the line is not UTF-8; save the file in UTF-8");
    assert_refused_n(utf16, sizeof utf16 - 1, EINVAL,
        "f.ini:1: the line holds a NUL byte: is this a text file?");
    struct config *c = parse("\xEF\xBB\xBF[log]\r\nlevel = debug\r\nformat = json\r\n");
    assert_string_equal(config_str(c, "log", NULL, "level"), "debug");
    assert_string_equal(config_str(c, "log", NULL, "format"), "json");
    config_free(c);
    c = parse("[database]\nname = praxis_m\xC3\xBCller"); /* no newline at the end */
    assert_string_equal(config_str(c, "database", NULL, "name"), "praxis_m\xC3\xBCller");
    config_free(c);
}

/* inih alone cuts lines at 200 bytes and headings at 49, and goes on with the rest as a new line.
 */
static void long_lines(void **state)
{
    char text[4096], value[2100], words[100];

    (void)state;
    for (size_t n = 190; n <= 1900; n += 90) {
        memset(value, 'x', n);
        value[n] = '\0';
        snprintf(text, sizeof text, "[database]\nname = %s\n", value);
        struct config *c = parse(text);
        assert_string_equal(config_str(c, "database", NULL, "name"), value);
        config_free(c);
    }
    memset(value, 'x', 2001);
    value[2001] = '\0';
    snprintf(text, sizeof text, "[database]\nname = %s\n", value);
    assert_refused(text, "f.ini:2: the line is longer than 2000 bytes");
    snprintf(text, sizeof text, "[log]\n# %s\n", value);
    assert_refused(text, "f.ini:2: the line is longer than 2000 bytes");
    value[60] = '\0';
    snprintf(text, sizeof text, "[listen %s]\n", value);
    snprintf(words, sizeof words, "f.ini:1: the section's heading is longer than 48 bytes");
    assert_refused(text, words);
    value[41] = '\0';
    snprintf(text, sizeof text, "[listen %s]\nport = 77\n", value);
    struct config *c = parse(text);
    assert_int_equal(config_int(c, "listen", value, "port"), 77);
    config_free(c);
}

static void environment_wins(void **state)
{
    struct config *c = NULL;
    struct err e = {0};

    (void)state;
    setenv("DBHOST", "db.praxis", 1);
    setenv("DBPORT", "3307", 1);
    setenv("DBNAME", "", 1); /* empty counts as not set */
    setenv("PUBLIC_DBPORT", "3399", 1);
    c = parse("[database]\nhost = other\nname = mine\n[listen a]\n[listen b]\nport = 5\n");
    assert_string_equal(config_str(c, "database", NULL, "host"), "db.praxis");
    assert_int_equal(config_int(c, "database", NULL, "port"), 3307);
    assert_string_equal(config_str(c, "database", NULL, "name"), "mine");
    assert_int_equal(config_int(c, "listen", "a", "port"), 3399); /* the first listener */
    assert_int_equal(config_int(c, "listen", "b", "port"), 5);
    assert_true(config_is_set(c, "database", NULL, "port"));
    config_free(c);
    c = NULL;
    setenv("DBPORT", "many", 1);
    assert_int_equal(config_parse("", 0, "f", &c, &e), -EINVAL);
    assert_null(c);
    assert_string_equal(e.text,
        "the environment variable DBPORT: must be a whole number from 1 to 65535, not \"many\"");
    setenv("DBPORT", "\xFF", 1);
    assert_int_equal(config_parse("", 0, "f", &c, &e), -EILSEQ);
}

static void from_a_file(void **state)
{
    const char text[] = "[log]\nlevel = debug\n[tls]\nkey = tls/a.key\n";
    char *dir = unit_make_dir();
    char *path = unit_write(dir, "a.ini", text, sizeof text - 1, 0600);
    char *real = realpath(dir, NULL);
    char *key = xasprintf("%s/tls/a.key", real);
    struct config *c = NULL;
    struct err e = {0};
    char cwd[4096];

    (void)state;
    assert_int_equal(config_load(path, &c, &e), 0);
    assert_string_equal(config_str(c, "log", NULL, "level"), "debug");
    assert_string_equal(config_str(c, "tls", NULL, "key"), key);
    config_free(c);
    /* A relative name: its options' paths still start from the file's folder. */
    assert_non_null(getcwd(cwd, sizeof cwd));
    assert_int_equal(chdir(dir), 0);
    assert_int_equal(config_load("a.ini", &c, &e), 0);
    assert_string_equal(config_str(c, "tls", NULL, "key"), key);
    config_free(c);
    assert_int_equal(chdir(cwd), 0);
    c = NULL;
    unlink(path);
    assert_int_equal(config_load(path, &c, &e), -ENOENT);
    assert_says(&e, path);
    assert_int_equal(config_load(dir, &c, &e), -EISDIR);
    assert_null(c);
    free(path);
    free(key);
    free(real);
    unit_remove_dir(dir);
}

struct diffs {
    char text[1000];
};

static void note_diff(void *ctx, const struct option *o, const char *name, const char *old_value,
    const char *new_value)
{
    struct diffs *d = ctx;
    size_t n = strlen(d->text);

    snprintf(d->text + n, sizeof d->text - n, "[%s%s%s] %s: %s -> %s\n", o->section,
        name ? " " : "", name ? name : "", o->key, old_value ? old_value : "-",
        new_value ? new_value : "-");
}

static void diff_names_what_changed(void **state)
{
    struct config *a = parse("[log]\nlevel = info\n[database]\nsocket = /s\n[listen a]\n");
    struct config *b = parse("[log]\nlevel = debug\n[listen a]\nport = 9\n");
    struct diffs d = {""};

    (void)state;
    config_diff(a, b, note_diff, &d);
    assert_string_equal(d.text, "[log] level: info -> debug\n"
                                "[database] socket: /s -> -\n"
                                "[listen a] port: 3312 -> 9\n");
    config_free(b);
    b = parse("[database]\nsocket = /s\n[listen a]\n[listen b]\n");
    d.text[0] = '\0';
    config_diff(a, b, note_diff, &d); /* a new section: all that is set in it */
    assert_non_null(strstr(d.text, "[listen b] port: - -> 3312\n"));
    assert_null(strstr(d.text, "[log]"));
    d.text[0] = '\0';
    config_diff(b, a, note_diff, &d); /* and one that went */
    assert_non_null(strstr(d.text, "[listen b] port: 3312 -> -\n"));
    d.text[0] = '\0';
    config_diff(a, a, note_diff, &d);
    assert_string_equal(d.text, "");
    config_free(a);
    config_free(b);
}

static void quantities(void **state)
{
    static const struct {
        enum option_type type;
        int64_t v;
        const char *text;
    } cases[] = {{OPT_INT, 86400000, "86400000"}, {OPT_DURATION, 0, "0"},
        {OPT_DURATION, 250, "250ms"}, {OPT_DURATION, 90000, "90s"}, {OPT_DURATION, 172800000, "2d"},
        {OPT_SIZE, 65536, "64k"}, {OPT_SIZE, 1 << 30, "1G"}, {OPT_SIZE, 1000, "1000"}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char buf[CONFIG_QUANTITY_LEN];
        assert_string_equal(config_quantity(cases[i].type, cases[i].v, buf), cases[i].text);
    }
}

/* The table itself: what a row promises must be so. Defaults are checked by every load. */
static void the_table_is_sound(void **state)
{
    (void)state;
    for (size_t i = 0; i < config_options_count; i++) {
        const struct option *o = &config_options[i];
        char *where = xasprintf("[%s] %s", o->section, o->key);
        if (!config_section_help(o->section))
            fail_msg("%s: the section has no text in option_sections.c", where);
        if (!o->help || strlen(o->help) < 10 || o->help[strlen(o->help) - 1] == '.')
            fail_msg("%s: the help is one plain sentence without a period", where);
        if (o->type == OPT_ENUM && !o->choices)
            fail_msg("%s: an enum needs choices", where);
        if (o->min > o->max)
            fail_msg("%s: min is above max", where);
        for (size_t j = 0; j < i; j++) {
            const struct option *p = &config_options[j];
            if (strcmp(o->section, p->section) == 0 && strcmp(o->key, p->key) == 0)
                fail_msg("%s stands twice", where);
            if (strcmp(o->section, p->section) == 0 && o->named != p->named)
                fail_msg("%s: a section is named in all its options or in none", where);
            if (o->env && p->env && strcmp(o->env, p->env) == 0)
                fail_msg("%s: the environment variable belongs to another option too", where);
        }
        free(where);
    }
}

/* An old file stays good; each option that is none any more is told once, with its place. */
static void retired_options(void **state)
{
    (void)state;
    for (size_t i = 0; i < config_retired_count; i++) {
        const struct retired_option *o = &config_retired[i];
        _cleanup_free_ char *text = xasprintf(
            "# old\n[%s]\n%s = 7s\n[log]\nlevel = debug\n", o->section, o->key);
        _cleanup_free_ char *place = xasprintf("/etc/x/test.ini:3: [%s] %s ", o->section, o->key);
        struct config *c = parse(text);
        assert_non_null(config_warning(c, 0));
        assert_memory_equal(config_warning(c, 0)->text, place, strlen(place));
        assert_non_null(strstr(config_warning(c, 0)->text, o->why));
        assert_null(config_warning(c, 1));
        assert_string_equal(config_str(c, "log", NULL, "level"), "debug");
        config_free(c);
        for (size_t k = 0; k < config_options_count; k++)
            assert_false(strcmp(config_options[k].section, o->section) == 0 &&
                         strcmp(config_options[k].key, o->key) == 0);
    }
    struct config *c = parse("");
    assert_null(config_warning(c, 0));
    config_free(c);
    assert_refused("[proxy]\nprobe_rise = 2\n",
        "f.ini:2: [proxy] has no option \"probe_rise\"; see elexgate.ini(5)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(defaults, clean_environment),
        cmocka_unit_test(every_type),
        cmocka_unit_test(named_sections),
        cmocka_unit_test(a_plain_section_may_be_continued),
        cmocka_unit_test(unknown_names_get_a_hint),
        cmocka_unit_test(wrong_values),
        cmocka_unit_test(retired_options),
        cmocka_unit_test(off_is_nought),
        cmocka_unit_test(wrong_structure),
        cmocka_unit_test(only_the_first_mistake_is_told),
        cmocka_unit_test(the_earliest_line_is_told),
        cmocka_unit_test(odd_bytes),
        cmocka_unit_test(long_lines),
        cmocka_unit_test_setup_teardown(environment_wins, clean_environment, clean_environment),
        cmocka_unit_test(from_a_file),
        cmocka_unit_test(diff_names_what_changed),
        cmocka_unit_test(quantities),
        cmocka_unit_test(the_table_is_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
