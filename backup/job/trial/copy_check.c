#include "backup/job/trial/copy_check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "backup/archive/age.h"
#include "backup/archive/unpack.h"
#include "backup/job/trial/broken_tables.h"
#include "backup/job/trial/import.h"
#include "backup/job/trial/owned.h"
#include "backup/job/trial/server_program.h"
#include "backup/job/method/layout.h"
#include "backup/job/trial/table_sums.h"
#include "backup/job/trial/throwaway.h"
#include "backup/job/trial/upgrade.h"
#include "backup/rules/series.h"
#include "common/exit_codes.h"
#include "common/file.h"
#include "common/said.h"
#include "common/sql_name.h"
#include "common/utf8.h"
#include "common/json_get.h"
#include "common/error_phrase.h"

#define FOREIGN_FILES_MAX 1000000u /* an archive without manifest must stop somewhere */

/* Nobody else may be at work where we unpack. */
static int open_folder(const char *path, struct err *e)
{
    _cleanup_free_ char *parent = file_parent(path);
    _cleanup_fd_ int home = owned_open(parent, e);
    return home < 0 ? home : owned_open_at(home, strrchr(path, '/') + 1, e);
}

int copy_check_extract(struct copy_check *c, struct err *e)
{
    struct run *r = c->run;
    run_phase(r, c->item->type, c->phase ? c->phase : "extract", c->item->manifest.content.bytes);
    _cleanup_fd_ int into = c->datadir ? open_folder(c->datadir, e) : -1;
    if (c->datadir && into < 0)
        return into;
    struct unpack_options o = {
        .archive = c->archive,
        .manifest = c->manifest,
        .expect = store_expect(c->item),
        .into = into,
        .content = c->content,
        .content_ctx = c->content_ctx,
        /* a link in a data directory is a layout that no backup of ours has */
        .symlinks = c->item->manifest.method == MANIFEST_FILES,
        .links_out = c->manifest && geteuid() == 0, /* as they were, for who may have made them */
        /* a database's files are ours until they are finished */
        .owners = geteuid() == 0 && c->item->manifest.method == MANIFEST_FILES,
        .sync = c->sync,
        .max_bytes = c->manifest ? 0 : c->max_bytes,
        .max_files = c->manifest ? 0 : FOREIGN_FILES_MAX,
        .strip = c->strip,
        .identity_file = r->a.identity_file,
        .passphrase = r->a.passphrase,
        .go_on = run_go_on,
        .progress = run_unpack_progress,
        .ctx = r,
    };
    struct unpack_result result = {0};
    int code = unpack_run(&o, &result, e);
    if (into >= 0 && result.links_left_out)
        run_note("%llu links that lead out of the folder were left out",
            (unsigned long long)result.links_left_out);
    if (into >= 0 && result.attributes_left_out)
        run_note(
            "%llu access control lists or extended attributes could not be set: the file system has none, or they need root",
            (unsigned long long)result.attributes_left_out);
    c->proof.files = (int64_t)result.files;
    c->proof.bytes = (int64_t)result.bytes;
    switch (code) {
    case UNPACK_STOPPED:
        return run_pack_result(PACK_STOPPED, e);
    case UNPACK_DAMAGED:
    case UNPACK_UNSAFE:
        return EXIT_INCONSISTENT;
    case UNPACK_LOCKED:
        return EXIT_REFUSED;
    default:
        return code < 0 ? run_pack_result(code, e) : 0;
    }
}

static const char *program_of(const struct copy_check *c)
{
    return c->program ? c->program : config_str(c->run->s.config, "drill", NULL, "server_program");
}

static int boot(struct copy_check *c, struct throwaway **server, struct err *e)
{
    const struct manifest *m = &c->item->manifest;
    const struct config *config = c->run->s.config;
    run_phase(c->run, c->item->type, "boot", 0);
    struct throwaway_options o = {
        .config = config,
        .program = program_of(c),
        .root = c->root,
        .args = c->program ? NULL : config_list(config, "drill", NULL, "server_args"),
        .datadir = c->datadir,
        .scratch = c->scratch,
        .page_size = m->server.page_size,
        .lower_case_table_names = m->server.lower_case_table_names,
        .settings = json_object_get(m->info, "server_settings"),
        .go_on = run_go_on,
        .ctx = c->run,
    };
    int r = throwaway_start(&o, server, e);
    if (r == 1)
        return run_pack_result(PACK_STOPPED, e);
    if (r == -EIO || r == -ENOSPC)
        return EXIT_INCONSISTENT;
    if (r == 0 && throwaway_recovered(*server) && m->server.state &&
        strcmp(m->server.state, "clean") == 0)
        return err_outcome(e, EXIT_INCONSISTENT, EIO,
            "the copy was said to be clean, but the server had to recover from a crash");
    return r;
}

