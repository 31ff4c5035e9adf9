#include "link/rights.h"
#include <errno.h>
#include "tests/unit/common/unit.h"

/* Each request, and what it takes from the page: MACHINE is never from the page. */
static const struct {
    enum rights_program program;
    const char *request;
    enum rights_level least;
    bool confirm;
} cases[] = {
    {RIGHTS_PROXY, "{'cmd':'status'}", RIGHTS_PAGE, false},
    {RIGHTS_PROXY, "{'cmd':'block','reason':'x'}", RIGHTS_ADMIN, false},
    {RIGHTS_PROXY, "{'cmd':'hold'}", RIGHTS_MACHINE, false},
    {RIGHTS_PROXY, "{'cmd':'stop'}", RIGHTS_MACHINE, false},
    {RIGHTS_PROXY, "{'cmd':'upgrade'}", RIGHTS_MACHINE, false},
    {RIGHTS_PROXY, "{'cmd':'handover'}", RIGHTS_MACHINE, false},
    {RIGHTS_KEEPER, "{'cmd':'archives'}", RIGHTS_VIEWER, false},
    {RIGHTS_KEEPER, "{'cmd':'delete','which':'r'}", RIGHTS_ADMIN, true},
    {RIGHTS_KEEPER, "{'cmd':'mark','which':'r','label':'x','protect':true}", RIGHTS_ADMIN, false},
    {RIGHTS_KEEPER, "{'cmd':'mark','which':'r','unprotect':true}", RIGHTS_ADMIN, true},
    {RIGHTS_KEEPER, "{'cmd':'delete','which':'r','force':true}", RIGHTS_NOBODY, true},
    {RIGHTS_KEEPER, "{'cmd':'delete','which':'r','force':1}", RIGHTS_NOBODY, true},
    {RIGHTS_KEEPER, "{'cmd':'delete','which':'r','force':false}", RIGHTS_ADMIN, true},
    {RIGHTS_KEEPER, "{'cmd':'restore','action':'run','which':'latest'}", RIGHTS_ADMIN, false},
    {RIGHTS_KEEPER, "{'cmd':'restore','action':'sql','upload':'u'}", RIGHTS_ADMIN, true},
    {RIGHTS_KEEPER, "{'cmd':'restore','action':'run','foreign':true}", RIGHTS_ADMIN, true},
    {RIGHTS_KEEPER, "{'cmd':'restore','action':'run','foreign':true,'no_trial':true}",
        RIGHTS_NOBODY, true},
    {RIGHTS_KEEPER, "{'cmd':'restore','action':'plan','no_trial':true}", RIGHTS_NOBODY, false},
    {RIGHTS_KEEPER, "{'cmd':'restore','action':'accept'}", RIGHTS_ADMIN, true},
    {RIGHTS_KEEPER, "{'cmd':'config-set','values':{}}", RIGHTS_ADMIN, true},
    {RIGHTS_KEEPER, "{'cmd':'cert','action':'show'}", RIGHTS_VIEWER, false},
    {RIGHTS_KEEPER, "{'cmd':'cert','action':'client','options':{'name':'x'}}", RIGHTS_ADMIN, true},
    {RIGHTS_KEEPER, "{'cmd':'cert','action':'init','options':{}}", RIGHTS_ADMIN, true},
    {RIGHTS_KEEPER, "{'cmd':'cert','action':'init','options':{'force':true}}", RIGHTS_MACHINE,
        true},
    {RIGHTS_KEEPER, "{'cmd':'cert','action':'show','options':{'no_constraints':'x'}}",
        RIGHTS_MACHINE, false},
    {RIGHTS_KEEPER, "{'cmd':'cert','action':'renew','options':{'no-constraints':true}}",
        RIGHTS_MACHINE, false},
    {RIGHTS_KEEPER, "{'cmd':'cert','action':'renew'}", RIGHTS_ADMIN, false},
    {RIGHTS_KEEPER, "{'cmd':'cert','action':'renew','options':{'rsa':true}}", RIGHTS_ADMIN, true},
    {RIGHTS_KEEPER, "{'cmd':'cert','action':'renew','options':{'ed25519':true}}", RIGHTS_ADMIN,
        true},
    {RIGHTS_KEEPER, "{'cmd':'cert','action':'renew','options':{'ca-days':9}}", RIGHTS_ADMIN, true},
    {RIGHTS_KEEPER, "{'cmd':'cert','action':'renew','options':{'ca_days':9}}", RIGHTS_ADMIN, true},
    {RIGHTS_KEEPER, "{'cmd':'run','types':[]}", RIGHTS_ADMIN, false},
    {RIGHTS_KEEPER, "{'cmd':'run','accept_smaller':true}", RIGHTS_ADMIN, true},
    {RIGHTS_KEEPER, "{'cmd':'account','action':'add'}", RIGHTS_VIEWER, true},
    {RIGHTS_KEEPER, "{'cmd':'log-level'}", RIGHTS_MACHINE, false},
};

