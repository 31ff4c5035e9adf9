/* Names as sent, and whose account a server may take them for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "proxy/wire/user_name.h"

#define UTF8MB4 45
#define LATIN1  8
#define LATIN2  9
#define SWE7    10
#define GBK     28

static const struct {
    const char *name;
    uint8_t charset;
    const char *account;
    enum user_name_match match;
} cases[] = {
    {"root", UTF8MB4, "root", USER_NAME_SAME},
    {"'root'", UTF8MB4, "root", USER_NAME_SAME}, /* the server strips these */
    {"''root''", UTF8MB4, "root", USER_NAME_SAME},
    {"\"root\"", UTF8MB4, "root", USER_NAME_SAME},
    {"`root`", UTF8MB4, "root", USER_NAME_SAME},
    {"'root", UTF8MB4, "root", USER_NAME_SAME},
    {"root  ", UTF8MB4, "root", USER_NAME_SAME},
    {"' root\t'", UTF8MB4, "root", USER_NAME_SAME},
    {"ROOT", UTF8MB4, "root", USER_NAME_SAME},
    {"root", 0, "root", USER_NAME_SAME},
    {"roots", UTF8MB4, "root", USER_NAME_OTHER},
    {"roo", UTF8MB4, "root", USER_NAME_OTHER},
    {"ro'ot", UTF8MB4, "root", USER_NAME_OTHER},
    {"", UTF8MB4, "root", USER_NAME_OTHER},
    {"''", UTF8MB4, "root", USER_NAME_OTHER},
    {"m\xc3\xbcller", UTF8MB4, "root", USER_NAME_OTHER},
    {"m\xc3\xbcller", 0, "root", USER_NAME_OTHER},
    {"m\xfcller", LATIN1, "root", USER_NAME_OTHER},
    {"m\xfcller", LATIN2, "root", USER_NAME_OTHER},
    {"m\xfcller", SWE7, "root", USER_NAME_UNCLEAR},   /* its letters stand elsewhere */
    {"root\xff", UTF8MB4, "root", USER_NAME_UNCLEAR}, /* cut where it is no UTF-8 */
    {"root\xff", GBK, "root", USER_NAME_UNCLEAR},
    {"root\xff", 0, "root", USER_NAME_UNCLEAR},
    {"root\x01", UTF8MB4, "root", USER_NAME_UNCLEAR},
    {"root\x7f", UTF8MB4, "root", USER_NAME_UNCLEAR},
    {"r\xc3\xb6\xc3\xb6t", UTF8MB4, "r\xc3\xb6\xc3\xb6t", USER_NAME_SAME},
    {"r\xf6\xf6t", LATIN1, "r\xc3\xb6\xc3\xb6t", USER_NAME_UNCLEAR},
};

static void names_are_matched(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (user_name_match(cases[i].name, cases[i].charset, cases[i].account) != cases[i].match)
            fail_msg("case %zu: %s", i, cases[i].name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names_are_matched)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