/* Before it is started: files of a newer series would be damaged files to it. */
static int judge_series(struct copy_check *c, struct err *e)
{
    const struct manifest *m = &c->item->manifest;
    const struct config *config = c->run->s.config;
    const char *across = config_str(config, "restore", NULL, "across_series");
    if (m->method != MANIFEST_PHYSICAL || !m->server.version || c->rehearsal)
        return 0;
    _cleanup_free_ char *ours = server_program_version(config, program_of(c));
    enum series_fit fit = series_compare(m->server.version, ours);
    if (fit == SERIES_UNKNOWN || series_may(fit, across))
        return 0;
    (void)error_phrase_set(e, EINVAL, series_phrase(fit, across, m->server.version, ours));
    return EXIT_REFUSED;
}

static int note_complaint(void *ctx, const struct server_row *row, struct err *e)
{
    (void)e;
    struct err *complaint = ctx, said = {0};
    if (row->n < 4 || complaint->code)
        return 0;
    bool status = strcmp(row->text[2], "status") == 0;
    bool bad = strcmp(row->text[2], "error") == 0 || (strcmp(row->text[2], "warning") == 0) ||
               (status && strcmp(row->text[3], "OK") != 0);
    if (bad && !strstr(row->text[3], "doesn't support check"))
        (void)err_set(complaint, EIO, "%s: %s", UTF8_SHORT(row->text[0], 130),
            said_of_check(row->text[3], &said));
    return 0;
}

static int check_table(struct server *s, const struct manifest_table *t, struct err *e)
{
    struct err complaint = {0};
    _cleanup_free_ char *schema = sql_name_quoted(t->schema);
    _cleanup_free_ char *name = sql_name_quoted(t->name);
    int r = server_rows(s, note_complaint, &complaint, e, "CHECK TABLE %s.%s", schema, name);
    if (r == 0 && complaint.code)
        r = err_copy(e, complaint.code, &complaint);
    return r < 0 ? EXIT_INCONSISTENT : 0;
}

static bool versioned(struct server *s, const struct manifest_table *t)
{
    uint64_t n = 0;
    _cleanup_free_ char *schema = server_quote_text(s, t->schema),
                        *name = server_quote_text(s, t->name);
    return server_u64(s, &n, NULL,
               "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA=%s AND TABLE_NAME=%s AND TABLE_TYPE='SYSTEM VERSIONED'",
               schema, name) == 0 &&
           n > 0;
}

/* Across series a table counts as it came out of the archive or as mariadb-upgrade left it. Where
 * it keeps its history, the end of a row that is valid is another one since 11.5 (2106 for 2038),
 * and nothing but the rows can be compared. */
static bool same_sum(struct copy_check *c, struct server *s, const struct manifest_table *then,
    const struct manifest_table *now)
{
    if (strcmp(then->checksum, now->checksum) == 0)
        return true;
    const struct manifest_table *first = c->first ? manifest_find_table(
                                                        c->first, then->schema, then->name)
                                                  : NULL;
    if (first && first->checksum && strcmp(first->checksum, then->checksum) == 0)
        return true;
    if (!c->across || !versioned(s, then))
        return false;
    run_note(
        "%s.%s keeps its history, which the newer series writes in another way: its rows were counted, and no checksum compared",
        then->schema, then->name);
    c->proof.checksums--;
    return true;
}

/* The system's own tables are the newer server's, once the data were brought up to it. A replay
 * makes accounts and programs anew, at another time and with other salts; what else is in there
 * (statistics, help, time zones) no log brings. */
static bool is_missing(const struct copy_check *c, const struct manifest_table *t)
{
    _cleanup_free_ char *name = sql_name_table(t->schema, t->name);
    return json_object_get(broken_tables_missing(&c->item->manifest), name) != NULL;
}

static bool passes_over(const struct copy_check *c, const struct manifest_table *t)
{
    static const char *const logged[] = {"columns_priv", "db", "event", "func", "global_priv",
        "proc", "procs_priv", "roles_mapping", "servers", "tables_priv"};
    if (is_missing(c, t))
        return true;
    if (strcmp(t->schema, "mysql") != 0)
        return false;
    bool counts = false;
    for (size_t i = 0; i < sizeof logged / sizeof logged[0]; i++)
        counts |= strcmp(t->name, logged[i]) == 0;
    return c->across || (c->replayed && !counts);
}

/* What a log should have removed. Content of MEMORY tables is in no backup, and one that was
 * dropped while it was counted may be there. */
