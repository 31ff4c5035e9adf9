#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include "proxy/wire/user_guard.h"

#define CAPS (CAP_PROTOCOL_41 | CAP_SECURE_CONNECTION)

/* COM_CHANGE_USER: user, proof of no bytes, database, character set. */
#define CHANGE_TO_EVA                                                                              \
    "\x11"                                                                                         \
    "eva\0"                                                                                        \
    "\0"                                                                                           \
    "db\0"                                                                                         \
    "\x2d\0"

struct stream {
    uint8_t bytes[1024];
    size_t n;
};

static void add(struct stream *s, uint8_t seq, const char *payload, size_t n)
{
    s->bytes[s->n++] = (uint8_t)n;
    s->bytes[s->n++] = (uint8_t)(n >> 8);
    s->bytes[s->n++] = (uint8_t)(n >> 16);
    s->bytes[s->n++] = seq;
    memcpy(s->bytes + s->n, payload, n);
    s->n += n;
}
#define ADD(s, seq, text) add(s, seq, text, sizeof text - 1)

/* Names of all changes of user in pieces of at most `piece` bytes, joined by commas. "!": error. */
static void names_in(const struct stream *s, size_t piece, char out[static 64])
{
    struct user_guard *g = user_guard_new(CAPS);
    out[0] = 0;
    for (size_t at = 0; at < s->n;) {
        size_t taken, n = s->n - at < piece ? s->n - at : piece;
        struct login_names names;
        int r = user_guard_feed(g, s->bytes + at, n, &taken, &names, NULL);
        if (r < 0) {
            strcat(out, "!");
            break;
        }
        assert_true(taken <= n && (r == 1 || taken == n));
        at += taken;
        if (r == 1) {
            strcat(strcat(out, names.user), ",");
            login_names_free(&names);
        }
    }
    user_guard_free(g);
}

static void expect(const struct stream *s, const char *names)
{
    char out[64];
    for (size_t piece = 1; piece <= s->n; piece++) {
        names_in(s, piece, out);
        assert_string_equal(out, names);
    }
}

static void changes_are_found_in_any_pieces(void **state)
{
    (void)state;
    struct stream s = {.n = 0};
    ADD(&s, 0, "\x03SELECT '\x11root'");
    ADD(&s, 0, CHANGE_TO_EVA);
    ADD(&s, 0, "\x0e");
    ADD(&s, 0, "");
    ADD(&s, 0, CHANGE_TO_EVA);
    expect(&s, "eva,eva,");
}

static void only_commands_count(void **state)
{
    (void)state;
    struct stream s = {.n = 0};
    ADD(&s, 3, CHANGE_TO_EVA); /* a proof, or a file's data */
    ADD(&s, 0, "\x03" CHANGE_TO_EVA);
    expect(&s, "");
}

static void what_cannot_be_read_is_an_error(void **state)
{
    (void)state;
    struct stream s = {.n = 0};
    ADD(&s, 0,
        "\x11"
        "eva");
    expect(&s, "!");
    s.n = 0;
    ADD(&s, 0, "\x11");
    expect(&s, "!");
}

static void a_continued_packet_begins_no_command(void **state)
{
    (void)state;
    static uint8_t big[PACKET_MAX];
    struct stream s = {.n = 0};
    struct user_guard *g = user_guard_new(CAPS);
    struct login_names names;
    size_t taken;
    static const uint8_t head[] = {0xff, 0xff, 0xff, 0};
    big[0] = 0x03;
    assert_int_equal(user_guard_feed(g, head, 4, &taken, &names, NULL), 0);
    assert_int_equal(user_guard_feed(g, big, sizeof big, &taken, &names, NULL), 0);
    ADD(&s, 0, CHANGE_TO_EVA); /* the numbers have gone round */
    ADD(&s, 0, CHANGE_TO_EVA);
    assert_int_equal(user_guard_feed(g, s.bytes, s.n, &taken, &names, NULL), 1);
    assert_int_equal(taken, s.n);
    login_names_free(&names);
    user_guard_free(g);
}

static void one_without_end_is_an_error(void **state)
{
    (void)state;
    static uint8_t big[PACKET_MAX];
    struct user_guard *g = user_guard_new(CAPS);
    struct login_names names;
    size_t taken;
    static const uint8_t head[] = {0xff, 0xff, 0xff, 0};
    big[0] = 0x11;
    assert_int_equal(user_guard_feed(g, head, 4, &taken, &names, NULL), 0);
    assert_true(user_guard_feed(g, big, sizeof big, &taken, &names, NULL) < 0);
    user_guard_free(g);
}

/* Behind the empty packet that ends a file, in the same bytes, what cannot be read is a change of
 * user: the dialogue has not seen the end yet. */
static void a_files_end_is_seen_in_the_same_bytes(void **state)
{
    (void)state;
    static uint8_t long_one[4 + 4 + LOGIN_PACKET_MAX + 100];
    struct user_guard *g = user_guard_new(CAPS);
    struct login_names names;
    size_t taken, n = LOGIN_PACKET_MAX + 100;
    uint8_t *change = long_one + 4; /* the four bytes before it: an empty packet, number 9 */
    long_one[3] = 9;
    change[0] = n & 255;
    change[1] = n >> 8 & 255;
    change[2] = (uint8_t)(n >> 16);
    change[4] = 0x11;
    user_guard_set_file(g, true);
    assert_true(user_guard_feed(g, long_one, sizeof long_one, &taken, &names, NULL) < 0);
    assert_false(user_guard_in_file(g));
    user_guard_free(g);
    /* without the end it may be a row */
    g = user_guard_new(CAPS);
    user_guard_set_file(g, true);
    assert_true(user_guard_feed(g, change, sizeof long_one - 4, &taken, &names, NULL) < 0);
    assert_true(user_guard_in_file(g));
    user_guard_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_are_found_in_any_pieces),
        cmocka_unit_test(only_commands_count),
        cmocka_unit_test(what_cannot_be_read_is_an_error),
        cmocka_unit_test(a_continued_packet_begins_no_command),
        cmocka_unit_test(a_files_end_is_seen_in_the_same_bytes),
        cmocka_unit_test(one_without_end_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
