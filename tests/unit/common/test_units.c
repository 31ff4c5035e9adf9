#include <errno.h>

#include "common/units.h"
#include "unit.h"

struct good {
    const char *text;
    int64_t value;
};

static void check_good(int (*parse)(const char *, int64_t *), const struct good *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int64_t v = -77;
        if (parse(cases[i].text, &v) != 0 || v != cases[i].value)
            fail_msg("\"%s\" gave %lld", cases[i].text, (long long)v);
    }
}

static void check_bad(
    int (*parse)(const char *, int64_t *), const char *const *cases, size_t n, int code)
{
    for (size_t i = 0; i < n; i++) {
        int64_t v = -77;
        int r = parse(cases[i], &v);
        if (r != code)
            fail_msg("\"%s\" gave %d", cases[i], r);
        assert_int_equal(v, -77);
    }
}

#define N(a) (sizeof(a) / sizeof((a)[0]))

static void durations(void **state)
{
    static const struct good good[] = {{"0", 0}, {"250ms", 250}, {"30s", 30000}, {"5m", 300000},
        {"5min", 300000}, {"2h", 7200000}, {"3d", 259200000}, {"10 s", 10000}, {"5S", 5000},
        {"-1s", -1000}};
    static const char *const bad[] = {
        "", "5", "s", "5x", "5 s s", "5.5s", " 5s", "+5s", "--5s", "0x10s", "5sec"};
    static const char *const large[] = {"9223372036854775807d", "99999999999999999999s"};

    (void)state;
    check_good(units_parse_duration, good, N(good));
    check_bad(units_parse_duration, bad, N(bad), -EINVAL);
    check_bad(units_parse_duration, large, N(large), -ERANGE);
}

static void sizes(void **state)
{
    static const struct good good[] = {{"0", 0}, {"4096", 4096}, {"64k", 65536}, {"64K", 65536},
        {"64 KiB", 65536}, {"1M", 1048576}, {"2G", INT64_C(2147483648)},
        {"1T", INT64_C(1099511627776)}, {"12b", 12}};
    static const char *const bad[] = {"", "k", "1.5M", "1MM", "1 M B", "ten"};
    static const char *const large[] = {"9999999999999G", "-9999999999999G"};

    (void)state;
    check_good(units_parse_size, good, N(good));
    check_bad(units_parse_size, bad, N(bad), -EINVAL);
    check_bad(units_parse_size, large, N(large), -ERANGE);
}

static void integers(void **state)
{
    static const struct good good[] = {{"0", 0}, {"-5", -5}, {"007", 7},
        {"9223372036854775807", INT64_MAX}, {"-9223372036854775808", INT64_MIN}};
    static const char *const bad[] = {"", "-", "1 ", " 1", "1a", "0x1", "1e3", "+1", "--1"};
    static const char *const large[] = {"9223372036854775808", "-9223372036854775809"};

    (void)state;
    check_good(units_parse_int, good, N(good));
    check_bad(units_parse_int, bad, N(bad), -EINVAL);
    check_bad(units_parse_int, large, N(large), -ERANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations),
        cmocka_unit_test(sizes),
        cmocka_unit_test(integers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
