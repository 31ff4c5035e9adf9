/* The verdict: facts in, findings out; one row a situation, with a clock of its own. And its words.
 */
#include "tests/unit/common/unit.h"

#include <stdio.h>

#include "backup/rules/health.h"
#include "common/exit_codes.h"
#include "common/json_get.h"
#include "common/phrase.h"

#define MIN  INT64_C(60000)
#define HOUR (60 * MIN)
#define DAY  (24 * HOUR)
#define GB   UINT64_C(1000000000)
#define NOW  INT64_C(1772452800000) /* Monday, 2026-03-02 12:00 UTC */

/* Facts borrow their texts; those of the tests live until the end. */
static json_t *kept;

static const json_t *said(const char *text)
{
    json_t *s = json_string(text);
    (void)json_array_append_new(kept, s);
    return s;
}

static void schedule(struct health_schedule *s, const char *text)
{
    *s = (struct health_schedule){.is = text != NULL, .zone = &cron_zone_utc};
    assert_int_equal(text ? cron_parse(text, &s->cron, NULL) : 0, 0);
}

/* A practice where all is well: backed up this night, proven yesterday. */
static struct health_facts well(void)
{
    struct health_facts f = {.now_ms = NOW,
        .born_ms = NOW - 1000 * DAY,
        .deadline_ms = 2 * HOUR,
        .last = {.is = true, .started_ms = NOW - 9 * HOUR},
        .good = {.is = true, .started_ms = NOW - 9 * HOUR},
        .proof = {.is = true, .started_ms = NOW - DAY},
        .disk_known = true,
        .free_bytes = 500 * GB,
        .min_free = GB,
        .needed = 3 * GB,
        .certificate = {.known = true, .days = 300, .date_ms = NOW + 300 * DAY},
        .ca = {.known = true},
        .database = DATABASE_UP,
        .database_since_ms = NOW - DAY,
        .proxy_since_ms = NOW - DAY};
    schedule(&f.backup, "0 3 * * *");
    schedule(&f.drill, "0 5 * * 0");
    return f;
}

/* "backup-failed! disk-low! no-schedule nobody-told?": bad, warning, hint; + after it: told. */
static void expect_at(const struct health_facts *f, const char *wanted, int line)
{
    struct health h;
    char got[600] = "";
    health_find(f, &h);
    for (size_t i = 0; i < h.n; i++) {
        const struct health_finding *x = &h.found[i];
        strcat(got, i ? " " : "");
        strcat(got, health_about(x->code)->code);
        strcat(got, x->level == HEALTH_BAD ? "!" : x->level == HEALTH_HINT ? "?" : "");
        strcat(got, x->tell ? "+" : "");
    }
    if (strcmp(got, wanted) != 0)
        fail_msg("line %d: %s, wanted %s", line, got, wanted);
}
#define expect(f, wanted) expect_at(f, wanted, __LINE__)

static void test_all_is_well(void **state)
{
    (void)state;
    struct health_facts f = well();
    expect(&f, "");
}

/* The cases in which page, doctor, messages and alerts used to disagree. */
static void test_a_monthly_schedule_is_well_until_it_is_late(void **state)
{
    (void)state;
    struct health_facts f = well();
    schedule(&f.backup, "0 3 1 * *"); /* the first of the month: yesterday */
    f.last.started_ms = f.good.started_ms = NOW - 33 * HOUR;
    expect(&f, "");
    f.now_ms = NOW + 8 * DAY; /* was red on day 8, and an alert after 30 hours */
    schedule(&f.drill, NULL);
    expect(&f, "");
    f.now_ms = NOW + 29 * DAY; /* the 31st */
    expect(&f, "");
    f.now_ms = NOW + 30 * DAY - 9 * HOUR + 3 * HOUR - 1; /* the 1st of April, 06:00 */
    expect(&f, "");
    f.now_ms += 1;
    expect(&f, "backup-missed!+");
}

static void test_a_daily_schedule_is_late_after_its_deadline_and_an_hour(void **state)
{
    (void)state;
    struct health_facts f = well();
    f.last.started_ms = f.good.started_ms = NOW - 33 * HOUR; /* yesterday at three */
    expect(&f, "backup-missed!+");
    f.now_ms = NOW - 6 * HOUR - 1;
    expect(&f, "");
    f.now_ms += 1;
    expect(&f, "backup-missed!+");
    f.busy = true; /* it is being made */
    expect(&f, "");
    f.busy = false;
    f.born_ms = f.now_ms - HOUR; /* nobody was here to make it */
    expect(&f, "");
    f = well();
    f.last.started_ms = f.good.started_ms = NOW - 200 * DAY; /* however long ago */
    schedule(&f.backup, "0 3 1 1 *");                        /* once a year: the first of January */
    expect(&f, "backup-missed!+");
}

