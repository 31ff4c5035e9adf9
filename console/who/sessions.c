#include "console/who/sessions.h"

#include <pthread.h>
#include <string.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/log.h"
#include "common/json_get.h"

#define FILE_MAX_BYTES (4 * 1024 * 1024)
#define SESSIONS_MAX   1000

struct sessions {
    char *path;
    pthread_mutex_t lock;
    json_t *by_hash; /* hash -> {"name","generation","created","seen","address"} and "flash" */
    char key[TOKEN_LEN];
    bool changed;
};

/* --- the file --------------------------------------------------------------------------------- */

static bool load(struct sessions *s)
{
    _cleanup_free_ char *text = NULL;
    size_t len;
    if (file_read(s->path, FILE_MAX_BYTES, &text, &len, NULL) < 0 ||
        file_check_private(s->path, NULL) < 0)
        return false;
    _cleanup_json_ json_t *all = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    const char *key = json_get_str(all, "key");
    json_t *list = json_object_get(all, "sessions");
    bool good = key && strlen(key) == TOKEN_LEN - 1 && json_is_object(list);
    if (good) {
        memcpy(s->key, key, TOKEN_LEN);
        s->by_hash = json_incref(list);
    }
    return good;
}

static int save(struct sessions *s, struct err *e)
{
    _cleanup_json_ json_t *all = json_pack("{sssO}", "key", s->key, "sessions", s->by_hash);
    _cleanup_free_ char *text = json_dumps(all, JSON_INDENT(1));
    CHECK(text);
    return file_publish(s->path, text, strlen(text), 0600, e);
}

static void save_if_changed(struct sessions *s)
{
    struct err e = {0};
    if (!s->changed)
        return;
    s->changed = false;
    if (save(s, &e) < 0)
        log_err(LOG_WARNING, "sessions-not-saved", &e);
}

int sessions_open(const char *state_dir, struct sessions **out, struct err *e)
{
    struct sessions *s = xcalloc(1, sizeof *s);
    s->path = xasprintf("%s/sessions.json", state_dir);
    pthread_mutex_init(&s->lock, NULL);
    int r = 0;
    if (!load(s)) {
        token_make(s->key);
        s->by_hash = json_object();
        r = save(s, e);
    }
    if (r < 0) {
        sessions_close(s);
        return r;
    }
    *out = s;
    return 0;
}

void sessions_close(struct sessions *s)
{
    if (!s)
        return;
    save_if_changed(s);
    json_decref(s->by_hash);
    pthread_mutex_destroy(&s->lock);
    free(s->path);
    free(s);
}

const char *sessions_key(const struct sessions *s)
{
    return s->key;
}

/* --- sessions --------------------------------------------------------------------------------- */

static bool over(const json_t *session, struct session_times t, int64_t now)
{
    return now - json_get_int(session, "seen") > t.idle_ms ||
           now - json_get_int(session, "created") > t.max_ms;
}

static void drop_oldest(struct sessions *s)
{
    const char *hash, *oldest = NULL;
    json_t *session;
    int64_t seen = INT64_MAX;
    json_object_foreach (s->by_hash, hash, session) {
        if (json_get_int(session, "seen") < seen) {
            seen = json_get_int(session, "seen");
            oldest = hash;
        }
    }
    if (oldest)
        (void)json_object_del(s->by_hash, oldest);
}

void sessions_begin(struct sessions *s, const char *name, long generation, const char *address,
    char id[static TOKEN_LEN])
{
    char hash[HASH_LEN];
    int64_t now = clock_wall_ms();
    token_hash(token_make(id), hash);
    pthread_mutex_lock(&s->lock);
    if (json_object_size(s->by_hash) >= SESSIONS_MAX)
        drop_oldest(s);
    (void)json_object_set_new(s->by_hash, hash,
        json_pack("{sssIsIsIss}", "name", name, "generation", (json_int_t)generation, "created",
            (json_int_t)now, "seen", (json_int_t)now, "address", address));
    s->changed = true;
    save_if_changed(s);
    pthread_mutex_unlock(&s->lock);
}

char *sessions_find(
    struct sessions *s, const char *id, struct session_times t, bool touch, long *generation)
{
    char hash[HASH_LEN];
    char *name = NULL;
    int64_t now = clock_wall_ms();
    token_hash(id, hash);
    pthread_mutex_lock(&s->lock);
    json_t *session = json_object_get(s->by_hash, hash);
    if (session && over(session, t, now)) {
        (void)json_object_del(s->by_hash, hash);
        s->changed = true;
        session = NULL;
    }
    if (session) {
        name = xstrdup(json_get_str(session, "name"));
        *generation = (long)json_get_int(session, "generation");
        if (touch) {
            (void)json_object_set_new(session, "seen", json_integer((json_int_t)now));
            s->changed = true;
        }
    }
    pthread_mutex_unlock(&s->lock);
    return name;
}

void sessions_end(struct sessions *s, const char *id)
{
    char hash[HASH_LEN];
    token_hash(id, hash);
    pthread_mutex_lock(&s->lock);
    if (json_object_del(s->by_hash, hash) == 0) {
        s->changed = true;
        save_if_changed(s);
    }
    pthread_mutex_unlock(&s->lock);
}

void sessions_end_all(struct sessions *s, const char *name, const char *but_id)
{
    char keep[HASH_LEN] = "";
    const char *hash;
    json_t *session;
    void *next;
    if (but_id)
        token_hash(but_id, keep);
    pthread_mutex_lock(&s->lock);
    json_object_foreach_safe(s->by_hash, next, hash, session)
    {
        const char *whose = json_get_text(session, "name");
        if (strcmp(whose, name) == 0 && strcmp(hash, keep) != 0) {
            (void)json_object_del(s->by_hash, hash);
            s->changed = true;
        }
    }
    save_if_changed(s);
    pthread_mutex_unlock(&s->lock);
}

void sessions_tidy(struct sessions *s, struct session_times t)
{
    const char *hash;
    json_t *session;
    void *next;
    int64_t now = clock_wall_ms();
    pthread_mutex_lock(&s->lock);
    json_object_foreach_safe(s->by_hash, next, hash, session)
    {
        if (over(session, t, now)) {
            (void)json_object_del(s->by_hash, hash);
            s->changed = true;
        }
    }
    save_if_changed(s);
    pthread_mutex_unlock(&s->lock);
}

/* --- flash ------------------------------------------------------------------------------------ */

void sessions_set_flash(struct sessions *s, const char *id, json_t *flash)
{
    char hash[HASH_LEN];
    token_hash(id, hash);
    pthread_mutex_lock(&s->lock);
    json_t *session = json_object_get(s->by_hash, hash);
    if (session)
        (void)json_object_set(session, "flash", flash);
    pthread_mutex_unlock(&s->lock);
    json_decref(flash);
}

json_t *sessions_take_flash(struct sessions *s, const char *id)
{
    char hash[HASH_LEN];
    token_hash(id, hash);
    pthread_mutex_lock(&s->lock);
    json_t *session = json_object_get(s->by_hash, hash);
    json_t *flash = json_incref(json_object_get(session, "flash"));
    if (flash)
        (void)json_object_del(session, "flash");
    pthread_mutex_unlock(&s->lock);
    return flash;
}
