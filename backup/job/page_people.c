/*
 * The page's accounts (people/list.h): passwords that somebody typed there, sealed for us
 * (people/sealed.h), are compared, and what they confirm is told to the monitor past the keeper
 * (link/grant.h); the list is changed. The keeper, which asks, sees neither a password nor a hash.
 */
#include "backup/job/page.h"

#include <errno.h>
#include <string.h>
#include "common/file.h"
#include "common/json_get.h"
#include "common/json_lines.h"
#include "common/utf8.h"
#include "link/grant.h"
#include "people/list.h"
#include "people/name.h"
#include "people/password.h"
#include "people/sealed.h"

_Static_assert(SEALED_ACT_SIZE == GRANT_TEXT_SIZE && SEALED_NONCE_SIZE == GRANT_NONCE_SIZE &&
                   ACCOUNT_NAME_MAX < GRANT_TEXT_SIZE,
    "what was sealed is told as it is");

static const char *state_dir(const struct config *c)
{
    return config_str(c, "backup", NULL, "state_dir");
}

/* What does not open is "": it fits nothing, confirms nothing, and is none to take. */
static int open_sealed(const struct config *c, const json_t *request, const char *key,
    struct sealed *out, struct err *e)
{
    struct err ours = {0};
    _cleanup_free_ char *within = sealed_key_within(state_dir(c));
    *out = (struct sealed){.at_ms = 0};
    int r = sealed_open(within, json_get_text(request, key), out, &ours);
    return r < 0 && r != -EBADMSG ? err_copy(e, EIO, &ours)
                                  : 0; /* not EACCES, which says that it was wrong */
}

/* --- one that confirms ------------------------------------------------------------------------ */

static int tell_monitor(
    const struct config *c, const json_t *person, const struct sealed *s, struct err *e)
{
    struct grant g = {.at_ms = s->at_ms,
        .level = strcmp(json_get_text(person, "role"), "admin") == 0 ? RIGHTS_ADMIN
                                                                     : RIGHTS_VIEWER};
    memcpy(g.act, s->act, sizeof g.act);
    memcpy(g.nonce, s->nonce, sizeof g.nonce);
    utf8_copy(g.account, sizeof g.account, json_get_text(person, "name"));
    int r = grant_send(config_str(c, "backup", NULL, "control_socket"), &g, e);
    return r < 0 ? err_copy(e, EIO, e) : 0;
}

int page_password(const struct config *c, const char *config_file, const json_t *request,
    json_t **answer, struct err *e)
{
    struct sealed s;
    _cleanup_json_ json_t *list = NULL;
    const char *name = json_get_text(request, "account");
    (void)config_file;
    int r = people_read(state_dir(c), &list, e);
    if (r < 0)
        return r;
    const json_t *person = people_find(list, name, NULL);
    if (!person) {
        *answer = json_error(ENOENT,
            "the keeper does not know the account %s, which therefore cannot confirm: an admin removes it on the page and adds it anew",
            UTF8_SHORT(name, 40));
        return 0;
    }
    r = open_sealed(c, request, "sealed", &s, e);
    bool fits = r == 0 && password_fits(json_get_text(person, "hash"), s.text);
    if (fits && s.act[0])
        r = tell_monitor(c, person, &s, e);
    explicit_bzero(&s, sizeof s);
    if (r == 0)
        *answer = json_pack("{s:b, s:b}", "ok", 1, "fits", fits);
    return r;
}

/* --- the list --------------------------------------------------------------------------------- */

/* NULL: it may be done. Whoever stands in the request has confirmed it, or nobody at all: somebody
 * at the machine has (backup/monitor/acts.c). */
