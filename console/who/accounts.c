#include "console/who/accounts.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <string.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/json_get.h"
#include "console/who/random.h"
#include "people/totp.h"

#define FILE_MAX_BYTES (1024 * 1024)
#define ACCOUNTS_MAX   100
#define WAITERS_MAX    8

struct accounts {
    char *path;
    pthread_mutex_t lock;    /* the list and its file */
    pthread_mutex_t hashing; /* one password at a time */
    atomic_int waiting;
    json_t *list;                  /* objects: name role hash created changed generation language */
    char dummy[PASSWORD_HASH_LEN]; /* what a wrong name's password is compared with */
};

const char *role_name(enum role role)
{
    return role == ROLE_ADMIN ? "admin" : role == ROLE_VIEWER ? "viewer" : "";
}

enum role role_parse(const char *name)
{
    if (name && strcmp(name, "admin") == 0)
        return ROLE_ADMIN;
    return name && strcmp(name, "viewer") == 0 ? ROLE_VIEWER : ROLE_NONE;
}

/* --- the file --------------------------------------------------------------------------------- */

static int load(struct accounts *a, struct err *e)
{
    _cleanup_free_ char *text = NULL;
    size_t len;
    int r = file_read(a->path, FILE_MAX_BYTES, &text, &len, e);
    if (r == -ENOENT) {
        a->list = json_array();
        return 0;
    }
    if (r == 0)
        r = file_check_private(a->path, e);
    if (r < 0)
        return r;
    _cleanup_json_ json_t *all = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    json_t *list = json_object_get(all, "accounts"), *account;
    size_t i;
    bool good = json_is_array(list) && json_array_size(list) <= ACCOUNTS_MAX;
    json_array_foreach (list, i, account)
        good = good && (*json_get_text(account, "name") && *json_get_text(account, "hash") &&
                           role_parse(json_get_text(account, "role")) != ROLE_NONE);
    if (good)
        a->list = json_incref(list);
    return good
               ? 0
               : err_set(e, EBADMSG,
                     "%s is damaged; put a good one in its place, or remove it: then a new one-time link is printed",
                     a->path);
}

/* Publishes next and adopts it; takes over the reference. On failure all stays as it was. */
static int adopt(struct accounts *a, json_t *next, struct err *e)
{
    _cleanup_json_ json_t *all = json_pack("{sO}", "accounts", next);
    _cleanup_free_ char *text = json_dumps(all, JSON_INDENT(1));
    CHECK(text);
    int r = file_publish(a->path, text, strlen(text), 0600, e);
    if (r < 0) {
        json_decref(next);
        return r;
    }
    json_decref(a->list);
    a->list = next;
    return 0;
}

int accounts_open(const char *state_dir, struct accounts **out, struct err *e)
{
    static const char nobody[] = "nobody has this password";
    struct accounts *a = xcalloc(1, sizeof *a);
    a->path = xasprintf("%s/accounts.json", state_dir);
    pthread_mutex_init(&a->lock, NULL);
    pthread_mutex_init(&a->hashing, NULL);
    int r = load(a, e);
    if (r == 0)
        r = password_hash(nobody, a->dummy, e);
    if (r < 0) {
        accounts_close(a);
        return r;
    }
    *out = a;
    return 0;
}

void accounts_close(struct accounts *a)
{
    if (!a)
        return;
    json_decref(a->list);
    pthread_mutex_destroy(&a->lock);
    pthread_mutex_destroy(&a->hashing);
    free(a->path);
    free(a);
}

/* --- looking ---------------------------------------------------------------------------------- */

static json_t *find_account(const json_t *list, const char *name, size_t *index)
{
    size_t i;
    json_t *account;
    json_array_foreach (list, i, account) {
        if (strcmp(json_get_text(account, "name"), name) == 0) {
            if (index)
                *index = i;
            return account;
        }
    }
    return NULL;
}

bool accounts_empty(struct accounts *a)
{
    pthread_mutex_lock(&a->lock);
    bool empty = json_array_size(a->list) == 0;
    pthread_mutex_unlock(&a->lock);
    return empty;
}