static int nothing_else(const struct copy_check *c, const struct manifest *now, struct err *e)
{
    const struct manifest *then = &c->item->manifest;
    const json_t *dropped = json_object_get(then->info, "dropped");
    for (size_t i = 0; c->replayed && i < now->table_count; i++) {
        const struct manifest_table *t = &now->tables[i];
        _cleanup_free_ char *both = sql_name_table(t->schema, t->name);
        if (strcmp(t->schema, "mysql") == 0 || (t->engine && strcmp(t->engine, "MEMORY") == 0) ||
            manifest_find_table(then, t->schema, t->name) || json_object_get(dropped, both))
            continue;
        return err_outcome(e, EXIT_INCONSISTENT, EIO, "table %s is there, and was not", both);
    }
    return 0;
}

/* Every table of the backup is there, with as many rows and the same checksum. */
static int compare(
    struct copy_check *c, struct server *s, const struct manifest *now, struct err *e)
{
    const struct manifest *then = &c->item->manifest;
    for (size_t i = 0; i < then->table_count; i++) {
        const struct manifest_table *a = &then->tables[i],
                                    *b = manifest_find_table(now, a->schema, a->name);
        bool sums = b && a->checksum && b->checksum &&
                    !(c->replayed && strcmp(a->schema, "mysql") == 0);
        if (passes_over(c, a))
            continue;
        if (!b)
            err_set(e, EIO, "table %s.%s is missing", a->schema, a->name);
        else if (b->rows < 0 && a->rows < 0)
            continue; /* it was so: see broken_as_it_was */
        else if (a->rows >= 0 && a->rows != b->rows)
            err_set(e, EIO, "%s.%s has %" PRId64 " rows, it had %" PRId64, a->schema, a->name,
                b->rows, a->rows);
        else if (sums && !same_sum(c, s, a, b))
            err_set(e, EIO, "%s.%s has the checksum %s, it had %s", a->schema, a->name, b->checksum,
                a->checksum);
        else {
            c->proof.rows += a->rows >= 0 ? a->rows : 0;
            c->proof.checksums += sums;
            continue;
        }
        return EXIT_INCONSISTENT;
    }
    return nothing_else(c, now, e);
}

/* A table that can be read is checked. One that holds what it held, and whose index is damaged, was
 * so before. */
static int check_tables(struct copy_check *c, struct server *s, struct manifest *now, struct err *e)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < now->table_count; i++) {
        const struct manifest_table *t = &now->tables[i], *then = NULL;
        if (!run_go_on(c->run))
            return run_pack_result(PACK_STOPPED, e);
        if (t->rows < 0 || is_missing(c, t))
            continue;
        then = manifest_find_table(&c->item->manifest, t->schema, t->name);
        r = check_table(s, t, e);
        if (r == EXIT_INCONSISTENT && c->as_it_was && then && then->checksum) {
            run_tell_of(e, "it holds what it held at the backup, and was damaged then");
            r = 0;
        }
    }
    return r;
}

/* Judges the tables that cannot be read. */
static int judge_broken(struct copy_check *c, const json_t *broken, struct err *e)
{
    const char *database = config_str(c->run->s.config, "database", NULL, "name");
    _cleanup_json_ json_t *then = broken_tables_of(&c->item->manifest);
    _cleanup_json_ json_t *fresh = broken_tables_new(broken, then, c->as_it_was ? c->before : NULL);
    bool told = c->item->manifest.table_count > 0; /* what there was is known */
    _cleanup_json_ json_t *all_ours = broken_tables_ours(broken, database);
    _cleanup_json_ json_t *ours = broken_tables_new(
        all_ours, broken_tables_missing(&c->item->manifest), NULL);
    if (!told) { /* of other databases the archive of an old system may hold what it likes */
        json_t *of_ours = broken_tables_ours(fresh, database);
        json_decref(fresh);
        fresh = of_ours;
    }
    _cleanup_free_ char *words = broken_tables_words(broken), *worse = broken_tables_words(fresh),
                        *these = broken_tables_words(ours);
    int r = EXIT_INCONSISTENT;
    if (c->as_it_is)
        r = 0;
    else if (json_object_size(fresh) > 0)
        err_set(e, EIO, "cannot be read: %s%s", worse,
            told ? "" : N_("; to bring back all else, add --no-trial"));
    else if (!c->as_it_was && json_object_size(ours) > 0)
        err_set(e, EIO, "cannot be read, and could not be when the backup was made: %s", these);
    else
        r = 0;
    if (r == 0 && json_object_size(broken) > 0)
        run_note("these tables cannot be read%s; all else is whole: %s",
            told ? N_(", as when the backup was made") : "", words);
    return r;
}

/* Data of an older series: looked at as they come out of the archive, then brought up. */
static int bring_up(
    struct copy_check *c, struct throwaway *t, struct manifest *first, struct err *e)
{
    _cleanup_json_ json_t *broken = json_object();
    struct table_sums_options o = {.all = true};
    run_phase(c->run, c->item->type, "check", 0);
    int r = table_sums_read(throwaway_server(t), &o, first, broken, run_go_on, c->run, e);
    c->first = first;
    if (r == 1)
        return run_pack_result(PACK_STOPPED, e);
    const char *from = c->item->manifest.server.version;
    return r == 0 ? upgrade_run(c->run, t, program_of(c), c->root != NULL, from, e) : r;
}

