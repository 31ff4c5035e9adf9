/* What the monitor starts only for a grant: the table of grants, and requests put together anew. */
#include "backup/monitor/grants.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "backup/monitor/acts.h"
#include "common/clock.h"
#include "common/json_get.h"
#include "tests/unit/common/unit.h"

#define T0 UINT64_C(1000000)

static json_t *parsed(const char *text)
{
    json_t *o = json_loads(text, 0, NULL);
    assert_non_null(o);
    return o;
}

static struct grant grant_of(const char *request, const char *account, int level, uint64_t at_ms)
{
    static unsigned char count;
    struct grant g = {.at_ms = at_ms, .level = (uint32_t)level, .nonce = {++count}};
    _cleanup_json_ json_t *o = parsed(request);
    grant_act(o, g.act);
    snprintf(g.account, sizeof g.account, "%s", account);
    return g;
}

static bool used(const char *request, enum rights_level least, const char *account, uint64_t now)
{
    _cleanup_json_ json_t *o = parsed(request);
    return grants_use(o, least, account, now);
}

#define DELETE "{\"cmd\":\"delete\",\"which\":\"2026-11-22-0315\"}"
#define OTHER  "{\"cmd\":\"delete\",\"which\":\"2026-11-23-0315\"}"

static void one_request_once(void **state)
{
    struct grant g = grant_of(DELETE, "anna", RIGHTS_ADMIN, T0);
    (void)state;
    assert_false(used(DELETE, RIGHTS_ADMIN, NULL, T0));
    assert_int_equal(grants_add(&g, "root", T0, NULL), 0);
    assert_false(used(OTHER, RIGHTS_ADMIN, NULL, T0));
    assert_true(used(DELETE, RIGHTS_ADMIN, NULL, T0 + GRANT_LASTS_MS));
    assert_false(used(DELETE, RIGHTS_ADMIN, NULL, T0));
    assert_int_equal(grants_add(&g, "root", T0 + 1, NULL), -EEXIST);
    assert_int_equal(grants_add(&g, "root", T0 + GRANT_LASTS_MS, NULL), -EEXIST);
    assert_false(used(DELETE, RIGHTS_ADMIN, NULL, T0));
}

static void not_for_long(void **state)
{
    struct grant g = grant_of(DELETE, "anna", RIGHTS_ADMIN, T0);
    (void)state;
    assert_int_equal(grants_add(&g, "root", T0 + GRANT_LASTS_MS + 1, NULL), -ETIME);
    assert_int_equal(grants_add(&g, "root", T0 - 1, NULL), -ETIME); /* it would last for longer */
    assert_int_equal(grants_add(&g, "root", T0, NULL), 0);
    assert_false(used(DELETE, RIGHTS_ADMIN, NULL, T0 + GRANT_LASTS_MS + 1));
    g.at_ms = UINT64_MAX;
    assert_int_equal(grants_add(&g, "root", T0, NULL), -ETIME);
}

#define T1 (T0 * 3) /* those of before are over */

static void of_whom_it_came(void **state)
{
    struct grant viewer = grant_of(DELETE, "mpa", RIGHTS_VIEWER, T1);
    struct grant admin = grant_of(DELETE, "anna", RIGHTS_ADMIN, T1);
    struct grant root = grant_of(DELETE, "", RIGHTS_MACHINE, T1);
    (void)state;
    assert_int_equal(grants_add(&viewer, "root", T1, NULL), 0);
    assert_false(used(DELETE, RIGHTS_ADMIN, NULL, T1));
    assert_int_equal(grants_add(&admin, "root", T1, NULL), 0);
    assert_false(used(DELETE, RIGHTS_MACHINE, NULL, T1));
    assert_false(used(DELETE, RIGHTS_ADMIN, "eve", T1));
    assert_false(used(DELETE, RIGHTS_ADMIN, "", T1)); /* names nobody: for the machine only */
    assert_true(used(DELETE, RIGHTS_ADMIN, "anna", T1));
    assert_int_equal(grants_add(&root, "root", T1, NULL), 0);
    assert_true(used(DELETE, RIGHTS_MACHINE, "", T1));
    assert_true(used(DELETE, RIGHTS_VIEWER, "mpa", T1));
}

