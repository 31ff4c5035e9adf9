#include "backup/rules/restore_request.h"

#include <errno.h>
#include <string.h>
#include "tests/unit/common/unit.h"

/* What each asker may ask, in words of the answer: NULL = it is taken. */
static const struct {
    const char *text;
    const char *page, *root;
} requests[] = {
    {"{'action':'run','which':'latest'}", NULL, NULL},
    {"{'action':'run','which':'2026-11-22-0315','types':['elexisdb'],'dry_run':true}", NULL, NULL},
    {"{'cmd':'restore','action':'run','which':'latest','follow':true,'names':null}", NULL, NULL},
    {"{'action':'sql','upload':'a1_b-2','accept_loss':true,'names':'live'}", NULL, NULL},
    {"{'action':'run','to':'latest'}", NULL, NULL},
    {"{'action':'run','before':'0-1-4711','timeline':'2'}", NULL, NULL},
    {"{'action':'status'}", NULL, NULL},
    {"{'action':'undo'}", NULL, NULL},
    {"{}", "\"action\"", "\"action\""},
    {"{'action':7}", "\"action\"", "\"action\""},
    {"{'action':'format'}", "\"action\"", "\"action\""},
    {"{'action':'run'}", "\"which\" or \"upload\"", "which backup?"},
    {"{'action':'run','which':'latest','upload':'x'}", "\"which\" or", "which backup?"},
    {"{'action':'run','which':7}", "\"which\" must be a text", "\"which\" must be a text"},
    {"{'action':'run','which':'latest','dry_run':'yes'}", "\"dry_run\"", "\"dry_run\""},
    {"{'action':'run','which':'latest','types':'elexisdb'}", "\"types\"", "\"types\""},
    {"{'action':'run','which':'latest','types':['../x']}", "\"types\"", "\"types\""},
    {"{'action':'run','which':'latest','names':'sideways'}", "\"names\"", "\"names\""},
    {"{'action':'plan','upload':'x','foreign':true}", "plan", "plan"},
    {"{'action':'run','upload':'x'}", "SQL text", "SQL text"},
    {"{'action':'run','which':'latest','timeline':'2'}", "moment", "moment"},
    {"{'action':'run','to':'latest','before':'0-1-1'}", "only one", "only one"},
    {"{'action':'run','which':'x','to':'latest','foreign':true}", "moment", "moment"},
    /* the page names no path, no program and no folder */
    {"{'action':'run','which':'/backup/x.tar.gz'}", "\"which\"", NULL},
    {"{'action':'run','which':'alt.tar.gz'}", "\"which\"", NULL},
    {"{'action':'run','which':'alt.tar.gz','foreign':true}", NULL, NULL},
    {"{'action':'run','which':'../alt.tar.gz','foreign':true}", "\"which\"", NULL},
    {"{'action':'sql','upload':'../x'}", "\"upload\"", NULL},
    {"{'action':'sql','file':'-'}", "command line", NULL},
    {"{'action':'sql','file':'-','types':['elexisdb']}", "command line", "--sql goes"},
    {"{'action':'run','file':'x.sql'}", "command line", "--sql goes"},
    {"{'action':'sql','file':'-','which':'latest'}", "command line", "--sql goes"},
    {"{'action':'sql','file':'-','no_trial':true}", "command line", "--sql goes"},
    {"{'action':'sql','file':'-','foreign':true}", "command line", "--sql goes"},
    {"{'action':'sql','file':'-','folder':'/x'}", "command line", "--sql goes"},
    {"{'action':'run','which':'x','foreign':true,'recover_with':'/x'}", "command line", NULL},
    {"{'action':'run','which':'latest','recover_with':'/x'}", "command line", "--foreign"},
    {"{'action':'into','which':'latest','folder':'/x'}", "\"action\"", NULL},
    {"{'action':'into','which':'latest'}", "\"action\"", "\"folder\""},
    {"{'action':'serve','folder':'/x'}", "\"action\"", "\"socket\""},
    {"{'action':'serve','folder':'/x','socket':'/y'}", "\"action\"", NULL},
    {"{'action':'serve','folder':'/x','socket':'/y','dry_run':true}", "\"action\"", "--into"},
    {"{'action':'into','which':'latest','folder':'/x','no_trial':true}", "\"action\"", "--into"},
    {"{'action':'run','which':'latest','socket':'/y'}", "command line", "--serve needs"},
    {"{'action':'rescue','table':'t','to':'latest','dry_run':true}", "\"action\"", NULL},
    {"{'action':'rescue','table':'t','before':'0-1-4','where':'id=1'}", "\"action\"", NULL},
    {"{'action':'rescue','table':'t'}", "\"action\"", "as of when"},
    {"{'action':'rescue','table':'','to':'latest'}", "\"action\"", "which table"},
    {"{'action':'rescue','to':'latest'}", "\"action\"", "which table"},
    {"{'action':'rescue','table':'t','to':'x','exact':true,'where':'1'}", "\"action\"", "--exact"},
    {"{'action':'write_back','id':'1-2'}", "\"action\"", NULL},
    {"{'action':'write_back'}", "\"action\"", "\"id\""},
    {"{'action':'discard'}", "\"action\"", NULL},
    {"{'action':'open','which':'latest'}", "\"action\"", NULL},
    {"{'action':'open','to':'latest'}", "\"action\"", NULL},
    {"{'action':'open','expire':true}", "\"action\"", NULL},
    {"{'action':'open'}", "\"action\"", "which backup?"},
    {"{'action':'open','which':'latest','foreign':true}", "\"action\"", "for reading"},
    {"{'action':'recover','expire':true}", "command line", NULL},
    {"{'action':'run','which':'latest','no_trial':true}", "command line", NULL},
};

