#include "console/who/second_factor.h"

#include <qrencode.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/utf8.h"
#include "console/pages/forms.h"
#include "console/who/confirm.h"
#include "people/totp.h"

#define PAGE       "/account"
#define PENDING_MS (5 * 60 * 1000)
#define QUIET      4 /* modules of white around a code (ISO/IEC 18004) */

/* --- behind the password ---------------------------------------------------------------------- */

/* Bound to the browser, the account, its password and the time. */
static void sign_pending(
    const struct request *rq, const char *name, int64_t until, char out[static HASH_LEN])
{
    _cleanup_free_ char *text = xasprintf("code|%s|%ld|%lld|%s", name,
        accounts_generation(rq->console->accounts, name), (long long)until, rq->id);
    token_sign(text, sessions_key(rq->console->sessions), out);
}

void second_factor_ask(struct request *rq, const char *name, const char *next, char *error)
{
    int64_t until = clock_wall_ms() + PENDING_MS;
    char sign[HASH_LEN];
    sign_pending(rq, name, until, sign);
    json_t *model = json_pack("{sssssssIsb}", "name", name, "next", next, "sign", sign, "until",
        (json_int_t)until, "code_needed", 1);
    if (error)
        (void)json_object_set_new(model, "error", json_string(error));
    rq->refused = error != NULL;
    if (rq->json)
        answer_json(rq, MHD_HTTP_UNAUTHORIZED, model);
    else
        answer_page(rq, error ? MHD_HTTP_UNAUTHORIZED : MHD_HTTP_OK, "login", model);
    free(error);
}

char *second_factor_pending(struct request *rq)
{
    const char *name = form_text(rq->form, "name"), *sign = form_text(rq->form, "sign");
    const char *text = form_text(rq->form, "until");
    char right[HASH_LEN];
    if (!name || !sign || !text)
        return NULL;
    int64_t until = strtoll(text, NULL, 10), now = clock_wall_ms();
    sign_pending(rq, name, until, right);
    return token_equal(sign, right) && until > now && until <= now + PENDING_MS &&
                   accounts_role(rq->console->accounts, name) != ROLE_NONE
               ? xstrdup(name)
               : NULL;
}

/* --- set up ----------------------------------------------------------------------------------- */

/* One path of unit squares; black on white in any theme. malloc'ed, NULL without memory. */
static char *qr_svg(const char *text)
{
    QRcode *qr = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_M);
    if (!qr)
        return NULL;
    int size = qr->width + 2 * QUIET;
    char *svg = NULL;
    size_t len;
    FILE *f = open_memstream(&svg, &len);
    CHECK(f);
    fprintf(f,
        "<svg class=\"qr\" viewBox=\"0 0 %d %d\" width=\"240\" height=\"240\" shape-rendering=\"crispEdges\" aria-hidden=\"true\"><path fill=\"#fff\" d=\"M0 0h%dv%dH0z\"/><path fill=\"#000\" d=\"",
        size, size, size, size);
    for (int y = 0; y < qr->width; y++)
        for (int x = 0; x < qr->width; x++)
            if (qr->data[y * qr->width + x] & 1)
                fprintf(f, "M%d %dh1v1h-1z", x + QUIET, y + QUIET);
    fputs("\"/></svg>", f);
    CHECK(fclose(f) == 0);
    QRcode_free(qr);
    return svg;
}

static void show_secret(struct request *rq, const char *secret, char *error)
{
    _cleanup_free_ char *uri = totp_uri(rq->name, secret), *svg = qr_svg(uri);
    json_t *model = json_pack("{ssssss}", "secret", secret, "uri", uri, "qr", svg ? svg : "");
    if (error)
        (void)json_object_set_new(model, "error", json_string(error));
    rq->refused = error != NULL;
    free(error);
    if (rq->json)
        answer_json(rq, rq->refused ? MHD_HTTP_UNPROCESSABLE_CONTENT : MHD_HTTP_OK, model);
    else
        answer_page(rq, rq->refused ? MHD_HTTP_UNPROCESSABLE_CONTENT : MHD_HTTP_OK, "code", model);
}

void action_code_begin(struct request *rq)
{
    char secret[TOTP_SECRET_LEN];
    if (confirm_password(rq, "own_password", PAGE))
        show_secret(rq, totp_make(secret), NULL);
}

static void show_recovery(struct request *rq, char recovery[static RECOVERY_CODES][RECOVERY_LEN])
{
    json_t *codes = json_array();
    for (size_t i = 0; i < RECOVERY_CODES; i++)
        (void)json_array_append_new(codes, json_string(recovery[i]));
    json_t *model = json_pack("{sosb}", "recovery", codes, "on", 1);
    if (rq->json)
        answer_json(rq, MHD_HTTP_OK, model);
    else
        answer_page(rq, MHD_HTTP_OK, "code", model);
}

void action_code_on(struct request *rq)
{
    struct console *c = rq->console;
    const char *secret = form_text(rq->form, "secret"), *code = form_text(rq->form, "code");
    char recovery[RECOVERY_CODES][RECOVERY_LEN];
    uint64_t step;
    struct err e = {0};
    if (!secret || strlen(secret) != TOTP_SECRET_LEN - 1) {
        answer_refused(rq, MHD_HTTP_UNPROCESSABLE_CONTENT, PAGE, say(rq, "bad-form", NULL));
        return;
    }
    if (!confirm_password(rq, "own_password", PAGE))
        return;
    if (totp_check(secret, code ? code : "", clock_wall_ms() / 1000, 0, &step) != 0)
        show_secret(rq, secret, say(rq, "code-wrong", NULL));
    else if (accounts_set_code(c->accounts, rq->name, secret, step, recovery, &e) < 0)
        answer_refused(rq, MHD_HTTP_INTERNAL_SERVER_ERROR, PAGE, confirm_words(rq, &e));
    else
        show_recovery(rq, recovery);
    explicit_bzero(recovery, sizeof recovery);
}

/* One's own, or, for an admin, that of somebody whose phone is lost. */
void action_code_off(struct request *rq)
{
    const char *name = form_text(rq->form, "name");
    struct err e = {0};
    name = name && *name ? name : rq->name;
    utf8_copy(rq->object, sizeof rq->object, name);
    if (rq->role != ROLE_ADMIN && strcmp(name, rq->name) != 0)
        answer_error(rq, MHD_HTTP_FORBIDDEN, "only-admin");
    else if (!confirm_password(rq, "own_password", PAGE))
        return;
    else if (accounts_drop_code(rq->console->accounts, name, &e) < 0)
        answer_refused(rq, MHD_HTTP_UNPROCESSABLE_CONTENT, PAGE, confirm_words(rq, &e));
    else
        answer_done(rq, PAGE, say(rq, "code-off", "name", name, NULL), NULL);
}
