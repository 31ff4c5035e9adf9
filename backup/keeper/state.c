#include "backup/keeper/state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "common/exit_codes.h"
#include "common/file.h"
#include "common/json_get.h"
#include "common/utf8.h"

#define STATE_MAX     (4u << 20)
#define STATE_VERSION 1

static bool take_root(struct keeper_state *s, const json_t *root)
{
    if (json_get_int(root, "version") != STATE_VERSION)
        return false;
    s->plan.backup_seen_ms = json_get_int(root, "backup_seen_ms");
    s->plan.drill_seen_ms = json_get_int(root, "drill_seen_ms");
    s->plan.drill_due = json_get_true(root, "drill_due");
    s->plan.prove_due = json_get_true(root, "prove_due");
    s->plan.chain_due_ms = json_get_int(root, "chain_due_ms");
    s->plan.base_due_ms = json_get_int(root, "base_due_ms");
    s->plan.base_timeline = (uint32_t)json_get_int(root, "base_timeline");
    snprintf(s->restore_seen, sizeof s->restore_seen, "%s", json_get_text(root, "restore_seen"));
    const json_t *p = json_object_get(root, "pending");
    if (json_is_object(p)) {
        plan_pending_set(&s->plan.pending, json_get_int(p, "due_ms"), json_get_int(p, "asked_ms"));
        s->plan.pending.missed = json_get_true(p, "missed");
        s->plan.pending.by_hand = json_get_true(p, "by_hand");
        s->plan.pending.yielded = (unsigned)json_get_int(p, "yielded");
        s->plan.pending.failed = (unsigned)json_get_int(p, "failed");
        json_array_extend(s->plan.pending.types, json_object_get(p, "types"));
        utf8_copy(s->plan.pending.label, sizeof s->plan.pending.label, json_get_text(p, "label"));
        s->plan.pending.protect = json_get_true(p, "protect");
    }
    json_t *runs = json_object_get(root, "runs");
    if (json_is_array(runs))
        json_keep(&s->runs, runs);
    return true;
}

int keeper_state_open(const char *path, struct keeper_state *out, struct err *e)
{
    struct keeper_state s = {.path = xstrdup(path), .runs = json_array()};
    _cleanup_free_ char *text = NULL;
    size_t len = 0;
    int r = file_read(path, STATE_MAX, &text, &len, e);
    if (r < 0 && r != -ENOENT) {
        keeper_state_clear(&s);
        return r;
    }
    int result = 0;
    if (r == 0) {
        _cleanup_json_ json_t *root = json_loadb(text, len, 0, NULL);
        if (!take_root(&s, root)) {
            _cleanup_free_ char *aside = xasprintf("%s.damaged", path);
            result = 1;
            err_set(e, EBADMSG, "%s cannot be read; it was put aside as %s", path, aside);
            r = file_rename_durable(path, aside, NULL);
            (void)r; /* then it is overwritten, which is as good */
        }
    }
    *out = s;
    return result;
}

int keeper_state_save(const struct keeper_state *s, struct err *e)
{
    _cleanup_json_ json_t *root = json_pack("{sisIsIsbsbsIsIsIsssO}", "version", STATE_VERSION,
        "backup_seen_ms", (json_int_t)s->plan.backup_seen_ms, "drill_seen_ms",
        (json_int_t)s->plan.drill_seen_ms, "drill_due", s->plan.drill_due, "prove_due",
        s->plan.prove_due, "chain_due_ms", (json_int_t)s->plan.chain_due_ms, "base_due_ms",
        (json_int_t)s->plan.base_due_ms, "base_timeline", (json_int_t)s->plan.base_timeline,
        "restore_seen", s->restore_seen, "runs", s->runs);
    const struct plan_pending *p = &s->plan.pending;
    if (p->due_ms)
        json_object_set_new(root, "pending",
            json_pack("{sI,sI,sb,sb,si,si,sO,ss,sb}", "due_ms", (json_int_t)p->due_ms, "asked_ms",
                (json_int_t)p->asked_ms, "missed", p->missed, "by_hand", p->by_hand, "yielded",
                (int)p->yielded, "failed", (int)p->failed, "types", p->types, "label", p->label,
                "protect", p->protect));
    _cleanup_free_ char *text = json_dumps(root, JSON_INDENT(1));
    return file_publish(s->path, text, strlen(text), 0600, e);
}

void keeper_state_clear(struct keeper_state *s)
{
    plan_pending_drop(&s->plan.pending);
    json_decref(s->runs);
    free(s->path);
    memset(s, 0, sizeof *s);
}

static bool is_of(const json_t *run, const char *kind)
{
    json_int_t code = json_get_int(run, "exit");
    return strcmp(json_get_text(run, "kind"), kind) == 0 && code != EXIT_CANCELLED &&
           code != EXIT_BUSY;
}

json_t *keeper_state_newest(const struct keeper_state *s, const char *kind, bool good)
{
    size_t i;
    json_t *run;
    json_array_foreach (s->runs, i, run)
        if (is_of(run, kind) && (!good || json_get_int(run, "exit") == EXIT_GOOD))
            return run;
    return NULL;
}

/* One of an older version does not tell what it tried. */
static bool tells_of_database(const json_t *drill)
{
    const json_t *proofs = json_object_get(drill, "proofs"), *proof;
    size_t i;
    bool database = !proofs || json_get_int(drill, "exit") != EXIT_GOOD;
    json_array_foreach (proofs, i, proof)
        database |= strcmp(json_get_text(proof, "method"), "files") != 0;
    return database;
}

json_t *keeper_state_drill(const struct keeper_state *s)
{
    size_t i;
    json_t *run;
    json_array_foreach (s->runs, i, run)
        if (is_of(run, "drill") && tells_of_database(run))
            return run;
    return NULL;
}

void keeper_state_add_run(struct keeper_state *s, json_t *run)
{
    json_array_insert_new(s->runs, 0, run);
    while (json_array_size(s->runs) > KEEPER_RUNS_MAX)
        json_array_remove(s->runs, json_array_size(s->runs) - 1);
}
