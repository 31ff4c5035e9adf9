#include "backup/rules/binlog_segment.h"
#include "common/hex.h"
#include "common/json_get.h"
#include "common/lang.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const reasons[] = {[BINLOG_FIRST] = "first",
    [BINLOG_RESET] = "reset",
    [BINLOG_GAP] = "gap",
    [BINLOG_CHANGED] = "changed",
    [BINLOG_RESTORED] = "restored",
    [BINLOG_DAMAGED] = "damaged"};

const char *binlog_reason_name(enum binlog_reason r)
{
    return reasons[r];
}

static json_t *place_json(const struct binlog_place *p)
{
    return p->timeline ? json_pack("{s:i, s:s, s:I}", "timeline", (int)p->timeline, "file", p->file,
                             "position", (json_int_t)p->position)
                       : json_null();
}

/* NULL: there is none, as in all that older versions wrote. */
static json_t *stop_json(const struct binlog_stop *s)
{
    return s->first ? json_pack("{s:I, s:I, s:I, s:s}", "first", (json_int_t)s->first, "last",
                          (json_int_t)s->last, "time", (json_int_t)s->when, "kind", s->kind)
                    : NULL;
}

char *binlog_segment_text(const struct binlog_segment *s)
{
    char before[BINLOG_GTIDS_TEXT], after[BINLOG_GTIDS_TEXT];
    json_t *o = json_pack(
        "{s:s, s:i, s:i, s:s, s:s, s:o, s:s, s:I, s:I, s:I, s:s, s:b, s:b, s:I, s:I, s:s, s:b, s:I, s:I, s:I, s:s, s:s, s:s, s:s, s:I, s:s, s:b, s:o*}",
        "format", "elexgate-binlog", "version", BINLOG_SEGMENT_VERSION, "timeline",
        (int)s->timeline, "reason", reasons[s->reason], "previous", s->previous, "parent",
        place_json(&s->parent), "file", s->file, "from", (json_int_t)s->from, "to",
        (json_int_t)s->to, "last", (json_int_t)s->last, "last_sha256", s->last_sha256, "open",
        s->open, "file_ends", s->file_ends, "created", (json_int_t)s->created, "server_id",
        (json_int_t)s->server_id, "server", s->server, "checksums", s->checksums, "groups",
        (json_int_t)s->groups, "begins", (json_int_t)s->begins, "ends", (json_int_t)s->ends,
        "gtid_before", binlog_gtids_text(&s->before, before), "gtid_after",
        binlog_gtids_text(&s->after, after), "sha256", s->sha256, "stored", s->stored,
        "stored_bytes", (json_int_t)s->stored_bytes, "stored_sha256", s->stored_sha256, "encrypted",
        s->encrypted, "stop", stop_json(&s->stop));
    CHECK(o); /* all of it is our own, and ASCII */
    _cleanup_free_ char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    CHECK(text);
    return xasprintf("%s\n", text + 1);
}

struct raw {
    const char *format, *reason, *previous, *file, *last_sha256, *server, *before, *after, *sha256,
        *stored, *stored_sha256;
    int version, timeline;
    int open, file_ends, checksums, encrypted;
    json_int_t from, to, last, created, server_id, groups, begins, ends, stored_bytes;
    json_t *parent, *stop;
};

static bool fits_u32(json_int_t v)
{
    return v >= 0 && v <= UINT32_MAX;
}

static int take_parent(json_t *parent, struct binlog_place *out)
{
    const char *file;
    int timeline;
    json_int_t position;
    uint64_t number;
    if (json_is_null(parent))
        return 0;
    if (json_unpack_ex(parent, NULL, JSON_STRICT, "{s:i, s:s, s:I}", "timeline", &timeline, "file",
            &file, "position", &position) < 0 ||
        timeline < 1 || position < 0 || !binlog_name_valid(file, &number))
        return -EINVAL;
    out->timeline = (uint32_t)timeline;
    snprintf(out->file, sizeof out->file, "%s", file);
    out->position = (uint64_t)position;
    return 0;
}

static int take_stop(json_t *stop, struct binlog_stop *out)
{
    const char *kind;
    json_int_t first, last, when;
    if (!stop)
        return 0;
    if (json_unpack_ex(stop, NULL, JSON_STRICT, "{s:I, s:I, s:I, s:s}", "first", &first, "last",
            &last, "time", &when, "kind", &kind) < 0 ||
        first < 1 || last < first || !fits_u32(when) || strlen(kind) >= sizeof out->kind)
        return -EINVAL;
    *out = (struct binlog_stop){
        .first = (uint64_t)first, .last = (uint64_t)last, .when = (uint32_t)when};
    for (size_t i = 0; kind[i]; i++) /* it is shown to people */
        out->kind[i] = kind[i] >= ' ' && kind[i] <= '~' ? kind[i] : '?';
    return 0;
}

static int wrong(struct err *e, const char *what)
{
    return err_set(e, EINVAL, "segment of a binary log: %s", what);
}

