/*
 * /account: one's own password; for admins the other accounts.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/utf8.h"
#include "common/json_get.h"
#include "console/ask.h"
#include "console/pages/forms.h"
#include "console/pages/pages.h"
#include "console/who/confirm.h"
#include "console/who/sign_in.h"

#define PAGE      "/account"
#define KEEPER_MS 20000 /* it checks passwords, one after the other */

json_t *model_account(struct request *rq)
{
    json_t *account, *model = json_pack("{sisbsb}", "password_min", PASSWORD_MIN, "has_code",
                         accounts_has_code(rq->console->accounts, rq->name), "code_required",
                         request_code_missing(rq));
    size_t i;
    if (rq->role != ROLE_ADMIN)
        return model;
    json_t *list = accounts_list(rq->console->accounts);
    json_array_foreach (list, i, account) {
        const char *name = json_get_str(account, "name");
        const char *role = json_get_str(account, "role");
        (void)json_object_set_new(account, "own", json_boolean(strcmp(name, rq->name) == 0));
        (void)json_object_set_new(account, "admin", json_boolean(strcmp(role, "admin") == 0));
    }
    (void)json_object_set_new(model, "accounts", list);
    return model;
}

static const char *secret(const struct request *rq, const char *key)
{
    const char *s = json_get_text(rq->form, key);
    return s;
}

/* The account's name out of the form; for the audit log too. */
static const char *named(struct request *rq)
{
    const char *name = form_text(rq->form, "name");
    utf8_copy(rq->object, sizeof rq->object, name ? name : "");
    return name ? name : "";
}

/* The switch of the language below each page; "": the browser's again. */
void action_account_language(struct request *rq)
{
    struct err e = {0};
    const char *code = form_text(rq->form, "language"), *next = form_text(rq->form, "next");
    enum lang lang = lang_parse(code ? code : "");
    int r = accounts_set_language(rq->console->accounts, rq->name, lang, &e);
    if (r < 0)
        answer_failed(rq, PAGE, "accounts", &e);
    else
        answer_redirect(rq, sign_in_good_next(next) ? next : PAGE);
}

static void refuse(struct request *rq, const struct err *e)
{
    answer_refused(rq, MHD_HTTP_UNPROCESSABLE_CONTENT, PAGE, confirm_words(rq, e));
}

/* The keeper has a list of its own, which decides what may be confirmed; it asks for the password
 * of whoever changes it. false: it said no, and that is the answer. A keeper that is not there is
 * no reason to keep people from the page. */
static bool tell_keeper(
    struct request *rq, const char *action, const char *name, enum role role, const char *password)
{
    struct err e = {0};
    json_t *answer = NULL,
           *request = json_pack("{ss ss ss}", "cmd", "account", "action", action, "name", name);
    if (role != ROLE_NONE)
        (void)json_object_set_new(request, "role", json_string(role_name(role)));
    if (password)
        (void)json_object_set_new(request, "password", json_string(password));
    if (*secret(rq, "old"))
        (void)json_object_set_new(request, "confirm", json_string(secret(rq, "old")));
    int r = ask_keeper_long(rq, request, KEEPER_MS, &answer, &e);
    json_decref(answer);
    if (r == 0 || ask_unreachable(&e))
        return true;
    if (e.code == EEXIST || e.code == ERANGE || e.code == EINVAL)
        refuse(rq, &e);
    else
        answer_failed(rq, PAGE, "keeper", &e);
    return false;
}

void action_account_password(struct request *rq)
{
    struct console *c = rq->console;
    const char *password = secret(rq, "new");
    struct err e = {0};
    utf8_copy(rq->object, sizeof rq->object, rq->name);
    if (strcmp(password, secret(rq, "again")) != 0) {
        answer_refused(rq, MHD_HTTP_UNPROCESSABLE_CONTENT, PAGE, say(rq, "passwords-differ", NULL));
        return;
    }
    if (!confirm_password(rq, "old", PAGE) ||
        !tell_keeper(rq, "set", rq->name, ROLE_NONE, password))
        return;
    if (accounts_set_password(c->accounts, rq->name, password, &e) < 0) {
        refuse(rq, &e);
        return;
    }
    _cleanup_free_ char *name = xstrdup(rq->name);
    sessions_end_all(c->sessions, name, NULL);
    request_sign_in(rq, name, rq->role); /* this one goes on, with a new id */
    answer_done(rq, PAGE, say(rq, "password-changed", NULL), json_pack("{ss}", "csrf", rq->csrf));
}

void action_account_add(struct request *rq)
{
    const char *name = named(rq), *password = secret(rq, "password");
    enum role role = role_parse(form_text(rq->form, "role"));
    struct err e = {0};
    if (role == ROLE_NONE)
        answer_refused(rq, MHD_HTTP_UNPROCESSABLE_CONTENT, PAGE, say(rq, "account-role", NULL));
    else if (!tell_keeper(rq, "add", name, role, password))
        return;
    else if (accounts_add(rq->console->accounts, name, role, password, false, &e) < 0)
        refuse(rq, &e);
    else
        answer_done(rq, PAGE, say(rq, "account-added", "name", name, NULL), NULL);
}

void action_account_role(struct request *rq)
{
    const char *name = named(rq);
    enum role role = role_parse(form_text(rq->form, "role"));
    struct err e = {0};
    if (role == ROLE_NONE)
        answer_refused(rq, MHD_HTTP_UNPROCESSABLE_CONTENT, PAGE, say(rq, "account-role", NULL));
    else if (!tell_keeper(rq, "role", name, role, NULL))
        return;
    else if (accounts_set_role(rq->console->accounts, name, role, &e) < 0)
        refuse(rq, &e);
    else
        answer_done(rq, PAGE, say(rq, "account-changed", "name", name, NULL), NULL);
}

void action_account_remove(struct request *rq)
{
    const char *name = named(rq);
    struct err e = {0};
    if (!form_flag(rq->form, "sure")) {
        answer_refused(rq, MHD_HTTP_UNPROCESSABLE_CONTENT, PAGE, say(rq, "not-sure", NULL));
        return;
    }
    if (!tell_keeper(rq, "remove", name, ROLE_NONE, NULL))
        return;
    if (accounts_remove(rq->console->accounts, name, &e) < 0) {
        refuse(rq, &e);
        return;
    }
    sessions_end_all(rq->console->sessions, name, NULL);
    answer_done(rq, PAGE, say(rq, "account-removed", "name", name, NULL), NULL);
}
