/*
 * elexgate log: the last lines of proxy and keeper, merged by time; the programs keep them in
 * memory.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/args.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "common/log_line.h"
#include "common/units.h"
#include "common/json_get.h"
#include "link/control.h"

#define TIMEOUT_MS 5000
#define LIMIT_MAX  2000

struct source {
    const char *program, *section;
    int64_t next; /* number of the last line seen; -1 = none yet */
    bool away, told;
};

struct view {
    struct cli *cli;
    struct source sources[2];
    const char *level;
    int64_t limit;
    json_t *lines; /* of one round, with "program" */
};

static json_t *request_for(const struct view *v, const struct source *s)
{
    json_t *request = json_pack(
        "{s:s, s:s, s:I}", "cmd", "log", "level", v->level, "limit", (json_int_t)v->limit);
    if (s->next >= 0)
        json_object_set_new(request, "after", json_integer((json_int_t)s->next));
    return request;
}

/* One answer; *more is set when there are further lines. */
static int ask(struct view *v, struct source *s, const char *socket, bool *more, struct err *e)
{
    _cleanup_json_ json_t *request = request_for(v, s), *answer = NULL;
    json_t *line;
    size_t i;
    int r = control_call(socket, TIMEOUT_MS, request, &answer, e);
    if (r < 0)
        return r;
    s->next = output_number(answer, "next", 0);
    *more = json_get_true(answer, "more");
    json_array_foreach (json_object_get(answer, "lines"), i, line) {
        json_object_set_new(line, "program", json_string(s->program));
        json_array_append(v->lines, line);
    }
    return 0;
}

/* What is there by now. A program that does not run is told of once; nothing is said while it is
 * restarted. */
static void collect(struct view *v, struct source *s)
{
    const struct config *c = cli_config(v->cli);
    const char *socket = c ? config_str(c, s->section, NULL, "control_socket") : NULL;
    struct err e = {0};
    bool first = s->next < 0, more = socket != NULL;
    s->away = !socket;
    while (more) {
        more = false;
        if (ask(v, s, socket, &more, &e) < 0) {
            s->away = true;
            if (!s->told)
                fprintf(stderr, "elexgate log: %s: %s\n", s->program, e.text);
            s->told = true;
            return;
        }
        more = more && !first; /* the first question is for the last lines only */
    }
    s->told = false;
}

static int by_time(const void *a, const void *b)
{
    const json_t *x = *(const json_t *const *)a, *y = *(const json_t *const *)b;
    const char *t = json_get_text(x, "time");
    const char *u = json_get_text(y, "time");
    int order = strcmp(t, u);
    if (order == 0 && json_object_get(x, "program") && json_object_get(y, "program"))
        order = strcmp(json_get_str(x, "program"), json_get_str(y, "program"));
    if (order == 0)
        order = output_number(x, "seq", 0) < output_number(y, "seq", 0) ? -1 : 1;
    return order;
}

static void print_line(const struct cli *cli, const json_t *line)
{
    static const char *const shown_already[] = {
        "time", "level", "event", "text", "program", "seq", "error"};
    char buf[SHOWN_LEN];
    const char *key;
    json_t *v;
    const char *stamp = cli_time(cli, line, "time", SHOWN_SECOND, "?", buf);
    _cleanup_free_ char *level = output_member(line, "level"),
                        *event = output_member(line, "event"), *text = output_member(line, "text"),
                        *program = output_member(line, "program");
    const char *name = strchr(program, '-');
    printf("%s %-7s %-6s %s", stamp, level, name ? name + 1 : program, event);
    if (*text)
        printf(": %s", text);
    json_object_foreach ((json_t *)(uintptr_t)line, key, v) {
        bool shown = false;
        for (size_t i = 0; i < sizeof shown_already / sizeof shown_already[0]; i++)
            shown |= strcmp(key, shown_already[i]) == 0;
        if (shown || json_is_null(v))
            continue;
        _cleanup_free_ char *dumped = json_dumps(v, JSON_ENCODE_ANY), *safe = output_safe(dumped);
        printf(" %s=%s", key, safe);
    }
    printf("\n");
}

/* In the order of time; the newest `limit` of all. */
static void print_round(struct view *v, bool first)
{
    size_t n = json_array_size(v->lines), from = 0;
    const json_t **sorted = xcalloc(n + 1, sizeof *sorted);
    for (size_t i = 0; i < n; i++)
        sorted[i] = json_array_get(v->lines, i);
    qsort(sorted, n, sizeof *sorted, by_time);
    if (first && n > (size_t)v->limit)
        from = n - (size_t)v->limit;
    for (size_t i = from; i < n; i++)
        if (v->cli->json)
            cli_print_json(sorted[i]);
        else
            print_line(v->cli, sorted[i]);
    fflush(stdout);
    free(sorted);
    json_array_clear(v->lines);
}

static int show(struct view *v, bool follow)
{
    const struct timespec pause = {.tv_nsec = 500 * 1000000};
    if (!cli_config(v->cli))
        return EXIT_FAILED;
    for (bool first = true;; first = false) {
        collect(v, &v->sources[0]);
        collect(v, &v->sources[1]);
        print_round(v, first);
        if (!follow || ferror(stdout))
            break;
        nanosleep(&pause, NULL);
    }
    return v->sources[0].away && v->sources[1].away ? EXIT_UNREACHABLE : EXIT_GOOD;
}

static int run_log(struct cli *cli, int argc, char **argv)
{
    struct view v = {.cli = cli,
        .sources = {{"elexgate-proxy", "proxy", .next = -1},
            {"elexgate-keeper", "backup", .next = -1}},
        .level = "info",
        .limit = 50};
    enum log_level level;
    bool follow = false;
    const char *limit = NULL;
    const struct args_option options[] = {
        {"--follow", .flag = &follow}, {"--level=", &v.level}, {"--limit=", &limit}, {0}};
    int code = args_parse(cli, argc, argv, options, 0, 0, NULL);
    if (code != EXIT_GOOD)
        return code;
    if (limit && (units_parse_int(limit, &v.limit) < 0 || v.limit < 1 || v.limit > LIMIT_MAX))
        return cli_usage(cli, "--limit must be from 1 to %d, not \"%s\"", LIMIT_MAX, limit);
    if (!log_level_parse(v.level, &level))
        return cli_usage(
            cli, "the level must be error, warning, info or debug, not \"%s\"", v.level);
    v.lines = json_array();
    code = show(&v, follow);
    json_decref(v.lines);
    return code;
}

const struct command cmd_log = {
    "log",
    "[--follow] [--level LEVEL] [--limit N]",
    N_("show what proxy and keeper have logged last"),
    run_log,
    (const struct help_line[]){
        {"--follow", N_("go on as lines come, until Ctrl-C")},
        {"--level LEVEL", N_("error, warning, info (default) or debug, and what is worse")},
        {"--limit N", N_("how many of the last lines to begin with (default: 50)")},
        {NULL,
            N_("Each program keeps its last 2000 lines in memory, since its start; older ones are in the system's log: journalctl -u elexgate-proxy -u elexgate-keeper.")},
        {0},
    },
};
