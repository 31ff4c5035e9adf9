#include "people/password.h"

#include <sodium.h>
#include <string.h>
#include "tests/unit/common/unit.h"

static void one_fits(void **state)
{
    char hash[PASSWORD_HASH_LEN];
    (void)state;
    assert_int_equal(password_hash("richtig und lang", hash, NULL), 0);
    assert_true(password_fits(hash, "richtig und lang"));
    assert_false(password_fits(hash, "falsch und lang"));
    hash[20] ^= 1;
    assert_false(password_fits(hash, "richtig und lang"));
    assert_false(password_fits("", ""));
}

/* Who writes a hash says what it costs to check it: only at our own price. */
static void a_hash_of_another_price_is_none(void **state)
{
    char cheap[PASSWORD_HASH_LEN];
    (void)state;
    assert_int_equal(crypto_pwhash_str(cheap, "richtig und lang", 16, crypto_pwhash_OPSLIMIT_MIN,
                         crypto_pwhash_MEMLIMIT_MIN),
        0);
    assert_int_equal(crypto_pwhash_str_verify(cheap, "richtig und lang", 16), 0);
    assert_false(password_fits(cheap, "richtig und lang"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_fits),
        cmocka_unit_test(a_hash_of_another_price_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
