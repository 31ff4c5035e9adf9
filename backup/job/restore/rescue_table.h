/*
 * One table on two servers, for `elexgate rescue`: the live one, and what it was, in a throwaway
 * server whose answers nobody vouches for. Rows are known by their primary key and by a digest that
 * the servers compute; contents travel for the rows alone that are written.
 *
 * Nothing that came from the throwaway server, or from --where, stands in a statement for the live
 * one but as a literal of digits and hexadecimal digits.
 */
#ifndef ELEXGATE_BACKUP_JOB_RESTORE_RESCUE_TABLE_H
#define ELEXGATE_BACKUP_JOB_RESTORE_RESCUE_TABLE_H

#include <jansson.h>
#include "backup/server/server.h"
#include "common/hex.h"

#define RESCUE_COLUMNS_MAX 4096
#define RESCUE_ROWS_MAX    500000
#define RESCUE_LABEL       64

enum rescue_kind { RESCUE_NUMBER, RESCUE_FLOAT, RESCUE_TEXT, RESCUE_BYTES, RESCUE_WORD };
struct rescue_column {
    char *name, *quoted;
    char *shape;   /* type, character set, NULL or not: what must be the same on both sides */
    char *charset; /* of RESCUE_TEXT */
    enum rescue_kind kind;
    bool generated; /* by the server: never written */
    bool key;
};
struct rescue_table {
    char *schema, *name; /* as this server writes them */
    char *quoted;        /* `schema`.`name` */
    struct rescue_column *columns;
    size_t n, keys;
    char *engine;
    char *digest; /* the expression of a row's digest */
};

/* EXIT_REFUSED with words: it is not there, is no table, or has no primary key. */
int rescue_table_look(struct server *s, const char *schema, const char *name, const char *where,
    struct rescue_table *out, struct err *e) MUSTCHECK;
/* EXIT_REFUSED: its columns have changed since. */
int rescue_table_same(
    const struct rescue_table *then, const struct rescue_table *live, struct err *e) MUSTCHECK;
void rescue_table_clear(struct rescue_table *t);

struct rescue_row {
    char *is;                 /* the condition that is true of this row alone */
    char label[RESCUE_LABEL]; /* its key, for people */
    char digest[SHA256_HEX_LEN];
};
struct rescue_rows {
    struct rescue_row *list; /* in the order of .is */
    size_t n;
};
/* All rows, or those of which that condition is true (the throwaway server's alone). EXIT_REFUSED:
 * too many. */
int rescue_rows_read(struct server *s, const struct rescue_table *t, const char *condition,
    struct rescue_rows *out, struct err *e) MUSTCHECK;
void rescue_rows_clear(struct rescue_rows *r);
/* NULL: there is none. */
const struct rescue_row *rescue_rows_find(const struct rescue_rows *r, const char *is);

/* "lock" rows that are looked at, whether they are there or not. digest "": it is not there. */
int rescue_digest(struct server *s, const struct rescue_table *t, const char *is, bool lock,
    char digest[static SHA256_HEX_LEN], struct err *e) MUSTCHECK;
/* The columns that are written, as literals; malloc'ed, NULL: the row is not there, or is none of
 * that digest. */
char **rescue_values(struct server *s, const struct rescue_table *t, const char *is,
    const char *digest, struct err *e, int *code) MUSTCHECK;
void rescue_values_free(const struct rescue_table *t, char **values);
/* The same for people: {"column":"text"}. */
int rescue_show(struct server *s, const struct rescue_table *t, const char *is, json_t **out,
    struct err *e) MUSTCHECK;

#endif
