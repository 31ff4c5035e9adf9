#include "proxy/backend/backends.h"

#include <stdio.h>
#include <string.h>
#include "common/clock.h"
#include "common/file.h"
#include "common/log.h"
#include "common/phrase.h"
#include "proxy/backend/backend_choice.h"
#include "proxy/backend/probe.h"
#include "proxy/proxy.h"

/* Looks in a row that bring a server back: one may be luck. */
#define PROBE_RISE 2

#define NAME_MAX_READ 256u

/* What is known of one of the pool. */
struct backend_member {
    struct backends *all;
    size_t index;
    struct probe *probe;
    struct probe_answer last;
    bool checked;                 /* last is something */
    enum probe_result state;      /* with hysteresis; what the choice is made by */
    unsigned falls, rises;        /* answers in a row that speak against state, or for more */
    int64_t since_ms, checked_ms; /* wall clock */
};

static const char *state_word(const struct backend_member *m)
{
    static const char *const words[] = {"down", "read-only", "alive", "writable"};
    return m->checked ? words[m->state] : "unknown";
}

static char *file_of(const struct proxy *p)
{
    return xasprintf("%s/backend", p->settings->state_dir);
}

/* After a restart the same one is used, even if a former one has come back meanwhile. */
static void remember(const struct proxy *p, const char *name)
{
    _cleanup_free_ char *path = file_of(p);
    struct err e;
    if (file_publish(path, name, strlen(name), 0600, &e) < 0)
        log_err(LOG_WARNING, "backend-not-remembered", &e);
}

static char *remembered(const struct proxy *p)
{
    _cleanup_free_ char *path = file_of(p);
    char *name = NULL;
    size_t n;
    return file_read(path, NAME_MAX_READ, &name, &n, NULL) == 0 ? name : NULL;
}

static void switch_to(struct backends *b, int to)
{
    struct proxy *p = b->proxy;
    struct backend_pool *pool = b->pool;
    int from = atomic_load(&pool->active);
    if (to == from)
        return;
    atomic_store(&pool->active, to);
    const char *why = from >= 0 ? b->members[from].last.trouble : "start";
    log_event(from >= 0 ? LOG_WARNING : LOG_INFO, "backend-switch",
        LOG_S("from", from >= 0 ? pool->items[from].name : ""), LOG_S("to", pool->items[to].name),
        LOG_S("reason", why));
    remember(p, pool->items[to].name);
    for (unsigned i = 0; from >= 0 && i < p->n_workers; i++)
        worker_end_backend(&p->workers[i], pool->items[from].name, pool->lost);
}

static void choose(struct backends *b)
{
    struct backend_health list[BACKENDS_MAX];
    int preferred = -1;
    for (size_t i = 0; i < b->pool->n; i++) {
        const struct backend_member *m = &b->members[i];
        list[i] = (struct backend_health){.known = m->checked,
            .usable = m->checked && m->state >= PROBE_ALIVE,
            .writable = m->checked && m->state == PROBE_WRITABLE};
        if (b->preferred && !strcmp(b->preferred, b->pool->items[i].name))
            preferred = (int)i;
    }
    int to = backend_choose(list, b->pool->n, atomic_load(&b->pool->active), preferred);
    if (to >= 0)
        switch_to(b, to);
}

static void enter(struct backend_member *m, enum probe_result state)
{
    bool told = m->checked && m->state == state;
    m->state = state;
    m->checked = true;
    m->falls = m->rises = 0;
    if (told)
        return;
    m->since_ms = clock_wall_ms();
    log_event(state >= PROBE_ALIVE ? LOG_INFO : LOG_WARNING, "backend",
        LOG_S("name", m->all->pool->items[m->index].name), LOG_S("state", state_word(m)),
        LOG_S("detail", m->last.trouble));
}

/* One answer against it may be a hiccup, and one for it the first after a crash: neither moves
 * anything. read_only is somebody's will, so it counts at once where it is taken away from nobody.
 */
static void on_answer(void *ctx, const struct probe_answer *answer)
{
    struct backend_member *m = ctx;
    const struct settings *s = m->all->proxy->settings;
    if (!answer->again)
        m->probe = NULL;
    m->last = *answer;
    m->checked_ms = clock_wall_ms();
    if (!m->checked)
        enter(m, answer->result);
    else if (answer->result == m->state)
        m->falls = m->rises = 0;
    else if (answer->result < m->state) {
        m->rises = 0;
        if (++m->falls >= s->probe_fall)
            enter(m, answer->result);
    } else {
        m->falls = 0;
        if (++m->rises >= PROBE_RISE)
            enter(m, answer->result);
    }
    choose(m->all);
}

