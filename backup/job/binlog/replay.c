#include "backup/job/binlog/replay.h"

#include <errno.h>
#include <string.h>
#include "backup/job/binlog/stand_in.h"
#include "common/exit_codes.h"

#define HELD_MAX (256u << 20) /* bytes */

/* What cannot be taken back is run only once its end is there: where the archive ends in the middle
 * of it, another replay begins with it again. */
struct held {
    bool on;
    struct binlog_event *events; /* each with bytes of its own */
    size_t n, room, bytes;
};

struct replay {
    struct run *run;
    struct binlog_way *way;
    bool last_span; /* where the point counts */
    struct binlog_player player;
    uint64_t bytes;
    struct held held;
};

static void hold_nothing(struct held *h)
{
    for (size_t i = 0; i < h->n; i++)
        free((void *)(uintptr_t)h->events[i].data);
    h->on = false;
    h->n = h->bytes = 0;
}

static void hold(struct held *h, const struct binlog_event *ev)
{
    if (h->n == h->room) {
        h->room = 2 * h->room + 16;
        h->events = xrealloc(h->events, h->room * sizeof *h->events);
    }
    uint8_t *copy = xmalloc(ev->h.length);
    memcpy(copy, ev->data, ev->h.length);
    h->events[h->n] = *ev;
    h->events[h->n++].data = copy;
    h->bytes += ev->h.length;
}

static bool ends_group(const struct binlog_event *ev)
{
    struct binlog_query q;
    if (ev->h.type == BINLOG_XID || ev->h.type == BINLOG_XA_PREPARE)
        return true;
    enum binlog_bracket b = ev->h.type == BINLOG_QUERY &&
                                    binlog_query_parse(ev->data, ev->n, &q, NULL) == 0
                                ? binlog_query_bracket(&q)
                                : BINLOG_NO_BRACKET;
    return b == BINLOG_COMMIT || b == BINLOG_ROLLBACK;
}

/* Behind the last whole transaction: from there another replay goes on. */
static void note_reached(struct replay *p, const struct binlog_event *ev)
{
    struct binlog_place *at = &p->way->reached;
    at->timeline = ev->segment->timeline;
    memcpy(at->file, ev->segment->file, sizeof at->file);
    at->position = ev->position + ev->h.length;
}

static int play_event(struct replay *p, const struct binlog_event *ev, struct err *e)
{
    struct held *h = &p->held;
    int r = 0;
    if (!h->on)
        return binlog_player_event(&p->player, ev, e);
    hold(h, ev);
    if (!ends_group(ev) && h->bytes < HELD_MAX)
        return 0;
    for (size_t i = 0; r == 0 && i < h->n; i++)
        r = binlog_player_event(&p->player, &h->events[i], e);
    hold_nothing(h);
    return r;
}

static int play(void *ctx, const struct binlog_event *ev, struct err *e)
{
    struct replay *p = ctx;
    struct binlog_group g;
    uint64_t before = p->player.done.groups;
    int r;
    if (!run_go_on(p->run))
        return run_pack_result(PACK_STOPPED, e);
    p->bytes += ev->h.length;
    run_progress(p->run, p->bytes, 0, p->player.done.groups, ev->segment->file);
    if (ev->h.type == BINLOG_GTID || ev->h.type == BINLOG_FORMAT)
        hold_nothing(&p->held); /* it never ended */
    if (ev->h.type != BINLOG_GTID) {
        r = play_event(p, ev, e);
        if (r == 0 && p->player.done.groups > before)
            note_reached(p, ev);
        return r;
    }
    r = binlog_group_parse(ev->data, ev->n, &g, e);
    if (r < 0)
        return r;
    if (p->last_span && binlog_point_passed(&p->way->point, &g, ev->h.when)) {
        p->player.done.stopped = true;
        return BINLOG_ENOUGH;
    }
    p->held.on = !g.standalone && !g.takes_back && !g.completes_xa;
    return binlog_player_begin(&p->player, ev, &g, e);
}

/* Before its first transaction. */
static void begin_span(struct binlog_way *w, const struct binlog_span *span)
{
    w->reached = span->from;
    for (size_t i = 0; !w->reached.file[0] && i < w->catalog.n; i++) {
        const struct binlog_segment *s = &w->catalog.items[i].s;
        if (s->timeline != span->from.timeline)
            continue;
        memcpy(w->reached.file, s->file, sizeof w->reached.file);
        w->reached.position = BINLOG_MAGIC_SIZE;
    }
}

