/*
 * elexgate-job backup: one run, from the lock to the retention.
 */
#include "backup/job/job.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "backup/archive/medium.h"
#include "backup/archive/store.h"
#include "backup/job/binlog/kept.h"
#include "backup/job/hooks.h"
#include "backup/job/space.h"
#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/utf8.h"
#include "common/json_get.h"
#include "common/error_phrase.h"

#define TYPES_MAX 64

struct plan {
    const char *types[TYPES_MAX + 1]; /* NULL-terminated, the physical one first */
    size_t count;
    char *words; /* the same with blanks between */
    bool dry_run;
};

static bool asked_for(char *const *wanted, int n, const char *type)
{
    for (int i = 0; i < n; i++)
        if (strcmp(wanted[i], type) == 0)
            return true;
    return n == 0;
}

static void add_type(struct plan *p, const char *type)
{
    if (p->count < TYPES_MAX)
        p->types[p->count++] = type;
    p->types[p->count] = NULL;
    char *words = xasprintf("%s%s%s", p->words ? p->words : "", p->words ? " " : "", type);
    free(p->words);
    p->words = words;
}

static char *all_types(const struct run *r)
{
    char *all = xasprintf("%s %s", r->s.physical_type, r->s.dump_type);
    const char *name;
    for (size_t i = 0; (name = config_section(r->s.config, "data", i)); i++)
        xappendf(&all, " %s", name);
    return all;
}

/* The physical one needs the lock, so it comes first: should it have to make way, nothing of this
 * run has been published yet. */
static int choose_types(
    struct run *r, char *const *wanted, int n, bool dump_instead, struct plan *p, struct err *e)
{
    bool physical = r->s.physical && !dump_instead;
    bool dump = r->s.dump || dump_instead;
    for (int i = 0; i < n; i++) { /* asked for by name: also when it is not the usual method */
        physical |= strcmp(wanted[i], r->s.physical_type) == 0;
        dump |= strcmp(wanted[i], r->s.dump_type) == 0;
    }
    if (physical && asked_for(wanted, n, r->s.physical_type))
        add_type(p, r->s.physical_type);
    if (dump && (asked_for(wanted, n, r->s.dump_type) || dump_instead))
        add_type(p, r->s.dump_type);
    const char *name;
    for (size_t i = 0; (name = config_section(r->s.config, "data", i)); i++)
        if (asked_for(wanted, n, name))
            add_type(p, name);
    for (int i = 0; i < n; i++) {
        bool known = false;
        for (size_t k = 0; k < p->count; k++)
            known |= strcmp(p->types[k], wanted[i]) == 0;
        if (!known && !dump_instead) {
            _cleanup_free_ char *all = all_types(r);
            return err_outcome(e, EXIT_USAGE, EINVAL, "there is no data type \"%s\"; there are: %s",
                UTF8_SHORT(wanted[i], 60), all);
        }
    }
    return 0;
}

static int backup_one(struct run *r, const char *type, struct err *e)
{
    if (strcmp(type, r->s.physical_type) == 0)
        return physical_backup(r, e);
    if (strcmp(type, r->s.dump_type) == 0)
        return dump_backup(r, e);
    return data_backup(r, type, e);
}

static void tell_removed(void *ctx, const char *type, const char *run)
{
    (void)ctx;
    run_event(json_pack("{ssssss}", "event", "removed", "type", type, "run", run));
}

static void warn_clock(const struct err *why)
{
    json_t *said = phrase(
        "no old backup was removed: %s; set this machine's clock right, or remove that backup by hand",
        "");
    phrase_set(said, 0, error_phrase_json(why));
    run_warn("clock", said);
}

/* Only after a run in which everything succeeded, or of the types that did: where some files could
 * not be read, older generations may still have them. A wrong clock, now or
 * then, removes nothing either. */
static int retain(struct run *r, const struct plan *p, struct err *e)
{
    struct store_retention o = {.policy = r->a.retention,
        .zone = &cron_zone_local,
        .run = r->suffix,
        .now_ms = clock_wall_ms(),
        .removed = tell_removed};
    int code = 0;
    for (size_t i = 0; code == 0 && i < p->count && !r->remove_nothing; i++) {
        if (json_object_get(r->incomplete, p->types[i]))
            continue;
        code = store_retain(r->s.folder, p->types[i], &r->trust, &o, e);
        if (code == 1) {
            warn_clock(e);
            code = 0;
        }
    }
    return code;
}

