#include "backup/job/binlog/events.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include "backup/job/binlog/closing.h"
#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/lang.h"
#include "common/utf8.h"

struct reading {
    const struct binlog_span *span;
    const struct binlog_segment *segment;
    binlog_event_fn *fn;
    void *ctx;
    uint8_t *pending; /* bytes of an event that is not whole yet */
    size_t have, room;
    uint64_t position;   /* in the server's file, of pending's first byte */
    uint64_t begin, end; /* what is wanted of this file */
    bool checksums;
    bool enough; /* what follows is read for the segment's SHA-256 alone */
};

static uint64_t number_of(const struct binlog_place *p)
{
    uint64_t number = 0;
    return binlog_name_valid(p->file, &number) ? number : 0;
}

int binlog_place_compare(const struct binlog_place *a, const struct binlog_place *b)
{
    uint64_t x = number_of(a), y = number_of(b);
    if (x == y) {
        x = a->position;
        y = b->position;
    }
    return x < y ? -1 : x > y;
}

const char *binlog_where(const char *file, uint64_t position, uint32_t when, const char *what,
    char buf[static BINLOG_WHERE_LEN])
{
    char text[CLOCK_EXACT_LEN];
    utf8_format(buf, BINLOG_WHERE_LEN, "%s at %" PRIu64 " (%s, %s)", file, position,
        clock_exact((int64_t)when * 1000, text), what);
    return buf;
}

const char *binlog_event_where(const struct binlog_event *ev, char buf[static BINLOG_WHERE_LEN])
{
    return binlog_where(
        ev->segment->file, ev->position, ev->h.when, binlog_type_name(ev->h.type), buf);
}

static int give(struct reading *g, const struct binlog_header *h, struct err *e)
{
    struct binlog_event ev = {.segment = g->segment,
        .position = g->position,
        .h = *h,
        .data = g->pending,
        .n = h->length};
    if (h->type == BINLOG_FORMAT) {
        struct binlog_format f;
        int r = binlog_format_parse(g->pending, h->length, &f, e);
        if (r < 0)
            return r;
        g->checksums = f.checksums;
    } else if (g->position < g->begin || g->position >= g->end)
        return 0;
    if (g->checksums && h->length < BINLOG_HEADER_SIZE + BINLOG_CHECKSUM)
        return err_set(e, EBADMSG, "an event is shorter than its checksum");
    ev.n -= g->checksums ? BINLOG_CHECKSUM : 0;
    return g->fn(g->ctx, &ev, e);
}

/* Up to `wanted` bytes in all from *data. */
static bool fill(struct reading *g, size_t wanted, const uint8_t **data, size_t *n)
{
    size_t take = g->have < wanted ? wanted - g->have : 0;
    take = take < *n ? take : *n;
    if (g->have + take > g->room) {
        g->room = 2 * (g->have + take);
        g->pending = xrealloc(g->pending, g->room);
    }
    memcpy(g->pending + g->have, *data, take);
    g->have += take;
    *data += take;
    *n -= take;
    return g->have >= wanted;
}

static int cut(void *ctx, const uint8_t *data, size_t n, struct err *e)
{
    struct reading *g = ctx;
    struct binlog_header h;
    while (n > 0 && !g->enough) {
        if (g->position == 0) { /* the magic bytes */
            if (!fill(g, BINLOG_MAGIC_SIZE, &data, &n))
                return 0;
            if (memcmp(g->pending, BINLOG_MAGIC, BINLOG_MAGIC_SIZE) != 0)
                return err_set(e, EBADMSG, "%s is no binary log", g->segment->stored);
            g->position = BINLOG_MAGIC_SIZE;
            g->have = 0;
            continue;
        }
        if (!fill(g, BINLOG_HEADER_SIZE, &data, &n))
            return 0;
        int r = binlog_header_parse(g->pending, g->have, &h, e);
        if (r == 0 && h.length > g->segment->to - g->position)
            r = err_set(e, EBADMSG, "an event of %s leads out of it", g->segment->stored);
        if (r < 0)
            return r;
        if (!fill(g, h.length, &data, &n))
            return 0;
        r = give(g, &h, e);
        g->enough = r == BINLOG_ENOUGH;
        if (r != 0 && !g->enough)
            return r;
        g->position += h.length;
        g->have = 0;
    }
    return 0;
}

static bool wanted(const struct binlog_span *span, const struct binlog_segment *s)
{
    return s->timeline == span->from.timeline &&
           (!*span->from.file || s->number >= number_of(&span->from)) &&
           (!*span->to.file || s->number < number_of(&span->to) ||
               (s->number == number_of(&span->to) && s->from < span->to.position));
}

/* The stream closes a segment whenever it is time: what was open when the catalog was read lies
 * there compressed now, and may be longer. */
