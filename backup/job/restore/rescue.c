#include "backup/job/restore/rescue.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "backup/job/job.h"
#include "backup/job/restore/into.h"
#include "backup/job/restore/moment.h"
#include "backup/job/restore/rescue_write.h"
#include "backup/job/trial/scratch.h"
#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/file.h"
#include "common/json_get.h"
#include "common/lang.h"
#include "common/sql_name.h"
#include "common/utf8.h"

#define FOLDER   ".elexgate-rescue"
#define PLAN     "rescue.json" /* in state_dir, as these: its conditions become SQL */
#define UNDOS    "rescued"
#define PLAN_MAX (256u << 20)
#define NAMED    20
#define SHOWN    20

struct preparing {
    struct rescue *rescue;
    char id[40]; /* of what is prepared: who agrees has seen this one, and not somebody else's */
    const char *condition;
    bool rows;
    const char *plan; /* path */
    struct rescue_rows was, now;
};

/* --- the difference --- */

static void note_change(
    struct rescue *r, const struct rescue_row *then, const struct rescue_row *live)
{
    const struct rescue_row *any = then ? then : live;
    if (r->n % 1024 == 0)
        r->changes = xrealloc(r->changes, (r->n + 1024) * sizeof *r->changes);
    r->changes[r->n++] = (struct rescue_change){xstrdup(any->is), xstrdup(any->label),
        xstrdup(then ? then->digest : ""), xstrdup(live ? live->digest : "")};
}

static int read_live(struct preparing *p, struct err *e)
{
    struct rescue *r = p->rescue;
    if (!p->condition)
        return rescue_rows_read(r->live, &r->now, NULL, &p->now, e);
    /* the condition is for the other server: here the rows are asked for that it found there */
    p->now.list = xcalloc(p->was.n + 1, sizeof *p->now.list);
    for (size_t i = 0; i < p->was.n; i++) {
        struct rescue_row row = {.is = NULL};
        int code = rescue_digest(r->live, &r->now, p->was.list[i].is, false, row.digest, e);
        if (code != 0)
            return code;
        if (!*row.digest)
            continue;
        row.is = xstrdup(p->was.list[i].is);
        memcpy(row.label, p->was.list[i].label, sizeof row.label);
        p->now.list[p->now.n++] = row;
    }
    return 0;
}

static void compare(struct preparing *p)
{
    struct rescue *r = p->rescue;
    for (size_t i = 0; i < p->was.n; i++) {
        const struct rescue_row *then = &p->was.list[i],
                                *live = rescue_rows_find(&p->now, then->is);
        if (live && strcmp(live->digest, then->digest) == 0)
            r->same++;
        else
            note_change(r, then, live);
    }
    for (size_t i = 0; i < p->now.n; i++)
        if (!rescue_rows_find(&p->was, p->now.list[i].is)) {
            r->added++;
            if (r->exact)
                note_change(r, NULL, &p->now.list[i]);
        }
}

static void add_key(json_t *list, const char *label)
{
    if (json_array_size(list) < NAMED)
        (void)json_array_append_new(list, json_text(label));
}

static json_t *keys_json(const struct preparing *p, uint64_t *gone, uint64_t *changed)
{
    json_t *lost = json_array(), *other = json_array(), *added = json_array();
    *gone = *changed = 0;
    for (size_t i = 0; i < p->rescue->n; i++) {
        const struct rescue_change *c = &p->rescue->changes[i];
        if (*c->then && !*c->live) {
            ++*gone;
            add_key(lost, c->label);
        } else if (*c->then) {
            ++*changed;
            add_key(other, c->label);
        }
    }
    for (size_t i = 0; i < p->now.n && json_array_size(added) < NAMED; i++)
        if (!rescue_rows_find(&p->was, p->now.list[i].is))
            add_key(added, p->now.list[i].label);
    return json_pack("{s:o, s:o, s:o}", "gone", lost, "changed", other, "added", added);
}

static int contents(const struct preparing *p, json_t **out, struct err *e)
{
    struct rescue *r = p->rescue;
    int code = 0;
    *out = json_array();
    for (size_t i = 0; code == 0 && i < r->n && i < SHOWN; i++) {
        const struct rescue_change *c = &r->changes[i];
        json_t *then = NULL, *now = NULL;
        if (*c->then)
            code = rescue_show(r->then, &r->was, c->is, &then, e);
        if (code == 0 && *c->live)
            code = rescue_show(r->live, &r->now, c->is, &now, e);
        (void)json_array_append_new(*out,
            json_pack("{s:o, s:o*, s:o*}", "key", json_text(c->label), "then", then, "now", now));
    }
    return code;
}

