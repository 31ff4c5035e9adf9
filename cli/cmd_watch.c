/*
 * elexgate watch: what happens at the gate, as it happens.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/args.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "common/clock.h"
#include "common/error_phrase.h"
#include "common/units.h"
#include "common/json_get.h"
#include "link/control.h"

#define CONNECT_TIMEOUT_MS 5000
#define INTERVAL_MIN_MS    100
#define INTERVAL_MAX_MS    3600000

/* "state, session,write" -> ["state","session","write"]; NULL after telling a mistake. */
static json_t *parse_events(struct cli *cli, const char *text)
{
    static const char *const known[] = {"state", "session", "write", "idle", NULL};
    json_t *events = json_array();

    for (const char *p = text + strspn(text, ", "); *p; p += strspn(p, ", ")) {
        size_t n = strcspn(p, ", "), i = 0;
        while (known[i] && (strlen(known[i]) != n || strncmp(known[i], p, n) != 0))
            i++;
        if (!known[i]) {
            cli_usage(cli, "there is no event \"%.*s\"; there are state, session, write, idle",
                (int)n, p);
            json_decref(events);
            return NULL;
        }
        CHECK(json_array_append_new(events, json_string(known[i])) == 0);
        p += n;
    }
    return events;
}

static void print_value(const char *key, json_t *v)
{
    if (json_is_null(v) || json_is_array(v))
        return;
    if (json_is_object(v)) {
        const char *inner;
        json_t *member;
        json_object_foreach (v, inner, member)
            print_value(inner, member);
        return;
    }
    _cleanup_free_ char *dumped = json_dumps(v, JSON_ENCODE_ANY);
    _cleanup_free_ char *safe = output_safe(
        json_is_string(v) && !strpbrk(json_string_value(v), " \"=\t") && *json_string_value(v)
            ? json_string_value(v)
            : dumped);
    printf(" %s=%s", key, safe);
}

/* "23:10:05 connect session=7 user=elexis ...": one line an event, whatever its members. */
static void print_event(json_t *event)
{
    _cleanup_free_ char *name = output_member(event, "event");
    char stamp[SHOWN_LEN];
    const char *key;
    json_t *v;

    printf("%s %-10s",
        shown_time(LANG_EN, clock_wall_ms(), SHOWN_CLOCK_SECONDS, stamp, sizeof stamp),
        *name ? name : "-");
    json_object_foreach (event, key, v)
        if (strcmp(key, "event") != 0 && strcmp(key, "ok") != 0 && strcmp(key, "ts") != 0)
            print_value(key, v);
    printf("\n");
    fflush(stdout);
}

/* Until the proxy hangs up or the reader of our output does. */
static int stream(struct cli *cli, struct control *c, int64_t count)
{
    for (int64_t seen = 0; count == 0 || seen < count;) {
        _cleanup_json_ json_t *object = NULL;
        struct err e = {0};
        int r = control_receive(c, &object, &e);
        if (r < 0)
            return cli_fail(cli, exit_code_of_call(r), &e);
        bool is_event = json_object_get(object, "event") != NULL;
        if (json_is_false(json_object_get(object, "ok"))) {
            (void)error_phrase_take(&e, EIO, object);
            return cli_fail(cli, EXIT_FAILED, &e);
        }
        if (is_event && cli->json)
            cli_print_json(object);
        else if (is_event)
            print_event(object);
        seen += is_event;
        if (ferror(stdout))
            return EXIT_GOOD;
    }
    return EXIT_GOOD;
}

static int run_watch(struct cli *cli, int argc, char **argv)
{
    const char *events_text = "state,session,write", *count_text = NULL, *interval_text = NULL;
    const struct args_option options[] = {{"--events=", &events_text},
        {"--interval=", &interval_text}, {"--count=", &count_text}, {0}};
    int64_t interval = 1000, count = 0;
    struct control *c = NULL;
    struct err e = {0};
    int code = args_parse(cli, argc, argv, options, 0, 0, NULL);
    if (code != EXIT_GOOD)
        return code;
    if (count_text && (units_parse_int(count_text, &count) < 0 || count < 1))
        return cli_usage(cli, "--count must be a number above 0, not \"%s\"", count_text);
    if (interval_text && (units_parse_duration(interval_text, &interval) < 0 ||
                             interval < INTERVAL_MIN_MS || interval > INTERVAL_MAX_MS))
        return cli_usage(cli, "--interval must be from 100ms to 1h, not \"%s\"", interval_text);
    json_t *events = parse_events(cli, events_text);
    if (!events)
        return EXIT_USAGE;
    _cleanup_json_ json_t *request = json_pack(
        "{s:s, s:o, s:I}", "cmd", "watch", "events", events, "interval_ms", (json_int_t)interval);
    CHECK(request);
    code = cli_connect(cli, CLI_PROXY, CONNECT_TIMEOUT_MS, &c);
    if (code == EXIT_GOOD) {
        control_set_timeout(c, -1); /* nothing may happen for hours */
        code = control_send(c, request, &e) < 0 ? cli_fail(cli, EXIT_FAILED, &e)
                                                : stream(cli, c, count);
    }
    control_close(c);
    return code;
}

const struct command cmd_watch = {
    "watch",
    "[--events LIST] [--interval TIME] [--count N]",
    N_("print what happens at the gate, one line an event"),
    run_watch,
    (const struct help_line[]){
        {"--events LIST", N_("of state, session, write, idle (default: state,session,write)")},
        {"--interval TIME", N_("between idle events (default: 1s)")},
        {"--count N", N_("end after N events")},
        {NULL, N_("Runs until Ctrl-C.")},
        {NULL, N_("With --json one object a line.")},
        {0},
    },
};
