#include "proxy/control/predecessors.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include <unistd.h>
#include "common/clock.h"
#include "common/hex.h"
#include "common/json_lines.h"
#include "common/log.h"
#include "common/json_get.h"
#include "proxy/proxy.h"
#include "link/control_call.h"
#include "link/unix_socket.h"

struct predecessor {
    TAILQ_ENTRY(predecessor) entry;
    struct predecessors *all;
    char *path;
    struct control_call *watch;
};

/* Asked of all at once; ends when each has answered. */
struct asking {
    predecessors_cb *cb;
    void *ctx;
    json_t *answers;
    unsigned waiting;
    bool keep;
};

/* Asked of one. */
struct question {
    TAILQ_ENTRY(question) entry;
    struct predecessors *all;
    struct asking *asking; /* NULL: answered, and its connection kept */
    char *path;
    struct control_call *call;
};

void predecessors_init(struct predecessors *ps, struct proxy *p, predecessors_tell *tell)
{
    ps->proxy = p;
    ps->tell = tell;
    TAILQ_INIT(&ps->list);
    TAILQ_INIT(&ps->asked);
    TAILQ_INIT(&ps->kept);
}

static struct predecessor *find_predecessor(struct predecessors *ps, const char *path)
{
    struct predecessor *d;
    TAILQ_FOREACH (d, &ps->list, entry)
        if (!strcmp(d->path, path))
            return d;
    return NULL;
}

static void forget(struct predecessor *d)
{
    TAILQ_REMOVE(&d->all->list, d, entry);
    control_call_drop(d->watch);
    free(d->path);
    free(d);
}

static bool answers(const char *path)
{
    _cleanup_fd_ int fd = -1;
    int r = unix_socket_connect(path, &fd, NULL);
    return r == 0 || r == -EAGAIN;
}

/* A connection to it ended. true: so has the process. What it knew of the last write went with it,
 * and what its sessions had open was rolled back: the quiet time begins anew. */
static bool gone(struct predecessors *ps, const char *path)
{
    struct predecessor *d = find_predecessor(ps, path);
    if (!d)
        return true;
    if (answers(path))
        return false;
    ps->proxy->quiet_from_ms = clock_mono_ms();
    log_event(LOG_INFO, "predecessor-gone", LOG_S("socket", path));
    forget(d);
    return true;
}

static void on_watch(void *ctx, const json_t *object, int status)
{
    struct predecessor *d = ctx;
    struct predecessors *all = d->all; /* d may be gone below */
    (void)status;
    const char *event = json_get_str(object, "event");
    if (!object) {
        d->watch = NULL; /* the next question watches it again, if it lives */
        (void)gone(all, d->path);
        /* who waits for writes must not miss those that we do not see */
        all->tell(all->proxy, "write", json_pack("{s:s, s:i}", "event", "write", "session", 0));
    } else if (event)
        all->tell(all->proxy, strcmp(event, "write") ? "session" : "write", json_deep_copy(object));
}

static void watch(struct predecessor *d)
{
    _cleanup_json_ json_t *request = json_pack(
        "{s:s, s:[s,s]}", "cmd", "watch", "events", "session", "write");
    d->watch = control_call_start(&d->all->proxy->loop, d->path, request, 0, on_watch, d);
}

void predecessors_add(struct predecessors *ps, const char *path)
{
    if (find_predecessor(ps, path))
        return;
    struct predecessor *d = xcalloc(1, sizeof *d);
    d->all = ps;
    d->path = xstrdup(path);
    TAILQ_INSERT_TAIL(&ps->list, d, entry);
    watch(d);
    log_event(LOG_INFO, "predecessor", LOG_S("socket", path));
}

/* "proxy.sock.o3f2a9c1d" is an old process's, "...n..." one that never came to serve. */
void predecessors_find(struct predecessors *ps)
{
    const char *socket_path = ps->proxy->settings->control_socket;
    const char *slash = strrchr(socket_path, '/');
    _cleanup_free_ char *folder = slash ? xasprintf(
                                              "%.*s", (int)(slash - socket_path + 1), socket_path)
                                        : xstrdup("./");
    const char *base = slash ? slash + 1 : socket_path;
    size_t n = strlen(base);
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        const char *name = entry->d_name, *kind = name + n + 1;
        if (strncmp(name, base, n) || name[n] != '.' || strlen(name) != n + 10 ||
            (*kind != 'o' && *kind != 'n') || !hex_valid(kind + 1, 8))
            continue;
        _cleanup_free_ char *path = xasprintf("%s%s", folder, name);
        if (!answers(path))
            (void)unlink(path);
        else if (*kind == 'o')
            predecessors_add(ps, path);
    }
    if (dir)
        closedir(dir);
}

json_t *predecessors_paths(const struct predecessors *ps)
{
    json_t *array = json_array();
    const struct predecessor *d;
    TAILQ_FOREACH (d, &ps->list, entry)
        (void)json_array_append_new(array, json_string(d->path));
    return array;
}

static void asking_step(struct asking *a)
{
    if (--a->waiting > 0)
        return;
    a->cb(a->ctx, a->answers);
    free(a);
}

static void question_free(struct question *q)
{
    control_call_drop(q->call);
    free(q->path);
    free(q);
}

