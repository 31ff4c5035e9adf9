#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "proof/salt.h"

#define ROOM 4

/* Of accounts with the password "geheim" on MariaDB 11.8.6. */
#define NATIVE                                                                                     \
    "\"plugin\":\"mysql_native_password\","                                                        \
    "\"authentication_string\":\"*462366917EEDD1970A48E87D8EF59EB67D2CA26F\""
#define ED25519                                                                                    \
    "\"plugin\":\"ed25519\","                                                                      \
    "\"authentication_string\":\"9fKFyshMP2JvmJ9Q/htsweKqX84NkQZvItm/V6gvu+g\""
#define PARSEC                                                                                     \
    "\"plugin\":\"parsec\",\"authentication_string\":"                                             \
    "\"P0:ZULzb3kjNJW6yTowbb/Xxlrw:mkBQylL4uB11LkunAF980wvT0mgZMEx3sxqeCbiOPug\""

static size_t salts(const char *priv, struct salt *out)
{
    size_t n = strlen(priv);
    char *copy = malloc(n ? n : 1); /* without a NUL */
    assert_non_null(copy);
    memcpy(copy, priv, n);
    size_t found = salts_of_account(copy, n, out, ROOM);
    free(copy);
    return found;
}

static void native(void **state)
{
    (void)state;
    struct salt s[ROOM];
    assert_int_equal(salts("{\"access\":0," NATIVE ",\"password_last_changed\":1}", s), 1);
    assert_int_equal(s[0].len, 20);
    assert_memory_equal(s[0].bytes, "\x46\x23\x66\x91\x7E\xED\xD1\x97\x0A\x48\xE8\x7D\x8E\xF5", 14);
    assert_int_equal(s[0].bytes[19], 0x6f);
}

static void ed25519(void **state)
{
    (void)state;
    struct salt s[ROOM];
    assert_int_equal(salts("{" ED25519 "}", s), 1);
    assert_int_equal(s[0].len, 32);
    assert_memory_equal(s[0].bytes, "\xf5\xf2\x85\xca\xc8\x4c\x3f", 7);
    assert_memory_equal(s[0].bytes + 29, "\x2f\xbb\xe8", 3);
}

static void parsec(void **state)
{
    (void)state;
    struct salt s[ROOM];
    assert_int_equal(salts("{" PARSEC "}", s), 1);
    assert_int_equal(s[0].len, 52);
    assert_memory_equal(s[0].bytes, "P\0\x65\x42\xf3\x6f", 6);
    assert_memory_equal(s[0].bytes + 20, "\x9a\x40\x50", 3);
}

static void several_ways(void **state)
{
    (void)state;
    struct salt s[ROOM];
    assert_int_equal(salts("{" NATIVE ",\"auth_or\":[{" ED25519
                           "},{},{\"plugin\":\"unix_socket\"},{" PARSEC "}]}",
                         s),
        3);
    assert_int_equal(s[0].len, 20);
    assert_int_equal(s[1].len, 32);
    assert_int_equal(s[2].len, 52);
    /* No further than there is room. */
    assert_int_equal(salts("{" NATIVE ",\"auth_or\":[{" NATIVE "},{" NATIVE "},{" NATIVE
                           "},{" NATIVE "},{" NATIVE "}]}",
                         s),
        ROOM);
}

static void none(void **state)
{
    (void)state;
    struct salt s[ROOM];
    static const char *const without[] = {"", "{", "[]", "7", "{}", "{\"plugin\":\"ed25519\"}",
        "{\"plugin\":\"mysql_native_password\",\"authentication_string\":\"\"}",
        "{\"plugin\":\"mysql_native_password\",\"authentication_string\":\"invalid\"}",
        "{\"plugin\":\"unix_socket\",\"authentication_string\":\"*462366917EEDD1970A48E87D8EF59EB67D2CA26F\"}",
        /* one character short, one too long, one that is none */
        "{\"plugin\":\"mysql_native_password\",\"authentication_string\":\"*462366917EEDD1970A48E87D8EF59EB67D2CA26\"}",
        "{\"plugin\":\"mysql_native_password\",\"authentication_string\":\"*462366917EEDD1970A48E87D8EF59EB67D2CA26g\"}",
        "{\"plugin\":\"ed25519\",\"authentication_string\":\"9fKFyshMP2JvmJ9Q/htsweKqX84NkQZvItm/V6gvu+g=\"}",
        "{\"plugin\":\"ed25519\",\"authentication_string\":\"9fKFyshMP2JvmJ9Q/htsweKqX84NkQZvItm/V6gvu+\"}",
        "{\"plugin\":\"parsec\",\"authentication_string\":\"P0:ZULzb3kjNJW6yTowbb/Xxlrw\"}",
        "{\"plugin\":\"parsec\",\"authentication_string\":\"P0:ZULzb3kjNJW6yTowbb/Xxlrw:mkBQylL4uB11LkunAF980wvT0mgZMEx3sxqeCbiOPu\"}",
        "{\"plugin\":\"parsec\",\"authentication_string\":\"Q0:ZULzb3kjNJW6yTowbb/Xxlrw:mkBQylL4uB11LkunAF980wvT0mgZMEx3sxqeCbiOPug\"}",
        "{\"auth_or\":{\"plugin\":1}}", "{\"auth_or\":[1,[],null]}"};
    for (size_t i = 0; i < sizeof without / sizeof without[0]; i++)
        assert_int_equal(salts(without[i], s), 0);
}

static void a_proof(void **state)
{
    (void)state;
    /* echo -n ... | xxd -r -p | sha256sum */
    struct salt salt = {.len = 20};
    uint8_t scramble[SCRAMBLE_LEN], leaf[LEAF_LEN];
    char out[PROOF_LEN + 1];
    memset(salt.bytes, 1, 20);
    memset(scramble, 2, sizeof scramble);
    memset(leaf, 3, sizeof leaf);
    proof_make(&salt, scramble, leaf, out);
    assert_string_equal(out, "6F6C2A60B7BDAC09BC4A0BCE7FF78C208B8D6CDDC9AEE220156C134F797D89E3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(native), cmocka_unit_test(ed25519),
        cmocka_unit_test(parsec), cmocka_unit_test(several_ways), cmocka_unit_test(none),
        cmocka_unit_test(a_proof)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