/* What this run, once it has succeeded, would remove. */
static int tell_would_remove(struct run *r, const struct plan *p, struct err *e)
{
    struct store_retention o = {
        .policy = r->a.retention, .zone = &cron_zone_local, .now_ms = clock_wall_ms()};
    int code = 0;
    for (size_t i = 0; code == 0 && i < p->count; i++) {
        struct store_list l;
        struct generation *g = NULL;
        code = store_read(r->s.folder, p->types[i], &r->trust, &l, e);
        if (code < 0)
            break;
        if (store_retention_plan(&l, p->types[i], &o, true, &g, e) == 1)
            warn_clock(e);
        for (size_t k = 0; k < l.count; k++)
            if (!g[k].kept_by)
                run_event(json_pack("{ssssss}", "event", "would-remove", "type", p->types[i], "run",
                    l.items[k].run));
        free(g);
        store_list_clear(&l);
    }
    return code;
}

/* What was made is good, and is not all. */
static int judge_incomplete(struct run *r, struct err *e)
{
    const char *type;
    struct err first = {0};
    json_t *part;
    json_int_t files = 0;
    _cleanup_free_ char *types = xstrdup("");
    json_object_foreach (r->incomplete, type, part) {
        xappendf(&types, "%s%s", *types ? ", " : "", type);
        files += json_get_int(part, "files");
        if (!first.code)
            (void)error_phrase_take_from(&first, EIO, part, "first");
    }
    if (files == 0)
        return 0;
    return err_outcome(e, EXIT_INCOMPLETE, EIO,
        N_("the backup was made, but is incomplete: %lld files or folders of %s could not be read; the first: %s; the manifest names all"),
        (long long)files, types, err_words(&first));
}

static void tell_start(struct run *r, const struct plan *p, const struct space_plan *space)
{
    json_t *types = json_array();
    for (size_t i = 0; i < p->count; i++)
        json_array_append_new(types, json_string(p->types[i]));
    run_event(json_pack("{sssssosIsIsIsb}", "event", "start", "run", r->suffix, "types", types,
        "sources", (json_int_t)space->sources, "needed", (json_int_t)space->needed, "free",
        (json_int_t)space->free, "dry_run", p->dry_run));
}

/* The disk that is meant, and no empty mount point. */
static int check_medium(struct run *r, bool mark, struct err *e)
{
    bool marked = false;
    int code = mark ? medium_ready(r->trust.folder, r->s.folder, r->medium, &marked, e)
                    : medium_look(r->trust.folder, r->s.folder, r->medium, e);
    if (marked)
        run_note("%s is now marked as the backup medium (%s)", r->s.folder, MEDIUM_FILE);
    return code < 0 ? code : code == 0 || code == MEDIUM_FRESH ? 0 : -ENODEV;
}

/* The run's number is above all that is known here and in the folder: the ledger may have been put
 * back to an older state. */
static int begin(struct run *r, struct err *e)
{
    struct store_list all;
    struct ledger_entry n = {.what = LEDGER_BEGIN};
    bool made = false;
    if (r->trust.ledger.problem.code)
        run_warn("ledger", error_phrase_json(&r->trust.ledger.problem));
    int code = trust_ready(&r->trust, &made, e);
    if (made)
        run_note(
            "a key that seals the backups was made: print its sheet with `elexgate backup-key sheet` and keep it away from this machine");
    if (code == 0)
        code = store_read(r->s.folder, NULL, &r->trust, &all, e);
    if (code < 0)
        return code;
    r->sequence = store_sequence(&all);
    store_list_clear(&all);
    if (ledger_sequence(&r->trust.ledger) > r->sequence)
        r->sequence = ledger_sequence(&r->trust.ledger);
    n.sequence = ++r->sequence;
    code = store_take_suffix(
        r->s.folder, r->started_ms / 1000, &cron_zone_local, &r->trust.ledger, r->suffix, e);
    if (code < 0)
        return code;
    memcpy(n.run, r->suffix, sizeof n.run);
    memcpy(n.medium, r->medium, sizeof n.medium);
    code = ledger_append(&r->trust.ledger, &n, e);
    if (code < 0 || (!r->label && !r->protect))
        return code;
    struct ledger_entry mark = {.what = LEDGER_MARK, .protected = r->protect};
    memcpy(mark.run, r->suffix, sizeof mark.run);
    snprintf(mark.label, sizeof mark.label, "%s", r->label ? r->label : "");
    return ledger_append_mark(&r->trust.ledger, &mark, e);
}

