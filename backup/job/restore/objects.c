#include "backup/job/restore/objects.h"

#include <errno.h>
#include <string.h>
#include "backup/job/run.h"
#include "common/json_get.h"
#include "common/sql_name.h"

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

static int names_of(
    struct server *s, const char *database, size_t kind, json_t **out, struct err *e)
{
    _cleanup_free_ char *text = server_quote_text(s, database);
    const char *list = kinds[kind].list, *hole = strstr(list, "%s");
    return server_names(s, out, e, "%.*s%s%s", (int)(hole - list), list, text, hole + 2);
}

struct reading {
    size_t kind;
    const char *name, *database, *becomes;
    json_t *to;
};

/* Behind `a name`, "a string" or 'a string', which p begins. */
static const char *behind_quotes(const char *p)
{
    char quote = *p++;
    for (; *p; p++)
        if (*p == '\\' && quote != '`' && p[1])
            p++;
        else if (*p == quote && p[1] == quote)
            p++;
        else if (*p == quote)
            return p + 1;
    return p;
}

/*
 * A view's text as the server prints it, with another name for the database: it stands before the
 * columns where the view's definer has no rights in a database beside the live one. malloc'ed.
 */
static char *in_another_database(const char *text, const char *database, const char *becomes)
{
    _cleanup_free_ char *from = sql_name_quoted(database), *to = sql_name_quoted(becomes);
    size_t n = strlen(from), grows = strlen(to) > n ? strlen(to) - n : 0, names = 0;
    for (const char *p = text; *p; p++)
        names += *p == '`';
    char *out = xmalloc(strlen(text) + names * grows + 1), *q = out;
    while (*text) {
        const char *end = strchr("`'\"", *text) ? behind_quotes(text) : text + 1;
        bool ours = (size_t)(end - text) == n && memcmp(text, from, n) == 0 && *end == '.' &&
                    (q == out || q[-1] != '.');
        const char *take = ours ? to : text;
        size_t len = ours ? strlen(to) : (size_t)(end - text);
        memcpy(q, take, len);
        q += len;
        text = end;
    }
    *q = '\0';
    return out;
}

static int note_create(void *ctx, const struct server_row *row, struct err *e)
{
    const struct reading *r = ctx;
    unsigned create = kinds[r->kind].create, charset = kinds[r->kind].charset;
    if (row->n <= charset + 1 || !row->text[create])
        return err_set(e, EACCES, "the definition of %s is not shown to us", r->name);
    _cleanup_free_ char *text = strcmp(kinds[r->kind].kind, "VIEW") == 0
                                    ? in_another_database(
                                          row->text[create], r->database, r->becomes)
                                    : xstrdup(row->text[create]);
    json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s?, s:s?}", "kind", kinds[r->kind].kind, "name",
        r->name, "create", text, "sql_mode",
        kinds[r->kind].mode ? row->text[kinds[r->kind].mode] : "", "charset", row->text[charset],
        "collation", row->text[charset + 1]);
    return o && json_array_append_new(r->to, o) == 0
               ? 0
               : err_set(e, EILSEQ, "the definition of %s is no UTF-8", r->name);
}

/* In the database itself: its name is then left out of a view's text. */
static int use(struct server *s, const char *database, struct err *e)
{
    _cleanup_free_ char *name = sql_name_quoted(database);
    return server_exec(s, e, "USE %s", name);
}

static int read_one(struct server *s, struct reading *r, struct err *e)
{
    struct err why = {0};
    _cleanup_free_ char *quoted = sql_name_quoted(r->name);
    const char *kind = kinds[r->kind].kind;
    int code = server_rows(s, note_create, r, &why, "SHOW CREATE %s %s", kind, quoted);
    if (code < 0 && code != -EPIPE && strcmp(kind, "VIEW") == 0) {
        run_tell_of(&why, "the view %s does not work, and is left out", r->name);
        return 0;
    }
    if (code < 0)
        *e = why;
    return code;
}

int objects_read(
    struct server *s, const char *database, const char *becomes, json_t **out, struct err *e)
{
    _cleanup_json_ json_t *all = json_array();
    struct reading r = {.database = database, .becomes = becomes, .to = all};
    int code = use(s, database, e);
    for (size_t k = 0; code == 0 && k < KINDS; k++) {
        json_t *names = NULL, *name;
        size_t i;
        code = names_of(s, database, k, &names, e);
        json_array_foreach (names, i, name) {
            r.kind = k;
            r.name = json_string_value(name);
            if (code == 0)
                code = read_one(s, &r, e);
        }
        json_decref(names);
    }
    if (code == 0)
        *out = json_incref(all);
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
            _cleanup_free_ char *quoted = sql_name_quoted(json_string_value(name));
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
        return err_copy(e, back.code, &back);
    return code < 0 ? err_prefix(e, code, "%s", name) : 0;
}

/* A view may stand on another one: again and again, as long as one more can be made. */
int objects_make(struct server *s, const char *database, const json_t *objects, struct err *e)
{
    _cleanup_json_ json_t *left = json_copy((json_t *)(uintptr_t)objects);
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
    return code;
}
