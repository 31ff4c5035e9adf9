/*
 * The fence by itself, for tests that copy with a tool of their own choice.
 *
 *   fence-tool SOCKET USER JOURNAL [settle_ms=N] [proxy=SOCKET] [no-yield] [old-server] [ask]
 *
 * Standard output, one JSON object a line:
 *   {"event":"ready"}                 settled; with `ask` it waits here for a line on standard
 * input
 *   {"event":"held",...marks}         copy now; then a line "check" or "check changed"
 *   {"event":"busy"|"yielded",...}    the fence did not stand, or was let go (while waiting for
 * input)
 *   {"event":"verdict",...}           then the lock is released and the program ends
 */
#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "backup/server/fence.h"
#include "common/clock.h"

static void say(json_t *o)
{
    char *text = json_dumps(o, JSON_COMPACT);
    printf("%s\n", text);
    fflush(stdout);
    free(text);
    json_decref(o);
}

/* A line from standard input; false at its end, or when the fence is lost (if one is given). */
static bool line(struct fence *f, char *buf, int size)
{
    struct pollfd p = {.fd = 0, .events = POLLIN};
    while (poll(&p, 1, 2) == 0)
        if (f && fence_lost(f))
            return false;
    return fgets(buf, size, stdin) != NULL;
}

static int number(const char *arg, const char *key, unsigned *out)
{
    size_t n = strlen(key);
    if (strncmp(arg, key, n) != 0)
        return 0;
    *out = (unsigned)strtoul(arg + n, NULL, 10);
    return 1;
}

static int hold(struct fence *f, struct err *e)
{
    struct fence_marks m;
    int r = fence_take(f, &m, e);
    if (r != 0) {
        say(json_pack("{ssss}", "event",
            r == FENCE_BUSY      ? "busy"
            : r == FENCE_YIELDED ? "yielded"
                                 : "error",
            "text", e->text));
        return r < 0 ? 1 : 4;
    }
    say(json_pack("{sssIsIsIsIsisisi}", "event", "held", "lsn", (json_int_t)m.lsn, "checkpoint_lsn",
        (json_int_t)m.checkpoint_lsn, "pages_flushed", (json_int_t)m.pages_flushed, "age",
        (json_int_t)m.checkpoint_age, "lock_ms", (int)m.lock_ms, "flush_ms", (int)m.flush_ms,
        "hold_ms", (int)m.hold_ms));
    char buf[64] = "";
    struct err moved = {0};
    bool yielded = !line(f, buf, sizeof buf) && fence_lost(f);
    enum fence_verdict v = fence_check(f, strstr(buf, "changed") != NULL, &moved);
    if (yielded) {
        say(json_pack("{ssss}", "event", "yielded", "text", moved.text));
        return 4;
    }
    fence_release(f);
    say(json_pack(
        "{ssssss}", "event", "verdict", "verdict", fence_verdict_name(v), "text", moved.text));
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    struct fence_options o = {
        .target = {.socket = argv[1], .user = argv[2], .connect_timeout_ms = 5000},
        .program = "fence-tool",
        .journal = argv[3],
        .yield = true,
        .settle_ms = 12000,
        .hold_ms = 5000,
    };
    bool ask = false;
    for (int i = 4; i < argc; i++) {
        if (number(argv[i], "settle_ms=", &o.settle_ms))
            continue;
        if (strncmp(argv[i], "proxy=", 6) == 0)
            o.proxy_socket = argv[i] + 6;
        else if (strcmp(argv[i], "no-yield") == 0)
            o.yield = false;
        else if (strcmp(argv[i], "old-server") == 0)
            o.old_server = true;
        else if (strcmp(argv[i], "ask") == 0)
            ask = true;
        else
            return 2;
    }
    struct err e = {0};
    struct fence *f = NULL;
    int r = fence_open(&o, &f, &e);
    if (r < 0) {
        say(json_pack("{ssss}", "event", "error", "text", e.text));
        return 1;
    }
    usleep(fence_settling(f) * 1000);
    say(json_pack("{ss}", "event", "ready"));
    char buf[64];
    int code = ask && !line(NULL, buf, sizeof buf) ? 1 : hold(f, &e);
    if (fence_close(f, &e) < 0) {
        say(json_pack("{ssss}", "event", "error", "text", e.text));
        code = 1;
    }
    return code;
}
