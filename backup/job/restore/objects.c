#include "backup/job/restore/objects.h"

#include <errno.h>
#include <string.h>
#include "backup/job/run.h"
#include "common/json_get.h"

/* In the order in which they can be made: views may call functions, triggers and events may use
 * all. */
static const struct {
    const char *kind;
    const char *list;               /* names in the database %s */
    unsigned create, mode, charset; /* columns of SHOW CREATE; mode 0 = none */
} kinds[] = {
    {"FUNCTION",
        "SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_TYPE='FUNCTION' AND ROUTINE_SCHEMA=%s",
        2, 1, 3},
    {"PROCEDURE",
        "SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_TYPE='PROCEDURE' AND ROUTINE_SCHEMA=%s",
        2, 1, 3},
    {"VIEW", "SELECT TABLE_NAME FROM information_schema.VIEWS WHERE TABLE_SCHEMA=%s", 1, 0, 2},
    {"TRIGGER",
        "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA=%s ORDER BY EVENT_OBJECT_TABLE, EVENT_MANIPULATION, ACTION_TIMING, ACTION_ORDER",
        2, 1, 3},
    {"EVENT", "SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA=%s", 3, 1, 4},
};
#define KINDS (sizeof kinds / sizeof kinds[0])

static int note_name(
    void *ctx, char *const *row, const unsigned long *lengths, unsigned columns, struct err *e)
{
    (void)lengths, (void)columns, (void)e;
    return json_array_append_new(ctx, json_string(row[0])) == 0 ? 0 : -ENOMEM;
}

static int names_of(
    struct server *s, const char *database, size_t kind, json_t **out, struct err *e)
{
    json_t *names = json_array();
    _cleanup_free_ char *text = server_quote_text(s, database);
    const char *list = kinds[kind].list, *hole = strstr(list, "%s");
    int code = server_rows(
        s, note_name, names, e, "%.*s%s%s", (int)(hole - list), list, text, hole + 2);
    if (code == 0)
        *out = names;
    else
        json_decref(names);
    return code;
}

struct reading {
    size_t kind;
    const char *name;
    json_t *to;
};

static int note_create(
    void *ctx, char *const *row, const unsigned long *lengths, unsigned columns, struct err *e)
{
    const struct reading *r = ctx;
    (void)lengths;
    unsigned create = kinds[r->kind].create, charset = kinds[r->kind].charset;
    if (columns <= charset + 1 || !row[create])
        return err_set(e, EACCES, "the definition of %s is not shown to us", r->name);
    json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s?, s:s?}", "kind", kinds[r->kind].kind, "name",
        r->name, "create", row[create], "sql_mode",
        kinds[r->kind].mode ? row[kinds[r->kind].mode] : "", "charset", row[charset], "collation",
        row[charset + 1]);
    return o && json_array_append_new(r->to, o) == 0
               ? 0
               : err_set(e, EILSEQ, "the definition of %s is no UTF-8", r->name);
}

/* In the database itself: its name is then left out of a view's text. */
static int use(struct server *s, const char *database, struct err *e)
{
    _cleanup_free_ char *name = server_quote_name(database);
    return server_exec(s, e, "USE %s", name);
}

static int read_one(struct server *s, size_t kind, const char *name, json_t *to, struct err *e)
{
    struct reading r = {kind, name, to};
    struct err why = {0};
    _cleanup_free_ char *quoted = server_quote_name(name);
    int code = server_rows(s, note_create, &r, &why, "SHOW CREATE %s %s", kinds[kind].kind, quoted);
    if (code < 0 && code != -EPIPE && strcmp(kinds[kind].kind, "VIEW") == 0) {
        run_note("the view %s does not work, and is left out: %s", name, why.text);
        return 0;
    }
    if (code < 0)
        *e = why;
    return code;
}

int objects_read(struct server *s, const char *database, json_t **out, struct err *e)
{
    json_t *all = json_array();
    int code = use(s, database, e);
    for (size_t k = 0; code == 0 && k < KINDS; k++) {
        json_t *names = NULL, *name;
        size_t i;
        code = names_of(s, database, k, &names, e);
        json_array_foreach (names, i, name)
            if (code == 0)
                code = read_one(s, k, json_string_value(name), all, e);
        json_decref(names);
    }
    if (code == 0)
        *out = all;
    else
        json_decref(all);
    return code;
}

int objects_drop(struct server *s, const char *database, struct err *e)
{
    int code = use(s, database, e);
    for (size_t k = KINDS; code == 0 && k-- > 0;) {
        json_t *names = NULL, *name;
        size_t i;
        code = names_of(s, database, k, &names, e);
        json_array_foreach (names, i, name) {
            _cleanup_free_ char *quoted = server_quote_name(json_string_value(name));
            if (code == 0)
                code = server_exec(s, e, "DROP %s IF EXISTS %s", kinds[k].kind, quoted);
        }
        json_decref(names);
    }
    return code;
}

static bool ascii(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text >= 0x80)
            return false;
    return true;
}

/* The character set that it was made under is kept with it; text that is not plain comes in the one
 * that we speak. */
static int make(struct server *s, const json_t *o, struct err *e)
{
    const char *create = json_get_str(o, "create");
    const char *charset = json_get_str(o, "charset");
    const char *collation = json_get_str(o, "collation");
    const char *name = json_get_str(o, "name");
    _cleanup_free_ char *mode = server_quote_text(s, json_get_str(o, "sql_mode"));
    int code = server_exec(s, e, "SET SESSION sql_mode=%s", mode);
    if (code == 0 && charset && collation && ascii(create))
        code = server_exec(s, e, "SET NAMES %s COLLATE %s", charset, collation);
    if (code == 0)
        code = server_exec(s, e, "%s", create);
    struct err back = {0};
    if (server_exec(s, &back, "SET NAMES utf8mb4") < 0 && code == 0)
        return err_set(e, back.code, "%s", back.text);
    return code < 0 ? err_prefix(e, code, "%s", name) : 0;
}

/* A view may stand on another one: again and again, as long as one more can be made. */
int objects_make(struct server *s, const char *database, const json_t *objects, struct err *e)
{
    json_t *left = json_copy((json_t *)(uintptr_t)objects);
    int code = use(s, database, e);
    while (code == 0 && json_array_size(left) > 0) {
        size_t before = json_array_size(left);
        for (size_t i = 0; code == 0 && i < json_array_size(left);) {
            struct err why = {0};
            int made = make(s, json_array_get(left, i), &why);
            if (made == 0) {
                (void)json_array_remove(left, i);
                continue;
            }
            *e = why;
            code = made == -EPIPE ? made : 0;
            i++;
        }
        if (code == 0 && json_array_size(left) == before)
            code = -EIO; /* with the words of the last one */
    }
    json_decref(left);
    return code;
}
