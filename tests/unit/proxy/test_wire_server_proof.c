#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "proxy/wire/server_proof.h"

#define PROOF "9442391F3721F0DC32932FE65D63D2581D8F0E59A53D46FEE586BB6376BA325F"

/* The OK packet of MariaDB 11.8.6 to a client without CLIENT_SESSION_TRACK, as recorded. */
static const char plain[] = "\0\0\0\2\0\0\0\x41\1" PROOF;
/* To one with it: what follows is the state of the session, cut short here. */
static const char tracked[] = "\0\0\0\2\x40\0\0\x41\1" PROOF "\x11\0\x0e\nautocommit\2ON";

static size_t find(const char *payload, size_t n)
{
    /* On the heap in its exact size, so that the sanitizer sees a read past the end. */
    uint8_t *copy = malloc(n ? n : 1);
    assert_non_null(copy);
    memcpy(copy, payload, n);
    size_t at = server_proof_find(copy, n);
    free(copy);
    return at;
}

static void finds_it(void **state)
{
    (void)state;
    assert_int_equal(find(plain, sizeof plain - 1), 9);
    assert_int_equal(find(tracked, sizeof tracked - 1), 9);
    assert_memory_equal(plain + 9, PROOF, SERVER_PROOF_LEN);
}

/* Longer numbers in front move it. */
static void after_long_numbers(void **state)
{
    (void)state;
    static const char payload[] = "\0\xfc\1\2\xfe\1\2\3\4\5\6\7\x8\2\0\0\0\x41\1" PROOF;
    assert_int_equal(find(payload, sizeof payload - 1), 19);
}

static void not_in_a_piece_of_it(void **state)
{
    (void)state;
    for (size_t n = 0; n < sizeof plain - 1; n++)
        assert_int_equal(find(plain, n), 0);
}

static void not_in_others(void **state)
{
    (void)state;
    char p[sizeof plain];
    static const struct {
        size_t at;
        char byte;
    } changes[] = {{0, 1}, /* no OK */
        {1, '\xfb'},       /* a number that is none */
        {7, 0x40},         /* another length of the text */
        {8, 2},            /* another kind of hash */
        {9, 'a'},          /* lower-case */
        {40, 'G'}, {72, ' '}};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        memcpy(p, plain, sizeof p);
        p[changes[i].at] = changes[i].byte;
        assert_int_equal(find(p, sizeof p - 1), 0);
    }
    assert_int_equal(find("\0\0\0\2\0\0\0", 7), 0); /* MariaDB 10.11 */
}

static void form(void **state)
{
    (void)state;
    assert_true(server_proof_well_formed(PROOF, 64));
    assert_false(server_proof_well_formed(PROOF, 63));
    assert_false(server_proof_well_formed(PROOF "0", 65));
    assert_false(server_proof_well_formed("", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(finds_it),
        cmocka_unit_test(after_long_numbers), cmocka_unit_test(not_in_a_piece_of_it),
        cmocka_unit_test(not_in_others), cmocka_unit_test(form)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