static void on_answer(void *ctx, const json_t *object, int status)
{
    struct question *q = ctx;
    struct predecessors *ps = q->all;
    struct asking *a = q->asking;
    if (!object)
        q->call = NULL;
    if (!a) { /* the kept connection of a hold */
        if (!object) {
            TAILQ_REMOVE(&ps->kept, q, entry);
            question_free(q);
        }
        return;
    }
    TAILQ_REMOVE(&ps->asked, q, entry);
    if (object)
        (void)json_array_append_new(a->answers, json_deep_copy(object));
    else if (status == -ETIMEDOUT)
        (void)json_array_append_new(
            a->answers, json_error(ETIMEDOUT, "the older process at %s does not answer", q->path));
    else if (!gone(ps, q->path))
        (void)json_array_append_new(a->answers,
            json_error(EAGAIN, "the older process at %s hung up without an answer", q->path));
    if (a->keep && json_get_true(object, "ok")) {
        q->asking = NULL;
        TAILQ_INSERT_TAIL(&ps->kept, q, entry);
    } else
        question_free(q);
    asking_step(a);
}

static void ask(struct predecessors *ps, json_t *request, uint64_t timeout_ms, bool keep,
    predecessors_cb *cb, void *ctx)
{
    struct asking *a = xcalloc(1, sizeof *a);
    *a = (struct asking){.cb = cb, .ctx = ctx, .answers = json_array(), .waiting = 1, .keep = keep};
    struct predecessor *d;
    TAILQ_FOREACH (d, &ps->list, entry) {
        if (!d->watch)
            watch(d);
        struct question *q = xcalloc(1, sizeof *q);
        *q = (struct question){.all = ps, .asking = a, .path = xstrdup(d->path)};
        TAILQ_INSERT_TAIL(&ps->asked, q, entry);
        a->waiting++;
        q->call = control_call_start(&ps->proxy->loop, d->path, request, timeout_ms, on_answer, q);
    }
    json_decref(request);
    asking_step(a);
}

void predecessors_ask(
    struct predecessors *ps, json_t *request, uint64_t timeout_ms, predecessors_cb *cb, void *ctx)
{
    ask(ps, request, timeout_ms, false, cb, ctx);
}

void predecessors_hold(
    struct predecessors *ps, json_t *request, uint64_t timeout_ms, predecessors_cb *cb, void *ctx)
{
    ask(ps, request, timeout_ms, true, cb, ctx);
}

void predecessors_release(struct predecessors *ps)
{
    struct question *q;
    while ((q = TAILQ_FIRST(&ps->kept))) {
        TAILQ_REMOVE(&ps->kept, q, entry);
        question_free(q);
    }
}

void predecessors_close(struct predecessors *ps)
{
    struct predecessor *d;
    struct question *q;
    predecessors_release(ps);
    while ((q = TAILQ_FIRST(&ps->asked))) {
        struct asking *a = q->asking;
        TAILQ_REMOVE(&ps->asked, q, entry);
        question_free(q);
        asking_step(a);
    }
    while ((d = TAILQ_FIRST(&ps->list)))
        forget(d);
}

static void set(json_t *o, const char *key, json_int_t v)
{
    (void)json_object_set_new(o, key, json_integer(v));
}

static void least(json_t *o, const json_t *other, const char *key)
{
    if (json_get_int(other, key) < json_get_int(o, key))
        set(o, key, json_get_int(other, key));
}

static void sum(json_t *o, const json_t *other, const char *key)
{
    set(o, key, json_get_int(o, key) + json_get_int(other, key));
}

void predecessors_merge_idle(json_t *idle, const json_t *all)
{
    static const char *const sums[] = {
        "in_flight", "write_in_flight", "transactions", "transactions_unknown", "sessions"};
    size_t i;
    const json_t *one;
    json_array_foreach (all, i, one) {
        const json_t *other = json_object_get(one, "idle");
        json_t *unknown = NULL;
        if (!json_is_object(other))
            other = unknown = json_pack("{s:i, s:i, s:i, s:i, s:i, s:i}", "write_ms", 0,
                "statement_ms", 0, "in_flight", 1, "write_in_flight", 1, "transactions", 1,
                "sessions", 1);
        least(idle, other, "write_ms");
        least(idle, other, "statement_ms");
        for (size_t k = 0; k < sizeof sums / sizeof sums[0]; k++)
            sum(idle, other, sums[k]);
        json_decref(unknown);
    }
}

void predecessors_merge_status(json_t *status, const json_t *all)
{
    json_t *list = json_array();
    size_t i;
    const json_t *one;
    json_array_foreach (all, i, one) {
        static const char *const kept[] = {"pid", "version", "sessions", "handed_over", "error"};
        json_t *o = json_object();
        for (size_t k = 0; k < sizeof kept / sizeof kept[0]; k++)
            if (json_object_get(one, kept[k]))
                (void)json_object_set(o, kept[k], json_object_get(one, kept[k]));
        (void)json_array_append_new(list, o);
        sum(status, one, "sessions");
        sum(status, one, "logins_pending");
    }
    predecessors_merge_idle(json_object_get(status, "idle"), all);
    (void)json_object_set_new(status, "predecessors", list);
}

const json_t *predecessors_failure(const json_t *all)
{
    size_t i;
    const json_t *one;
    json_array_foreach (all, i, one)
        if (!json_get_true(one, "ok"))
            return one;
    return NULL;
}