static int play_all(struct replay *p, struct err *e)
{
    struct binlog_way *w = p->way;
    int code = 0;
    for (size_t i = 0; code == 0 && i < w->n; i++) {
        p->last_span = i + 1 == w->n;
        begin_span(w, &w->spans[i]);
        code = binlog_events(p->run, &w->catalog, &w->spans[i], play, p, e);
        if (code == BINLOG_ENOUGH && p->player.done.stopped)
            code = 0;
        if (code == 0)
            code = binlog_player_end(&p->player, e);
    }
    return code;
}

/* [drill] server_args, and what makes a server fast that is thrown away when it fails. */
static const char *const *arguments(const struct run *r)
{
    static const char *all[64];
    static const char *const fast[] = {
        "--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=OFF"};
    const char *const *given = config_list(r->s.config, "drill", NULL, "server_args");
    size_t n = 0;
    for (; given && given[n] && n < 60; n++)
        all[n] = given[n];
    for (size_t i = 0; i < sizeof fast / sizeof fast[0]; i++)
        all[n++] = fast[i];
    all[n] = NULL;
    return all;
}

static int start(struct run *r, const struct binlog_way *w, const struct binlog_copy *copy,
    struct throwaway **out, struct err *e)
{
    struct throwaway_options o = {
        .config = r->s.config,
        .program = config_str(r->s.config, "drill", NULL, "server_program"),
        .args = arguments(r),
        .datadir = copy->datadir,
        .scratch = copy->scratch,
        .page_size = w->page_size,
        .lower_case_table_names = w->lower_case_table_names,
        .database = config_str(r->s.config, "database", NULL, "name"), /* with accounts */
        .settings = w->settings,
        .go_on = run_go_on,
        .ctx = r,
    };
    int code = throwaway_start(&o, out, e);
    if (code == 1)
        return run_pack_result(PACK_STOPPED, e);
    return code == -EIO || code == -ENOSPC ? EXIT_INCONSISTENT : code;
}

/* What would belong to an account that is gone when the server has stopped. */
static int nothing_is_ours(struct server *s, struct err *e)
{
    uint64_t n;
    int r = server_u64(s, &n, e,
        "SELECT (SELECT COUNT(*) FROM mysql.event WHERE definer=CURRENT_USER()) + (SELECT COUNT(*) FROM mysql.proc WHERE definer=CURRENT_USER()) + (SELECT COUNT(*) FROM mysql.tables_priv WHERE CURRENT_USER() IN (Grantor, CONCAT(User,'@',Host))) + (SELECT COUNT(*) FROM mysql.procs_priv WHERE CURRENT_USER() IN (Grantor, CONCAT(User,'@',Host))) + (SELECT COUNT(*) FROM mysql.db WHERE CONCAT(User,'@',Host)=CURRENT_USER()) + (SELECT COUNT(*) FROM information_schema.VIEWS WHERE DEFINER=CURRENT_USER()) + (SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE DEFINER=CURRENT_USER())");
    if (r < 0 || n == 0)
        return r;
    return err_outcome(e, EXIT_INCONSISTENT, EIO,
        "after the replay %llu rights, views, triggers, routines or events belong to its own account, which is temporary: restore to an earlier moment",
        (unsigned long long)n);
}

int binlog_replay(struct run *r, struct binlog_way *w, const struct binlog_copy *copy,
    struct binlog_replayed *out, struct err *e)
{
    struct replay p = {.run = r, .way = w};
    _cleanup_throwaway_ struct throwaway *t = NULL;
    uint64_t total = 0;
    for (size_t i = 0; i < w->n; i++)
        total += binlog_span_bytes(&w->catalog, &w->spans[i]);
    run_phase(r, copy->type, "replay", total);
    int code = start(r, w, copy, &t, e);
    if (code != 0)
        return code;
    p.player.target = throwaway_target(t);
    p.player.lacking = json_object_size(w->missing) > 0;
    code = stand_in_make(throwaway_server(t), w->missing, e);
    if (code == 0)
        code = play_all(&p, e);
    *out = p.player.done;
    stand_in_tell(out->left_out);
    json_decref(out->left_out);
    out->left_out = NULL;
    binlog_player_clear(&p.player);
    hold_nothing(&p.held);
    free(p.held.events);
    if (code == 0)
        code = nothing_is_ours(throwaway_server(t), e);
    if (code == 0 && copy->done)
        code = copy->done(copy->ctx, t, e);
    if (code == 0)
        code = throwaway_stop(t, e);
    return code == -EBADMSG || code == -EIO ? EXIT_INCONSISTENT : code;
}