static int read_closed(struct run *r, struct reading *g, struct err *e)
{
    const struct binlog_segment *s = g->segment;
    struct binlog_catalog now = {0};
    struct err why = *e;
    int code = binlog_catalog_read(r->s.folder, &r->trust, &now, e);
    for (size_t i = 0; code == 0 && i < now.n; i++) {
        const struct binlog_segment *o = &now.items[i].s;
        if (o->open || o->timeline != s->timeline || o->number != s->number || o->from != s->from)
            continue;
        g->segment = o;
        code = binlog_read_segment(&r->a, &now, o, cut, g, e);
        g->segment = s;
        binlog_catalog_clear(&now);
        return code;
    }
    binlog_catalog_clear(&now);
    *e = why;
    return code < 0 ? code : EXIT_INCONSISTENT;
}

static int read_one(struct run *r, const struct binlog_catalog *c, struct reading *g, struct err *e)
{
    const struct binlog_span *span = g->span;
    const struct binlog_segment *s = g->segment;
    bool first = *span->from.file && s->number == number_of(&span->from);
    bool last = *span->to.file && s->number == number_of(&span->to);
    g->position = s->from;
    g->begin = first ? span->from.position : 0;
    g->end = last ? span->to.position : UINT64_MAX;
    g->have = 0;
    int code = binlog_read_segment(&r->a, c, s, cut, g, e);
    if (code == -ENOENT)
        code = s->open ? read_closed(r, g, e) : EXIT_INCONSISTENT;
    if (code == 0 && g->have > 0)
        code = err_set(e, EBADMSG, "%s ends within an event", s->stored);
    if (code == 0 && g->enough)
        return BINLOG_ENOUGH;
    return code == -EBADMSG ? EXIT_INCONSISTENT : code;
}

static int missing(const struct binlog_catalog *c, const struct binlog_span *span,
    const struct binlog_item *before, const struct binlog_item *it, struct err *e)
{
    const char *also = c->refused ? ": " : "";
    if (before)
        err_set(e, ENODATA,
            "the archived binary log has a gap in timeline %u: what comes between %s up to %" PRIu64
            " and %s from %" PRIu64 " on is missing%s%s",
            span->from.timeline, before->s.file, before->s.to, it ? it->s.file : "the end",
            it ? it->s.from : 0, also, err_words(&c->problem));
    else
        err_set(e, ENODATA,
            "the archived binary log of timeline %u does not go back to %s: its beginning is missing%s%s",
            span->from.timeline, *span->from.file ? span->from.file : N_("where it began"), also,
            err_words(&c->problem));
    return EXIT_INCONSISTENT;
}

/* The first one begins the file that is asked for, or the timeline. */
static bool begins(const struct binlog_span *span, const struct binlog_item *it)
{
    if (!*span->from.file)
        return it->s.from == 0 && !it->s.previous[0];
    return it->s.from == 0 && strcmp(it->s.file, span->from.file) == 0;
}

/* What a file of the server's says that was committed before it is where the one before ends; an
 * archive that an older version wrote may not hold that. Where nothing is counted nothing is known.
 */
static bool goes_on(const struct binlog_item *before, const struct binlog_item *it)
{
    return binlog_segment_follows(&before->s, &it->s) &&
           strcmp(it->s.previous, before->digest) == 0 &&
           (before->s.after.n == 0 || binlog_gtids_continue(&before->s.after, &it->s.before));
}

/* Does what there is reach the end that is asked for? */
static bool reaches(const struct binlog_span *span, const struct binlog_item *last)
{
    if (!*span->to.file)
        return true;
    return strcmp(last->s.file, span->to.file) == 0 && last->s.to >= span->to.position;
}

int binlog_events(struct run *r, const struct binlog_catalog *c, const struct binlog_span *span,
    binlog_event_fn *fn, void *ctx, struct err *e)
{
    struct reading g = {.span = span, .fn = fn, .ctx = ctx};
    const struct binlog_item *before = NULL;
    int code = 0;
    for (size_t i = 0; code == 0 && i < c->n; i++) {
        const struct binlog_item *it = &c->items[i];
        if (!wanted(span, &it->s))
            continue;
        if (before ? !goes_on(before, it) : !begins(span, it)) {
            code = missing(c, span, before, it, e);
            break;
        }
        g.segment = &it->s;
        code = read_one(r, c, &g, e);
        before = it;
    }
    free(g.pending);
    if (code == 0 && (!before || !reaches(span, before)))
        return missing(c, span, before, NULL, e);
    return code;
}

uint64_t binlog_span_bytes(const struct binlog_catalog *c, const struct binlog_span *span)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < c->n; i++)
        if (wanted(span, &c->items[i].s))
            bytes += c->items[i].s.to - c->items[i].s.from;
    return bytes;
}

bool binlog_timeline_end(
    const struct binlog_catalog *c, uint32_t timeline, struct binlog_place *out)
{
    for (size_t i = c->n; i > 0; i--) {
        const struct binlog_segment *s = &c->items[i - 1].s;
        if (s->timeline != timeline)
            continue;
        *out = (struct binlog_place){.timeline = timeline, .position = s->to};
        memcpy(out->file, s->file, sizeof out->file);
        return true;
    }
    return false;
}
