#include "backup/job/binlog/base.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "backup/job/binlog/point.h"
#include "common/clock.h"

#define LOOK_US       200000
#define OFTEN_MS      2000
#define RESTLESS_MS   10000
#define NOW_AND_AGAIN (UINT64_C(10) * 60 * 1000)

enum base { BASE_UNKNOWN, BASE_OWN, BASE_ACROSS, BASE_MISSING };
static const char *const names[] = {NULL, "own", "across", "missing"};

struct found {
    enum base base;
    uint32_t timeline;
    enum binlog_reason reason;
    int64_t since_ms;
    bool stopped; /* by an event that cannot be run again, */
    char kind[BINLOG_KIND_LEN];
};

struct binlog_watch {
    const struct run *run;
    pthread_t thread;
    atomic_bool ends, poked;
    struct found told;
    struct timespec changed; /* the folder, when it was last looked at */
    uint64_t looked_ms;      /* monotonic; 0 = never */
    uint64_t restless_ms; /* until then it looks often: what was poked for is not on the disk yet */
};

/* --- one look --- */

static bool is_good(const struct store_item *it)
{
    const struct store_status *s = &it->status;
    return binlog_can_begin(it) && (!s->verified_ms || s->verified_good) &&
           (!s->proven_ms || s->proven_good);
}

/* upto: not behind it, and the way there can be gone; NULL = the timeline's end. *stop: why one was
 * passed over. */
static bool has_base(const struct binlog_catalog *c, const struct store_list *l, uint32_t timeline,
    const struct binlog_place *upto, const struct binlog_segment **stop)
{
    struct binlog_place at;
    for (size_t i = 0; i < l->count; i++) {
        if (!is_good(&l->items[i]) || !binlog_place_in(c, &l->items[i].manifest, timeline, &at) ||
            (upto && binlog_place_compare(&at, upto) > 0))
            continue;
        const struct binlog_segment *s = binlog_stop_between(c, timeline, &at, upto);
        if (!s)
            return true;
        *stop = *stop ? *stop : s;
    }
    return false;
}

static const struct binlog_segment *first_of(const struct binlog_catalog *c, uint32_t timeline)
{
    size_t i = 0;
    while (i < c->n && c->items[i].s.timeline != timeline)
        i++;
    return i < c->n ? &c->items[i].s : NULL;
}

static void judge(const struct binlog_catalog *c, const struct store_list *l, struct found *out)
{
    const struct binlog_segment *s = first_of(c, c->newest);
    if (!s)
        return;
    *out = (struct found){.base = BASE_OWN,
        .timeline = s->timeline,
        .reason = s->reason,
        .since_ms = (int64_t)s->created * 1000};
    const struct binlog_segment *stop = NULL;
    if (has_base(c, l, s->timeline, NULL, &stop))
        return;
    out->base = BASE_MISSING;
    stop = stop ? stop : binlog_stop_between(c, s->timeline, NULL, NULL);
    while (s && !stop && s->parent.timeline && s->parent.timeline < s->timeline) {
        if (has_base(c, l, s->parent.timeline, &s->parent, &stop)) {
            out->base = BASE_ACROSS;
            return;
        }
        stop = stop ? stop : binlog_stop_between(c, s->parent.timeline, NULL, &s->parent);
        s = first_of(c, s->parent.timeline);
    }
    if (!stop)
        return;
    out->since_ms = (int64_t)stop->stop.when * 1000;
    out->stopped = true;
    snprintf(out->kind, sizeof out->kind, "%s", *stop->stop.kind ? stop->stop.kind : "?");
}

/* The list of backups of this machine grows while the stream runs: it is read each time. */
static void look(struct binlog_watch *w, struct found *out)
{
    const struct backup_settings *s = &w->run->s;
    struct trust trust = {.folder = NULL};
    struct binlog_catalog c = {.folder = NULL};
    struct store_list l = {.folder = NULL};
    struct err why = {0};
    if (trust_open(s->state_dir, w->run->trust.trusted, &trust, &why) < 0)
        return;
    if (binlog_catalog_read(s->folder, &trust, &c, &why) == 0) {
        if (store_read(s->folder, s->physical_type, &trust, &l, &why) == 0)
            judge(&c, &l, out);
        store_list_clear(&l);
        binlog_catalog_clear(&c);
    }
    trust_close(&trust);
}

/* --- again and again --- */

static bool is_time(struct binlog_watch *w)
{
    struct stat st;
    uint64_t now = clock_mono_ms(), passed = now - w->looked_ms;
    bool there = stat(w->run->s.folder, &st) == 0;
    bool changed = there && memcmp(&st.st_mtim, &w->changed, sizeof st.st_mtim) != 0;
    if (atomic_exchange(&w->poked, false) || changed)
        w->restless_ms = now + RESTLESS_MS;
    bool often = w->told.base != BASE_OWN || now < w->restless_ms;
    if (w->looked_ms && !changed && passed < (often ? OFTEN_MS : NOW_AND_AGAIN))
        return false;
    if (there)
        w->changed = st.st_mtim;
    w->looked_ms = now;
    return there;
}

static void tell(struct binlog_watch *w, const struct found *f)
{
    char since[CLOCK_ISO_LEN];
    if (f->base == BASE_UNKNOWN || (f->base == w->told.base && f->timeline == w->told.timeline))
        return;
    w->told = *f;
    run_event(json_pack("{s:s, s:s, s:i, s:s, s:s, s:s?}", "event", "base", "base", names[f->base],
        "timeline", (int)f->timeline, "reason", binlog_reason_name(f->reason), "since",
        clock_iso(f->since_ms, since), "statement", f->stopped ? f->kind : NULL));
}

static void *watch_main(void *arg)
{
    struct binlog_watch *w = arg;
    for (; !atomic_load(&w->ends); usleep(LOOK_US)) {
        struct found f = {.base = BASE_UNKNOWN};
        if (!is_time(w))
            continue;
        look(w, &f);
        tell(w, &f);
    }
    return NULL;
}

struct binlog_watch *binlog_watch_start(const struct run *r)
{
    struct binlog_watch *w = xcalloc(1, sizeof *w);
    w->run = r;
    CHECK(pthread_create(&w->thread, NULL, watch_main, w) == 0);
    return w;
}

void binlog_watch_poke(struct binlog_watch *w)
{
    atomic_store(&w->poked, true);
}

void binlog_watch_stop(struct binlog_watch *w)
{
    atomic_store(&w->ends, true);
    pthread_join(w->thread, NULL);
    free(w);
}