static void what_is_no_grant(void **state)
{
    struct grant g = grant_of(DELETE, "anna", RIGHTS_ADMIN, T0), bad;
    (void)state;
    bad = g;
    memset(bad.act, 'a', sizeof bad.act);
    assert_int_equal(grants_add(&bad, "root", T0, NULL), -EINVAL);
    bad = g;
    bad.act[0] = '\0';
    assert_int_equal(grants_add(&bad, "root", T0, NULL), -EINVAL);
    bad = g;
    memset(bad.account, 'a', sizeof bad.account);
    assert_int_equal(grants_add(&bad, "root", T0, NULL), -EINVAL);
    bad = g;
    bad.level = RIGHTS_NOBODY;
    assert_int_equal(grants_add(&bad, "root", T0, NULL), -EINVAL);
    bad = g;
    bad.at_ms = 0;
    assert_int_equal(grants_add(&bad, "root", 0, NULL), -EINVAL);
}

/* Full: no grant is forgotten for another one, else a used one could be told once more. */
static void no_more_than_that(void **state)
{
    struct grant g = grant_of(OTHER, "anna", RIGHTS_ADMIN, T0 * 9);
    (void)state;
    for (uint32_t i = 0; i < GRANTS_MAX; i++) {
        memcpy(g.nonce + 4, &i, sizeof i);
        assert_int_equal(grants_add(&g, "root", T0 * 9, NULL), 0);
    }
    g.nonce[15] = 1;
    assert_int_equal(grants_add(&g, "root", T0 * 9, NULL), -ENOBUFS);
    assert_int_equal(grants_add(&g, "root", T0 * 9 + GRANT_LASTS_MS, NULL), -ENOBUFS);
    for (uint32_t i = 0; i < GRANTS_MAX; i++)
        assert_true(used(OTHER, RIGHTS_ADMIN, NULL, T0 * 9));
    assert_false(used(OTHER, RIGHTS_ADMIN, NULL, T0 * 9));
}

/* --- a request, and what becomes of it -------------------------------------------------------- */

static void same(const struct monitor_request *q, const char *told, const char *request)
{
    char a[SHA256_HEX_LEN], b[SHA256_HEX_LEN];
    _cleanup_json_ json_t *expected = parsed(request), *read = told ? parsed(told) : NULL;
    _cleanup_json_ json_t *act = act_of(q, read);
    assert_non_null(act);
    grant_act(act, a);
    grant_act(expected, b);
    assert_string_equal(a, b);
}

#define RUN "2026-11-22-0315"

static void a_job_is_its_request(void **state)
{
    (void)state;
    same(&(struct monitor_request){.kind = MONITOR_REMOVE, .which = RUN}, NULL,
        "{\"as\":{\"account\":\"anna\"},\"which\":\"" RUN
        "\",\"cmd\":\"delete\",\"confirm\":\"x\",\"type\":null}");
    same(
        &(struct monitor_request){
            .kind = MONITOR_REMOVE, .which = RUN, .types_count = 1, .types = {"elexisdb"}},
        NULL, "{\"cmd\":\"delete\",\"which\":\"" RUN "\",\"type\":\"elexisdb\"}");
    same(
        &(struct monitor_request){
            .kind = MONITOR_MARK, .which = RUN, .flags = MONITOR_UNPROTECT | MONITOR_LABEL},
        NULL, "{\"cmd\":\"mark\",\"which\":\"" RUN "\",\"unprotect\":true,\"label\":\"\"}");
    same(&(struct monitor_request){.kind = MONITOR_RESTORE,
             .text = "{\"action\":\"sql\",\"upload\":\"x\",\"foreign\":false}"},
        NULL,
        "{\"cmd\":\"restore\",\"action\":\"sql\",\"upload\":\"x\",\"follow\":true,\"types\":[]}");
    same(&(struct monitor_request){.kind = MONITOR_OPEN,
             .text = "{\"action\":\"open\",\"which\":\"" RUN "\"}"},
        NULL, "{\"cmd\":\"open-backup\",\"which\":\"" RUN "\"}");
    same(&(struct monitor_request){.kind = MONITOR_BACKUP,
             .flags = MONITOR_NOW | MONITOR_ACCEPT_SMALLER | MONITOR_LOCK | MONITOR_PROTECT,
             .types_count = 1,
             .types = {"elexisdb"}},
        NULL,
        "{\"cmd\":\"run\",\"mode\":\"now\",\"accept_smaller\":true,\"types\":[\"elexisdb\"],\"method\":\"lock\",\"protect\":true}");
    same(&(struct monitor_request){.kind = MONITOR_PAGE_CONFIG},
        "{\"cmd\":\"config-set\",\"values\":{\"b\":1,\"a\":null}}",
        "{\"values\":{\"a\":null,\"b\":1},\"cmd\":\"config-set\"}");
}