static void test_little_room_is_one_number(void **state)
{
    static const struct {
        uint64_t least, needed, free_bytes;
        bool low;
    } rows[] = {
        {GB, 0, GB, false},
        {GB, 0, GB - 1, true},
        {GB, GB / 10, 3 * GB / 2, false}, /* was low below 2 GB, whatever min_free said */
        {10 * GB, 0, 5 * GB, true},
        {GB, 10 * GB, 11 * GB, false}, /* the next backup and a tenth */
        {GB, 10 * GB, 11 * GB - 1, true},
        {1, 0, 0, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct health_facts f = well();
        f.min_free = rows[i].least;
        f.needed = rows[i].needed;
        f.free_bytes = rows[i].free_bytes;
        expect(&f, rows[i].low ? "disk-low!+" : "");
        f.busy = true; /* while a backup is written, room comes and goes */
        expect(&f, "");
        f.busy = f.disk_known = false;
        expect(&f, "");
    }
}

static void test_steps_of_the_certificate(void **state)
{
    static const char *const by_alarm[] = {"", "certificate-expires+", "certificate-expires+",
        "certificate-expires!+", "certificate-expires!+"};
    struct health h;
    (void)state;
    for (int alarm = 0; alarm <= 4; alarm++) {
        struct health_facts f = well();
        f.certificate.alarm = alarm;
        expect(&f, by_alarm[alarm]);
        health_find(&f, &h);
        assert_true(alarm == 0 || h.found[0].grade == alarm);
    }
    struct health_facts f = well();
    f.certificate.early = true;
    expect(&f, "certificate-expires!+");
    f.certificate.known = false;
    expect(&f, "");
}

static void test_the_practices_ca(void **state)
{
    static const struct {
        int64_t left;
        int grade;
    } rows[] = {{300 * DAY, 0}, {90 * DAY, 0}, {90 * DAY - 1, 1}, {30 * DAY, 1}, {30 * DAY - 1, 2}};
    struct health h;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct health_facts f = well();
        f.ca.ends = true;
        f.ca.date_ms = NOW + rows[i].left;
        expect(&f, "ca-ends+");
        health_find(&f, &h);
        assert_int_equal(h.found[0].grade, rows[i].grade);
    }
}

static void test_a_skipped_run_did_not_fail(void **state)
{
    struct health h;
    (void)state;
    struct health_facts f = well();
    f.last.exit_code = EXIT_NOT_IDLE;
    f.last.error = said("the database was not idle");
    expect(&f, "backup-missed!+");
    health_find(&f, &h);
    assert_true(h.open[HEALTH_BACKUP_FAILED]); /* whether one before it failed is as it was */
    f.last.exit_code = EXIT_FAILED;
    expect(&f, "backup-failed!+");
    f.again = true; /* it is tried again by itself: it has not failed yet, nor succeeded */
    expect(&f, "");
    health_find(&f, &h);
    assert_true(h.open[HEALTH_BACKUP_FAILED]);
    f = well();
    health_find(&f, &h);
    for (size_t i = 0; i < HEALTH_CODES; i++)
        assert_false(h.open[i]);
}

static void test_no_backup_and_no_schedule(void **state)
{
    (void)state;
    struct health_facts f = well();
    f.last.is = f.good.is = f.proof.is = false;
    f.born_ms = NOW - HOUR;
    expect(&f, "no-backup!");
    f.born_ms = NOW - DAY;
    expect(&f, "no-backup! backup-missed!+");
    schedule(&f.backup, NULL);
    expect(&f, "no-backup! no-schedule");
    f = well();
    schedule(&f.backup, NULL);
    f.good.started_ms = f.last.started_ms = NOW - 100 * DAY; /* made by hand, as wished */
    expect(&f, "no-schedule");
}

static void test_warnings_of_the_last_backup(void **state)
{
    (void)state;
    struct health_facts f = well();
    json_t *warnings = json_pack(
        "[{s:s, s:[s]}, {s:s}]", "text", "a", "text_phrase", "b", "text", "c");
    f.warnings = warnings;
    expect(&f, "backup-warning backup-warning");
    for (int i = 0; i < 100; i++)
        json_array_append_new(warnings, json_pack("{s:s}", "text", "more"));
    struct health h;
    health_find(&f, &h);
    assert_int_equal(h.n, HEALTH_MAX); /* bounded */
    json_decref(warnings);
}

