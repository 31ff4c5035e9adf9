#include "backup/rules/binlog_gtid.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "common/utf8.h"

/* A number up to max at *p, which moves behind it. */
static bool take_number(const char **p, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;
    const char *c = *p;
    for (; *c >= '0' && *c <= '9'; c++) {
        uint64_t digit = (uint64_t)(*c - '0');
        if (v > (max - digit) / 10)
            return false;
        v = 10 * v + digit;
    }
    if (c == *p)
        return false;
    *p = c;
    *out = v;
    return true;
}

static bool take_gtid(const char **p, struct binlog_gtid *out)
{
    uint64_t domain, server, number;
    if (!take_number(p, UINT32_MAX, &domain) || *(*p)++ != '-' ||
        !take_number(p, UINT32_MAX, &server) || *(*p)++ != '-' ||
        !take_number(p, UINT64_MAX, &number))
        return false;
    *out = (struct binlog_gtid){(uint32_t)domain, (uint32_t)server, number};
    return true;
}

int binlog_gtid_parse(const char *text, struct binlog_gtid *out, struct err *e)
{
    const char *p = text;
    struct binlog_gtid g;
    if (!take_gtid(&p, &g) || *p)
        return err_set(e, EINVAL,
            "\"%s\" is no GTID; one is written DOMAIN-SERVER-NUMBER, such as 0-1-4711",
            UTF8_SHORT(text, 60));
    *out = g;
    return 0;
}

char *binlog_gtid_text(const struct binlog_gtid *g, char out[static BINLOG_GTID_LEN])
{
    snprintf(
        out, BINLOG_GTID_LEN, "%" PRIu32 "-%" PRIu32 "-%" PRIu64, g->domain, g->server, g->number);
    return out;
}

int binlog_gtids_parse(const char *text, struct binlog_gtids *out, struct err *e)
{
    struct binlog_gtids l = {.n = 0};
    const char *p = text;
    while (*p) {
        struct binlog_gtid g;
        if ((l.n > 0 && *p++ != ',') || !take_gtid(&p, &g) || !binlog_gtids_add(&l, &g))
            return err_set(
                e, EINVAL, "\"%s\" is no list of GTIDs such as 0-1-4711", UTF8_SHORT(text, 60));
    }
    *out = l;
    return 0;
}

char *binlog_gtids_text(const struct binlog_gtids *l, char out[static BINLOG_GTIDS_TEXT])
{
    char one[BINLOG_GTID_LEN];
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < l->n; i++)
        len += (size_t)snprintf(out + len, BINLOG_GTIDS_TEXT - len, "%s%s", i ? "," : "",
            binlog_gtid_text(&l->g[i], one));
    return out;
}

bool binlog_gtids_add(struct binlog_gtids *l, const struct binlog_gtid *g)
{
    size_t i = 0;
    while (i < l->n && l->g[i].domain != g->domain)
        i++;
    if (i == BINLOG_DOMAINS_MAX)
        return false;
    l->g[i] = *g;
    l->n += i == l->n;
    return true;
}

bool binlog_gtids_has(const struct binlog_gtids *l, const struct binlog_gtid *g)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->g[i].domain == g->domain)
            return l->g[i].number >= g->number;
    return false;
}

bool binlog_gtids_continue(const struct binlog_gtids *counted, const struct binlog_gtids *list)
{
    size_t same = 0, torn = 0;
    for (size_t i = 0; i < counted->n; i++)
        for (size_t k = 0; k < list->n; k++) {
            if (counted->g[i].domain != list->g[k].domain)
                continue;
            same += counted->g[i].number == list->g[k].number;
            torn += counted->g[i].number - 1 == list->g[k].number;
        }
    return counted->n == list->n && same + torn == list->n && torn <= 1;
}
