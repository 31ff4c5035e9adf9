/*
 * What following costs: nanoseconds for each row packet of a large result, and for each point
 * select in both directions together. Prints the best of some rounds; numbers in docs/wire.md.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "proxy/wire/dialogue.h"

#define CAPS    (CAP_PROTOCOL_41 | CAP_SECURE_CONNECTION | CAP_PLUGIN_AUTH | CAP_CONNECT_ATTRS)
#define ROUNDS  7
#define QUERIES 1000000
#define ROW     100u

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* others may use the machine as well */
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static size_t add(uint8_t *out, size_t at, const void *payload, uint32_t n, uint8_t seq)
{
    packet_header(out + at, n, seq);
    memcpy(out + at + PACKET_HEADER, payload, n);
    return at + PACKET_HEADER + n;
}

static void must_be_answered(const struct dialogue *d, uint64_t reads)
{
    if (d->lost || d->outstanding || d->reads != reads) {
        fprintf(stderr, "the benchmark's own dialogue is wrong\n");
        exit(1);
    }
}

static size_t answer_head(uint8_t *out)
{
    static const char column[] =
        "\3def\6elexis\7KONTAKT\7KONTAKT\2ID\2ID\x0c\x2d\0\x64\0\0\0\xfd\3\x50\0\0\0";
    size_t at = add(out, 0, "\1", 1, 1);
    at = add(out, at, column, sizeof column - 1, 2);
    return add(out, at, "\xfe\0\0\2\0", 5, 3);
}

/* The relay has just read what it follows, so the bytes are in the cache here as well: one buffer
 * of whole rows, or of rows that begin and end anywhere (cut), passes by until 100 MB are through.
 */
static double row_ns(size_t read, size_t cut)
{
    uint8_t head[512], query[64], row[ROW], *rows = malloc(read + 2 * (ROW + PACKET_HEADER));
    size_t head_len = answer_head(head), query_len = add(query, 0, "\3SELECT * FROM t", 16, 0);
    size_t n = 0, taken, packet = ROW + PACKET_HEADER;
    double best = 1e18;
    memset(row, 'x', sizeof row);
    row[0] = ROW - 1;
    while (n < read)
        n = add(rows, n, row, ROW, 4);
    size_t passes = 100 * 1000 * 1000 / n;
    for (int round = 0; round < ROUNDS; round++) {
        struct dialogue d;
        dialogue_init(&d, CAPS, 2);
        dialogue_client(&d, query, query_len, &taken);
        dialogue_server(&d, head, head_len);
        double start = now();
        for (size_t i = 0; i < passes; i++) {
            dialogue_server(&d, rows, cut);
            dialogue_server(&d, rows + cut, n - cut);
        }
        double ns = (now() - start) / (double)(passes * (n / packet));
        dialogue_server(&d, (const uint8_t *)"\5\0\0\7\xfe\0\0\2\0", 9);
        must_be_answered(&d, 1);
        best = ns < best ? ns : best;
        dialogue_clear(&d);
    }
    free(rows);
    return best;
}

static double select_ns(void)
{
    static const char text[] =
        "\3SELECT ID, BEZEICHNUNG1, LASTUPDATE FROM KONTAKT WHERE ID='M1234567890'";
    uint8_t query[128], answer[512];
    size_t query_len = add(query, 0, text, sizeof text - 1, 0), n = answer_head(answer), taken;
    double best = 1e18;
    n = add(answer, n, "\x0bM1234567890", 12, 4);
    n = add(answer, n, "\xfe\0\0\2\0", 5, 5);
    for (int round = 0; round < ROUNDS; round++) {
        struct dialogue d;
        dialogue_init(&d, CAPS, 2);
        double start = now();
        for (int i = 0; i < QUERIES; i++) {
            dialogue_client(&d, query, query_len, &taken);
            dialogue_server(&d, answer, n);
        }
        double ns = (now() - start) / QUERIES;
        must_be_answered(&d, QUERIES);
        best = ns < best ? ns : best;
        dialogue_clear(&d);
    }
    return best;
}

int main(void)
{
    printf("row of %u bytes, 256 KiB at once       %6.2f ns\n", ROW, row_ns(256 * 1024, 0));
    printf("row of %u bytes, 16 KiB at once        %6.2f ns\n", ROW, row_ns(16 * 1024, 0));
    printf("the same, each read ends inside a row  %6.2f ns\n", row_ns(16 * 1024, 1500));
    printf("point select, both directions          %6.2f ns\n", select_ns());
    printf("memory of a session's dialogue          %6zu bytes\n", sizeof(struct dialogue));
    return 0;
}