static void another_job_is_not(void **state)
{
    char a[SHA256_HEX_LEN], b[SHA256_HEX_LEN];
    static const char *const others[] = {"{\"cmd\":\"config-set\",\"values\":{\"a\":1}}",
        "{\"cmd\":\"config-set\",\"values\":{}}", "{\"cmd\":\"config-set\"}",
        "{\"cmd\":\"config-set\",\"values\":{\"a\":null},\"x\":0}",
        "{\"cmd\":\"cert\",\"values\":{\"a\":null}}"};
    (void)state;
    _cleanup_json_ json_t *one = parsed("{\"cmd\":\"config-set\",\"values\":{\"a\":null}}");
    grant_act(one, a);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        _cleanup_json_ json_t *other = parsed(others[i]);
        grant_act(other, b);
        assert_string_not_equal(a, b);
    }
    static const struct monitor_request none[] = {{.kind = MONITOR_BACKUP, .flags = MONITOR_NOW},
        {.kind = MONITOR_DRILL}, {.kind = MONITOR_LIST},
        {.kind = MONITOR_OPEN, .text = "{\"action\":\"open\",\"expire\":true}"}};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_null(act_of(&none[i], NULL));
}

static int allowed(const struct monitor_request *q, const char *told)
{
    _cleanup_json_ json_t *o = told ? parsed(told) : NULL;
    return act_allowed(q, o, NULL);
}

static void what_must_be_confirmed(void **state)
{
    const struct monitor_request cert = {.kind = MONITOR_PAGE_CERT};
    const struct monitor_request restore = {
        .kind = MONITOR_RESTORE, .text = "{\"action\":\"accept\"}"};
    (void)state;
    assert_int_equal(allowed(&cert, "{\"cmd\":\"cert\",\"action\":\"show\"}"), 0);
    assert_int_equal(allowed(&cert, "{\"cmd\":\"cert\",\"action\":\"init\"}"), -EPERM);
    assert_int_equal(allowed(&cert, "{\"cmd\":\"cert\",\"action\":\"renew\"}"), 0);
    assert_int_equal(
        allowed(&cert, "{\"cmd\":\"cert\",\"action\":\"renew\",\"options\":{\"force\":1}}"),
        -EPERM);
    /* another command's row may ask for less */
    assert_int_equal(allowed(&cert, "{\"cmd\":\"status\",\"action\":\"init\"}"), -EINVAL);
    assert_int_equal(allowed(&cert, "{\"cmd\":\"nonsense\"}"), -EINVAL);
    assert_int_equal(allowed(&cert, "{}"), -EINVAL);
    assert_int_equal(allowed(&restore, NULL), -EPERM);
    struct grant g = grant_of(
        "{\"cmd\":\"restore\",\"action\":\"accept\"}", "anna", RIGHTS_ADMIN, clock_mono_ms());
    assert_int_equal(grants_add(&g, "root", clock_mono_ms(), NULL), 0);
    assert_int_equal(allowed(&restore, NULL), 0);
    assert_int_equal(allowed(&restore, NULL), -EPERM);
}

/* What is looked at is what the job reads, whatever becomes of the keeper's descriptor. */
static void a_copy_is_read(void **state)
{
    FILE *f = tmpfile();
    json_t *told = NULL;
    int copy = -1;
    char text[80] = "";
    (void)state;
    assert_non_null(f);
    fputs("{\"cmd\" : \"account\"}", f);
    fflush(f);
    assert_int_equal(act_read(fileno(f), &told, &copy, NULL), 0);
    assert_string_equal(json_get_text(told, "cmd"), "account");
    assert_int_equal(pwrite(fileno(f), "{\"cmd\" : \"another\"}", 19, 0), 19);
    assert_int_equal(read(copy, text, sizeof text - 1), 17);
    assert_string_equal(text, "{\"cmd\":\"account\"}");
    json_decref(told);
    close(copy);
    static const char *const bad[] = {
        "", "[]", "{", "{\"a\":1,\"a\":2}", "{}{}", "{\"a\":\"\xff\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(ftruncate(fileno(f), 0), 0);
        assert_int_equal(pwrite(fileno(f), bad[i], strlen(bad[i]), 0), strlen(bad[i]));
        assert_int_equal(act_read(fileno(f), &told, &copy, NULL), -EINVAL);
    }
    fclose(f);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(act_read(ends[0], &told, &copy, NULL), -EINVAL); /* it would wait */
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_request_once),
        cmocka_unit_test(not_for_long),
        cmocka_unit_test(of_whom_it_came),
        cmocka_unit_test(what_is_no_grant),
        cmocka_unit_test(no_more_than_that),
        cmocka_unit_test(a_job_is_its_request),
        cmocka_unit_test(another_job_is_not),
        cmocka_unit_test(what_must_be_confirmed),
        cmocka_unit_test(a_copy_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
