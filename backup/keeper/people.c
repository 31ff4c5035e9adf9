#include "backup/keeper/people.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "backup/keeper/audit.h"
#include "backup/keeper/errand.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/json_lines.h"
#include "common/log.h"
#include "common/utf8.h"
#include "common/json_get.h"
#include "people/name.h"
#include "people/password.h"

#define FILE_MAX   (256 * 1024)
#define PEOPLE_MAX 100
#define CHECKS_MAX 4     /* 64 MiB each */
#define PAUSE_MS   60000 /* the longest one after wrong passwords */

struct keeper_people {
    char *path;
    json_t *list;
    unsigned checks; /* under way */
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

static json_t *find_person(const struct keeper_people *p, const char *name, size_t *index)
{
    size_t i;
    json_t *person;
    json_array_foreach (p->list, i, person)
        if (strcmp(json_get_text(person, "name"), name) == 0) {
            if (index)
                *index = i;
            return person;
        }
    return NULL;
}

static bool good_role(const char *role)
{
    return strcmp(role, "admin") == 0 || strcmp(role, "viewer") == 0;
}

static bool good_list(const json_t *list)
{
    size_t i;
    const json_t *person;
    bool good = json_is_array(list) && json_array_size(list) <= PEOPLE_MAX;
    json_array_foreach (list, i, person)
        good = good && *json_get_text(person, "name") && *json_get_text(person, "hash") &&
               strlen(json_get_text(person, "hash")) < PASSWORD_HASH_LEN &&
               good_role(json_get_text(person, "role"));
    return good;
}

int keeper_people_open(const char *state_dir, struct keeper_people **out, struct err *e)
{
    struct keeper_people *p = xcalloc(1, sizeof *p);
    _cleanup_free_ char *file = NULL;
    size_t len;
    p->path = xasprintf("%s/people.json", state_dir);
    int r = file_read(p->path, FILE_MAX, &file, &len, e);
    if (r == -ENOENT) {
        p->list = json_array();
        *out = p;
        return 0;
    }
    if (r == 0)
        r = file_check_private(p->path, e);
    json_t *all = r == 0 ? json_loadb(file, len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    json_t *list = json_object_get(all, "people");
    if (r == 0 && !good_list(list))
        r = err_set(e, EBADMSG,
            "%s is damaged; put a good one in its place, or remove it: then the next account that signs in on the page counts as the first one",
            p->path);
    if (r == 0)
        p->list = json_incref(list);
    json_decref(all);
    if (r < 0) {
        keeper_people_free(p);
        return r;
    }
    *out = p;
    return 0;
}

void keeper_people_free(struct keeper_people *p)
{
    if (!p)
        return;
    json_decref(p->list);
    free(p->path);
    free(p);
}

enum rights_level keeper_people_level(
    const struct keeper_people *p, enum rights_level level, const json_t *request)
{
    const json_t *person = find_person(p, rights_account(request), NULL);
    bool known = json_array_size(p->list) > 0; /* before there is anybody, the page's word counts */
    if (level == RIGHTS_ADMIN && known && strcmp(json_get_text(person, "role"), "admin") != 0)
        return RIGHTS_VIEWER;
    return level;
}

/* Publishes next and adopts it; takes over the reference. */
static int adopt_list(struct keeper_people *p, json_t *next, struct err *e)
{
    json_t *all = json_pack("{sO}", "people", next);
    char *file = json_dumps(all, JSON_INDENT(1));
    CHECK(file);
    int r = file_publish(p->path, file, strlen(file), 0600, e);
    free(file);
    json_decref(all);
    if (r < 0) {
        json_decref(next);
        return r;
    }
    json_decref(p->list);
    p->list = next;
    return 0;
}

/* --- by a job, which alone opens what was sealed (job/page.h) ----------------------------------
 */

struct check {
    struct keeper *k;
    struct control_client *client;
    json_t *request;
    struct right right; /* what is done once it is confirmed: */
    keeper_confirmed_fn *then;
    bool make; /* a hash */
};

static json_t *store_hash(struct keeper_people *p, const json_t *request, const char *hash)
{
    struct err e = {0};
    size_t index;
    const char *name = json_get_text(request, "name"), *role = json_get_text(request, "role");
    bool first = strcmp(json_get_text(request, "action"), "first") == 0;
    json_t *old = find_person(p, name, &index);
    if (first && json_array_size(p->list) > 0) /* another one was quicker */
        return json_error(EEXIST, "there is a first account already");
    json_t *next = json_deep_copy(p->list);
    json_t *person = json_pack("{ss ss ss}", "name", name, "role",
        *role ? role : json_get_text(old, "role"), "hash", hash);
    if (old)
        (void)json_array_set_new(next, index, person);
    else
        (void)json_array_append_new(next, person);
    int r = adopt_list(p, next, &e);
    return r < 0 ? json_error_of(-r, &e) : json_pack("{sb}", "ok", 1);
}

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
    if (c->make)
        return store_hash(p, c->request, json_get_text(said, "hash"));
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

/* NULL: under way. hash: NULL = one is made of it. */
static json_t *begin_check(struct keeper *k, struct control_client *client, json_t *request,
    const char *sealed, const char *hash, const struct right *right, keeper_confirmed_fn *then)
{
    struct keeper_people *p = k->ports.people;
    uint64_t now = clock_mono_ms();
    uint64_t not_before = hash ? guesses_of(p, rights_account(request))->not_before_ms : 0;
    if (p->checks >= CHECKS_MAX)
        return json_error(EAGAIN, "too many passwords are being checked; once more in a moment");
    if (now < not_before)
        return json_error(EAGAIN, "a wrong password was given: once more in %llu s",
            (unsigned long long)(not_before - now + 999) / 1000);
    struct check *c = xcalloc(1, sizeof *c);
    *c = (struct check){.k = k, .then = then, .make = hash == NULL};
    c->client = control_client_ref(client);
    c->request = json_incref(request);
    if (right)
        c->right = *right;
    p->checks++;
    _cleanup_json_ json_t *asked = json_pack("{s:s, s:s*}", "sealed", sealed, "hash", hash);
    return keeper_told_errand(k, client, asked, MONITOR_PAGE_PASSWORD,
        &(struct keeper_errand_options){
            .request = request, .answer = judged, .ctx = c, .drop = drop_check});
}

static json_t *confirm(struct keeper *k, struct control_client *c, json_t *request,
    const struct right *right, keeper_confirmed_fn *then)
{
    const char *sealed = json_get_text(request, "confirm");
    const json_t *person = find_person(k->ports.people, rights_account(request), NULL);
    if (!*sealed)
        return json_error(ENOKEY, "this needs the password of whoever is signed in, once more");
    if (!person)
        return json_error(ENOENT,
            "the keeper does not know the account %s, which therefore cannot confirm: an admin removes it on the page and adds it anew",
            UTF8_SHORT(rights_account(request), 40));
    return begin_check(k, c, request, sealed, json_get_text(person, "hash"), right, then);
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

static json_t *change_list(struct keeper_people *p, const json_t *request, bool remove)
{
    struct err e = {0};
    size_t index;
    if (remove && json_array_size(p->list) == 1) /* else the next one would be a first one */
        return json_error(EPERM, "the last account stays");
    if (!find_person(p, json_get_text(request, "name"), &index))
        return remove ? json_pack("{sb}", "ok", 1)
                      : json_error(ENOENT, "the keeper does not know this account");
    json_t *next = json_deep_copy(p->list);
    if (remove)
        (void)json_array_remove(next, index);
    else
        (void)json_object_set(
            json_array_get(next, index), "role", json_object_get(request, "role"));
    int r = adopt_list(p, next, &e);
    return r < 0 ? json_error_of(-r, &e) : json_pack("{sb}", "ok", 1);
}

/* Everybody may change his own password; the rest is for admins. */
static bool is_own_password(const json_t *request, const char *action)
{
    return strcmp(action, "set") == 0 &&
           strcmp(json_get_text(request, "name"), rights_account(request)) == 0 &&
           !json_object_get(request, "role");
}

json_t *keeper_account(struct keeper *k, struct control_client *c, json_t *request)
{
    struct keeper_people *p = k->ports.people;
    const char *action = json_get_text(request, "action"), *name = json_get_text(request, "name");
    const char *role = json_get_text(request, "role");
    bool first = strcmp(action, "first") == 0, add = strcmp(action, "add") == 0,
         set = strcmp(action, "set") == 0;
    enum rights_level level = keeper_people_level(
        p, rights_level(control_client_page(c), request), request);
    if (!first && level < RIGHTS_ADMIN && !is_own_password(request, action))
        return json_error(EPERM, "accounts are for an admin");
    if (!account_name_good(name) || (*role && !good_role(role)))
        return json_error(EINVAL, "\"name\" and \"role\" (admin or viewer) must be given");
    if (strcmp(action, "remove") == 0)
        return change_list(p, request, true);
    if (strcmp(action, "role") == 0 && *role)
        return change_list(p, request, false);
    if (!first && !add && !set)
        return json_error(EINVAL, "\"action\" must be first, add, set, role or remove");
    if (add && find_person(p, name, NULL))
        return json_error(EEXIST, "the keeper knows an account of this name already");
    if (first && json_array_size(p->list) > 0)
        return json_error(EEXIST, "there is a first account already");
    if (!find_person(p, name, NULL) && (!*role || json_array_size(p->list) >= PEOPLE_MAX))
        return json_error(
            EINVAL, "a new account needs a role, and there are at most %d", PEOPLE_MAX);
    return begin_check(k, c, request, json_get_text(request, "password"), NULL, NULL, NULL);
}
