#include "console/who/sign_in.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/log.h"
#include "common/utf8.h"
#include "common/json_get.h"
#include "console/ask.h"
#include "console/pages/forms.h"
#include "console/who/confirm.h"
#include "console/who/second_factor.h"
#include "console/http/tls.h"

#define SETUP_MS (30u * 60u * 1000u)

/* --- the one-time link ------------------------------------------------------------------------ */

/* A name that the certificate holds, if it can be reached from elsewhere at all. */
static char *link_host(const struct console *c)
{
    const char *address = c->settings->addresses[0];
    bool certain = strcmp(address, "0.0.0.0") != 0 && strcmp(address, "::") != 0 &&
                   strncmp(address, "127.", 4) != 0 && strcmp(address, "::1") != 0;
    if (strncmp(address, "127.", 4) == 0 && strcmp(address, "127.0.0.1") != 0)
        return xstrdup(address); /* localhost would be another address */
    if (!certain)
        return tls_host_name();
    return strchr(address, ':') ? xasprintf("[%s]", address) : xstrdup(address);
}

/* The link works for half an hour, then a new one lies in the file: one that somebody found in an
 * old copy of it is worth nothing. It is not in the log, which many may read and which is kept. */
static int draw_link(struct console *c, struct err *e)
{
    pthread_mutex_lock(&c->setup_lock);
    token_make(c->setup_token);
    c->setup_drawn_ms = clock_mono_ms();
    _cleanup_free_ char *host = link_host(c);
    _cleanup_free_ char *line = xasprintf(
        "https://%s:%u/setup?token=%s\n", host, (unsigned)c->settings->port, c->setup_token);
    pthread_mutex_unlock(&c->setup_lock);
    return file_publish(c->setup_link, line, strlen(line), 0600, e);
}

int sign_in_offer_setup(struct console *c, struct err *e)
{
    c->setup_link = xasprintf("%s/setup-link", c->settings->state_dir);
    if (!accounts_empty(c->accounts)) {
        (void)unlink(c->setup_link);
        return 0;
    }
    int r = draw_link(c, e);
    if (r == 0)
        log_event(LOG_WARNING, "first-start", LOG_S("file", c->setup_link),
            LOG_S("meaning",
                "nobody can sign in yet: open the link in that file to make the first account"));
    return r;
}

void sign_in_tick(struct console *c)
{
    struct err e = {0};
    if (c->setup_token[0] && clock_mono_ms() - c->setup_drawn_ms > SETUP_MS && draw_link(c, &e) < 0)
        log_err(LOG_ERROR, "setup-link-not-written", &e);
}

static bool good_token(struct request *rq, const char *token)
{
    struct console *c = rq->console;
    pthread_mutex_lock(&c->setup_lock);
    bool good = token && c->setup_token[0] && token_equal(token, c->setup_token);
    pthread_mutex_unlock(&c->setup_lock);
    return good;
}

static void end_setup(struct console *c)
{
    pthread_mutex_lock(&c->setup_lock);
    c->setup_token[0] = '\0';
    pthread_mutex_unlock(&c->setup_lock);
    (void)unlink(c->setup_link);
}

/* --- forms ------------------------------------------------------------------------------------ */

bool sign_in_good_next(const char *next)
{
    return next && next[0] == '/' && next[1] != '/' &&
           next[strspn(next, "/abcdefghijklmnopqrstuvwxyz-")] == '\0';
}

json_t *model_login(struct request *rq)
{
    const char *next = request_query(rq, "next");
    if (rq->role != ROLE_NONE) {
        answer_redirect(rq, "/");
        return NULL;
    }
    return json_pack("{sbss}", "setup_needed", accounts_empty(rq->console->accounts), "next",
        sign_in_good_next(next) ? next : "/");
}

json_t *model_setup(struct request *rq)
{
    const char *token = request_query(rq, "token");
    if (!good_token(rq, token)) {
        answer_error(rq, MHD_HTTP_FORBIDDEN, "setup-over");
        return NULL;
    }
    return json_pack("{sssssi}", "token", token, "name", "admin", "password_min", PASSWORD_MIN);
}

/* The form once more, with what is wrong. */
static void again(struct request *rq, unsigned status, const char *page, char *text, json_t *model)
{
    rq->refused = true;
    if (rq->json) {
        answer_json(rq, status, json_pack("{sbss}", "ok", 0, "error", text));
        json_decref(model);
    } else {
        (void)json_object_set_new(model, "error", json_string(text));
        answer_page(rq, status, page, model);
    }
    free(text);
}

/* The keeper takes the first account of the page as it comes, and from then on only what one that
 * it knows has confirmed (backup/keeper/people.h). Told with the sign-in, when the password is at
 * hand; until it has answered once. */
static void tell_first(struct request *rq, const char *name, enum role role, const char *password)
{
    struct err e = {0};
    _cleanup_json_ json_t *answer = NULL;
    if (role != ROLE_ADMIN || atomic_load(&rq->console->keeper_knows))
        return;
    int r = ask_keeper(rq,
        json_pack("{ss ss ss ss ss}", "cmd", "account", "action", "first", "name", name, "role",
            role_name(role), "password", password),
        &answer, &e);
    if (r == 0 || e.code == EEXIST)
        atomic_store(&rq->console->keeper_knows, true);
}

static void login_again(
    struct request *rq, unsigned status, const char *name, const char *next, char *text)
{
    again(rq, status, "login", text,
        json_pack("{sssssb}", "name", name, "next", next, "setup_needed",
            accounts_empty(rq->console->accounts)));
}

