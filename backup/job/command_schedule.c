/* `elexgate schedule`: the next runs, in words and times. */
#include "backup/job/commands.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "backup/rules/cron.h"
#include "backup/rules/settings.h"
#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/json_lines.h"
#include "common/phrase.h"
#include "common/units.h"
#include "common/utf8.h"

#define COUNT_MAX 1000

struct request {
    int64_t count, from_ms;
    const char *expression;
};

static json_t *run_json(int64_t utc)
{
    char iso[CLOCK_ISO_LEN], local[64];
    time_t t = (time_t)utc;
    struct tm tm;
    CHECK(localtime_r(&t, &tm));
    strftime(local, sizeof local, "%Y-%m-%d %H:%M %Z", &tm);
    return json_pack(
        "{s:s,s:s,s:i}", "utc", clock_iso(utc * 1000, iso), "local", local, "weekday", tm.tm_wday);
}

static int add_schedule(const struct request *r, const char *what, const char *text, json_t *list,
    json_t *last, struct err *e)
{
    struct cron cron;
    const char *field;
    int x = cron_check(backup_schedule_text(text), &cron, &field, e);
    if (x < 0) {
        json_object_set_new(last, "field", json_text(field));
        return x;
    }
    json_t *runs = json_array();
    int64_t at = r->from_ms / 1000;
    for (int64_t i = 0; i < r->count && x == 0; i++) {
        x = cron_next(&cron, &cron_zone_local, at, &at);
        if (x == 0)
            json_array_append_new(runs, run_json(at));
    }
    json_t *o = json_pack("{s:s,s:s,s:o}", "what", what, "schedule", text, "next", runs);
    phrase_put(o, "words", cron_phrase(&cron));
    json_array_append_new(list, o);
    return 0;
}

static int parse(struct request *r, int argc, char **argv, struct err *e)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--count") == 0 && i + 1 < argc) {
            if (units_parse_int(argv[++i], &r->count) < 0 || r->count < 1 || r->count > COUNT_MAX)
                return err_set(e, EINVAL, "--count must be from 1 to %d", COUNT_MAX);
        } else if (strcmp(argv[i], "--from") == 0 && i + 1 < argc) {
            if (clock_parse(argv[++i], &r->from_ms) < 0)
                return err_set(e, EINVAL, "--from must be a time such as \"2026-11-22 03:15\"");
        } else if (argv[i][0] == '-' || r->expression) {
            return err_set(e, EINVAL,
                "schedule: \"%s\" is not understood; an expression is one argument, in quotes",
                UTF8_SHORT(argv[i], 60));
        } else {
            r->expression = argv[i];
        }
    }
    return 0;
}

int command_schedule(const struct config *c, int argc, char **argv, json_t *last, struct err *e)
{
    static const char *const sections[] = {"backup", "drill"};
    struct request r = {.count = 10, .from_ms = clock_wall_ms()};
    if (parse(&r, argc, argv, e) < 0)
        return EXIT_USAGE;
    json_t *list = json_array();
    json_object_set_new(last, "schedules", list);
    tzset();
    json_object_set_new(last, "zone", json_text(tzname[0]));
    if (r.expression)
        return add_schedule(&r, "expression", r.expression, list, last, e) < 0 ? EXIT_USAGE
                                                                               : EXIT_GOOD;
    for (size_t i = 0; i < 2; i++) {
        const char *text = config_str(c, sections[i], NULL, "schedule");
        if (text && *backup_schedule_text(text) &&
            add_schedule(&r, sections[i], text, list, last, e) < 0) {
            err_prefix(e, -EINVAL, "[%s]", sections[i]);
            return EXIT_FAILED;
        }
    }
    return EXIT_GOOD;
}
