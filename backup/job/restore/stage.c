/*
 * Everything that takes long, while clients work: found, judged, unpacked beside the live data
 * (each file compared with the manifest on the way), and tried out by a throwaway server.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "backup/job/trial/broken_tables.h"
#include "backup/job/trial/copy_check.h"
#include "backup/job/restore/foreign.h"
#include "backup/job/restore/moment.h"
#include "backup/job/restore/pick.h"
#include "backup/job/restore/database.h"
#include "backup/job/restore/stage.h"
#include "backup/job/restore/staging.h"
#include "backup/job/restore/site.h"
#include "backup/job/trial/trial.h"
#include "backup/rules/series.h"
#include "common/exit_codes.h"
#include "common/file.h"
#include "common/error_phrase.h"
#include "backup/job/restore/accounts.h"
#include "backup/job/restore/foreign_look.h"
#include "backup/job/trial/server_program.h"
#include "backup/job/trial/throwaway.h"
#include "backup/job/trial/upgrade.h"
#include "common/lang.h"

static int refuse_series(
    struct restore *r, enum series_fit fit, const char *files, const char *server, struct err *e)
{
    const char *across = config_str(r->run->s.config, "restore", NULL, "across_series");
    (void)error_phrase_set(e, EINVAL, series_phrase(fit, across, files, server));
    return EXIT_REFUSED;
}

static int fits(struct restore *r, const struct restore_request *q, const struct store_item *it,
    const struct site *site, struct err *e)
{
    const struct manifest *m = &it->manifest;
    const struct layout *l = &site->layout;
    if (!site->known) /* of a server that was never seen only its trial start can tell */
        return 0;
    enum series_fit fit = series_compare(m->server.version, l->version);
    if (!series_may(fit, config_str(r->run->s.config, "restore", NULL, "across_series")))
        return refuse_series(r, fit, m->server.version, l->version, e);
    if (fit == SERIES_OLDER && q->no_trial)
        err_set(e, EINVAL,
            "the backup is of MariaDB %s, this server is %s: only a trial can bring the data up to it, so this goes without --no-trial",
            m->server.version, l->version);
    else if (m->server.page_size != l->page_size)
        err_set(e, EINVAL, "the backup has innodb_page_size %u, this server %u: they must be equal",
            m->server.page_size, l->page_size);
    else if (m->server.lower_case_table_names != l->lower_case_table_names)
        err_set(e, EINVAL,
            "the backup has lower_case_table_names %d, this server %d: they must be equal",
            m->server.lower_case_table_names, l->lower_case_table_names);
    else
        return 0;
    return EXIT_REFUSED;
}

static char *folder_of(const struct run *run, const char *which)
{
    return strchr(which, '/') ? file_parent(which) : xstrdup(run->s.folder);
}

/* --- the staged copy is tried out --- */

struct tried {
    struct run *run;
    const struct site *site;
    bool foreign;
    char version[FOREIGN_VERSION_LEN]; /* of the server that a foreign archive comes from */
};

static int bring_up(void *ctx, struct throwaway *t, struct err *e)
{
    struct tried *trial = ctx;
    const struct config *c = trial->run->s.config;
    const char *live = trial->site->server == SITE_ANSWERS ? trial->site->layout.version : NULL;
    int code = server_program_fits(live, throwaway_server(t), e);
    if (code != 0 || !trial->foreign ||
        series_compare(trial->version, server_version(throwaway_server(t))) == SERIES_SAME)
        return code;
    return upgrade_run(
        trial->run, t, config_str(c, "drill", NULL, "server_program"), false, trial->version, e);
}

static int put_accounts(void *ctx, struct throwaway *t, struct err *e)
{
    struct tried *trial = ctx;
    return restore_accounts_put(trial->run, &trial->site->was, t, e);
}