static void welcome(struct request *rq, const char *next)
{
    if (rq->json)
        answer_json(rq, MHD_HTTP_OK,
            json_pack("{sbssssss}", "ok", 1, "name", rq->name, "role", role_name(rq->role), "csrf",
                rq->csrf));
    else
        answer_redirect(rq, next);
}

static void refuse_for_now(struct request *rq, int64_t wait_ms, const char *name, const char *next)
{
    char seconds[24];
    rq->throttled = true;
    snprintf(seconds, sizeof seconds, "%lld", (long long)(wait_ms + 999) / 1000);
    login_again(rq, MHD_HTTP_TOO_MANY_REQUESTS, name, next,
        say(rq, "login-wait", "seconds", seconds, NULL));
    (void)MHD_add_response_header(rq->response, "Retry-After", seconds);
}

/* Behind password, and code where one is asked for. */
static void let_in(
    struct request *rq, const struct throttle_who *who, enum role role, const char *next)
{
    throttle_succeeded(rq->console->throttle, who);
    request_sign_in(rq, who->account, role);
    rq->new_device = true;
    welcome(rq, next);
}

static void check_code(struct request *rq, const char *next)
{
    struct console *c = rq->console;
    struct err e = {0};
    char device[HASH_LEN];
    _cleanup_free_ char *name = second_factor_pending(rq);
    const char *code = form_text(rq->form, "code");
    if (!name) {
        login_again(rq, MHD_HTTP_UNAUTHORIZED, "", next, say(rq, "code-late", NULL));
        return;
    }
    const struct throttle_who who = {name, rq->address, request_device(rq, name, device)};
    int64_t wait = throttle_wait(c->throttle, &who, clock_mono_ms());
    if (wait > 0) {
        refuse_for_now(rq, wait, name, next);
    } else if (accounts_check_code(c->accounts, name, code ? code : "", &e) == 0) {
        let_in(rq, &who, accounts_role(c->accounts, name), next);
    } else {
        throttle_failed(c->throttle, &who, clock_mono_ms());
        second_factor_ask(rq, name, next, say(rq, "code-wrong", NULL));
    }
}

static void check_password(struct request *rq, const char *name, const char *next)
{
    struct console *c = rq->console;
    const char *password = json_get_str(rq->form, "password");
    enum role role;
    struct err e = {0};
    char device[HASH_LEN];
    const struct throttle_who who = {name, rq->address, request_device(rq, name, device)};
    int64_t wait = throttle_wait(c->throttle, &who, clock_mono_ms());
    if (wait > 0) {
        refuse_for_now(rq, wait, name, next);
        return;
    }
    if (!password || strlen(password) > PASSWORD_MAX || strlen(name) > ACCOUNT_NAME_MAX)
        password = ""; /* nobody has it; but it takes as long, and it counts */
    int r = accounts_check(c->accounts, name, password, &role, &e);
    if (r < 0) {
        rq->throttled = true;
        login_again(rq, MHD_HTTP_SERVICE_UNAVAILABLE, name, next, say(rq, "login-busy", NULL));
    } else if (r > 0) {
        throttle_failed(c->throttle, &who, clock_mono_ms());
        login_again(rq, MHD_HTTP_UNAUTHORIZED, name, next, say(rq, "login-wrong", NULL));
    } else {
        tell_first(rq, name, role, password);
        if (accounts_has_code(c->accounts, name))
            second_factor_ask(rq, name, next, NULL);
        else
            let_in(rq, &who, role, next);
    }
}

void action_login(struct request *rq)
{
    const char *name = form_text(rq->form, "name"), *next = form_text(rq->form, "next");
    name = name ? name : "";
    next = sign_in_good_next(next) ? next : "/";
    utf8_copy(rq->object, sizeof rq->object, name);
    if (form_text(rq->form, "sign"))
        check_code(rq, next);
    else
        check_password(rq, name, next);
}

void action_logout(struct request *rq)
{
    request_sign_out(rq);
    answer_redirect(rq, "/login");
}

static void setup_again(struct request *rq, const char *token, const char *name, char *text)
{
    again(rq, MHD_HTTP_UNPROCESSABLE_CONTENT, "setup", text,
        json_pack("{sssssi}", "token", token, "name", name, "password_min", PASSWORD_MIN));
}

void action_setup(struct request *rq)
{
    struct console *c = rq->console;
    const char *token = form_text(rq->form, "token"), *name = form_text(rq->form, "name");
    const char *password = json_get_str(rq->form, "password");
    const char *twice = json_get_str(rq->form, "again");
    struct err e = {0};
    name = name ? name : "";
    utf8_copy(rq->object, sizeof rq->object, name);
    const struct throttle_who who = {"", rq->address, NULL};
    int64_t wait = throttle_wait(c->throttle, &who, clock_mono_ms());
    rq->throttled = wait > 0;
    if (wait > 0 || !good_token(rq, token)) {
        if (wait == 0)
            throttle_failed(c->throttle, &who, clock_mono_ms());
        answer_error(rq, MHD_HTTP_FORBIDDEN, "setup-over");
        return;
    }
    if (!password || !twice || strcmp(password, twice) != 0) {
        setup_again(rq, token, name, say(rq, "passwords-differ", NULL));
        return;
    }
    if (accounts_add(c->accounts, name, ROLE_ADMIN, password, true, &e) < 0) {
        setup_again(rq, token, name, confirm_words(rq, &e));
        return;
    }
    end_setup(c);
    tell_first(rq, name, ROLE_ADMIN, password);
    log_event(LOG_INFO, "first-account", LOG_S("name", name), LOG_S("address", rq->address));
    request_sign_in(rq, name, ROLE_ADMIN);
    rq->new_device = true;
    welcome(rq, "/");
}
