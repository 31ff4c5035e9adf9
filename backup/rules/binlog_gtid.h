/*
 * Global transaction ids as MariaDB counts them, "domain-server-number", and positions: the last
 * number of each domain, "0-1-5,1-2-7", as @@gtid_binlog_pos has them.
 */
#ifndef ELEXGATE_BACKUP_RULES_BINLOG_GTID_H
#define ELEXGATE_BACKUP_RULES_BINLOG_GTID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/error.h"

#define BINLOG_DOMAINS_MAX 64
#define BINLOG_GTID_LEN    sizeof("4294967295-4294967295-18446744073709551615")
#define BINLOG_GTIDS_TEXT  (BINLOG_DOMAINS_MAX * BINLOG_GTID_LEN)

struct binlog_gtid {
    uint32_t domain, server;
    uint64_t number;
};
struct binlog_gtids {
    struct binlog_gtid g[BINLOG_DOMAINS_MAX];
    size_t n;
};

/* -EINVAL with words. */
int binlog_gtid_parse(const char *text, struct binlog_gtid *out, struct err *e) MUSTCHECK;
char *binlog_gtid_text(const struct binlog_gtid *g, char out[static BINLOG_GTID_LEN]);
/* "" is the empty position. */
int binlog_gtids_parse(const char *text, struct binlog_gtids *out, struct err *e) MUSTCHECK;
char *binlog_gtids_text(const struct binlog_gtids *l, char out[static BINLOG_GTIDS_TEXT]);
/* This transaction is the last one of its domain now; false: too many domains. */
bool binlog_gtids_add(struct binlog_gtids *l, const struct binlog_gtid *g);
/* Has it been reached in this position? */
bool binlog_gtids_has(const struct binlog_gtids *l, const struct binlog_gtid *g);
/* What a file of the log begins behind (list) is where those before it end (counted). The last
 * transaction that was counted may be missing in it: a server that crashed while it wrote it took
 * it back. */
bool binlog_gtids_continue(const struct binlog_gtids *counted, const struct binlog_gtids *list);

#endif