static json_t *parse(const char *text)
{
    char *copy = xstrdup(text);
    for (char *s = copy; *s; s++)
        if (*s == '\'')
            *s = '"';
    json_t *o = json_loads(copy, 0, NULL);
    assert_non_null(o);
    free(copy);
    return o;
}

static void check(const char *text, enum restore_asker asker, const char *words)
{
    struct restore_request q;
    struct err e = {0};
    json_t *o = parse(text);
    int r = restore_request_read(o, asker, &q, &e);
    if (r != (words ? -EINVAL : 0) || (words && !strstr(e.text, words)))
        fail_msg("%s by %d: %d %s", text, asker, r, e.text);
    restore_request_clear(&q);
    json_decref(o);
}

static void test_who_may_ask_what(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        check(requests[i].text, RESTORE_BY_PAGE, requests[i].page);
        check(requests[i].text, RESTORE_BY_ROOT, requests[i].root);
    }
    check("{'action':'recover','expire':true}", RESTORE_BY_KEEPER, NULL);
}

static void test_what_is_read(void **state)
{
    struct restore_request q;
    (void)state;
    json_t *o = parse("{'action':'run','before':'0-1-2','types':['a','b'],"
                      "'names':'file','accept_loss':true,'dry_run':true}");
    assert_int_equal(restore_request_read(o, RESTORE_BY_PAGE, &q, NULL), 0);
    json_decref(o); /* the request holds what it borrows */
    assert_int_equal(q.action, RESTORE_DO_RUN);
    assert_string_equal(restore_action_name(q.action), "run");
    assert_true(q.before && q.dry_run && q.sql.dry_run && q.sql.accept_loss);
    assert_false(q.foreign || q.expire);
    assert_int_equal(q.sql.names, SQL_NAMES_FILE);
    assert_string_equal(q.moment, "0-1-2");
    assert_string_equal(q.types[1], "b");
    assert_null(q.types[2]);
    assert_null(q.which);
    restore_request_clear(&q);
}

static void test_text_has_nothing_else(void **state)
{
    (void)state;
    json_t *o = parse("{'cmd':'restore','as':{'account':'x'},'confirm':'secret','action':'run',"
                      "'which':'latest','types':['a'],'names':'live','to':null,'dry_run':false}");
    char *text = restore_request_text(o);
    assert_string_equal(text,
        "{\"action\":\"run\",\"types\":[\"a\"],\"names\":\"live\",\"which\":\"latest\",\"dry_run\":false}");
    free(text);
    json_decref(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_may_ask_what),
        cmocka_unit_test(test_what_is_read),
        cmocka_unit_test(test_text_has_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