/* stored: a plain name, so that no index leads out of its folder. */
static int check(const struct raw *r, struct binlog_segment *s, struct err *e)
{
    if (strcmp(r->format, "elexgate-binlog") != 0 || r->version != BINLOG_SEGMENT_VERSION)
        return wrong(e, N_("a format or version that this Elexgate does not know"));
    if (r->timeline < 1 || !binlog_name_valid(r->file, &s->number))
        return wrong(e, N_("timeline or file is none"));
    if (r->from < 0 || r->to < r->from || r->last < r->from || r->last > r->to)
        return wrong(e, N_("from, last and to are in a wrong order"));
    if (!fits_u32(r->created) || !fits_u32(r->server_id) || !fits_u32(r->begins) ||
        !fits_u32(r->ends) || r->groups < 0 || r->stored_bytes < 0)
        return wrong(e, N_("a number is out of range"));
    if (!hex_valid(r->sha256, SHA256_HEX_LEN - 1) ||
        (*r->last_sha256 && !hex_valid(r->last_sha256, SHA256_HEX_LEN - 1)) ||
        (*r->previous && !hex_valid(r->previous, SHA256_HEX_LEN - 1)) ||
        (r->open ? *r->stored_sha256 != '\0' : !hex_valid(r->stored_sha256, SHA256_HEX_LEN - 1)))
        return wrong(e, "a SHA-256 is none");
    if (!*r->stored || *r->stored == '.' || strchr(r->stored, '/') ||
        strlen(r->stored) >= sizeof s->stored || strlen(r->server) >= sizeof s->server)
        return wrong(e, N_("a name is none"));
    return 0;
}

static int fill(const struct raw *r, struct binlog_segment *s, struct err *e)
{
    int reason = 0;
    while (reason < BINLOG_REASONS && strcmp(r->reason, reasons[reason]) != 0)
        reason++;
    if (reason == BINLOG_REASONS || take_parent(r->parent, &s->parent) < 0)
        return wrong(e, N_("reason or parent is none"));
    if (take_stop(r->stop, &s->stop) < 0)
        return wrong(e, N_("stop is none"));
    s->timeline = (uint32_t)r->timeline;
    s->reason = (enum binlog_reason)reason;
    s->from = (uint64_t)r->from;
    s->to = (uint64_t)r->to;
    s->last = (uint64_t)r->last;
    s->open = r->open;
    s->file_ends = r->file_ends;
    s->created = (uint32_t)r->created;
    s->server_id = (uint32_t)r->server_id;
    s->checksums = r->checksums;
    s->groups = (uint64_t)r->groups;
    s->begins = (uint32_t)r->begins;
    s->ends = (uint32_t)r->ends;
    s->stored_bytes = (uint64_t)r->stored_bytes;
    s->encrypted = r->encrypted;
    snprintf(s->file, sizeof s->file, "%s", r->file);
    snprintf(s->server, sizeof s->server, "%s", r->server);
    snprintf(s->stored, sizeof s->stored, "%s", r->stored);
    snprintf(s->sha256, sizeof s->sha256, "%s", r->sha256);
    snprintf(s->last_sha256, sizeof s->last_sha256, "%s", r->last_sha256);
    snprintf(s->stored_sha256, sizeof s->stored_sha256, "%s", r->stored_sha256);
    snprintf(s->previous, sizeof s->previous, "%s", r->previous);
    int code = binlog_gtids_parse(r->before, &s->before, e);
    return code == 0 ? binlog_gtids_parse(r->after, &s->after, e) : code;
}

int binlog_segment_parse(const char *text, size_t len, struct binlog_segment *out, struct err *e)
{
    struct raw r = {0};
    json_error_t je;
    if (len > BINLOG_INDEX_MAX)
        return wrong(e, N_("the index is too long"));
    _cleanup_free_ char *whole = xasprintf("{%.*s", (int)len, text);
    _cleanup_json_ json_t *o = json_loadb(whole, len + 1, JSON_REJECT_DUPLICATES, &je);
    struct binlog_segment *s = xcalloc(1, sizeof *s);
    int code = 0;
    if (!o ||
        json_unpack_ex(o, &je, JSON_STRICT,
            "{s:s, s:i, s:i, s:s, s:s, s:o, s:s, s:I, s:I, s:I, s:s, s:b, s:b, s:I, s:I, s:s, s:b, s:I, s:I, s:I, s:s, s:s, s:s, s:s, s:I, s:s, s:b, s?o}",
            "format", &r.format, "version", &r.version, "timeline", &r.timeline, "reason",
            &r.reason, "previous", &r.previous, "parent", &r.parent, "file", &r.file, "from",
            &r.from, "to", &r.to, "last", &r.last, "last_sha256", &r.last_sha256, "open", &r.open,
            "file_ends", &r.file_ends, "created", &r.created, "server_id", &r.server_id, "server",
            &r.server, "checksums", &r.checksums, "groups", &r.groups, "begins", &r.begins, "ends",
            &r.ends, "gtid_before", &r.before, "gtid_after", &r.after, "sha256", &r.sha256,
            "stored", &r.stored, "stored_bytes", &r.stored_bytes, "stored_sha256", &r.stored_sha256,
            "encrypted", &r.encrypted, "stop", &r.stop) < 0)
        code = err_set(e, EINVAL, "segment of a binary log: %s", je.text);
    if (code == 0)
        code = check(&r, s, e);
    if (code == 0)
        code = fill(&r, s, e);
    if (code == 0)
        *out = *s;
    free(s);
    return code;
}

char *binlog_segment_name(
    const struct binlog_segment *s, const char *suffix, char out[static BINLOG_PATH_MAX])
{
    snprintf(out, BINLOG_PATH_MAX, "%s-%012" PRIu64 "%s", s->file, s->from, suffix);
    return out;
}

static int order(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

int binlog_segment_compare(const struct binlog_segment *a, const struct binlog_segment *b)
{
    int r = order(a->timeline, b->timeline);
    if (r == 0)
        r = order(a->number, b->number);
    return r ? r : order(a->from, b->from);
}

bool binlog_segment_follows(const struct binlog_segment *a, const struct binlog_segment *b)
{
    if (a->timeline != b->timeline)
        return false;
    if (a->number == b->number)
        return strcmp(a->file, b->file) == 0 && a->to == b->from;
    return b->number == a->number + 1 && b->from == 0;
}
