/* Rows into the session, in pieces that a server takes. */
#include "backup/job/binlog/stand_in.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "common/exit_codes.h"
#include "common/json_get.h"
#include "common/lang.h"
#include "common/sql_name.h"

/* Of one statement, rows as they come: its changes are those of each of its rows, one after the
 * other, in one transaction, so it is run in pieces as well as in one. */
#define PIECE_MAX ((size_t)16 << 20)
#define MAPS_MAX  ((size_t)64 << 20)
#define TEXT_MAX  ((size_t)64 << 20) /* of base64; what is longer goes in two halves */
/* What the server answers */
#define KEY_NOT_FOUND     1032
#define NO_REFERENCED_ROW 1452

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

#define ID_LEN sizeof "18446744073709551615"
static const char *id_text(uint64_t table, char out[static ID_LEN])
{
    snprintf(out, ID_LEN, "%" PRIu64, table);
    return out;
}

static int name_map(struct binlog_player *p, const struct binlog_event *ev, struct err *e)
{
    struct binlog_table t;
    char id[ID_LEN];
    int r = p->lacking ? binlog_table_parse(ev->data, ev->n, &t, e) : 1;
    if (r != 0)
        return r < 0 ? r : 0;
    if (p->tables == NULL)
        p->tables = json_object();
    _cleanup_free_ char *name = sql_name_table(t.schema, t.name);
    (void)json_object_set_new(p->tables, id_text(t.id, id), json_text(name));
    return 0;
}

/* One event was refused for rows that are not there, and may be because the backup lacked them:
 * those are left out. A row that one of them stands behind, as a foreign key says, is kept. */
static int send_lacking(struct binlog_player *p, const struct binlog_event *ev, struct err *e)
{
    static const char leave_out[] = "SET GLOBAL slave_exec_mode=IDEMPOTENT",
                      be_strict[] = "SET GLOBAL slave_exec_mode=STRICT";
    uint8_t *rows = p->events + p->last_rows;
    uint64_t table;
    char id[ID_LEN];
    bool last;
    if (p->refused == NO_REFERENCED_ROW) {
        binlog_rows_flag(rows, p->events_len - p->last_rows, BINLOG_ROWS_UNCHECKED, p->last_sum);
        return send_binlog(p, ev, p->events, p->events_len, e);
    }
    if (p->refused != KEY_NOT_FOUND)
        return EXIT_INCONSISTENT;
    int r = binlog_rows_parse(rows, p->events_len - p->last_rows, &table, &last, e);
    if (r == 0)
        r = binlog_player_send(p, ev, leave_out, sizeof leave_out - 1, 0, e);
    if (r == 0)
        r = send_binlog(p, ev, p->events, p->events_len, e);
    if (r == 0)
        r = binlog_player_send(p, ev, be_strict, sizeof be_strict - 1, 0, e);
    if (r == 0)
        stand_in_count(p, json_get_text(p->tables, id_text(table, id)));
    return r;
}

/* The rows that are there, and the table maps before them, which stay for the rows that follow. */
static int send_rows(struct binlog_player *p, const struct binlog_event *ev, struct err *e)
{
    binlog_rows_flag(
        p->events + p->last_rows, p->events_len - p->last_rows, BINLOG_ROWS_END, p->last_sum);
    int r = give_format(p, ev, e);
    if (r == 0)
        r = send_binlog(p, ev, p->events, p->events_len, e);
    if (r == EXIT_INCONSISTENT && p->lacking)
        r = send_lacking(p, ev, e);
    p->events_len = p->maps_len;
    return r;
}

int binlog_player_table_map(struct binlog_player *p, const struct binlog_event *ev, struct err *e)
{
    int r = p->events_len > p->maps_len ? send_rows(p, ev, e) : 0;
    if (r == 0)
        r = name_map(p, ev, e);
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
    bool last;
    int r = binlog_rows_parse(ev->data, ev->n, &table, &last, e);
    if (r != 0)
        return r;
    if (p->events_len > p->maps_len &&
        (p->lacking || p->events_len - p->maps_len + ev->h.length > PIECE_MAX))
        r = send_rows(p, ev, e);
    if (r != 0)
        return r;
    p->last_rows = p->events_len;
    p->last_sum = ev->n < ev->h.length;
    keep_event(p, ev);
    if (!last)
        return 0;
    p->done.rows_events++;
    r = send_rows(p, ev, e);
    p->events_len = p->maps_len = 0;
    json_object_clear(p->tables);
    return r;
}
