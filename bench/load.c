/*
 * The load: one kind of work against one peer, counted and timed on the client's side, in steps
 * that scripts/bench asks for, so that it can read the peer's CPU clock between them.
 *
 *     load select|login|bulk|idle --to ADDRESS:PORT --tls none|raw|starttls ...
 *
 * prints {"ready":true} once it is prepared, then waits. Each line on standard input starts one
 * step, which ends with one line of JSON; the end of standard input ends the program:
 *
 *     select  --connections N --count M   M point selects in all, closed loop on N connections
 *     login   --count M [--resume]        M times: connect, log in, quit; one after the other
 *     bulk    --sql TEXT --rows N --bytes N   one big result, which must have that size
 *     idle    --connections N             step 1: N logins with one query each, which stay;
 *                                         further steps: one result of 1 MiB on each
 *
 * Every answer is checked. The password comes from the environment, BENCH_PASSWORD.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>
#include "bench/client.h"

#define POINTS          10000 /* rows of the table that scripts/bench makes */
#define POINT_LEN       100   /* length of each value in it */
#define MIB             1048576
#define CONNECTIONS_MAX 4000
#define COUNT_MAX       10000000

static struct {
    struct target target;
    int connections;
    long count;
    const char *sql;
    uint64_t rows, bytes;
    struct client *client;
    uint64_t *latency, *sent; /* ns; one a query, one a connection */
    unsigned *asked;          /* id in the query under way, one a connection */
    uint64_t random;
} load = {.connections = 1, .count = 1000, .random = UINT64_C(88172645463325252)};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void print_latencies(long n, uint64_t elapsed, double cpu, long resumed)
{
    uint64_t *l = load.latency;
    qsort(l, (size_t)n, sizeof *l, by_value);
    printf(
        "{\"count\":%ld,\"seconds\":%.6f,\"p50_us\":%.2f,\"p99_us\":%.2f,\"max_us\":%.2f,\"client_cpu\":%.6f,\"resumed\":%ld}\n",
        n, (double)elapsed / 1e9, (double)l[n / 2] / 1e3, (double)l[n * 99 / 100] / 1e3,
        (double)l[n - 1] / 1e3, cpu, resumed);
}

/* ---- select ---- */

static void point_ask(int i)
{
    char sql[64];
    load.random ^= load.random << 13;
    load.random ^= load.random >> 7;
    load.random ^= load.random << 17;
    load.asked[i] = (unsigned)(load.random % POINTS) + 1;
    snprintf(sql, sizeof sql, "SELECT v FROM points WHERE id=%u", load.asked[i]);
    load.sent[i] = now_ns();
    client_query(&load.client[i], sql);
}

/* The time it took; the value must be the one that belongs to the id. */
static uint64_t point_take(int i)
{
    struct result r = client_result(&load.client[i]);
    uint64_t took = now_ns() - load.sent[i];
    char expected[16];
    snprintf(expected, sizeof expected, "%08u", load.asked[i]);
    if (r.rows != 1 || r.bytes != POINT_LEN || strcmp(r.first, expected) != 0)
        errx(1, "wrong answer: asked for %s, got %" PRIu64 " rows, first %s", expected, r.rows,
            r.first);
    return took;
}

/* Connections are read one at a time as they become readable; an answer is some 200 bytes and comes
 * in one piece, so a blocking read does not hold the others up. */
static void select_many(long count)
{
    struct epoll_event events[64];
    int ep = epoll_create1(EPOLL_CLOEXEC);
    long asked = 0, answered = 0;
    if (ep < 0)
        err(1, "epoll_create1");
    for (int i = 0; i < load.connections; i++) {
        struct epoll_event ev = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
        if (epoll_ctl(ep, EPOLL_CTL_ADD, load.client[i].fd, &ev) != 0)
            err(1, "epoll_ctl");
    }
    for (; asked < load.connections && asked < count; asked++)
        point_ask((int)asked);
    while (answered < count) {
        int n = epoll_wait(ep, events, 64, 30000);
        if (n == 0)
            errx(1, "no answer within 30 s");
        if (n < 0 && errno != EINTR)
            err(1, "epoll_wait");
        for (int k = 0; k < n; k++) {
            int i = (int)events[k].data.u32;
            load.latency[answered++] = point_take(i);
            if (asked < count) {
                point_ask(i);
                asked++;
            }
        }
    }
    close(ep);
}

static void select_run(long count)
{
    if (load.connections > 1) {
        select_many(count);
        return;
    }
    for (long n = 0; n < count; n++) {
        point_ask(0);
        load.latency[n] = point_take(0);
    }
}

static void open_all(void)
{
    for (int i = 0; i < load.connections; i++)
        client_open(&load.client[i], &load.target);
}

static void select_prepare(void)
{
    open_all();
    select_run(load.count / 10 + load.connections); /* warm: caches, and the peer's buffers */
}

static void select_step(int step)
{
    (void)step;
    double cpu = cpu_seconds();
    uint64_t start = now_ns();
    select_run(load.count);
    print_latencies(load.count, now_ns() - start, cpu_seconds() - cpu, 0);
}

/* ---- login ---- */

static long login_run(long count)
{
    long resumed = 0;
    for (long n = 0; n < count; n++) {
        struct client c;
        uint64_t start = now_ns();
        client_open(&c, &load.target);
        load.latency[n] = now_ns() - start;
        resumed += client_resumed(&c);
        client_close(&c);
    }
    return resumed;
}

static void login_prepare(void)
{
    login_run(2); /* the second one could be resumed: tickets are got with the first bytes */
    load.connections = 0;
}