enum role accounts_role(struct accounts *a, const char *name)
{
    pthread_mutex_lock(&a->lock);
    enum role role = role_parse(json_get_text(find_account(a->list, name, NULL), "role"));
    pthread_mutex_unlock(&a->lock);
    return role;
}

enum lang accounts_language(struct accounts *a, const char *name)
{
    pthread_mutex_lock(&a->lock);
    enum lang lang = lang_parse(json_get_text(find_account(a->list, name, NULL), "language"));
    pthread_mutex_unlock(&a->lock);
    return lang;
}

long accounts_generation(struct accounts *a, const char *name)
{
    pthread_mutex_lock(&a->lock);
    const json_t *account = find_account(a->list, name, NULL);
    long generation = (long)json_get_int(account, "generation");
    pthread_mutex_unlock(&a->lock);
    return generation;
}

json_t *accounts_list(struct accounts *a)
{
    json_t *list = json_array(), *account;
    size_t i;
    pthread_mutex_lock(&a->lock);
    json_array_foreach (a->list, i, account)
        (void)json_array_append_new(
            list, json_pack("{sssssssssb}", "name", json_get_text(account, "name"), "role",
                      json_get_text(account, "role"), "created", json_get_text(account, "created"),
                      "changed", json_get_text(account, "changed"), "code",
                      *json_get_text(account, "totp") != 0));
    pthread_mutex_unlock(&a->lock);
    return list;
}

/* --- passwords -------------------------------------------------------------------------------- */

static int begin_hashing(struct accounts *a, struct err *e)
{
    if (atomic_fetch_add(&a->waiting, 1) >= WAITERS_MAX) {
        atomic_fetch_sub(&a->waiting, 1);
        return err_set(e, EAGAIN, "too many sign in at the same moment");
    }
    pthread_mutex_lock(&a->hashing);
    return 0;
}

static void end_hashing(struct accounts *a)
{
    pthread_mutex_unlock(&a->hashing);
    atomic_fetch_sub(&a->waiting, 1);
}

int accounts_check(
    struct accounts *a, const char *name, const char *password, enum role *role, struct err *e)
{
    char hash[PASSWORD_HASH_LEN] = {0};
    pthread_mutex_lock(&a->lock);
    const json_t *account = find_account(a->list, name, NULL);
    enum role found = account ? role_parse(json_get_text(account, "role")) : ROLE_NONE;
    const char *stored = account ? json_get_text(account, "hash") : a->dummy;
    memccpy(hash, stored, '\0', sizeof hash - 1);
    pthread_mutex_unlock(&a->lock);
    int r = begin_hashing(a, e);
    if (r < 0)
        return r;
    bool good = password_fits(hash, password);
    end_hashing(a);
    if (!good || found == ROLE_NONE)
        return 1;
    *role = found;
    return 0;
}

static int hash_password(
    struct accounts *a, const char *password, char hash[static PASSWORD_HASH_LEN], struct err *e)
{
    size_t n = strlen(password);
    if (n < PASSWORD_MIN || n > PASSWORD_MAX)
        return err_set(e, ERANGE, "a password has %d to %d characters", PASSWORD_MIN, PASSWORD_MAX);
    int r = begin_hashing(a, e);
    if (r < 0)
        return r;
    r = password_hash(password, hash, e);
    end_hashing(a);
    return r;
}

/* --- changes ---------------------------------------------------------------------------------- */

static int by_name(const void *x, const void *y)
{
    json_t *const *a = x, *const *b = y;
    return strcmp(json_get_text(*a, "name"), json_get_text(*b, "name"));
}

static void sort(json_t *list)
{
    size_t n = json_array_size(list);
    json_t *sorted[ACCOUNTS_MAX + 1];
    for (size_t i = 0; i < n; i++)
        sorted[i] = json_incref(json_array_get(list, i));
    qsort(sorted, n, sizeof sorted[0], by_name);
    json_array_clear(list);
    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(list, sorted[i]);
}

/* A copy of the list, to be changed, and the account in it, or NULL. Nobody else changes anything
 * until end_change. */
