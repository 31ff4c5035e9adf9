#include "console/http/events.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "link/rights.h"
#include "console/ask.h"

#define FRESH_MS   900
#define REPEAT_MS  15000 /* shorter than the server's limit for silence */
#define LOOK_MS    250   /* how soon a stream sees that the console ends */
#define RECHECK_MS 5000  /* how soon a stream ends after its session did */

/* --- the shared snapshot ---------------------------------------------------------------------- */

struct live {
    pthread_mutex_t
        lock; /* held while proxy and keeper are asked: the others wait for the answer */
    uint64_t taken;
    char *status, *sessions; /* as they are sent */
};

struct live *live_create(void)
{
    struct live *l = xcalloc(1, sizeof *l);
    pthread_mutex_init(&l->lock, NULL);
    return l;
}

void live_free(struct live *l)
{
    if (!l)
        return;
    free(l->status);
    free(l->sessions);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

/* Clocks run on in each answer: what only they change is no news. */
static void drop_clocks(json_t *v)
{
    const char *key;
    json_t *member;
    void *next;
    for (size_t i = 0; i < json_array_size(v); i++)
        drop_clocks(json_array_get(v, i));
    json_object_foreach_safe(v, next, key, member)
    {
        size_t n = strlen(key);
        if (n > 3 && strcmp(key + n - 3, "_ms") == 0 && strcmp(key, "eta_ms") != 0)
            (void)json_object_del(v, key);
        else
            drop_clocks(member);
    }
}

/* NULL answers become null: not there. */
static json_t *ask(struct settings *s, bool proxy, const char *cmd)
{
    struct err e = {0};
    json_t *answer = NULL, *request = json_pack("{ss}", "cmd", cmd);
    rights_name(request, NULL, "");
    int r = ask_told(proxy ? s->proxy_socket : s->keeper_socket, request, &answer, &e);
    if (r < 0)
        return json_null();
    (void)json_object_del(answer, "totals"); /* of old sessions too; they move all the time */
    (void)json_object_del(answer, "loops");
    drop_clocks(answer);
    return answer;
}

static char *as_text(json_t *model)
{
    char *text = json_dumps(model, JSON_COMPACT | JSON_ENCODE_ANY); /* null, too */
    json_decref(model);
    CHECK(text);
    return text;
}

static void refresh(struct console *c, struct live *l)
{
    uint64_t now = clock_mono_ms();
    if (l->taken && now - l->taken < FRESH_MS)
        return;
    struct settings *s = console_settings(c);
    free(l->status);
    free(l->sessions);
    l->status = as_text(
        json_pack("{soso}", "proxy", ask(s, true, "status"), "keeper", ask(s, false, "status")));
    l->sessions = as_text(ask(s, true, "sessions"));
    l->taken = clock_mono_ms();
    console_settings_drop(c, s);
}

json_t *live_status(struct console *c)
{
    pthread_mutex_lock(&c->live->lock);
    refresh(c, c->live);
    json_t *status = json_loads(c->live->status, 0, NULL);
    pthread_mutex_unlock(&c->live->lock);
    return status;
}

/* --- one stream ------------------------------------------------------------------------------- */

struct stream {
    struct console *console;
    char id[TOKEN_LEN];
    char *status, *sessions; /* what was sent last */
    char *out;               /* what is being sent */
    size_t len, sent;
    uint64_t last_sent, last_checked;
};

static bool same(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

static void put_event(struct stream *s, const char *event, const char *data)
{
    char *more = xasprintf("%sevent: %s\ndata: %s\n\n", s->out ? s->out : "", event, data);
    free(s->out);
    s->out = more;
}

static void compose(struct stream *s)
{
    struct live *l = s->console->live;
    uint64_t now = clock_mono_ms();
    pthread_mutex_lock(&l->lock);
    refresh(s->console, l);
    /* now and then without any news, so that "5 min ago" moves on, and so that a browser that is
     * gone is noticed */
    if (!same(s->status, l->status) || now - s->last_sent > REPEAT_MS) {
        free(s->status);
        s->status = xstrdup(l->status);
        put_event(s, "status", s->status);
    }
    if (!same(s->sessions, l->sessions)) {
        free(s->sessions);
        s->sessions = xstrdup(l->sessions);
        put_event(s, "sessions", s->sessions);
    }
    pthread_mutex_unlock(&l->lock);
    s->sent = 0;
    s->len = s->out ? strlen(s->out) : 0;
}

/* Still signed in? */
static bool allowed(struct stream *s)
{
    struct console *c = s->console;
    if (s->last_checked && clock_mono_ms() - s->last_checked < RECHECK_MS)
        return true;
    s->last_checked = clock_mono_ms();
    struct settings *settings = console_settings(c);
    const struct session_times times = {settings->session_idle_ms, settings->session_max_ms};
    long generation = 0;
    _cleanup_free_ char *name = sessions_find(c->sessions, s->id, times, false, &generation);
    console_settings_drop(c, settings);
    return name && accounts_generation(c->accounts, name) == generation &&
           accounts_role(c->accounts, name) != ROLE_NONE;
}

/* Blocks until there is something to send; that is allowed, each connection being a thread. */
static ssize_t on_more(void *ctx, uint64_t position, char *buf, size_t max)
{
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
    struct stream *s = ctx;
    uint64_t looked = 0;
    (void)position;
    while (s->sent == s->len) {
        if (atomic_load(&s->console->stopping) || !allowed(s))
            return MHD_CONTENT_READER_END_OF_STREAM;
        free(s->out);
        s->out = NULL;
        s->sent = s->len = 0;
        if (!looked || clock_mono_ms() - looked >= 1000) {
            looked = clock_mono_ms();
            compose(s);
        }
        if (s->len == 0)
            nanosleep(&pause, NULL);
    }
    size_t n = s->len - s->sent < max ? s->len - s->sent : max;
    memcpy(buf, s->out + s->sent, n);
    s->sent += n;
    s->last_sent = clock_mono_ms();
    return (ssize_t)n;
}

static void on_stream_end(void *ctx)
{
    struct stream *s = ctx;
    atomic_fetch_sub(&s->console->streams, 1);
    free(s->status);
    free(s->sessions);
    free(s->out);
    free(s);
}

void get_events(struct request *rq)
{
    struct console *c = rq->console;
    /* forms and pages keep half of the connections */
    if (atomic_fetch_add(&c->streams, 1) >= rq->settings->max_connections / 2) {
        atomic_fetch_sub(&c->streams, 1);
        answer_error(rq, MHD_HTTP_SERVICE_UNAVAILABLE, "too-many-pages");
        return;
    }
    struct stream *s = xcalloc(1, sizeof *s);
    s->console = c;
    memcpy(s->id, rq->id, TOKEN_LEN);
    s->last_sent = clock_mono_ms();
    struct MHD_Response *r = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, 64 * 1024, on_more, s, on_stream_end);
    CHECK(r);
    (void)MHD_add_response_header(r, "Content-Type", "text/event-stream");
    (void)MHD_add_response_header(r, "X-Accel-Buffering", "no");
    answer_response(rq, MHD_HTTP_OK, r);
}
