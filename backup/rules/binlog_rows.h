/*
 * The rows of a row event: how many there are, and what is in them. Bytes in, fields out, as in
 * binlog_event.h. The layout is that of the server's Table_map_log_event and Rows_log_event.
 */
#ifndef ELEXGATE_BACKUP_RULES_BINLOG_ROWS_H
#define ELEXGATE_BACKUP_RULES_BINLOG_ROWS_H

#include "backup/rules/binlog_event.h"

/* The columns of a table map event: types and what belongs to them. */
struct binlog_columns {
    size_t n;
    uint8_t *types;
    uint16_t *more; /* lengths, decimals */
};
/* n without the CRC. -EBADMSG; -ENOTSUP: a kind of column that we do not know. */
int binlog_columns_parse(
    const uint8_t *event, size_t n, struct binlog_columns *out, struct err *e) MUSTCHECK;
void binlog_columns_clear(struct binlog_columns *c);

enum binlog_change { BINLOG_INSERTED, BINLOG_CHANGED_ROW, BINLOG_DELETED, BINLOG_CHANGES };

struct binlog_rows {
    enum binlog_change change;
    const struct binlog_columns *columns;
    const uint8_t *present[2]; /* which columns are there: of a changed row before and after */
    const uint8_t *p, *end;
    bool compressed; /* log_bin_compress: the caller puts p and end around what was inflated */
    bool after;      /* what comes next is the second image of a changed row */
};
/* An event of binlog_is_rows, which stays where it is meanwhile; n without the CRC. */
int binlog_rows_begin(const uint8_t *event, size_t n, const struct binlog_columns *c,
    struct binlog_rows *out, struct err *e) MUSTCHECK;
/* value: NULL where it is NULL, or the column is not there; borrowed. A server notes neither names
 * nor signs of columns: a number is shown as a signed one. */
typedef void binlog_value_fn(void *ctx, size_t column, const char *value);
/* The next image, of which a changed row has two (rows->after says which one comes). fn may be
 * NULL. 1: there was one; 0: no more. */
int binlog_rows_next(
    struct binlog_rows *r, binlog_value_fn *fn, void *ctx, struct err *e) MUSTCHECK;

#endif
