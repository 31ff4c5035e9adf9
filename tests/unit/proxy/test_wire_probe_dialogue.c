#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "proxy/wire/packet.h"
#include "proxy/wire/login.h"
#include "proxy/wire/probe_dialogue.h"

/* A server's side, as MariaDB 10.11 sends it. */
#define GREETING                                                                                   \
    "\x59\0\0\0\x0a"                                                                               \
    "5.5.5-10.11.6-MariaDB\0"                                                                      \
    "\x07\0\0\0abcdefgh\0\xfe\xf7\x2d\x02\0\xff\x81\x15\0\0\0\0\0\0\x1d\0\0\0ijklmnopqrst\0"       \
    "mysql_native_password\0"
#define OK "\x07\0\0\x02\0\0\0\x02\0\0\0"
#define COLUMNS                                                                                    \
    "\x01\0\0\x01\x01"                                                                             \
    "\x03\0\0\x02"                                                                                 \
    "def"                                                                                          \
    "\x05\0\0\x03\xfe\0\0\x02\0"
#define ERROR_DENIED "\x16\0\0\x02\xff\x15\x04#28000Access denied"
#define SWITCH       "\x2c\0\0\x02\xfemysql_native_password\0ABCDEFGHIJKLMNOPQRST\0"
#define SWITCH_OTHER                                                                               \
    "\x1d\0\0\x02\xfe"                                                                             \
    "client_ed25519\0ABCDEFGHIJKL\0"
#define BYTES(text) (text), sizeof(text) - 1

static void prove(void *ctx, const uint8_t scramble[20], uint8_t proof[20])
{
    memcpy(ctx, scramble, 20);
    memset(proof, 'P', 20);
}

struct fixture {
    struct probe_dialogue d;
    uint8_t scramble[20];
};

static struct fixture start(const char *user)
{
    struct fixture f = {0};
    probe_dialogue_init(&f.d, user, prove, NULL);
    return f;
}

/* Byte at a time. */
static enum probe_step feed(struct fixture *f, const char *data, size_t n)
{
    enum probe_step step = PROBE_WAIT;
    f->d.ctx = f->scramble;
    for (size_t i = 0; i < n; i++) {
        step = probe_dialogue_feed(&f->d, data + i, 1);
        if (i + 1 < n)
            assert_int_equal(step, PROBE_WAIT);
    }
    return step;
}

/* Feeds several packets; all but the last must ask for more or for sending. */
static enum probe_step answer(struct fixture *f, const char *row)
{
    char packet[300];
    size_t n = strlen(row);
    packet_header((uint8_t *)packet, (uint32_t)n + 1, 4);
    packet[4] = (char)n;
    memcpy(packet + 5, row, n);
    assert_int_equal(probe_dialogue_feed(&f->d, BYTES(COLUMNS)), PROBE_WAIT);
    return feed(f, packet, n + 5);
}

static struct fixture logged_in(void)
{
    struct fixture f = start("probe");
    assert_int_equal(feed(&f, BYTES(GREETING)), PROBE_SEND);
    assert_int_equal(feed(&f, BYTES(OK)), PROBE_SEND);
    return f;
}

static void a_greeting_is_enough_without_an_account(void **state)
{
    (void)state;
    struct fixture f = start(NULL);
    assert_int_equal(feed(&f, BYTES(GREETING)), PROBE_DONE);
    assert_false(f.d.asked);
    /* and is answered, or the server counts a connection that broke off */
    assert_int_equal(packet_length(f.d.out) + PACKET_HEADER, f.d.out_len);
    assert_int_equal(f.d.out_len, LOGIN_NOBODY_LEN);
    assert_string_equal((char *)f.d.out + 36, "elexgate: no login");
}

static void the_login_carries_name_and_proof(void **state)
{
    (void)state;
    struct fixture f = start("probe");
    assert_int_equal(feed(&f, BYTES(GREETING)), PROBE_SEND);
    assert_memory_equal(f.scramble, "abcdefghijklmnopqrst", 20);
    assert_int_equal(f.d.out[3], 1);
    assert_int_equal(packet_length(f.d.out) + PACKET_HEADER, f.d.out_len);
    assert_string_equal((char *)f.d.out + 36, "probe");
    assert_int_equal(f.d.out[42], 20);
    assert_memory_equal(f.d.out + 43, "PPPPPPPPPPPPPPPPPPPP", 20);
    assert_string_equal((char *)f.d.out + 63, "mysql_native_password");
    assert_int_equal(feed(&f, BYTES(OK)), PROBE_SEND);
    assert_int_equal(f.d.out[3], 0);
    assert_int_equal(f.d.out[4], 3);
}

