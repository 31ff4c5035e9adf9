#include "backup/rules/restore_request.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include "backup/rules/archive_name.h"
#include "common/json_get.h"
#include "common/lang.h"

static const char *const actions[] = {"plan", "run", "sql", "open", "into", "serve", "undo",
    "accept", "recover", "status", "rescue", "write_back", "discard"};

struct member {
    const char *name;
    size_t at;
    enum restore_asker asker; /* at the least */
};

#define AT(member) offsetof(struct restore_request, member)

static const struct member texts[] = {
    {"which", AT(which), RESTORE_BY_PAGE},
    {"upload", AT(upload), RESTORE_BY_PAGE},
    {"to", AT(moment), RESTORE_BY_PAGE},
    {"before", AT(moment), RESTORE_BY_PAGE},
    {"timeline", AT(timeline), RESTORE_BY_PAGE},
    {"file", AT(file), RESTORE_BY_ROOT},
    {"recover_with", AT(recover_with), RESTORE_BY_ROOT},
    {"folder", AT(folder), RESTORE_BY_ROOT},
    {"socket", AT(socket), RESTORE_BY_ROOT},
    {"table", AT(table), RESTORE_BY_ROOT},
    {"where", AT(where), RESTORE_BY_ROOT},
    {"id", AT(id), RESTORE_BY_ROOT},
};
static const struct member flags[] = {
    {"dry_run", AT(dry_run), RESTORE_BY_PAGE},
    {"no_trial", AT(no_trial), RESTORE_BY_ROOT},
    {"foreign", AT(foreign), RESTORE_BY_PAGE},
    {"accept_loss", AT(sql.accept_loss), RESTORE_BY_PAGE},
    {"expire", AT(expire), RESTORE_BY_KEEPER},
    {"exact", AT(exact), RESTORE_BY_ROOT},
    {"rows", AT(rows), RESTORE_BY_ROOT},
};

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

const char *restore_action_name(enum restore_action action)
{
    return actions[action];
}

/* NULL: it is not there, and *e is unchanged. */
static const json_t *given(
    const json_t *o, const struct member *m, enum restore_asker asker, int *code, struct err *e)
{
    const json_t *v = json_object_get(o, m->name);
    if (!v || json_is_null(v))
        return NULL;
    if (asker < m->asker)
        *code = err_set(e, EINVAL, "\"%s\" is for the command line only", m->name);
    return v;
}

static int read_members(
    const json_t *o, enum restore_asker asker, struct restore_request *q, struct err *e)
{
    int code = 0;
    for (size_t i = 0; i < COUNT(texts) && code == 0; i++) {
        const json_t *v = given(o, &texts[i], asker, &code, e);
        const char **at = (const char **)((char *)q + texts[i].at);
        if (v && code == 0 && (!json_is_string(v) || *at))
            code = err_set(e, EINVAL, "\"%s\" must be a text%s", texts[i].name,
                *at ? N_(", and only one of \"to\" and \"before\"") : "");
        if (v)
            *at = json_string_value(v);
    }
    for (size_t i = 0; i < COUNT(flags) && code == 0; i++) {
        const json_t *v = given(o, &flags[i], asker, &code, e);
        if (v && code == 0 && !json_is_boolean(v))
            code = err_set(e, EINVAL, "\"%s\" must be true or false", flags[i].name);
        *(bool *)((char *)q + flags[i].at) = json_is_true(v);
    }
    return code;
}

static int read_types(const json_t *o, struct restore_request *q, struct err *e)
{
    json_t *types = json_object_get(o, "types"), *type;
    size_t i;
    if (!types || json_is_null(types))
        return 0;
    if (!json_is_array(types) || json_array_size(types) > RESTORE_TYPES_MAX)
        return err_set(
            e, EINVAL, "\"types\" must be a list of at most %d data types", RESTORE_TYPES_MAX);
    json_array_foreach (types, i, type) {
        q->types[i] = json_string_value(type);
        if (!q->types[i] || !archive_type_valid(q->types[i]))
            return err_set(e, EINVAL, "\"types\" must be a list of data types, such as elexisdb");
    }
    return 0;
}

static int read_names(const json_t *o, struct restore_request *q, struct err *e)
{
    const json_t *names = json_object_get(o, "names");
    const char *word = json_string_value(names);
    if (!names || json_is_null(names))
        return 0;
    if (!word || (strcmp(word, "live") != 0 && strcmp(word, "file") != 0))
        return err_set(e, EINVAL, "\"names\" must be live or file");
    q->sql.names = *word == 'l' ? SQL_NAMES_LIVE : SQL_NAMES_FILE;
    return 0;
}

/* Names that others chose. */
static int check_names(const struct restore_request *q, struct err *e)
{
    const char *w = q->which;
    if (w && !run_suffix_valid(w) && strcmp(w, "latest") != 0 &&
        !(q->foreign && foreign_name_valid(w)))
        return err_set(e, EINVAL, "\"which\" must be latest or a run, such as 2026-11-22-0315");
    if (q->upload && !upload_name_valid(q->upload))
        return err_set(e, EINVAL, "\"upload\" must be the name that the upload was given");
    return 0;
}

