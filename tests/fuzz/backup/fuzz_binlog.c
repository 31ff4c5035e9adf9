/*
 * One event of a binary log, and the index of a segment: nothing is read behind the end, and an
 * index that is accepted says the same when it is written again.
 */
#include <stdint.h>
#include <string.h>

#include "backup/rules/binlog_query.h"
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
        CHECK(binlog_gtids_equal(&gtids, &again));
    }
    if (binlog_table_parse(event, n, &table, NULL) == 0)
        CHECK(strlen(table.name) < sizeof table.name);
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
    try_index((const char *)own, size);
    free(own);
    return 0;
}