static int tell_difference(const struct preparing *p, struct err *e)
{
    const struct rescue *r = p->rescue;
    uint64_t gone, changed;
    json_t *rows = NULL, *keys = keys_json(p, &gone, &changed);
    int code = p->rows ? contents(p, &rows, e) : 0;
    _cleanup_free_ char *table = sql_name_table(r->now.schema, r->now.name);
    if (code == 0)
        run_event(json_pack("{s:s, s:s, s:o, s:I, s:I, s:I, s:I, s:b, s:O, s:O*}", "event",
            "rescue", "id", p->id, "table", json_text(table), "gone", (json_int_t)gone, "changed",
            (json_int_t)changed, "added", (json_int_t)r->added, "same", (json_int_t)r->same,
            "exact", r->exact, "keys", keys, "rows", rows));
    json_decref(keys);
    json_decref(rows);
    return code;
}

/* --- what is prepared, on disk --- */

static int save(const struct rescue *r, const char *id, const char *path, struct err *e)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < r->n; i++) {
        const struct rescue_change *c = &r->changes[i];
        (void)json_array_append_new(
            rows, json_pack("[s, o, s, s]", c->is, json_text(c->label), c->then, c->live));
    }
    _cleanup_json_ json_t *plan = json_pack("{s:i, s:s, s:o, s:o, s:b, s:o}", "version", 1, "id",
        id, "schema", json_text(r->now.schema), "name", json_text(r->now.name), "exact", r->exact,
        "rows", rows);
    _cleanup_free_ char *text = plan ? json_dumps(plan, JSON_COMPACT) : NULL;
    if (!text)
        return err_set(e, EINVAL, "a key of %s is no text", r->now.name);
    return file_publish(path, text, strlen(text), 0600, e);
}

static int load(struct rescue *r, const char *path, json_t **plan, struct err *e)
{
    _cleanup_free_ char *data = NULL;
    size_t n = 0, i;
    const json_t *row;
    int code = file_read(path, PLAN_MAX, &data, &n, e);
    if (code == -ENOENT)
        return err_outcome(e, EXIT_REFUSED, ENOENT,
            "nothing is prepared: elexgate rescue TABLE --to MOMENT comes first");
    if (code < 0)
        return code;
    *plan = json_loadb(data, n, 0, NULL);
    r->exact = json_get_true(*plan, "exact");
    json_array_foreach (json_object_get(*plan, "rows"), i, row) {
        struct rescue_row then = {.is = NULL}, live;
        const char *text[4];
        for (size_t k = 0; k < 4; k++)
            if (!(text[k] = json_string_value(json_array_get(row, k))))
                return err_set(e, EBADMSG, "%s is damaged", path);
        then.is = (char *)(uintptr_t)text[0];
        utf8_copy(then.label, sizeof then.label, text[1]);
        live = then;
        snprintf(then.digest, sizeof then.digest, "%s", text[2]);
        snprintf(live.digest, sizeof live.digest, "%s", text[3]);
        note_change(r, *text[2] ? &then : NULL, *text[3] ? &live : NULL);
    }
    return 0;
}

static void clear(struct rescue *r)
{
    for (size_t i = 0; i < r->n; i++) {
        free(r->changes[i].is);
        free(r->changes[i].label);
        free(r->changes[i].then);
        free(r->changes[i].live);
    }
    free(r->changes);
    server_close(r->live);
    rescue_table_clear(&r->was);
    rescue_table_clear(&r->now);
}

static char *folder_of(const struct run *run)
{
    _cleanup_free_ char *scratch = scratch_folder(run);
    return xasprintf("%s/" FOLDER, scratch);
}

static char *plan_of(const struct run *run)
{
    return xasprintf("%s/" PLAN, run->s.state_dir);
}

static int discard(const struct run *run, struct err *e)
{
    _cleanup_free_ char *plan = plan_of(run);
    if (unlink(plan) < 0 && errno != ENOENT)
        return err_sys(e, errno, "cannot remove %s", plan);
    _cleanup_fd_ int scratch = scratch_folder_open(run, e);
    return scratch < 0 ? scratch : file_remove_tree(scratch, FOLDER, e);
}

/* --- the commands --- */

/* What was said of the table then, in the throwaway server. */
static int open_then(struct rescue *r, struct server *s, struct err *e)
{
    r->then = s;
    int code = server_limit(s, 0, e);
    if (code == 0)
        code = server_exec(s, e,
            "SET SESSION character_set_results=NULL, sql_mode='STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO'");
    if (code == 0)
        code = rescue_table_look(
            s, r->now.schema, r->now.name, N_("as of that moment"), &r->was, e);
    return code == 0 ? rescue_table_same(&r->was, &r->now, e) : code;
}

