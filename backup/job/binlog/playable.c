#include "backup/job/binlog/playable.h"

#include <errno.h>
#include <stdlib.h>
#include "backup/job/binlog/inflate.h"
#include "common/memory.h"
#include "common/utf8.h"

#define MAY_BE_IGNORED 0x0080

int binlog_statement_read(uint8_t type, const uint8_t *event, size_t n, struct binlog_query *out,
    char **inflated, struct err *e)
{
    struct binlog_query q;
    *inflated = NULL;
    *out = (struct binlog_query){.text = ""};
    int r = binlog_query_parse(event, n, &q, e);
    if (r == 0 && type == BINLOG_QUERY_COMPRESSED) {
        r = binlog_inflate((const uint8_t *)q.text, q.length, "a compressed statement",
            (uint8_t **)inflated, &q.length, e);
        q.text = *inflated;
    }
    if (r < 0)
        return r;
    *out = q;
    return binlog_query_check(&q, e);
}

static int statement(
    uint8_t type, const uint8_t *event, size_t n, char kind[static BINLOG_KIND_LEN], struct err *e)
{
    struct binlog_query q;
    _cleanup_free_ char *text = NULL;
    int r = binlog_statement_read(type, event, n, &q, &text, e);
    if (r < 0)
        binlog_query_kind(&q, kind);
    return r;
}

static int variable(const uint8_t *event, size_t n, struct err *e)
{
    struct binlog_variable v;
    int r = binlog_variable_parse(event, n, &v, e);
    if (r == 0)
        free(v.text);
    return r;
}

int binlog_playable(const struct binlog_header *h, const uint8_t *event, size_t n,
    char kind[static BINLOG_KIND_LEN], struct err *e)
{
    kind[0] = '\0';
    switch (h->type) {
    case BINLOG_QUERY:
    case BINLOG_QUERY_COMPRESSED:
        return statement(h->type, event, n, kind, e);
    case BINLOG_INTVAR:
    case BINLOG_RAND:
    case BINLOG_USER_VAR:
        return variable(event, n, e);
    case BINLOG_STOP:
    case BINLOG_ROTATE:
    case BINLOG_FORMAT:
    case BINLOG_XID:
    case BINLOG_TABLE_MAP:
    case BINLOG_XA_PREPARE:
    case BINLOG_ANNOTATE:
    case BINLOG_CHECKPOINT:
    case BINLOG_GTID:
    case BINLOG_GTID_LIST:
        return 0;
    case BINLOG_INCIDENT:
        return err_set(e, ENOTSUP, "the server itself noted that changes are missing here");
    default:
        if (binlog_is_rows(h->type) || h->flags & MAY_BE_IGNORED)
            return 0;
        if (binlog_is_load(h->type))
            utf8_copy(kind, BINLOG_KIND_LEN, binlog_type_name(h->type));
        return variable(event, n, e); /* it says what is wrong */
    }
}
