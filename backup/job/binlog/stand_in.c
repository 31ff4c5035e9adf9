#include "backup/job/binlog/stand_in.h"

#include <errno.h>
#include <string.h>
#include "backup/job/binlog/rights.h"
#include "common/exit_codes.h"
#include "common/json_get.h"
#include "common/sql_name.h"

static bool can_be_read(struct server *s, const char *quoted)
{
    struct server_reply reply;
    _cleanup_free_ char *look = xasprintf("SELECT 1 FROM %s LIMIT 1", quoted);
    return server_send(s, look, strlen(look), &reply) == 0;
}

/* The definition is text of somebody who may make tables, as his server wrote it down: one
 * statement, given whole, to a server in its sandbox. 1: it is made. */
static int define(
    struct server *s, const char *schema, const char *quoted, const char *definition, struct err *e)
{
    struct server_reply reply;
    struct rights before;
    _cleanup_free_ char *database = sql_name_quoted(schema);
    int r = server_exec(s, e, "USE %s", database);
    if (r == 0)
        r = server_exec(s, e, "DROP TABLE IF EXISTS %s", quoted);
    if (r == 0)
        r = rights_look(s, &before, e);
    if (r < 0)
        return r;
    bool made = server_send(s, definition, strlen(definition), &reply) == 0;
    r = rights_same(s, &before, e);
    if (r == 1)
        return err_outcome(e, EXIT_INCONSISTENT, EACCES,
            "the definition of the table %s changes who may do what", quoted);
    return r < 0 ? r : made;
}

static int make_one(struct server *s, const char *name, const json_t *it, struct err *e)
{
    const char *schema = json_get_text(it, "schema"), *definition = json_get_str(it, "definition");
    _cleanup_free_ char *quoted = sql_name_quoted_table(schema, json_get_text(it, "table"));
    if (can_be_read(s, quoted))
        return 0;
    int r = definition ? define(s, schema, quoted, definition, e) : 0;
    if (r == 1)
        run_note("%s was not in the backup: it has what was written to it since", name);
    else if (r == 0)
        run_note("nothing can stand in for the table %s, which is not in the backup", name);
    return r == 1 ? 0 : r;
}

int stand_in_make(struct server *s, const json_t *missing, struct err *e)
{
    const char *name;
    json_t *it;
    int r = server_exec(s, e,
        "SET SESSION sql_mode='NO_DIR_IN_CREATE', foreign_key_checks=0, innodb_strict_mode=0");
    json_object_foreach ((json_t *)(uintptr_t)missing, name, it)
        if (r == 0)
            r = make_one(s, name, it, e);
    return r;
}

void stand_in_count(struct binlog_player *p, const char *name)
{
    if (p->done.left_out == NULL)
        p->done.left_out = json_object();
    json_int_t n = json_get_int(p->done.left_out, name);
    (void)json_object_set_new(p->done.left_out, name, json_integer(n + 1));
}

void stand_in_tell(const json_t *left_out)
{
    const char *name;
    json_t *n;
    json_object_foreach ((json_t *)(uintptr_t)left_out, name, n)
        run_note("%s: %lld changes are left out, of rows that were not in the backup", name,
            (long long)json_integer_value(n));
}