static void on_timer(uv_timer_t *t)
{
    struct backends *b = t->data;
    for (size_t i = 0; i < b->pool->n; i++) {
        struct backend_member *m = &b->members[i];
        if (!m->probe)
            m->probe = probe_start(
                &b->proxy->loop, &b->pool->items[i].target, b->proxy->settings, on_answer, m);
    }
}

static void forget(struct backends *b)
{
    for (size_t i = 0; b->pool && i < b->pool->n; i++)
        probe_drop(b->members[i].probe);
    free(b->members);
    b->members = NULL;
    backend_pool_unref(b->pool);
    b->pool = NULL;
    uv_timer_stop(&b->timer);
}

static void take_up(struct backends *b)
{
    const struct settings *s = b->proxy->settings;
    b->pool = backend_pool_ref(s->backends);
    if (!b->pool)
        return;
    b->members = xcalloc(b->pool->n, sizeof *b->members);
    for (size_t i = 0; i < b->pool->n; i++)
        b->members[i] = (struct backend_member){.all = b, .index = i};
    CHECK(uv_timer_start(&b->timer, on_timer, 0, s->probe_interval_ms) == 0);
}

void backends_start(struct proxy *p)
{
    struct backends *b = &p->backends;
    b->proxy = p;
    b->preferred = remembered(p);
    CHECK(uv_timer_init(&p->loop, &b->timer) == 0);
    b->timer.data = b;
    take_up(b);
}

void backends_keep(struct proxy *p, struct settings *next)
{
    if (!backend_pool_same(p->settings->backends, next->backends) || !next->backends)
        return;
    backend_pool_unref(next->backends);
    next->backends = backend_pool_ref(p->settings->backends);
}

void backends_update(struct proxy *p)
{
    struct backends *b = &p->backends;
    if (b->pool == p->settings->backends) {
        if (b->pool)
            CHECK(uv_timer_start(&b->timer, on_timer, 0, p->settings->probe_interval_ms) == 0);
        return;
    }
    if (b->pool) {
        const struct backend_entry *active = backend_pool_active(b->pool);
        free(b->preferred);
        b->preferred = xstrdup(active ? active->name : NULL);
    }
    forget(b);
    take_up(b);
}

void backends_close(struct proxy *p)
{
    forget(&p->backends);
    free(p->backends.preferred);
    p->backends.preferred = NULL;
    uv_close((uv_handle_t *)&p->backends.timer, NULL);
}

json_t *backends_json(const struct proxy *p)
{
    const struct backends *b = &p->backends;
    json_t *array = json_array();
    int active = b->pool ? atomic_load(&b->pool->active) : -1;
    for (size_t i = 0; b->pool && i < b->pool->n; i++) {
        const struct backend_entry *entry = &b->pool->items[i];
        const struct backend_member *m = &b->members[i];
        char address[300], since[CLOCK_ISO_LEN];
        if (entry->target.socket)
            snprintf(address, sizeof address, "unix:%s", entry->target.socket);
        else
            snprintf(
                address, sizeof address, "%s:%u", entry->target.host, (unsigned)entry->target.port);
        (void)json_array_append_new(
            array, json_pack("{s:s, s:s, s:s, s:b, s:b, s:o, s:s}", "name", entry->name, "address",
                       address, "state", state_word(m), "active", (int)i == active, "galera",
                       m->last.galera, "since",
                       m->checked ? json_string(clock_iso(m->since_ms, since)) : json_null(),
                       "detail", m->last.trouble));
    }
    return array;
}

static void warn(json_t *array, const char *code, const char *text)
{
    json_t *warning = json_pack("{s:s}", "code", code);
    phrase_put(warning, "text", phrase_of(text));
    (void)json_array_append_new(array, warning);
}

void backends_warn(const struct proxy *p, json_t *warnings)
{
    const struct backends *b = &p->backends;
    unsigned writable = 0, galera = 0, usable = 0, checked = 0;
    for (size_t i = 0; b->pool && i < b->pool->n; i++) {
        const struct backend_member *m = &b->members[i];
        writable += m->checked && m->state == PROBE_WRITABLE;
        usable += m->checked && m->state >= PROBE_ALIVE;
        galera += m->last.galera;
        checked += m->checked;
    }
    if (!b->pool || checked < b->pool->n)
        return;
    if (usable == 0)
        warn(warnings, "backends-none", N_("no database server can be written to"));
    if (writable > 1 && galera == 0)
        warn(warnings, "backends-several-writable",
            N_("several database servers can be written to, which is right with Galera only: set read_only on the replicas"));
}