static void test_drills(void **state)
{
    (void)state;
    struct health_facts f = well();
    f.proof.is = false;
    expect(&f, "not-proven");
    f.good.is = f.last.is = false; /* nothing to prove */
    f.born_ms = NOW;
    expect(&f, "no-backup!");
    f = well();
    f.proof.exit_code = EXIT_INCONSISTENT;
    expect(&f, "drill-failed!+");
    f = well();
    f.proof.started_ms = NOW -
                         8 * DAY; /* Sunday last week; yesterday's has not come, in two days */
    expect(&f, "");
    f.now_ms = NOW + 17 * HOUR - 1; /* until Tuesday at five */
    f.good.started_ms = f.last.started_ms = f.now_ms - HOUR;
    expect(&f, "");
    f.now_ms += 1;
    expect(&f, "drill-late+");
    f.busy = true;
    expect(&f, "");
    f = well();
    schedule(&f.drill, "0 5 1 1 *");     /* once a year is late by its own measure too */
    f.proof.started_ms = NOW - 60 * DAY; /* the first of January */
    expect(&f, "");
    schedule(&f.drill, NULL);
    f.proof.started_ms = NOW - 35 * DAY;
    expect(&f, "");
    f.proof.started_ms -= 1;
    expect(&f, "drill-late+");
}

static void test_database_and_gate(void **state)
{
    struct health h;
    (void)state;
    struct health_facts f = well();
    f.database = DATABASE_DOWN;
    f.database_since_ms = NOW - 5 * MIN + 1;
    expect(&f, "database-down!"); /* shown at once, and told when it is no restart */
    health_find(&f, &h);
    assert_true(h.open[HEALTH_DATABASE_DOWN]);
    f.database_since_ms -= 1;
    expect(&f, "database-down!+");
    f.restoring = true; /* it is as the restore wants it */
    expect(&f, "");
    f = well();
    f.database = DATABASE_REFUSING;
    f.cause = said("the account could not be made");
    expect(&f, "database-refusing!+ setup-failed!+");
    f = well();
    f.proxy_down = true;
    expect(&f, "proxy-down!+");
    f.proxy_since_ms = NOW - MIN;
    expect(&f, "proxy-down!");
    f.restoring = true;
    expect(&f, "");
    f = well();
    f.database = DATABASE_UNKNOWN;
    health_find(&f, &h);
    assert_true(h.n == 0 && h.open[HEALTH_DATABASE_DOWN]);
}

static void test_the_binary_log(void **state)
{
    (void)state;
    struct health_facts f = well();
    f.binlog_saved_ms = NOW - DAY; /* nothing was written since */
    expect(&f, "");
    f.binlog_stopped = true;
    expect(&f, "binlog-stopped!+");
    f.binlog_saved_ms = NOW - 5 * MIN + 1; /* a restart */
    expect(&f, "binlog-stopped!");
    f.restoring = true;
    expect(&f, "");
}

static void test_the_chain_of_the_binary_log(void **state)
{
    (void)state;
    struct health_facts f = well();
    f.chain = (struct health_run){.is = true, .exit_code = EXIT_GOOD};
    expect(&f, "");
    f.chain.exit_code = EXIT_INCONSISTENT;
    expect(&f, "chain-broken!+");
    f.chain.exit_code = EXIT_NO_SPACE;
    expect(&f, "chain-untried+");
}

static void test_who_is_told(void **state)
{
    (void)state;
    struct health_facts f = well();
    f.trouble = said("nobody");
    f.nobody = true;
    expect(&f, "nobody-told?");
    f.nobody = false;
    expect(&f, "notify-failed!"); /* there is no way to tell it */
    f.other_way = true;
    expect(&f, "notify-failed!+");
    f.trouble = NULL;
    f.accounts = said("people.json is damaged");
    expect(&f, "accounts-damaged+");
}

/* --- words --- */

static int64_t an_hour_east(const void *ctx, int64_t utc)
{
    (void)ctx, (void)utc;
    return 3600;
}
static const struct cron_zone winter = {an_hour_east, NULL};

