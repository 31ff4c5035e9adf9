#include "backup/keeper/people.h"

#include <errno.h>
#include <string.h>
#include "backup/keeper/audit.h"
#include "backup/keeper/errand.h"
#include "common/clock.h"
#include "common/json_lines.h"
#include "common/log.h"
#include "common/utf8.h"
#include "common/json_get.h"
#include "people/list.h"
#include "people/name.h"

#define CHECKS_MAX 4     /* 64 MiB each */
#define LOOK_MS    10000 /* somebody may have mended it by hand */
#define PAUSE_MS   60000 /* the longest one after wrong passwords */

struct keeper_people {
    json_t *list;
    struct err trouble; /* why there is none to be had now; "" = there is */
    uint64_t next_ms;   /* when it is looked at again */
    unsigned checks;    /* under way */
    struct guesses {
        char name[ACCOUNT_NAME_MAX + 1]; /* "" = a free one */
        unsigned wrong;                  /* in a row; only his own password ends the row */
        uint64_t not_before_ms;
    } guesses[PEOPLE_MAX];
};

/* Of one account; else a free place, or the one that has waited longest. */
static struct guesses *guesses_of(struct keeper_people *p, const char *name)
{
    struct guesses *oldest = &p->guesses[0];
    for (size_t i = 0; i < PEOPLE_MAX; i++) {
        struct guesses *g = &p->guesses[i];
        if (strcmp(g->name, name) == 0)
            return g;
        if (g->not_before_ms < oldest->not_before_ms)
            oldest = g;
    }
    *oldest = (struct guesses){0};
    utf8_copy(oldest->name, sizeof oldest->name, name);
    return oldest;
}

/* As it stands now. One that cannot be read takes nobody's backups away, only the accounts' rights.
 */
static int load_list(struct keeper_people *p, struct keeper_monitor *m, struct err *e)
{
    _cleanup_free_ char *text = NULL;
    size_t len = 0;
    int r = keeper_monitor_text(m, MONITOR_PEOPLE, &text, &len, NULL, e);
    _cleanup_json_ json_t *list = r == 0 ? json_loadb(text, len, 0, NULL) : NULL;
    if (r == 0 && !json_is_array(list))
        r = err_set(e, EBADMSG, "elexgate-monitor gave no list of the page's accounts");
    if (r == 0)
        json_keep(&p->list, list);
    if (r < 0 && strcmp(p->trouble.text, e->text) != 0)
        log_err(LOG_ERROR, "accounts-damaged", e);
    p->trouble = r < 0 ? *e : (struct err){0};
    p->next_ms = clock_mono_ms() + LOOK_MS;
    return r;
}

struct keeper_people *keeper_people_open(struct keeper_monitor *m)
{
    struct keeper_people *p = xcalloc(1, sizeof *p);
    struct err e = {0};
    (void)!load_list(p, m, &e); /* told, and known as trouble */
    return p;
}

void keeper_people_tick(struct keeper *k)
{
    struct err e = {0};
    if (clock_mono_ms() >= k->ports.people->next_ms)
        (void)!load_list(k->ports.people, k->ports.monitor, &e);
}

const struct err *keeper_people_trouble(const struct keeper_people *p)
{
    return *p->trouble.text ? &p->trouble : NULL;
}

void keeper_people_free(struct keeper_people *p)
{
    if (!p)
        return;
    json_decref(p->list);
    free(p);
}

enum rights_level keeper_people_level(
    const struct keeper_people *p, enum rights_level level, const json_t *request)
{
    const json_t *person = people_find(p->list, rights_account(request), NULL);
    /* before there is anybody, the page's word counts */
    bool known = json_array_size(p->list) > 0 || *p->trouble.text;
    if (level == RIGHTS_ADMIN && known && strcmp(json_get_text(person, "role"), "admin") != 0)
        return RIGHTS_VIEWER;
    return level;
}

/* --- by jobs, which alone open what was sealed (job/page.h) ------------------------------------
 */

