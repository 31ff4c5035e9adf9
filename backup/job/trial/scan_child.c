/* The half that meets the text. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include "backup/job/trial/scan.h"
#include "common/file.h"
#include "common/json_lines.h"
#include "common/reckoner.h"

#define CHUNK (256u * 1024u)

static json_t *needs(const struct sql_scan *s)
{
    json_t *all = json_array();
    for (size_t i = 0; i < s->n_needs; i++)
        (void)json_array_append_new(all, json_pack("[o, b, I]", json_text(s->needs[i].name),
                                             s->needs[i].collation, (json_int_t)s->needs[i].line));
    return all;
}

static int tell_scan(const struct sql_scan *s)
{
    size_t n = 0;
    _cleanup_json_ json_t *all = json_pack(
        "{s:I, s:I, s:I, s:I, s:o, s:I, s:I, s:I, s:i, s:I, s:o, s:b, s:o, s:o}", "lines",
        (json_int_t)s->lines, "statements", (json_int_t)s->statements, "tables",
        (json_int_t)s->n_tables, "other_line", (json_int_t)s->other_line, "other",
        json_text(s->other), "long_line", (json_int_t)s->long_line, "account_line",
        (json_int_t)s->account_line, "gtid_line", (json_int_t)s->gtid_line, "refused",
        (int)s->refused, "refused_line", (json_int_t)s->refused_line, "command",
        json_text(s->command), "complete", s->complete, "server", json_text(s->server), "needs",
        needs(s));
    _cleanup_free_ char *line = json_line(all, &n);
    return fd_write_all(1, line, n, NULL) < 0 ? 1 : 0;
}

int scan_child(int argc, char **argv)
{
    CLEANUP(sql_scan_clear) struct sql_scan s = {0};
    ssize_t n;
    if (argc != 2 || reckoner_shut(false) < 0)
        return 2;
    _cleanup_free_ char *chunk = xmalloc(CHUNK);
    sql_scan_start(&s, argv[1]);
    while ((n = read(0, chunk, CHUNK)) > 0 || (n < 0 && errno == EINTR))
        if (n > 0)
            sql_scan_feed(&s, chunk, (size_t)n);
    sql_scan_finish(&s);
    return n < 0 ? 1 : tell_scan(&s);
}