static void assert_words_in(
    const struct cron_zone *zone, const struct health_facts *f, const char *en, const char *de)
{
    struct health h;
    health_find(f, &h);
    assert_int_equal(h.n, 1);
    json_t *p = health_phrase(&h.found[0], zone);
    char *english = phrase_words(LANG_EN, p), *german = phrase_words(LANG_DE, p);
    assert_string_equal(english, en);
    assert_string_equal(german, de);
    free(english);
    free(german);
    json_decref(p);
}
#define assert_words(f, en, de) assert_words_in(&cron_zone_utc, f, en, de)

static void test_words(void **state)
{
    (void)state;
    struct health_facts f = well();
    f.free_bytes = GB / 2;
    assert_words(&f, "only 500 MB are left on the disk with the backups",
        "auf der Festplatte der Sicherungen sind nur noch 500 MB frei");
    f = well();
    f.last.exit_code = EXIT_FAILED;
    f.last.error = said("a disk is away");
    assert_words(&f, "the last backup failed: a disk is away",
        "die letzte Sicherung misslang: a disk is away");
    json_t *why = json_pack("[[s], [s, s]]", "the last drill failed", "%s is full", "x");
    f.last.error = why;
    assert_words(&f, "the last backup failed: the last drill failed: x is full",
        "die letzte Sicherung misslang: die letzte Probe misslang: x is full");
    json_decref(why);
    f = well();
    f.last.started_ms = f.good.started_ms = NOW - 33 * HOUR;
    assert_words(&f,
        "a backup was due on 2026-03-02 03:00 and did not take place; last good backup: 2026-03-01 03:00",
        "eine Sicherung war am 02.03.2026 03:00 fällig und fand nicht statt; letzte gute Sicherung: 01.03.2026 03:00");
    f = well();
    f.certificate.alarm = 2;
    f.certificate.days = 10;
    f.certificate.date_ms = NOW + 10 * DAY;
    f.certificate.file = "/etc/server.pem";
    f.certificate.subject = "gate";
    assert_words(&f, "the certificate expires on 2026-03-12, in 10 days (gate, /etc/server.pem)",
        "das Zertifikat läuft am 12.03.2026 ab, in 10 Tagen (gate, /etc/server.pem)");
    f.certificate.days = -1;
    assert_words(&f, "the certificate expired on 2026-03-12 (gate, /etc/server.pem)",
        "das Zertifikat ist am 12.03.2026 abgelaufen (gate, /etc/server.pem)");
    f.certificate.early = true;
    assert_words(&f, "the certificate is not valid before 2026-03-12 (gate, /etc/server.pem)",
        "das Zertifikat gilt erst ab 12.03.2026 (gate, /etc/server.pem)");
    f = well();
    f.database = DATABASE_DOWN;
    assert_words(&f, "the database has not been running since 2026-03-01 12:00",
        "die Datenbank läuft nicht, seit 01.03.2026 12:00");
    assert_words_in(&winter, &f, "the database has not been running since 2026-03-01 13:00",
        "die Datenbank läuft nicht, seit 01.03.2026 13:00");
    f.database = DATABASE_REFUSING;
    assert_words(&f,
        "the database runs, but has not let the backup service in since 2026-03-01 12:00",
        "die Datenbank läuft, lässt aber die Sicherung nicht hinein, seit 01.03.2026 12:00");
    f = well();
    f.ca.ends = true;
    f.ca.date_ms = NOW + 60 * DAY;
    f.ca.subject = "our CA";
    assert_words(&f, "the CA that workstations know ends on 2026-05-01 (our CA)",
        "die CA, die die Arbeitsplätze kennen, endet am 01.05.2026 (our CA)");
    f = well();
    json_t *never = phrase_of("never");
    f.trouble = never;
    assert_words(&f, "never", "nie");
    json_decref(never);
    f = well();
    f.proof.exit_code = EXIT_INCONSISTENT;
    f.proof.error = said("rows are missing");
    assert_words(&f, "the last drill failed: rows are missing",
        "die letzte Probe misslang: rows are missing");
    f = well();
    f.last.exit_code = EXIT_NOT_IDLE;
    f.last.error = said("somebody worked");
    f.good.is = false;
    f.good.started_ms = 0;
    struct health h;
    health_find(&f, &h);
    json_t *p = health_phrase(&h.found[1], &cron_zone_utc);
    char *words = phrase_words(LANG_EN, p);
    assert_string_equal(words,
        "a backup was due on 2026-03-02 03:00 and did not take place; last good backup: never: somebody worked");
    free(words);
    json_decref(p);
    f = well();
    f.proof.started_ms = NOW - 40 * DAY;
    schedule(&f.drill, NULL);
    assert_words(
        &f, "the last drill was on 2026-01-21 12:00", "die letzte Probe war am 21.01.2026 12:00");
    f = well();
    f.chain = (struct health_run){.is = true, .exit_code = EXIT_NO_SPACE, .error = said("no room")};
    assert_words(&f, "the chain of the binary log could not be tried: no room",
        "die Kette des Binärlogs liess sich nicht prüfen: no room");
    f = well();
    f.binlog_stopped = true;
    f.binlog_error = said("the disk is full");
    assert_words(&f, "the binary log is not archived, what is safe ends: never; the disk is full",
        "das Binärlog wird nicht archiviert, gesichert ist bis: nie; die Platte ist voll");
}