static json_t *request_of(const char *text)
{
    _cleanup_free_ char *json = xstrdup(text);
    for (char *p = json; *p; p++)
        if (*p == '\'')
            *p = '"';
    json_t *request = json_loads(json, 0, NULL);
    assert_non_null(request);
    return request;
}

static void table_says_who_may_what(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *request = request_of(cases[i].request);
        for (int level = RIGHTS_PAGE; level <= RIGHTS_MACHINE; level++) {
            struct right right;
            struct err e = {0};
            int r = rights_check(cases[i].program, (enum rights_level)level, request, &right, &e);
            if (level < (int)cases[i].least) {
                assert_int_equal(r, -EPERM);
                assert_non_null(strstr(e.text, "is for"));
            } else {
                assert_int_equal(r, 0);
                assert_int_equal(right.confirm, cases[i].confirm);
            }
        }
        json_decref(request);
    }
}

static void what_is_not_in_it_is_refused(void **state)
{
    (void)state;
    static const char *const none[] = {
        "{'cmd':'fetch'}", "{'cmd':''}", "{}", "{'cmd':5}", "{'cmd':'hold '}", "{'cmd':'Status'}"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        json_t *request = request_of(none[i]);
        struct err e = {0};
        assert_int_equal(rights_check(RIGHTS_KEEPER, RIGHTS_MACHINE, request, NULL, &e), -ENOSYS);
        json_decref(request);
    }
}

static void level_is_that_of_whom_it_is_for(void **state)
{
    (void)state;
    static const struct {
        const char *request;
        bool page;
        enum rights_level level;
    } t[] = {
        {"{}", false, RIGHTS_MACHINE},
        {"{}", true, RIGHTS_PAGE},
        {"{'as':{'account':'a','role':'admin'}}", true, RIGHTS_ADMIN},
        {"{'as':{'account':'a','role':'admin'}}", false, RIGHTS_ADMIN},
        {"{'as':{'account':'a','role':'viewer'}}", false, RIGHTS_VIEWER},
        {"{'as':{'account':'a','role':'machine'}}", false, RIGHTS_PAGE},
        {"{'as':{'account':'','role':'admin'}}", false, RIGHTS_PAGE},
        {"{'as':null}", false, RIGHTS_PAGE},
        {"{'as':'root'}", true, RIGHTS_PAGE},
        {"{'as':{'account':5,'role':'admin'}}", true, RIGHTS_PAGE},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        json_t *request = request_of(t[i].request);
        assert_int_equal(rights_level(t[i].page, request), t[i].level);
        json_decref(request);
    }
}

/* What was confirmed can be told from it, and no secret. */
static void object_says_what_is_touched(void **state)
{
    (void)state;
    static const struct {
        const char *request, *object;
    } t[] = {
        {"{'cmd':'account','action':'add','name':'eve','role':'admin','password':'secret'}",
            "add eve admin"},
        {"{'cmd':'account','action':'set','name':'eve','role':null,'password':'secret'}",
            "set eve"},
        {"{'cmd':'cert','action':'renew','options':{'host':['nas'],'days':900,'rsa':false}}",
            "renew host days"},
        {"{'cmd':'cert','action':'install','options':{'certificate':'x','key':'secret'}}",
            "install certificate key"},
        {"{'cmd':'config-set','values':{'notify.smtp_password':'secret'}}", "notify.smtp_password"},
        {"{'cmd':'delete','which':'2026-11-22-0315','type':'elexisdb'}",
            "2026-11-22-0315 elexisdb"},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        json_t *request = request_of(t[i].request);
        char *object = rights_object(request);
        assert_string_equal(object, t[i].object);
        free(object);
        json_decref(request);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_says_who_may_what),
        cmocka_unit_test(what_is_not_in_it_is_refused),
        cmocka_unit_test(level_is_that_of_whom_it_is_for),
        cmocka_unit_test(object_says_what_is_touched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