static json_t *begin_change(struct accounts *a, const char *name, size_t *index, json_t **account)
{
    pthread_mutex_lock(&a->lock);
    json_t *next = json_deep_copy(a->list);
    *account = find_account(next, name, index);
    return next;
}

/* The copy becomes the list where r is 0, and goes otherwise. */
static int end_change(struct accounts *a, json_t *next, int r, struct err *e)
{
    if (r == 0)
        r = adopt(a, next, e);
    else
        json_decref(next);
    pthread_mutex_unlock(&a->lock);
    return r;
}

static int err_no_account(struct err *e, const char *name)
{
    return err_set(e, ENOENT, "there is no account %s", name);
}

static void stamp_password(json_t *account, const char *hash)
{
    char now[CLOCK_ISO_LEN];
    (void)json_object_set_new(account, "hash", json_string(hash));
    (void)json_object_set_new(account, "changed", json_string(clock_iso(clock_wall_ms(), now)));
    (void)json_object_set_new(
        account, "generation", json_integer((json_int_t)(randombytes_uniform(0x7ffffffe) + 1)));
}

static size_t count_admins(const json_t *list)
{
    size_t i, n = 0;
    json_t *account;
    json_array_foreach (list, i, account)
        n += role_parse(json_get_text(account, "role")) == ROLE_ADMIN;
    return n;
}

int accounts_add(struct accounts *a, const char *name, enum role role, const char *password,
    bool first, struct err *e)
{
    char hash[PASSWORD_HASH_LEN], now[CLOCK_ISO_LEN];
    if (!account_name_good(name))
        return err_set(e, EINVAL, "a name has 1 to %d letters, digits or the characters . _ - @",
            ACCOUNT_NAME_MAX);
    int r = hash_password(a, password, hash, e);
    if (r < 0)
        return r;
    pthread_mutex_lock(&a->lock);
    if (find_account(a->list, name, NULL) || (first && json_array_size(a->list) > 0)) {
        r = err_set(e, EEXIST, "there is an account %s already", name);
    } else if (json_array_size(a->list) >= ACCOUNTS_MAX) {
        r = err_set(e, ENOSPC, "there are %d accounts; remove one first", ACCOUNTS_MAX);
    } else {
        json_t *next = json_deep_copy(a->list);
        json_t *account = json_pack("{ssssss}", "name", name, "role", role_name(role), "created",
            clock_iso(clock_wall_ms(), now));
        stamp_password(account, hash);
        (void)json_array_append_new(next, account);
        sort(next);
        r = adopt(a, next, e);
    }
    pthread_mutex_unlock(&a->lock);
    return r;
}

int accounts_set_password(struct accounts *a, const char *name, const char *password, struct err *e)
{
    char hash[PASSWORD_HASH_LEN];
    int r = hash_password(a, password, hash, e);
    if (r < 0)
        return r;
    json_t *account, *next = begin_change(a, name, NULL, &account);
    if (account)
        stamp_password(account, hash);
    return end_change(a, next, account ? 0 : err_no_account(e, name), e);
}

/* change: what happens to the account at index of the copied list. */
static int change(struct accounts *a, const char *name,
    void (*fn)(json_t *list, size_t index, int value), int value, struct err *e)
{
    size_t index;
    json_t *account, *next = begin_change(a, name, &index, &account);
    if (!account)
        return end_change(a, next, err_no_account(e, name), e);
    fn(next, index, value);
    int r = count_admins(next) > 0
                ? 0
                : err_set(
                      e, EPERM, "the last admin stays: nobody could change anything without one");
    return end_change(a, next, r, e);
}

static void put_role(json_t *list, size_t index, int role)
{
    (void)json_object_set_new(
        json_array_get(list, index), "role", json_string(role_name((enum role)role)));
}

static void put_language(json_t *list, size_t index, int lang)
{
    (void)json_object_set_new(json_array_get(list, index), "language",
        json_string(lang < LANG_COUNT ? lang_code((enum lang)lang) : ""));
}

static void take_away(json_t *list, size_t index, int unused)
{
    (void)unused;
    (void)json_array_remove(list, index);
}

