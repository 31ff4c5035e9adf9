/* The test vectors of RFC 6238, appendix B (SHA-1), cut to six digits. */
#include "people/totp.h"

#include <errno.h>
#include "tests/unit/common/unit.h"

#define SECRET "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" /* "12345678901234567890" in base32 */

static const struct {
    int64_t now;
    const char *code;
} vectors[] = {{59, "287082"}, {1111111109, "081804"}, {1111111111, "050471"},
    {1234567890, "005924"}, {2000000000, "279037"}, {20000000000, "353130"}};

static void vectors_of_the_standard(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        uint64_t step = 0;
        assert_int_equal(totp_check(SECRET, vectors[i].code, vectors[i].now, 0, &step), 0);
        assert_int_equal(step, vectors[i].now / 30);
        /* a code counts once, also for the clock that is one step off */
        uint64_t again = 7;
        assert_int_equal(totp_check(SECRET, vectors[i].code, vectors[i].now, step, &again), 1);
        assert_int_equal(totp_check(SECRET, vectors[i].code, vectors[i].now + 30, step, &again), 1);
        assert_int_equal(again, 7);
    }
}

static void a_clock_may_be_one_step_off(void **state)
{
    uint64_t step;
    (void)state;
    assert_int_equal(totp_check(SECRET, "279037", 2000000000 + 30, 0, &step), 0);
    assert_int_equal(totp_check(SECRET, "279037", 2000000000 - 30, 0, &step), 0);
    assert_int_equal(totp_check(SECRET, "279037", 2000000000 + 90, 0, &step), 1);
    assert_int_equal(totp_check(SECRET, "279037", 2000000000 - 90, 0, &step), 1);
}

static void what_is_no_code(void **state)
{
    static const char *const bad[] = {"", "27903", "2790370", "27903a", "279 37", "-79037",
        "279037\n", "\xd9\xa2\xd9\xa7\xd9\xa9"};
    uint64_t step;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(totp_check(SECRET, bad[i], 2000000000, 0, &step), 1);
    assert_int_equal(totp_check("0189", "279037", 2000000000, 0, &step), -EINVAL);
}

static void secrets_differ(void **state)
{
    char a[TOTP_SECRET_LEN], b[TOTP_SECRET_LEN];
    (void)state;
    assert_string_not_equal(totp_make(a), totp_make(b));
    assert_int_equal(strlen(a), TOTP_SECRET_LEN - 1);
    char *uri = totp_uri("M\xc3\xbcller & Co", a);
    char *wanted = xasprintf(
        "otpauth://totp/Elexgate:M%%C3%%BCller%%20%%26%%20Co?secret=%s&issuer=Elexgate", a);
    assert_string_equal(uri, wanted);
    free(uri);
    free(wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_of_the_standard),
        cmocka_unit_test(a_clock_may_be_one_step_off),
        cmocka_unit_test(what_is_no_code),
        cmocka_unit_test(secrets_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
