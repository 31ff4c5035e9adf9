/*
 * For the tests of the dialogue: answers written by hand, and packets fed whole.
 */
#ifndef ELEXGATE_TESTS_UNIT_PROXY_DIALOGUE_FIXTURE_H
#define ELEXGATE_TESTS_UNIT_PROXY_DIALOGUE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proxy/wire/dialogue.h"

#define CAPS                                                                                       \
    (CAP_PROTOCOL_41 | CAP_SECURE_CONNECTION | CAP_PLUGIN_AUTH | CAP_LOCAL_FILES |                 \
        CAP_MULTI_STATEMENTS | CAP_PROGRESS)

#define AUTOCOMMIT   "\x02\0"
#define IN_TRANS     "\x03\0"
#define MORE         "\x0a\0"
#define CURSOR       "\x42\0"
#define OK(status)   "\0\0\0" status "\0\0"
#define EOF_(status) "\xfe\0\0" status
#define ERR_         "\xff\x15\x04#28000denied"
#define COLUMN                                                                                     \
    "\x03"                                                                                         \
    "def\0\0\0\1a\0\x0c\x3f\0\1\0\0\0\x08\x81\0\0\0\0"

#define T(bytes) bytes, sizeof(bytes) - 1

static struct dialogue d; /* the one under test */

static inline int setup(void **state)
{
    (void)state;
    dialogue_init(&d, CAPS, 2);
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    dialogue_clear(&d);
    return 0;
}

static inline void use_caps(uint64_t caps)
{
    dialogue_clear(&d);
    dialogue_init(&d, caps, 2);
}

static inline uint8_t *packet(const char *payload, size_t n, uint8_t seq)
{
    uint8_t *p = malloc(n + PACKET_HEADER);
    packet_header(p, (uint32_t)n, seq);
    memcpy(p + PACKET_HEADER, payload, n);
    return p;
}

/* One packet from either side, whole. */
static inline unsigned client_seq(const char *payload, size_t n, uint8_t seq)
{
    uint8_t *p = packet(payload, n, seq);
    size_t taken;
    unsigned events = dialogue_client(&d, p, n + PACKET_HEADER, &taken);
    assert_int_equal(taken, n + PACKET_HEADER);
    free(p);
    return events;
}

static inline unsigned client(const char *payload, size_t n)
{
    return client_seq(payload, n, 0);
}

static inline unsigned query(const char *text)
{
    char payload[256];
    size_t n = (size_t)snprintf(payload, sizeof payload, "\x03%s", text);
    return client(payload, n);
}

static inline unsigned server(const char *payload, size_t n)
{
    uint8_t *p = packet(payload, n, 1);
    unsigned events = dialogue_server(&d, p, n + PACKET_HEADER);
    free(p);
    return events;
}

static inline void server_quiet(const char *payload, size_t n)
{
    assert_int_equal(server(payload, n), 0);
    assert_false(dialogue_between(&d));
}

static inline void result_set(const char *status_bytes) /* one column, two rows, up to its EOF */
{
    char end[] = EOF_(AUTOCOMMIT);
    memcpy(end + 3, status_bytes, 2);
    server_quiet(T("\x01"));
    server_quiet(T(COLUMN));
    server_quiet(T(EOF_(AUTOCOMMIT)));
    server_quiet(T("\x01x"));
    server_quiet(T("\x01y"));
    server(end, 5);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