static int check_all(struct copy_check *c, struct server *s, struct err *e)
{
    CLEANUP(manifest_clear) struct manifest now = {0};
    _cleanup_json_ json_t *broken = json_object();
    run_phase(c->run, c->item->type, "check", 0);
    const struct manifest *then = &c->item->manifest;
    struct table_sums_options o = {.all = true,
        .rows_only = then->method == MANIFEST_DUMP,
        .history = json_get_true(then->info, "history")};
    int r = table_sums_read(s, &o, &now, broken, run_go_on, c->run, e);
    if (r == 1)
        r = run_pack_result(PACK_STOPPED, e);
    if (r == 0)
        r = judge_broken(c, broken, e);
    if (r == 0)
        r = check_tables(c, s, &now, e);
    c->proof.tables = (int64_t)now.table_count;
    c->proof.newest_ms = manifest_newest(&now, NULL, NULL);
    if (r == 0)
        r = compare(c, s, &now, e);
    if (c->broken)
        json_object_update(c->broken, broken);
    return r;
}

/* Those that the trial was made under, as the server itself has them. */
static int note_settings(struct copy_check *c, struct server *s, struct err *e)
{
    _cleanup_json_ json_t *settings = NULL;
    const char *name;
    json_t *value;
    int r = layout_read_settings(s, &settings, e);
    _cleanup_free_ char *all = xstrdup("");
    json_object_foreach (settings, name, value)
        xappendf(&all, "%s%s=%s", *all ? " " : "", name, json_string_value(value));
    utf8_copy(c->proof.settings, sizeof c->proof.settings, all);
    utf8_copy(c->proof.server, sizeof c->proof.server, server_version(s));
    return r;
}

static int boot_and_check(struct copy_check *c, struct err *e)
{
    struct throwaway *server = NULL;
    CLEANUP(manifest_clear) struct manifest first = {0};
    int r;
    if (c->item->manifest.method == MANIFEST_DUMP)
        r = import_into_new_server(c->run, c->item, c->scratch, c->datadir, &server, e);
    else if ((r = judge_series(c, e)) == 0)
        r = boot(c, &server, e);
    if (r == 0)
        r = note_settings(c, throwaway_server(server), e);
    if (r == 0 && c->begun)
        r = c->begun(c->ctx, server, e);
    const struct manifest *m = &c->item->manifest;
    c->across = r == 0 && m->method == MANIFEST_PHYSICAL &&
                series_compare(m->server.version, server_version(throwaway_server(server))) ==
                    SERIES_OLDER;
    if (c->across)
        r = bring_up(c, server, &first, e);
    if (r == 0)
        r = check_all(c, throwaway_server(server), e);
    if (r == 0 && c->checked)
        r = c->checked(c->ctx, server, e);
    if (r == 0)
        r = throwaway_stop(server, e);
    throwaway_drop(server);
    c->first = NULL;
    return r == -EIO ? EXIT_INCONSISTENT : r;
}

int copy_check_recover(struct copy_check *c, struct err *e)
{
    _cleanup_throwaway_ struct throwaway *server = NULL;
    int r = boot(c, &server, e);
    if (r == 0)
        r = throwaway_stop(server, e);
    return r == -EIO ? EXIT_INCONSISTENT : r;
}

int copy_check_manifest(struct run *r, const struct store_item *it, const char *path,
    struct manifest_file **file, const struct manifest **m, struct err *e)
{
    *m = &it->manifest;
    if (!it->manifest.brief)
        return 0;
    int code = manifest_file_open(
        path, r->a.identity_file, r->a.passphrase, store_expect(it), file, e);
    if (code == AGE_LOCKED)
        return EXIT_REFUSED;
    if (code < 0)
        return code == -EINVAL ? EXIT_INCONSISTENT : code;
    *m = manifest_file_head(*file);
    return 0;
}

/* With the short manifest alone nothing would be compared. */
int copy_check_boot(struct copy_check *c, struct err *e)
{
    const struct store_item *item = c->item;
    struct store_item full = *item;
    _cleanup_manifest_file_ struct manifest_file *file = NULL;
    const struct manifest *m = NULL;
    if (item->manifest.method == MANIFEST_FILES)
        return 0;
    int r = copy_check_manifest(c->run, item, c->manifest, &file, &m, e);
    if (r == 0) {
        full.manifest = *m;
        c->item = &full;
        r = boot_and_check(c, e);
        c->item = item;
    }
    return r;
}