/* What goes together. */
static int check_data(const struct restore_request *q, enum restore_asker asker, struct err *e)
{
    bool sql = q->action == RESTORE_DO_SQL;
    if (q->socket && !q->folder)
        return err_set(e, EINVAL, N_("--serve needs the folder: --into DIR"));
    if (q->folder && (q->dry_run || q->no_trial))
        return err_set(e, EINVAL, N_("--into goes with WHICH, TYPE, --serve and --foreign only"));
    if (q->file && (!sql || q->which || q->types[0] || q->no_trial || q->foreign || q->folder))
        return err_set(
            e, EINVAL, N_("--sql goes with --yes, --dry-run, --accept-loss and --names only"));
    if (q->action != RESTORE_DO_SERVE && !!q->which + !!q->upload + !!q->file != 1 &&
        !(q->moment && !q->upload && !q->file))
        return err_set(e, EINVAL,
            asker == RESTORE_BY_ROOT
                ? N_("which backup? latest, a run such as 2026-11-22-0315, or an archive's path")
                : "either \"which\" or \"upload\" says what is to be restored");
    if (q->upload && q->action == RESTORE_DO_PLAN)
        return err_set(e, EINVAL, "a plan is made for a backup; try an upload out with dry_run");
    if (q->upload && !sql && !q->foreign)
        return err_set(e, EINVAL,
            "an upload is SQL text (\"action\":\"sql\") or an archive of the old system (\"foreign\":true)");
    if (q->recover_with && !q->foreign)
        return err_set(
            e, EINVAL, "--recover-with is for an archive of the old system: add --foreign");
    if (q->moment && (sql || q->foreign))
        return err_set(e, EINVAL, "a moment goes without --sql and --foreign");
    if (q->timeline && !q->moment)
        return err_set(e, EINVAL, "--timeline goes with a moment: --to or --before");
    return 0;
}

static int check_rescue(const struct restore_request *q, struct err *e)
{
    if (q->action == RESTORE_DO_WRITE_BACK && !q->id)
        return err_set(e, EINVAL, "\"id\" says what is to be written back");
    if (q->action == RESTORE_DO_RESCUE && (!q->table || !*q->table || !q->moment))
        return err_set(e, EINVAL, N_("which table, and as of when? rescue TABLE --to MOMENT"));
    if (q->exact && q->where)
        return err_set(e, EINVAL, N_("--exact is about the whole table, and goes without --where"));
    return 0;
}

int restore_request_read(
    const json_t *o, enum restore_asker asker, struct restore_request *q, struct err *e)
{
    const char *action = json_get_str(o, "action");
    size_t a = 0;
    *q = (struct restore_request){.json = json_copy((json_t *)(uintptr_t)o)};
    while (a < COUNT(actions) && (!action || strcmp(action, actions[a]) != 0))
        a++;
    q->action = (enum restore_action)a;
    bool elsewhere = a == RESTORE_DO_INTO || a == RESTORE_DO_SERVE;
    bool at_hand = elsewhere || a >= RESTORE_DO_RESCUE, open = a == RESTORE_DO_OPEN;
    if (a == COUNT(actions) || (at_hand && asker != RESTORE_BY_ROOT) ||
        (open && asker == RESTORE_BY_PAGE))
        return err_set(
            e, EINVAL, "\"action\" must be plan, run, sql, undo, accept, recover or status");
    int r = read_members(o, asker, q, e);
    if (r == 0)
        r = read_types(o, q, e);
    if (r == 0)
        r = read_names(o, q, e);
    if (r == 0 && asker != RESTORE_BY_ROOT)
        r = check_names(q, e);
    if (r == 0 && elsewhere && (!q->folder || (a == RESTORE_DO_SERVE && !q->socket)))
        r = err_set(e, EINVAL, "\"folder\" says where, and \"socket\" for a server");
    if (r == 0 && open && (q->upload || q->file || q->foreign))
        r = err_set(e, EINVAL, "only a backup or a moment is opened for reading");
    if (r == 0 && a <= RESTORE_DO_SERVE && !(open && q->expire))
        r = check_data(q, asker, e);
    if (r == 0 && a >= RESTORE_DO_RESCUE)
        r = check_rescue(q, e);
    q->before = json_is_string(json_object_get(o, "before"));
    q->sql.dry_run = q->dry_run;
    return r;
}

void restore_request_clear(struct restore_request *q)
{
    json_decref(q->json);
    *q = (struct restore_request){.json = NULL};
}

static void keep_member(json_t *to, const json_t *from, const char *name)
{
    json_t *v = json_object_get(from, name);
    if (v && !json_is_null(v))
        (void)json_object_set(to, name, v);
}

char *restore_request_text(const json_t *o)
{
    _cleanup_json_ json_t *ours = json_object();
    keep_member(ours, o, "action");
    keep_member(ours, o, "types");
    keep_member(ours, o, "names");
    for (size_t i = 0; i < COUNT(texts); i++)
        keep_member(ours, o, texts[i].name);
    for (size_t i = 0; i < COUNT(flags); i++)
        keep_member(ours, o, flags[i].name);
    return json_dumps(ours, JSON_COMPACT);
}