static void answers_are_understood(void **state)
{
    (void)state;
    static const struct {
        const char *row;
        bool read_only, galera, ready;
    } table[] = {
        {"READ_ONLY=OFF WSREP_ON=OFF WSREP_READY=OFF", false, false, false},
        {"READ_ONLY=ON WSREP_ON=OFF", true, false, false},
        {"WSREP_READY=ON WSREP_ON=ON READ_ONLY=OFF", false, true, true},
        {"READ_ONLY=0", false, false, false}, {"READ_ONLY=READ_ONLY_NO_LOCK", true, false, false},
        {"SUPER_READ_ONLY=OFF", true, false, false}, /* another variable */
        {"", true, false, false},                    /* not known is not writable */
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct fixture f = logged_in();
        assert_int_equal(answer(&f, table[i].row), PROBE_DONE);
        assert_true(f.d.asked);
        assert_int_equal(f.d.read_only, table[i].read_only);
        assert_int_equal(f.d.galera, table[i].galera);
        assert_int_equal(f.d.galera_ready, table[i].ready);
    }
}

static void another_login_method_is_asked_for(void **state)
{
    (void)state;
    struct fixture f = start("probe");
    assert_int_equal(feed(&f, BYTES(GREETING)), PROBE_SEND);
    assert_int_equal(feed(&f, BYTES(SWITCH)), PROBE_SEND);
    assert_memory_equal(f.scramble, "ABCDEFGHIJKLMNOPQRST", 20);
    assert_int_equal(f.d.out_len, 24);
    assert_int_equal(f.d.out[3], 3);
    f = start("probe");
    assert_int_equal(feed(&f, BYTES(GREETING)), PROBE_SEND);
    assert_int_equal(feed(&f, BYTES(SWITCH_OTHER)), PROBE_REFUSED);
    assert_non_null(strstr(f.d.trouble, "mysql_native_password"));
}

static void refusals_keep_the_servers_words(void **state)
{
    (void)state;
    struct fixture f = start("probe");
    assert_int_equal(feed(&f, BYTES(GREETING)), PROBE_SEND);
    assert_int_equal(feed(&f, BYTES(ERROR_DENIED)), PROBE_REFUSED);
    assert_non_null(strstr(f.d.trouble, "Access denied"));
    f = logged_in();
    assert_int_equal(
        feed(&f, BYTES("\x1a\0\0\x01\xff\x17\x04#08S01WSREP not ready..")), PROBE_REFUSED);
    f = start(NULL);
    assert_int_equal(feed(&f, BYTES("\x17\0\0\0\xff\x10\x04Too many connections")), PROBE_FAILED);
    assert_non_null(strstr(f.d.trouble, "Too many"));
    f = start(NULL);
    assert_int_equal(feed(&f, BYTES("\x07\0\0\0\xff\x10\x04\xfc\x1b[m")), PROBE_FAILED);
    assert_string_equal(f.d.trouble, "??[m");
    f = start(NULL);
    assert_int_equal(feed(&f, BYTES("\x03\0\0\0\xff\x10\x04")), PROBE_FAILED);
    assert_true(strlen(f.d.trouble) > 0);
}

static void nonsense_is_a_failure_with_words(void **state)
{
    (void)state;
    static const struct {
        const char *data;
        size_t n;
    } table[] = {{BYTES("HTTP/1.1 400")}, {BYTES("\0\0\0\0")}, {BYTES("\xff\xff\xff\0")},
        {BYTES("\x01\0\0\0\xff")}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct fixture f = start("probe");
        assert_int_equal(probe_dialogue_feed(&f.d, table[i].data, table[i].n), PROBE_FAILED);
        assert_true(strlen(f.d.trouble) > 0);
    }
    struct fixture f = logged_in();
    assert_int_equal(probe_dialogue_feed(&f.d, BYTES("\x01\0\0\x01\x02")), PROBE_FAILED);
    f = logged_in();
    assert_int_equal(probe_dialogue_feed(&f.d, BYTES(COLUMNS "\x02\0\0\x04\x05x")), PROBE_FAILED);
    static const char long_one[PROBE_IN_MAX + 1];
    f = logged_in();
    assert_int_equal(probe_dialogue_feed(&f.d, long_one, sizeof long_one), PROBE_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_greeting_is_enough_without_an_account),
        cmocka_unit_test(the_login_carries_name_and_proof),
        cmocka_unit_test(answers_are_understood),
        cmocka_unit_test(another_login_method_is_asked_for),
        cmocka_unit_test(refusals_keep_the_servers_words),
        cmocka_unit_test(nonsense_is_a_failure_with_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