/* With the lock: what a killed run left goes first. */
static int prepare(struct run *r, const struct plan *p, struct err *e)
{
    unsigned parts = 0;
    struct space_plan space;
    int code = check_medium(r, !p->dry_run, e);
    if (code == 0)
        code = store_clean_parts(r->s.folder, &r->trust, &parts, e);
    if (parts)
        run_note("%u unfinished files of an earlier run were removed", parts);
    if (code == 0)
        code = space_check(r, p->types, &space, e);
    if (code == 0 && p->dry_run)
        code = store_free_suffix(r->s.folder, r->started_ms / 1000, &cron_zone_local, r->suffix, e);
    else if (code == 0)
        code = begin(r, e);
    if (code == 0)
        tell_start(r, p, &space);
    return code;
}

static int run_all(struct run *r, struct plan *p, struct err *e)
{
    int code = hook_before(r, "before_backup", p->words, e);
    for (size_t i = 0; code == 0 && i < p->count; i++) {
        code = check_medium(r, false, e); /* it may have been pulled out meanwhile */
        if (code == 0)
            code = backup_one(r, p->types[i], e);
    }
    if (code == 0 && r->doubt.code) { /* older ones, which may be whole, are kept */
        *e = r->doubt;
        code = EXIT_INCONSISTENT;
    }
    if (code == 0)
        code = check_medium(r, false, e);
    if (code == 0)
        code = retain(r, p, e);
    if (code == 0 && !r->remove_nothing)
        code = binlog_retain(r, e);
    if (code == 0)
        code = judge_incomplete(r, e);
    int exit_code = exit_code_of(code);
    hook_after(r, "after_backup", p->words, exit_code, code ? e->text : NULL);
    return code;
}

static int parse(
    struct run *r, int argc, char **argv, struct plan *p, bool *dump, int *first, struct err *e)
{
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "--now") == 0) {
            r->now = true;
        } else if (strcmp(argv[i], "--dump") == 0) {
            *dump = true;
        } else if (strcmp(argv[i], "--lock") == 0) {
            r->yield = false;
        } else if (strcmp(argv[i], "--dry-run") == 0) {
            p->dry_run = true;
        } else if (strcmp(argv[i], "--accept-smaller") == 0) {
            r->accept_smaller = true;
        } else if (strcmp(argv[i], "--protect") == 0) {
            r->protect = true;
        } else if (strcmp(argv[i], "--label") == 0 && i + 1 < argc &&
                   archive_label_valid(argv[i + 1])) {
            r->label = argv[++i];
        } else {
            return err_outcome(e, EXIT_USAGE, EINVAL, "unknown option %s; see elexgate-job --help",
                UTF8_SHORT(argv[i], 40));
        }
    }
    *first = i;
    return 0;
}

int job_backup(struct run *r, int argc, char **argv, struct err *e)
{
    struct plan p = {0};
    bool dump_instead = false;
    int first = argc;
    r->yield = true;
    int code = parse(r, argc, argv, &p, &dump_instead, &first, e);
    if (code != 0)
        return code;
    code = job_lock(r, e);
    if (code == 0)
        code = choose_types(r, argv + first, argc - first, dump_instead, &p, e);
    if (code == 0)
        code = prepare(r, &p, e);
    if (code == 0)
        code = p.dry_run ? tell_would_remove(r, &p, e) : run_all(r, &p, e);
    if (r->sequence > 0)
        store_give_suffix(r->s.folder, r->suffix);
    free(p.words);
    return code;
}
