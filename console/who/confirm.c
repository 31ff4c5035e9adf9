#include "console/who/confirm.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/json_get.h"
#include "common/error_phrase.h"

char *confirm_words(const struct request *rq, const struct err *e)
{
    char min[12];
    snprintf(min, sizeof min, "%d", PASSWORD_MIN);
    switch (e->code) {
    case EINVAL:
        return say(rq, "account-name", NULL);
    case ERANGE:
        return say(rq, "account-password", "min", min, NULL);
    case EEXIST:
        return say(rq, "account-exists", NULL);
    case ENOENT:
        return say(rq, "account-unknown", NULL);
    case EPERM:
        return say(rq, "account-last-admin", NULL);
    case EAGAIN:
        return say(rq, "login-busy", NULL);
    default:
        return error_phrase_words(rq->lang, e);
    }
}

bool confirm_password(struct request *rq, const char *field, const char *back)
{
    struct console *c = rq->console;
    const char *password = json_get_str(rq->form, field);
    enum role role;
    struct err e = {0};
    char seconds[24], device[HASH_LEN];
    const struct throttle_who who = {rq->name, rq->address, request_device(rq, rq->name, device)};
    int64_t wait = throttle_wait(c->throttle, &who, clock_mono_ms());
    if (wait > 0) {
        snprintf(seconds, sizeof seconds, "%lld", (long long)(wait + 999) / 1000);
        answer_refused(
            rq, MHD_HTTP_TOO_MANY_REQUESTS, back, say(rq, "login-wait", "seconds", seconds, NULL));
        return false;
    }
    if (!password || strlen(password) > PASSWORD_MAX)
        password = "";
    int r = accounts_check(c->accounts, rq->name, password, &role, &e);
    if (r < 0) {
        answer_refused(rq, MHD_HTTP_UNPROCESSABLE_CONTENT, back, confirm_words(rq, &e));
    } else if (r > 0) {
        throttle_failed(c->throttle, &who, clock_mono_ms());
        answer_refused(rq, MHD_HTTP_UNPROCESSABLE_CONTENT, back, say(rq, "password-wrong", NULL));
    }
    return r == 0;
}
