#include "backup/job/binlog/rights.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int take_checksum(void *ctx, const struct server_row *row, struct err *e)
{
    struct rights *r = ctx;
    (void)e;
    if (row->n > 1 && row->text[1] && r->n < RIGHTS)
        r->of[r->n++] = strtoull(row->text[1], NULL, 10);
    return 0;
}

int rights_look(struct server *s, struct rights *out, struct err *e)
{
    *out = (struct rights){0};
    int r = server_rows(s, take_checksum, out, e,
        "CHECKSUM TABLE mysql.global_priv, mysql.db, mysql.roles_mapping, mysql.tables_priv, mysql.columns_priv, mysql.proxies_priv EXTENDED");
    return r == 0 && out->n != RIGHTS
               ? err_set(e, EIO, "the server on trial does not show who may do what on it")
               : r;
}

int rights_same(struct server *s, const struct rights *before, struct err *e)
{
    struct rights now;
    int r = rights_look(s, &now, e);
    return r == 0 ? memcmp(before->of, now.of, sizeof now.of) != 0 : r;
}