/* --- the second factor ------------------------------------------------------------------------ */

bool accounts_has_code(struct accounts *a, const char *name)
{
    pthread_mutex_lock(&a->lock);
    bool has = *json_get_text(find_account(a->list, name, NULL), "totp");
    pthread_mutex_unlock(&a->lock);
    return has;
}

/* As somebody types it: blanks and capitals do not matter. */
static void plain_code(const char *code, char out[static RECOVERY_LEN])
{
    size_t n = 0;
    for (; *code && n < RECOVERY_LEN - 1; code++)
        if (*code != ' ')
            out[n++] = (char)tolower((unsigned char)*code);
    out[n] = '\0';
}

/* Changes the account if it is right; 1: it is not. */
static int use_code(json_t *account, const char *typed)
{
    char code[RECOVERY_LEN], hash[HASH_LEN];
    uint64_t step, last = (uint64_t)json_get_int(account, "totp_step");
    plain_code(typed, code);
    if (totp_check(json_get_text(account, "totp"), code, clock_wall_ms() / 1000, last, &step) ==
        0) {
        (void)json_object_set_new(account, "totp_step", json_integer((json_int_t)step));
        return 0;
    }
    token_hash(code, hash);
    json_t *left = json_object_get(account, "recovery"), *one;
    size_t i;
    json_array_foreach (left, i, one)
        if (json_is_string(one) && token_equal(json_string_value(one), hash)) {
            (void)json_array_remove(left, i);
            return 0;
        }
    return 1;
}

int accounts_check_code(struct accounts *a, const char *name, const char *code, struct err *e)
{
    json_t *account, *next = begin_change(a, name, NULL, &account);
    int r = *json_get_text(account, "totp") ? use_code(account, code) : 1;
    return end_change(a, next, r, e); /* first on the disk: it may not be used twice */
}

static json_t *make_recovery(char recovery[static RECOVERY_CODES][RECOVERY_LEN])
{
    static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789";
    json_t *hashes = json_array();
    for (size_t i = 0; i < RECOVERY_CODES; i++) {
        char hash[HASH_LEN];
        for (size_t k = 0; k < RECOVERY_LEN - 1; k++)
            recovery[i][k] = k % 5 == 4 ? '-' : letters[randombytes_uniform(sizeof letters - 1)];
        recovery[i][RECOVERY_LEN - 1] = '\0';
        (void)json_array_append_new(hashes, json_string(token_hash(recovery[i], hash)));
    }
    return hashes;
}

/* secret NULL: none from now on. */
static int put_code(struct accounts *a, const char *name, const char *secret, uint64_t step,
    json_t *hashes, struct err *e)
{
    json_t *account, *next = begin_change(a, name, NULL, &account);
    if (account && secret) {
        (void)json_object_set_new(account, "totp", json_string(secret));
        (void)json_object_set_new(account, "totp_step", json_integer((json_int_t)step));
        (void)json_object_set(account, "recovery", hashes);
    } else if (account) {
        (void)json_object_del(account, "totp");
        (void)json_object_del(account, "totp_step");
        (void)json_object_del(account, "recovery");
    }
    return end_change(a, next, account ? 0 : err_no_account(e, name), e);
}

int accounts_set_code(struct accounts *a, const char *name, const char *secret, uint64_t step,
    char recovery[static RECOVERY_CODES][RECOVERY_LEN], struct err *e)
{
    _cleanup_json_ json_t *hashes = make_recovery(recovery);
    return put_code(a, name, secret, step, hashes, e);
}

int accounts_drop_code(struct accounts *a, const char *name, struct err *e)
{
    return put_code(a, name, NULL, 0, NULL, e);
}

int accounts_set_role(struct accounts *a, const char *name, enum role role, struct err *e)
{
    return change(a, name, put_role, (int)role, e);
}

int accounts_set_language(struct accounts *a, const char *name, enum lang lang, struct err *e)
{
    return change(a, name, put_language, (int)lang, e);
}

int accounts_remove(struct accounts *a, const char *name, struct err *e)
{
    return change(a, name, take_away, ROLE_NONE, e);
}
