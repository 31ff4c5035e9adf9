#include "console/events.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "console/ask.h"
#include "console/pages.h"
#include "console/view.h"

#define FRESH_MS   900
#define LOOK_MS    250 /* how soon a stream sees that the console ends */
#define PING_MS    10000
#define RECHECK_MS 5000 /* how soon a stream ends after its session did */

/* --- the shared snapshot ---------------------------------------------------------------------- */

enum { GERMAN, ENGLISH };
struct live {
    pthread_mutex_t
        lock; /* held while proxy and keeper are asked: the others wait for the answer */
    uint64_t taken[2];
    char *status[2], *sessions[2]; /* by language, as they are sent */
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
    for (int i = 0; i < 2; i++) {
        free(l->status[i]);
        free(l->sessions[i]);
    }
    pthread_mutex_destroy(&l->lock);
    free(l);
}

static char *as_text(json_t *model, const char *lang)
{
    view_localise(model, lang);
    char *text = json_dumps(model, JSON_COMPACT);
    json_decref(model);
    CHECK(text);
    return text;
}

static json_t *sessions_of(const struct settings *s)
{
    json_t *answer = NULL, *model;
    struct err e = {0};
    if (ask_proxy(s, json_pack("{ss}", "cmd", "sessions"), &answer, &e) < 0)
        return json_pack("{sss[]}", "error", e.text, "sessions");
    model = json_pack("{sO?}", "sessions", json_object_get(answer, "sessions"));
    json_decref(answer);
    return model;
}

static void refresh(struct console *c, struct live *l, const char *lang, int index)
{
    uint64_t now = clock_mono_ms();
    if (l->taken[index] && now - l->taken[index] < FRESH_MS)
        return;
    struct settings *s = console_settings(c);
    free(l->status[index]);
    free(l->sessions[index]);
    l->status[index] = as_text(overview_of(s, c->messages, lang), lang);
    l->sessions[index] = as_text(sessions_of(s), lang);
    l->taken[index] = clock_mono_ms();
    console_settings_drop(c, s);
}

/* --- one stream ------------------------------------------------------------------------------- */

struct stream {
    struct console *console;
    const char *lang;
    char id[TOKEN_LEN], *name;
    char *status, *sessions; /* what was sent last */
    char *out;               /* what is being sent */
    size_t len, sent;
    uint64_t last_sent, last_checked;
};

/* A time stamp or a duration runs on in each snapshot: only what else changed is news. But each
 * page is to see the clocks move: once every few seconds is enough, and PING_MS is that. */
static bool same(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

static void put(struct stream *s, const char *event, const char *data)
{
    char *more = xasprintf("%sevent: %s\ndata: %s\n\n", s->out ? s->out : "", event, data);
    free(s->out);
    s->out = more;
}

static void compose(struct stream *s)
{
    struct live *l = s->console->live;
    int index = strcmp(s->lang, "de") == 0 ? GERMAN : ENGLISH;
    pthread_mutex_lock(&l->lock);
    refresh(s->console, l, s->lang, index);
    if (!same(s->status, l->status[index])) {
        free(s->status);
        s->status = xstrdup(l->status[index]);
        put(s, "status", s->status);
    }
    if (!same(s->sessions, l->sessions[index])) {
        free(s->sessions);
        s->sessions = xstrdup(l->sessions[index]);
        put(s, "sessions", s->sessions);
    }
    pthread_mutex_unlock(&l->lock);
    if (!s->out && clock_mono_ms() - s->last_sent > PING_MS)
        s->out = xstrdup(": still here\n\n");
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
    free(s->name);
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
    s->lang = rq->lang;
    memcpy(s->id, rq->id, TOKEN_LEN);
    s->name = xstrdup(rq->name);
    s->last_sent = clock_mono_ms();
    struct MHD_Response *r = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, 64 * 1024, on_more, s, on_stream_end);
    CHECK(r);
    (void)MHD_add_response_header(r, "Content-Type", "text/event-stream");
    (void)MHD_add_response_header(r, "X-Accel-Buffering", "no");
    answer_response(rq, MHD_HTTP_OK, r);
}
