/* What an exit code is called, which errno it is, and back. */
#include "tests/unit/common/unit.h"

#include <errno.h>

#include "common/exit_codes.h"

static void test_names_and_numbers(void **state)
{
    static const struct {
        int code, number;
        const char *name;
    } rows[] = {{EXIT_GOOD, 0, "good"}, {EXIT_FAILED, EIO, "failed"},
        {EXIT_USAGE, EINVAL, "failed"}, {EXIT_UNREACHABLE, ECONNREFUSED, "failed"},
        {EXIT_NOT_IDLE, EIO, "not-idle"}, {EXIT_NO_SPACE, ENOSPC, "no-space"},
        {EXIT_INCONSISTENT, EBADMSG, "inconsistent"}, {EXIT_BUSY, EBUSY, "busy"},
        {EXIT_VETOED, EPERM, "vetoed"}, {EXIT_REFUSED, EPERM, "refused"},
        {EXIT_CANCELLED, ECANCELED, "cancelled"}, {EXIT_INCOMPLETE, EIO, "incomplete"},
        {EXIT_INCOMPLETE + 1, EIO, "failed"}, {-1, EIO, "failed"}, {255, EIO, "failed"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_string_equal(exit_code_name(rows[i].code), rows[i].name);
        assert_int_equal(exit_code_errno(rows[i].code), rows[i].number);
    }
}

static void test_of_results(void **state)
{
    (void)state;
    assert_int_equal(exit_code_of(0), EXIT_GOOD);
    assert_int_equal(exit_code_of(EXIT_REFUSED), EXIT_REFUSED);
    assert_int_equal(exit_code_of(-ENOSPC), EXIT_NO_SPACE);
    assert_int_equal(exit_code_of(-EDQUOT), EXIT_NO_SPACE);
    assert_int_equal(exit_code_of(-ECANCELED), EXIT_CANCELLED);
    assert_int_equal(exit_code_of(-EPIPE), EXIT_FAILED); /* of a job: tried again */
    assert_int_equal(exit_code_of_call(-EPIPE), EXIT_UNREACHABLE);
    assert_int_equal(exit_code_of_call(-ETIMEDOUT), EXIT_UNREACHABLE);
    assert_int_equal(exit_code_of_call(-EBUSY), EXIT_BUSY);
    assert_int_equal(exit_code_of_call(-EBADMSG), EXIT_INCONSISTENT);
    assert_int_equal(exit_code_of_call(0), EXIT_GOOD);
    assert_int_equal(exit_code_of_call(-EACCES), EXIT_FAILED);
    assert_int_equal(exit_code_of_call(-ENOSPC), EXIT_NO_SPACE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_numbers), cmocka_unit_test(test_of_results)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