struct check {
    struct keeper *k;
    struct control_client *client;
    json_t *request;
    struct right right; /* what is done once it is confirmed: */
    keeper_confirmed_fn *then;
};

static json_t *wrong_password(struct guesses *g)
{
    uint64_t pause = g->wrong < 6 ? UINT64_C(1000) << g->wrong : PAUSE_MS;
    g->wrong++;
    g->not_before_ms = clock_mono_ms() + pause;
    return json_error(EACCES, "the password is wrong");
}

/* json_null(): what is done now answers by itself. */
static json_t *judged(struct keeper *k, void *ctx, json_t *event, json_t *last)
{
    struct check *c = ctx;
    struct keeper_people *p = k->ports.people;
    json_t *said = json_object_get(event, "answer");
    const char *name = rights_account(c->request);
    (void)last;
    if (k->stopping)
        return json_error(ECANCELED, "the keeper is being stopped");
    if (!json_get_true(said, "ok"))
        return json_incref(said);
    if (!json_get_true(said, "fits"))
        return wrong_password(guesses_of(p, name));
    *guesses_of(p, name) = (struct guesses){0};
    if (control_client_ctx(c->client)) /* who hung up meanwhile gets nothing done */
        c->then(k, c->client, c->request, &c->right);
    return json_null();
}

static void drop_check(void *ctx)
{
    struct check *c = ctx;
    c->k->ports.people->checks--;
    control_client_unref(c->client);
    json_decref(c->request);
    free(c);
}

/* NULL: under way. */
static json_t *begin(struct keeper *k, struct control_client *client, json_t *request,
    const json_t *told, enum monitor_kind kind, keeper_errand_fn *answer, const struct check *more)
{
    struct keeper_people *p = k->ports.people;
    if (p->checks >= CHECKS_MAX)
        return json_error(EAGAIN, "too many passwords are being checked; once more in a moment");
    struct check *c = xcalloc(1, sizeof *c);
    *c = *more;
    c->k = k;
    c->client = control_client_ref(client);
    c->request = json_incref(request);
    p->checks++;
    return keeper_told_errand(k, client, told, kind,
        &(struct keeper_errand_options){
            .request = request, .answer = answer, .ctx = c, .drop = drop_check});
}

static json_t *confirm(struct keeper *k, struct control_client *c, json_t *request,
    const struct right *right, keeper_confirmed_fn *then)
{
    const char *sealed = json_get_text(request, "confirm"), *name = rights_account(request);
    uint64_t now = clock_mono_ms(), not_before = guesses_of(k->ports.people, name)->not_before_ms;
    if (!*sealed)
        return json_error(ENOKEY, "this needs the password of whoever is signed in, once more");
    if (now < not_before)
        return json_error(EAGAIN, "a wrong password was given: once more in %llu s",
            (unsigned long long)(not_before - now + 999) / 1000);
    _cleanup_json_ json_t *told = json_pack("{s:s, s:s}", "account", name, "sealed", sealed);
    return begin(k, c, request, told, MONITOR_PAGE_PASSWORD, judged,
        &(struct check){.right = *right, .then = then});
}

void keeper_people_confirm(struct keeper *k, struct control_client *c, json_t *request,
    const struct right *right, keeper_confirmed_fn *then)
{
    json_t *answer = confirm(k, c, request, right, then);
    if (!answer)
        return;
    keeper_audit_request(control_client_uid(c), request, answer);
    control_answer(c, answer);
}

/* --- the command ------------------------------------------------------------------------------ */

static json_t *changed(struct keeper *k, void *ctx, json_t *event, json_t *last)
{
    struct err e = {0};
    (void)ctx, (void)last;
    int r = load_list(k->ports.people, k->ports.monitor, &e);
    return r < 0 ? json_error_of(-r, &e) : json_incref(json_object_get(event, "answer"));
}

json_t *keeper_account(struct keeper *k, struct control_client *c, json_t *request)
{
    return begin(
        k, c, request, request, MONITOR_PAGE_ACCOUNT, changed, &(struct check){.then = NULL});
}