/* By the server of its own series, once. */
static int recover(struct copy_check *c, const char *program, const char *version, struct err *e)
{
    c->program = program;
    int code = copy_check_recover(c, e);
    c->program = NULL;
    if (code == 0)
        run_note("%s has put the files of MariaDB %s in order", program,
            *version ? version : N_("an unknown series"));
    return code;
}

/* A staged copy of a data directory, before anybody is blocked. recover_with: a mariadbd that is
 * started on it first, or NULL. 0, or a result of the run with its words. */
static int try_out(
    struct copy_check *c, const struct site *site, const char *recover_with, struct err *e)
{
    struct tried trial = {.run = c->run, .site = site};
    int code = 0;
    c->ctx = &trial;
    c->begun = bring_up;
    c->checked = put_accounts;
    if (!c->manifest) {
        trial.foreign = true;
        foreign_version(c->datadir, trial.version);
        code = foreign_fits(c->run, c->datadir, site, e);
        if (code == 0 && recover_with)
            code = recover(c, recover_with, trial.version, e);
    }
    if (code == 0)
        code = copy_check_boot(c, e);
    _cleanup_free_ char *log = xasprintf("%s/server.log", c->scratch);
    if (code == EXIT_INCONSISTENT && !c->manifest && !recover_with)
        (void)foreign_was_hot(log, c->datadir, e);
    return code;
}

/* Without a trial, what the manifest says of tables that could not be read. */
static int broken_then(
    struct restore *r, const struct store_item *it, const char *manifest, struct err *e)
{
    _cleanup_manifest_file_ struct manifest_file *file = NULL;
    const struct manifest *m = NULL;
    int code = copy_check_manifest(r->run, it, manifest, &file, &m, e);
    if (code == 0) {
        json_decref(r->broken[1]);
        r->broken[1] = broken_tables_of(m);
    }
    return code;
}

/* From the backup to the moment that is asked for, if one is; where the data stand then. */
static int bring_forward(struct restore *r, const struct restore_request *q,
    const struct site *site, const struct store_item *it, const char *manifest, const char *fresh,
    const char *scratch, struct err *e)
{
    if (!q->way) {
        moment_place_of(r->run, &it->manifest, &r->place);
        return 0;
    }
    int code = moment_replay(r->run, q->way, it, manifest, fresh, scratch, site, e);
    r->place = q->way->reached;
    return code;
}

static int stage_part(struct restore *r, const struct restore_request *q, const struct site *site,
    const struct store_item *it, const char *archive, const char *manifest,
    const struct restore_part *p, struct err *e)
{
    bool trial = !q->no_trial;
    _cleanup_free_ char *fresh = xasprintf("%s/new", p->root), *try = xasprintf("%s/try", p->root);
    struct copy_check c = {.run = r->run,
        .item = it,
        .archive = archive,
        .manifest = manifest,
        .datadir = fresh,
        .scratch = try,
        .sync = true,
        .as_it_was = true,
        .as_it_is = !manifest && !trial,
        .before = r->broken[0]};
    int code = restore_make_staging(p, it->manifest.content.bytes, e);
    c.max_bytes = restore_foreign_limit(p->root);
    if (code == 0)
        code = copy_check_extract(&c, e);
    if (code == 0 && !manifest && p->database)
        code = restore_foreign_flatten(p->root, "new", e);
    if (p->database)
        r->broken[1] = c.broken = json_object();
    if (code == 0 && p->database && q->way && trial) /* the accounts come last */
        code = copy_check_boot(&c, e);
    else if (code == 0 && p->database && (trial || !manifest))
        code = try_out(&c, site, q->recover_with, e);
    else if (code == 0 && p->database)
        code = broken_then(r, it, manifest, e);
    if (code == 0 && p->database)
        code = bring_forward(r, q, site, it, manifest, fresh, try, e);
    return code == 0 ? restore_finish_staging(p, e) : code;
}