static json_t *refused(const json_t *list, const json_t *request)
{
    const char *action = json_get_text(request, "action"), *name = json_get_text(request, "name");
    const char *role = json_get_text(request, "role"), *by = rights_account(request);
    const json_t *as_given = json_object_get(request, "role");
    bool given = as_given && !json_is_null(as_given); /* also one that is no text, or empty */
    bool first = strcmp(action, "first") == 0, set = strcmp(action, "set") == 0;
    bool admin = !*by || strcmp(json_get_text(people_find(list, by, NULL), "role"), "admin") == 0;
    bool known = people_find(list, name, NULL), own = set && strcmp(name, by) == 0 && !given;
    if (first ? json_array_size(list) > 0 : !admin && !own)
        return first ? json_error(EEXIST, "there is a first account already")
                     : json_error(EPERM, "accounts are for an admin");
    if (!account_name_good(name) || (given && !people_role_good(role)))
        return json_error(EINVAL, "\"name\" and \"role\" (admin or viewer) must be given");
    if (strcmp(action, "remove") == 0) /* else the next one would be a first one */
        return json_array_size(list) == 1 ? json_error(EPERM, "the last account stays") : NULL;
    if (strcmp(action, "role") == 0 && given)
        return known ? NULL : json_error(ENOENT, "the keeper does not know this account");
    bool add = strcmp(action, "add") == 0;
    if (!first && !add && !set)
        return json_error(EINVAL, "\"action\" must be first, add, set, role or remove");
    if (add && known)
        return json_error(EEXIST, "the keeper knows an account of this name already");
    if (!known && (!given || json_array_size(list) >= PEOPLE_MAX))
        return json_error(
            EINVAL, "a new account needs a role, and there are at most %d", PEOPLE_MAX);
    return NULL;
}

/* Of the sealed "password"; *answer: it is none to take. */
static int make_hash(const struct config *c, const json_t *request,
    char hash[static PASSWORD_HASH_LEN], json_t **answer, struct err *e)
{
    struct sealed s;
    int r = open_sealed(c, request, "password", &s, e);
    size_t len = strlen(s.text);
    if (r == 0 && (len < PASSWORD_MIN || len > PASSWORD_MAX))
        *answer = json_error(
            ERANGE, "a password has %d to %d characters", PASSWORD_MIN, PASSWORD_MAX);
    else if (r == 0)
        r = password_hash(s.text, hash, e);
    explicit_bzero(&s, sizeof s);
    return r;
}

static int change(
    const struct config *c, json_t *list, const json_t *request, json_t **answer, struct err *e)
{
    char hash[PASSWORD_HASH_LEN] = "";
    const char *action = json_get_text(request, "action"), *name = json_get_text(request, "name");
    const char *role = json_get_str(request, "role");
    size_t index = 0;
    json_t *person = people_find(list, name, &index);
    int r = 0;
    if (strcmp(action, "remove") == 0) {
        if (person)
            (void)json_array_remove(list, index);
        return 0;
    }
    if (strcmp(action, "role") != 0)
        r = make_hash(c, request, hash, answer, e);
    if (r < 0 || *answer)
        return r;
    if (!person) {
        person = json_pack("{s:s}", "name", name);
        (void)json_array_append_new(list, person);
    }
    if (*hash)
        (void)json_object_set_new(person, "hash", json_string(hash));
    if (role)
        (void)json_object_set_new(person, "role", json_string(role));
    return 0;
}

int page_account(const struct config *c, const char *config_file, const json_t *request,
    json_t **answer, struct err *e)
{
    _cleanup_free_ char *lock = xasprintf("%s/people.lock", state_dir(c));
    _cleanup_json_ json_t *list = NULL;
    _cleanup_fd_ int locked = -1;
    (void)config_file;
    int r = file_lock(lock, &locked, NULL, e);
    if (r > 0)
        *answer = json_error(EAGAIN, "another account is being changed; once more in a moment");
    if (r == 0)
        r = people_read(state_dir(c), &list, e);
    if (r < 0 || *answer)
        return r < 0 ? r : 0;
    *answer = refused(list, request);
    if (!*answer)
        r = change(c, list, request, answer, e);
    if (r == 0 && !*answer)
        r = people_write(state_dir(c), list, e);
    if (r == 0 && !*answer)
        *answer = json_pack("{s:b}", "ok", 1);
    return r;
}