static void test_what_no_backup_leads_to(void **state)
{
    (void)state;
    struct health_facts f = well();
    struct health h;
    f.base_ms = NOW - 31 * MIN; /* as it was told once */
    expect(&f, "");
    f.base_missing = true;
    expect(&f, "base-missing!+");
    assert_words(&f,
        "what was written since 2026-03-02 11:29 cannot be brought back: the binary log began anew then, and there has been no physical backup since",
        "was seit 02.03.2026 11:29 geschrieben wurde, lässt sich nicht zurückholen: das Binärlog begann damals neu, und seither gab es keine physische Sicherung");
    f.base_stop = "LOAD DATA";
    assert_words(&f,
        "what was written since 2026-03-02 11:29 cannot be brought back: a statement in the binary log (LOAD DATA) cannot be run again, and there has been no physical backup since",
        "was seit 02.03.2026 11:29 geschrieben wurde, lässt sich nicht zurückholen: eine Anweisung im Binärlog (LOAD DATA) lässt sich nicht noch einmal ausführen, und seither gab es keine physische Sicherung");
    f.base_ms = NOW - 29 * MIN; /* the backup is on its way */
    expect(&f, "base-missing!");
    health_find(&f, &h);
    assert_true(h.open[HEALTH_BASE_MISSING]);
    f.restoring = true;
    expect(&f, "");
}

/* Each code has all its words, and names that nobody else has. */
static void test_every_code_has_its_words(void **state)
{
    static const char *const areas =
        " backup binlog drill disk certificate notify database proxy accounts ";
    (void)state;
    for (size_t i = 0; i < HEALTH_CODES; i++) {
        const struct health_about *a = health_about((enum health_code)i);
        assert_true(*a->code && *a->title && *a->advice);
        assert_string_not_equal(lang_text(LANG_DE, a->title), a->title);
        assert_string_not_equal(lang_text(LANG_DE, a->advice), a->advice);
        assert_non_null(strstr(areas, a->area));
        assert_ptr_equal(health_about_name(a->code), a);
        struct health h = {.found = {{.code = (enum health_code)i}}, .n = 1};
        json_t *list = health_json(&h, &cron_zone_utc), *o = json_array_get(list, 0);
        assert_string_equal(json_get_str(o, "code"), a->code);
        assert_string_equal(json_get_str(o, "level"), "hint");
        char *german = phrase_in(LANG_DE, o, "text");
        assert_true(*json_get_text(o, "text"));
        assert_string_not_equal(german, json_get_text(o, "text"));
        free(german);
        json_decref(list);
    }
    assert_null(health_about_name("nix"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_is_well),
        cmocka_unit_test(test_a_monthly_schedule_is_well_until_it_is_late),
        cmocka_unit_test(test_a_daily_schedule_is_late_after_its_deadline_and_an_hour),
        cmocka_unit_test(test_little_room_is_one_number),
        cmocka_unit_test(test_steps_of_the_certificate),
        cmocka_unit_test(test_the_practices_ca),
        cmocka_unit_test(test_a_skipped_run_did_not_fail),
        cmocka_unit_test(test_no_backup_and_no_schedule),
        cmocka_unit_test(test_warnings_of_the_last_backup),
        cmocka_unit_test(test_drills),
        cmocka_unit_test(test_database_and_gate),
        cmocka_unit_test(test_the_binary_log),
        cmocka_unit_test(test_what_no_backup_leads_to),
        cmocka_unit_test(test_the_chain_of_the_binary_log),
        cmocka_unit_test(test_who_is_told),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_every_code_has_its_words),
    };
    kept = json_array();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(kept);
    return failed;
}
