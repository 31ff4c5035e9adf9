#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "backup/job/doctor/doctor_accounts.h"
#include "common/phrase.h"

static const struct gate_way over_socket = {.over_socket = true, .gate_user = "elexgate"};
static const struct gate_way over_tcp = {.loopback = true, .gate_user = "elexgate"};
static const struct gate_way from_elsewhere = {.gate_user = "elexgate"};

/* NULL: nothing to say; otherwise the fix. */
static char *judged(const struct gate_way *way, const char *host, const char *priv)
{
    struct account_fault f;
    if (!account_judge(way, "o'neill", host, priv, strlen(priv), &f))
        return NULL;
    for (enum lang lang = LANG_EN; lang < LANG_COUNT; lang++) {
        char *text = phrase_words(lang, f.text);
        assert_non_null(strstr(text, "'o''neill'@"));
        free(text);
    }
    char *fix = phrase_words(LANG_EN, f.fix);
    account_fault_clear(&f);
    return fix;
}
static void good(const struct gate_way *way, const char *host, const char *priv)
{
    assert_null(judged(way, host, priv));
}
static void bad(const struct gate_way *way, const char *host, const char *priv, const char *fix)
{
    char *told = judged(way, host, priv);
    assert_non_null(told);
    assert_non_null(strstr(told, fix));
    free(told);
}

static void hosts(void **state)
{
    (void)state;
    assert_true(account_host_matches("%", ""));
    assert_true(account_host_matches("%", "localhost"));
    assert_true(account_host_matches("local_ost", "LOCALHOST"));
    assert_true(account_host_matches("%.1", "127.0.0.1"));
    assert_true(account_host_matches("1%.0.%1", "127.0.0.1"));
    assert_true(account_host_matches("127.0.0.1", "127.0.0.1"));
    assert_false(account_host_matches("127.0.0.1", "127.0.0.11"));
    assert_false(account_host_matches("127.0.0.11", "127.0.0.1"));
    assert_false(account_host_matches("", "x"));
    assert_false(account_host_matches("%.2", "127.0.0.1"));
    assert_false(account_host_matches("_", "ab"));
}

static void require_tls(void **state)
{
    (void)state;
    static const char any[] = "{\"ssl_type\":1}", x509[] = "{\"ssl_type\":2}",
                      issuer[] = "{\"ssl_type\":3,\"x509_issuer\":\"/CN=x\"}";
    bad(&over_socket, "%", any, "ALTER USER 'o''neill'@'%' REQUIRE NONE;");
    bad(&over_tcp, "127.0.0.1", x509, "client_auth");
    bad(&over_tcp, "%", issuer, "client_map");
    good(&over_tcp, "%", "{\"ssl_type\":0}");
    good(&over_tcp, "%", "{\"access\":1}");
    /* Not for the gate: other hosts, and what nobody logs in with. */
    good(&over_socket, "192.168.1.5", any);
    good(&over_socket, "127.0.0.1", any);
    good(&over_tcp, "192.168.1.%", any);
    good(&from_elsewhere, "localhost", any);
    bad(&from_elsewhere, "192.168.1.%", any, "REQUIRE NONE");
    bad(&(struct gate_way){.client_addresses = true}, "192.168.1.%", any, "REQUIRE NONE");
    good(&over_tcp, "%", "{\"ssl_type\":1,\"account_locked\":true}");
    good(&over_tcp, "%", "{\"ssl_type\":1,\"is_role\":true}");
    good(&over_tcp, "%", "no JSON");
}

static void without_a_password(void **state)
{
    (void)state;
    static const char as_gate
        [] = "{\"plugin\":\"unix_socket\",\"authentication_string\":\"elexgate\"}",
 plain[] = "{\"plugin\":\"unix_socket\"}",
 one_of_two[] =
        "{\"plugin\":\"ed25519\",\"auth_or\":[{\"plugin\":\"unix_socket\",\"authentication_string\":\"elexgate\"},{}]}";
    bad(&over_socket, "localhost", as_gate, "IDENTIFIED BY");
    bad(&over_socket, "localhost", one_of_two, "IDENTIFIED BY");
    good(&over_socket, "localhost", plain); /* as the user o'neill */
    good(&over_tcp, "localhost", as_gate);

    struct gate_way own = {.over_socket = true, .gate_user = "o'neill"};
    good(&own, "localhost", plain); /* refused by the gate */
    own.allow_own_user = true;
    bad(&own, "localhost", plain, "IDENTIFIED BY");
}

static void in_clear(void **state)
{
    (void)state;
    static const char pam[] = "{\"plugin\":\"pam\",\"authentication_string\":\"mariadb\"}";
    bad(&from_elsewhere, "%", pam, "socket");
    good(&over_tcp, "%", pam);
    good(&over_socket, "%", pam);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(hosts), cmocka_unit_test(require_tls),
        cmocka_unit_test(without_a_password), cmocka_unit_test(in_clear)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
