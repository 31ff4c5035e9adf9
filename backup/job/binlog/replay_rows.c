/* Rows into the session, in pieces that a server takes. */
#include "backup/job/binlog/left_out.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "common/json_get.h"
#include "common/lang.h"
#include "common/sql_name.h"

/* Of one statement, rows as they come: its changes are those of each of its rows, one after the
 * other, in one transaction, so it is run in pieces as well as in one. */
#define PIECE_MAX ((size_t)16 << 20)
#define MAPS_MAX  ((size_t)64 << 20)
#define TEXT_MAX  ((size_t)64 << 20) /* of base64; what is longer goes in two halves */

/* before, then text, then a quotation mark. */
static int send_quoted(struct binlog_player *p, const struct binlog_event *ev, const char *before,
    const char *text, size_t n, struct err *e)
{
    size_t head = strlen(before);
    if (head + n + 1 > p->text_room) {
        p->text_room = head + n + 1;
        p->text = xrealloc(p->text, p->text_room);
    }
    memcpy(p->text, before, head);
    memcpy(p->text + head, text, n);
    p->text[head + n] = '\'';
    return binlog_player_send(p, ev, p->text, head + n + 1, 0, e);
}

static int send_binlog(struct binlog_player *p, const struct binlog_event *ev, const uint8_t *bytes,
    size_t n, struct err *e)
{
    if (n > BINLOG_ROWS_MAX)
        return binlog_player_failed(ev, "", N_("one row is larger than a server takes back"), e);
    _cleanup_free_ char *text = xmalloc(4 * ((n + 2) / 3) + 1);
    size_t len = (size_t)EVP_EncodeBlock((unsigned char *)text, bytes, (int)n), half = len / 2;
    if (len <= TEXT_MAX)
        return send_quoted(p, ev, "BINLOG '", text, len, e);
    int r = send_quoted(p, ev, "SET @elexgate_1='", text, half, e);
    if (r == 0)
        r = send_quoted(p, ev, "SET @elexgate_2='", text + half, len - half, e);
    static const char both[] = "BINLOG @elexgate_1, @elexgate_2";
    return r == 0 ? binlog_player_send(p, ev, both, sizeof both - 1, 0, e) : r;
}

static int give_format(struct binlog_player *p, const struct binlog_event *ev, struct err *e)
{
    if (p->format_given)
        return 0;
    p->format_given = true;
    return send_binlog(p, ev, p->format, p->format_len, e);
}

static void keep_event(struct binlog_player *p, const struct binlog_event *ev)
{
    size_t n = ev->h.length;
    if (p->events_len + n > p->events_room) {
        p->events_room = 2 * p->events_len + n;
        p->events = xrealloc(p->events, p->events_room);
    }
    memcpy(p->events + p->events_len, ev->data, n);
    p->events_len += n;
}

/* The rows that are there, and the table maps before them, which stay for the rows that follow. */
static int send_rows(struct binlog_player *p, const struct binlog_event *ev, struct err *e)
{
    bool sum = p->last_sum;
    binlog_rows_end(p->events + p->last_rows, p->events_len - p->last_rows, sum);
    int r = give_format(p, ev, e);
    if (r == 0)
        r = send_binlog(p, ev, p->events, p->events_len, e);
    p->events_len = p->maps_len;
    return r;
}

#define ID_LEN sizeof "18446744073709551615"
static const char *id_text(uint64_t table, char out[static ID_LEN])
{
    snprintf(out, ID_LEN, "%" PRIu64, table);
    return out;
}

/* Its rows are known by the map's number, until the statement ends. */
static int left_out_map(struct binlog_player *p, const struct binlog_event *ev, struct err *e)
{
    struct binlog_table t;
    char id[ID_LEN];
    int r = json_object_size(p->missing) == 0 ? 1 : binlog_table_parse(ev->data, ev->n, &t, e);
    if (r != 0)
        return r < 0 ? r : 0;
    id_text(t.id, id);
    (void)json_object_del(p->skipped, id);
    if (!left_out_is(p, t.schema, t.name))
        return 0;
    if (p->skipped == NULL)
        p->skipped = json_object();
    _cleanup_free_ char *name = sql_name_table(t.schema, t.name);
    (void)json_object_set_new(p->skipped, id, json_string(name));
    return 1;
}

int binlog_player_table_map(struct binlog_player *p, const struct binlog_event *ev, struct err *e)
{
    int r = p->events_len > p->maps_len ? send_rows(p, ev, e) : 0;
    if (r == 0)
        r = left_out_map(p, ev, e);
    if (r == 1)
        return 0;
    if (r == 0 && p->maps_len + ev->h.length > MAPS_MAX)
        r = binlog_player_failed(ev, "", N_("one statement changed more tables than can be"), e);
    if (r != 0)
        return r;
    keep_event(p, ev);
    p->maps_len = p->events_len;
    return 0;
}

int binlog_player_rows(struct binlog_player *p, const struct binlog_event *ev, struct err *e)
{
    uint64_t table;
    char id[ID_LEN];
    bool last;
    int r = binlog_rows_parse(ev->data, ev->n, &table, &last, e);
    if (r != 0)
        return r;
    const char *name = json_get_str(p->skipped, id_text(table, id));
    if (name != NULL) {
        left_out_count(p, name);
    } else {
        if (p->events_len > p->maps_len && p->events_len - p->maps_len + ev->h.length > PIECE_MAX)
            r = send_rows(p, ev, e);
        p->last_rows = p->events_len;
        p->last_sum = ev->n < ev->h.length;
        keep_event(p, ev);
    }
    if (r != 0 || !last)
        return r;
    p->done.rows_events++;
    if (p->events_len > p->maps_len)
        r = send_rows(p, ev, e);
    p->events_len = p->maps_len = 0;
    json_object_clear(p->skipped);
    return r;
}