static int prepare_with(void *ctx, struct server *s, struct err *e)
{
    struct preparing *p = ctx;
    struct rescue *r = p->rescue;
    int code = open_then(r, s, e);
    run_phase(r->run, r->run->s.physical_type, "compare", 0);
    if (code == 0)
        code = rescue_rows_read(s, &r->was, p->condition, &p->was, e);
    if (code == 0)
        code = read_live(p, e);
    if (code == 0) {
        compare(p);
        code = tell_difference(p, e);
    }
    if (code == 0 && r->n > 0)
        code = rescue_write(r, NULL, e);
    return code == 0 ? save(r, p->id, p->plan, e) : code;
}

static int apply_with(void *ctx, struct server *s, struct err *e)
{
    struct rescue *r = ctx;
    char stamp[CLOCK_ISO_LEN];
    _cleanup_free_ char *dir = xasprintf("%s/" UNDOS, r->run->s.state_dir);
    _cleanup_free_ char *path = xasprintf("%s/%s.sql", dir, clock_iso(clock_wall_ms(), stamp));
    _cleanup_free_ char *table = sql_name_table(r->now.schema, r->now.name);
    int code = open_then(r, s, e);
    if (code == 0)
        code = file_mkdirs(dir, 0700, e);
    if (code == 0)
        code = rescue_write(r, path, e);
    if (code == 0)
        run_event(json_pack("{s:s, s:o, s:I, s:s}", "event", "rescued", "table", json_text(table),
            "rows", (json_int_t)r->n, "undo", path));
    return code;
}

static int prepare(struct run *run, struct restore_request *q, const char *folder, struct err *e)
{
    const char *dot = strchr(q->table, '.');
    _cleanup_free_ char *plan = plan_of(run),
                        *schema = dot ? xasprintf("%.*s", (int)(dot - q->table), q->table)
                                      : xstrdup(
                                            config_str(run->s.config, "database", NULL, "name"));
    struct rescue r = {.run = run, .exact = q->exact};
    CLEANUP(binlog_way_clear) struct binlog_way way = {.n = 0};
    struct preparing p = {.rescue = &r, .condition = q->where, .rows = q->rows, .plan = plan};
    snprintf(p.id, sizeof p.id, "%lld-%d", (long long)run->started_ms, (int)getpid());
    run_be_modest(NULL);
    int code = rescue_open_live(&r, schema, dot ? dot + 1 : q->table, e); /* it takes no time */
    if (code == 0)
        code = discard(run, e);
    if (code == 0)
        code = moment_find(run, q, &way, e);
    if (code == 0)
        code = restore_into(run, q, folder, e);
    if (code == 0) {
        code = restore_serve_for(run, folder, prepare_with, &p, e);
        struct err left = {0};
        if ((code != 0 || q->dry_run) && discard(run, &left) < 0)
            run_tell(&left);
    }
    rescue_rows_clear(&p.was);
    rescue_rows_clear(&p.now);
    clear(&r);
    return code;
}

static int another(const json_t *plan, const char *id, struct err *e)
{
    if (strcmp(json_get_text(plan, "id"), id) == 0)
        return 0;
    return err_outcome(e, EXIT_REFUSED, ESTALE,
        "somebody else has prepared another rescue since: nothing is written. Run it again");
}

static int apply(struct run *run, const char *folder, const char *id, struct err *e)
{
    struct rescue r = {.run = run};
    _cleanup_json_ json_t *plan = NULL;
    _cleanup_free_ char *path = plan_of(run);
    int code = job_lock(run, e);
    if (code == 0)
        code = load(&r, path, &plan, e);
    if (code == 0)
        code = another(plan, id, e);
    if (code == 0)
        code = rescue_open_live(&r, json_get_text(plan, "schema"), json_get_text(plan, "name"), e);
    if (code == 0)
        code = restore_serve_for(run, folder, apply_with, &r, e);
    struct err left = {0};
    if (code == 0 && discard(run, &left) < 0)
        run_tell(&left);
    clear(&r);
    return code;
}

int restore_rescue(struct run *run, struct restore_request *q, struct err *e)
{
    _cleanup_free_ char *folder = folder_of(run);
    if (q->action == RESTORE_DO_WRITE_BACK)
        return apply(run, folder, q->id, e);
    return q->action == RESTORE_DO_RESCUE ? prepare(run, q, folder, e) : discard(run, e);
}