static void login_step(int step)
{
    (void)step;
    double cpu = cpu_seconds();
    uint64_t start = now_ns();
    long resumed = login_run(load.count);
    print_latencies(load.count, now_ns() - start, cpu_seconds() - cpu, resumed);
}

/* ---- bulk ---- */

static void bulk_step(int step)
{
    (void)step;
    double cpu = cpu_seconds();
    uint64_t start = now_ns();
    client_query(&load.client[0], load.sql);
    struct result r = client_result(&load.client[0]);
    uint64_t took = now_ns() - start;
    if (r.rows != load.rows || r.bytes != load.bytes)
        errx(1, "wrong size: %" PRIu64 " rows with %" PRIu64 " bytes", r.rows, r.bytes);
    printf("{\"rows\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"seconds\":%.6f,\"client_cpu\":%.6f}\n",
        r.rows, r.bytes, (double)took / 1e9, cpu_seconds() - cpu);
}

/* ---- idle ---- */

static void idle_prepare(void)
{
}

static void idle_step(int step)
{
    if (step == 1)
        open_all();
    for (int i = 0; i < load.connections; i++) {
        if (step == 1) {
            point_ask(i);
            point_take(i);
            continue;
        }
        client_query(&load.client[i], "SELECT v FROM blobs WHERE id=1");
        struct result r = client_result(&load.client[i]);
        if (r.rows != 1 || r.bytes != MIB)
            errx(1, "wrong size: %" PRIu64 " bytes", r.bytes);
    }
    printf("{\"sessions\":%d}\n", load.connections);
}

/* ---- main ---- */

static const struct kind {
    const char *name;
    void (*prepare)(void);
    void (*step)(int step);
} kinds[] = {
    {"select", select_prepare, select_step},
    {"login", login_prepare, login_step},
    {"bulk", open_all, bulk_step},
    {"idle", idle_prepare, idle_step},
};

static const struct kind *find_kind(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (name != NULL && strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    errx(2,
        "usage: load select|login|bulk|idle --to ADDRESS:PORT --tls none|raw|starttls [--ca FILE] [--connections N] [--count N] [--resume] [--sql TEXT --rows N --bytes N]");
}

static enum mode parse_mode(const char *text)
{
    if (strcmp(text, "none") == 0)
        return MODE_PLAIN;
    if (strcmp(text, "raw") == 0)
        return MODE_RAW_TLS;
    if (strcmp(text, "starttls") == 0)
        return MODE_STARTTLS;
    errx(2, "--tls is none, raw or starttls");
}

static const struct option options[] = {
    {"to", required_argument, NULL, 't'},
    {"tls", required_argument, NULL, 'm'},
    {"ca", required_argument, NULL, 'a'},
    {"connections", required_argument, NULL, 'c'},
    {"count", required_argument, NULL, 'n'},
    {"resume", no_argument, NULL, 'r'},
    {"sql", required_argument, NULL, 's'},
    {"rows", required_argument, NULL, 'R'},
    {"bytes", required_argument, NULL, 'B'},
    {0},
};

static void parse_options(int argc, char **argv)
{
    const char *ca = NULL;
    bool have_address = false;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 't':
            have_address = address_parse(optarg, &load.target.address);
            break;
        case 'm':
            load.target.mode = parse_mode(optarg);
            break;
        case 'a':
            ca = optarg;
            break;
        case 'c':
            load.connections = atoi(optarg);
            break;
        case 'n':
            load.count = atol(optarg);
            break;
        case 'r':
            load.target.resume = true;
            break;
        case 's':
            load.sql = optarg;
            break;
        case 'R':
            load.rows = strtoull(optarg, NULL, 10);
            break;
        case 'B':
            load.bytes = strtoull(optarg, NULL, 10);
            break;
        default:
            find_kind(NULL);
        }
    }
    if (!have_address || load.connections < 1 || load.connections > CONNECTIONS_MAX ||
        load.count < 2 || load.count > COUNT_MAX || (load.target.mode != MODE_PLAIN && ca == NULL))
        find_kind(NULL);
    if (load.target.mode != MODE_PLAIN)
        target_tls(&load.target, ca);
}

int main(int argc, char **argv)
{
    const struct kind *kind = find_kind(argc > 1 ? argv[1] : NULL);
    const char *password = getenv("BENCH_PASSWORD");
    load.target.user = "bench";
    load.target.database = "bench";
    load.target.password = password != NULL ? password : "";
    parse_options(argc - 1, argv + 1);
    if (kind->step == bulk_step && load.sql == NULL)
        find_kind(NULL);
    signal(SIGPIPE, SIG_IGN);

    size_t latencies = (size_t)load.count + (size_t)load.connections;
    load.client = calloc((size_t)load.connections, sizeof *load.client);
    load.sent = calloc((size_t)load.connections, sizeof *load.sent);
    load.asked = calloc((size_t)load.connections, sizeof *load.asked);
    load.latency = calloc(latencies, sizeof *load.latency);
    if (load.client == NULL || load.sent == NULL || load.asked == NULL || load.latency == NULL)
        err(1, "calloc");

    kind->prepare();
    printf("{\"ready\":true}\n");
    fflush(stdout);
    char line[64];
    for (int step = 1; fgets(line, sizeof line, stdin) != NULL; step++) {
        kind->step(step);
        fflush(stdout);
    }
    for (int i = 0; i < load.connections; i++)
        if (load.client[i].in != NULL)
            client_close(&load.client[i]);
    target_free(&load.target);
    return 0;
}
