/*
 * One event of a binary log, and the index of a segment: nothing is read behind the end, and an
 * index that is accepted says the same when it is written again.
 */
#include <stdint.h>
#include <string.h>

#include "backup/rules/binlog_query.h"
#include "backup/rules/binlog_rows.h"
#include "backup/rules/binlog_segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *quote(void *ctx, const char *text)
{
    (void)ctx;
    return xasprintf("'%zu'", strlen(text));
}

static void try_query(const uint8_t *event, size_t n)
{
    struct binlog_query q;
    struct err e = {0};
    char kind[BINLOG_KIND_LEN];
    if (binlog_query_parse(event, n, &q, &e) < 0) {
        CHECK(e.code && e.text[0]);
        return;
    }
    CHECK((const uint8_t *)q.text + q.length == event + n);
    (void)!binlog_query_check(&q, NULL);
    free(binlog_query_settings(&q, quote, NULL));
    CHECK(strlen(binlog_query_kind(&q, kind)) > 0);
    (void)binlog_query_bracket(&q);
}

static void take_value(void *ctx, size_t column, const char *value)
{
    const struct binlog_columns *c = ctx;
    CHECK(column < c->n && (!value || strlen(value) < 1000));
}

/* Its columns from a table map whose length two bytes in front say, then the rows. */
static void try_rows(const uint8_t *data, size_t size)
{
    struct binlog_columns c;
    struct binlog_rows rows;
    size_t map = size < 2 ? 0 : binlog_u16(data);
    if (map < BINLOG_HEADER_SIZE || size - 2 < map ||
        binlog_columns_parse(data + 2, map, &c, NULL) < 0)
        return;
    size_t n = size - 2 - map;
    uint8_t *event = xmalloc(n + 1);
    memcpy(event, data + 2 + map, n);
    if (n >= BINLOG_HEADER_SIZE && binlog_is_rows(event[4]) &&
        binlog_rows_begin(event, n, &c, &rows, NULL) == 0)
        while (binlog_rows_next(&rows, take_value, &c, NULL) == 1)
            CHECK(rows.p <= rows.end);
    free(event);
    binlog_columns_clear(&c);
}

static void try_event(const uint8_t *event, size_t n)
{
    struct binlog_header h;
    struct binlog_format format;
    struct binlog_group group;
    struct binlog_gtids gtids;
    struct binlog_table table;
    struct binlog_variable variable;
    char file[BINLOG_NAME_MAX + 1];
    uint64_t id;
    bool last;
    if (binlog_header_parse(event, n, &h, NULL) < 0)
        return;
    (void)binlog_checksum_good(event, n);
    (void)!binlog_format_parse(event, n, &format, NULL);
    if (binlog_group_parse(event, n, &group, NULL) == 0 && group.xid)
        CHECK(group.xid + group.gtrid + group.bqual <= event + n);
    if (binlog_gtid_list_parse(event, n, &gtids, NULL) == 0) {
        char list[BINLOG_GTIDS_TEXT];
        struct binlog_gtids again;
        CHECK(binlog_gtids_parse(binlog_gtids_text(&gtids, list), &again, NULL) == 0);
        CHECK(binlog_gtids_continue(&gtids, &again));
    }
    if (binlog_table_parse(event, n, &table, NULL) == 0)
        CHECK(strlen(table.name) < sizeof table.name);
    (void)binlog_group_thread(event, n);
    (void)!binlog_rows_parse(event, n, &id, &last, NULL);
    (void)!binlog_rotate_parse(event, n, file, NULL);
    if (binlog_variable_parse(event, n, &variable, NULL) == 0)
        free(variable.text);
    try_query(event, n);
}

static void try_index(const char *text, size_t n)
{
    static struct binlog_segment s, again;
    struct err e = {0};
    if (binlog_segment_parse(text, n, &s, &e) < 0) {
        CHECK(e.code && e.text[0]);
        return;
    }
    char *written = binlog_segment_text(&s);
    CHECK(binlog_segment_parse(written, strlen(written), &again, &e) == 0);
    char *twice = binlog_segment_text(&again);
    CHECK(strcmp(written, twice) == 0);
    free(written);
    free(twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *own = xmalloc(size + 1); /* of just this size, so that what reads on is noticed */
    memcpy(own, data, size);
    try_event(own, size);
    try_rows(own, size);
    try_index((const char *)own, size);
    free(own);
    return 0;
}
