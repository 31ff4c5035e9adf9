#include "backup/job/binlog/left_out.h"

#include <string.h>
#include "common/json_get.h"
#include "common/sql_name.h"

void left_out_count(struct binlog_player *p, const char *name)
{
    if (p->done.left_out == NULL)
        p->done.left_out = json_object();
    json_int_t n = json_get_int(p->done.left_out, name);
    (void)json_object_set_new(p->done.left_out, name, json_integer(n + 1));
}

void left_out_tell(const json_t *counted)
{
    const char *name;
    json_t *n;
    json_object_foreach ((json_t *)(uintptr_t)counted, name, n) {
        run_note("%s is not in the backup: %lld changes of it in the binary log are left out", name,
            (long long)json_integer_value(n));
    }
}

bool left_out_is(struct binlog_player *p, const char *schema, const char *table)
{
    struct server_reply reply;
    _cleanup_free_ char *name = sql_name_table(schema, table);
    if (json_object_get(p->missing, name) == NULL)
        return false;
    _cleanup_free_ char *quoted = sql_name_quoted_table(schema, table);
    _cleanup_free_ char *sql = xasprintf("SELECT 1 FROM %s LIMIT 1", quoted);
    return server_send(p->server, sql, strlen(sql), &reply) != 0;
}