/* The archives of a run by name; a foreign one is the path itself. */
static int stage_item(struct restore *r, const struct restore_request *q, const struct site *site,
    const struct store_item *it, const struct restore_part *p, struct err *e)
{
    if (restore_is_foreign(it))
        return stage_part(r, q, site, it, q->which, NULL, p, e);
    _cleanup_free_ char *folder = folder_of(r->run, q->which);
    _cleanup_free_ char *archive = store_path(folder, it, ARCHIVE_NAME_ARCHIVE);
    _cleanup_free_ char *manifest = store_path(folder, it, ARCHIVE_NAME_MANIFEST);
    return stage_part(r, q, site, it, archive, manifest, p, e);
}

/* Which of the run's archives are restored where. */
static int choose(struct restore *r, const struct restore_request *q,
    const struct store_list *found, const struct site *site, const struct store_item **items,
    struct err *e)
{
    for (size_t i = 0; i < found->count; i++) {
        const struct store_item *it = &found->items[i];
        if (!restore_picked(found, i, q->types))
            continue;
        int code = restore_picked_whole(it, q->which, e);
        if (code != 0)
            return code;
        struct restore_part *p = &r->parts[r->n];
        bool database = it->manifest.method == MANIFEST_PHYSICAL;
        const char *live = strcmp(it->type, r->run->s.physical_type) == 0
                               ? site->layout.datadir
                               : config_str(r->run->s.config, "data", it->type, "path");
        if (!live)
            return err_outcome(e, EXIT_REFUSED, EINVAL,
                "there is no [data %s] section any more, so nobody knows where it goes", it->type);
        code = database && !restore_is_foreign(it) ? fits(r, q, it, site, e) : 0;
        bool made = false;
        if (code == 0)
            code = site_make_folder(site, live, database, &made, e);
        r->made_live |= made;
        if (code != 0)
            return code;
        snprintf(p->type, sizeof p->type, "%s", it->type);
        p->database = database;
        p->live = xstrdup(live);
        items[r->n++] = it;
        code = restore_staging_root(p->live, &p->root, e);
        if (code < 0)
            return code;
        snprintf(r->suffix, sizeof r->suffix, "%s", it->run);
        if (r->n == RESTORE_PARTS_MAX)
            break;
    }
    if (r->n > 0)
        return 0;
    return err_set(e, ENOENT, "%s has no archive of the types asked for", q->which);
}

/* The trial server needs this server's page size; all else shows when it starts. */
static void about_foreign(struct store_item *it, const struct layout *l)
{
    it->manifest.server.page_size = l->page_size;
    it->manifest.server.lower_case_table_names = l->lower_case_table_names;
    run_note(
        "this archive has no manifest: its date, its server's version and whether it is complete are unknown; that a server starts on it and finds every table whole is the only proof");
}

int restore_stage(struct restore *r, const struct restore_request *q, struct err *e)
{
    CLEANUP(store_list_clear) struct store_list found = {0};
    CLEANUP(site_clear) struct site site = {0};
    const struct store_item *items[RESTORE_PARTS_MAX];
    int code = restore_find(r->run, q, &found, e);
    if (code == 0)
        code = site_look(r->run, &site, e);
    if (code == 0 && restore_is_foreign(&found.items[0]))
        about_foreign(&found.items[0], &site.layout);
    if (code == 0)
        code = choose(r, q, &found, &site, items, e);
    if (code == 0 && restore_database(r))
        code = restore_database_ready(r->run, e);
    if (code == 0 && restore_database(r)) {
        restore_database_remember(r);
        code = site_can_stop(r->run, restore_database(r)->live, e);
        if (code == 0 && !q->no_trial)
            code = trial_ready(r->run, e);
    }
    if (code == 0)
        code = restore_journal_save(r, RESTORE_STAGING, e);
    for (size_t i = 0; code == 0 && i < r->n; i++)
        code = stage_item(r, q, &site, items[i], &r->parts[i], e);
    return code;
}
