#include "backup/drill.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "backup/archive/manifest_file.h"
#include "backup/archive/unpack.h"
#include "backup/import.h"
#include "backup/table_sums.h"
#include "backup/throwaway.h"
#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/file.h"

#define SCRATCH_NAME  ".elexgate-drill"
#define SCRATCH_SPARE (64u << 20)

struct drill {
    struct run *run;
    const struct store_item *item;
    char *parent, *scratch, *datadir;
    int parent_fd;
    struct throwaway *server;
    size_t tables, compared;
};

static int enough_space(struct drill *d, uint64_t bytes, struct err *e)
{
    struct statvfs fs;
    if (statvfs(d->parent, &fs) < 0)
        return err_sys(e, errno, "cannot look at %s", d->parent);
    uint64_t space = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (space >= bytes + SCRATCH_SPARE)
        return 0;
    err_set(e, ENOSPC,
        "a drill needs %" PRIu64 " MB in %s, there are %" PRIu64 " MB; set [drill] scratch",
        (bytes + SCRATCH_SPARE) >> 20, d->parent, space >> 20);
    return EXIT_NO_SPACE;
}

/* What a killed drill left goes first. */
static int make_scratch(struct drill *d, struct err *e)
{
    const char *scratch = config_str(d->run->s.config, "drill", NULL, "scratch");
    d->parent = xstrdup(scratch ? scratch : d->run->s.folder);
    d->scratch = xasprintf("%s/%s", d->parent, SCRATCH_NAME);
    d->datadir = xasprintf("%s/data", d->scratch);
    int r = file_mkdirs(d->parent, 0700, e);
    if (r < 0)
        return r;
    d->parent_fd = open(d->parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->parent_fd < 0)
        return err_sys(e, errno, "cannot open %s", d->parent);
    r = file_remove_tree(d->parent_fd, SCRATCH_NAME, e);
    if (r == 0)
        r = enough_space(d, d->item->manifest.content.bytes, e);
    if (r != 0)
        return r;
    if (mkdir(d->scratch, 0700) < 0 || mkdir(d->datadir, 0700) < 0)
        return err_sys(e, errno, "cannot make %s", d->datadir);
    return 0;
}

/* As root the data gets its owner back, and the server runs as that: it must get through to it. */
static int hand_over(struct drill *d, struct err *e)
{
    struct stat st;
    _cleanup_free_ char *probe = xasprintf("%s/ibdata1", d->datadir);
    if (geteuid() != 0 || stat(probe, &st) < 0)
        return 0;
    if (chown(d->scratch, st.st_uid, st.st_gid) < 0 || chown(d->datadir, st.st_uid, st.st_gid) < 0)
        return err_sys(e, errno, "cannot hand %s over", d->scratch);
    return 0;
}

static int extract(struct drill *d, struct err *e)
{
    struct run *r = d->run;
    const struct store_item *it = d->item;
    run_phase(r, it->type, "extract", it->manifest.content.bytes);
    _cleanup_free_ char *archive = store_path(r->s.folder, it, ARCHIVE_NAME_ARCHIVE);
    _cleanup_free_ char *manifest = store_path(r->s.folder, it, ARCHIVE_NAME_MANIFEST);
    _cleanup_fd_ int into = open(d->datadir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (into < 0)
        return err_sys(e, errno, "cannot open %s", d->datadir);
    struct unpack_options o = {
        .archive = archive,
        .manifest = manifest,
        .into = into,
        .symlinks = true,
        .owners = geteuid() == 0,
        .identity_file = r->a.identity_file,
        .passphrase = r->a.passphrase,
        .go_on = run_go_on,
        .progress = run_unpack_progress,
        .ctx = r,
    };
    struct unpack_result result;
    int code = unpack_run(&o, &result, e);
    switch (code) {
    case UNPACK_STOPPED:
        return run_pack_result(PACK_STOPPED, e);
    case UNPACK_DAMAGED:
    case UNPACK_UNSAFE:
        return EXIT_INCONSISTENT;
    case UNPACK_LOCKED:
        return EXIT_REFUSED;
    default:
        return code < 0 ? run_pack_result(code, e) : hand_over(d, e);
    }
}

static int boot(struct drill *d, struct err *e)
{
    const struct manifest *m = &d->item->manifest;
    const struct config *c = d->run->s.config;
    run_phase(d->run, d->item->type, "boot", 0);
    struct throwaway_options o = {
        .program = config_str(c, "drill", NULL, "server_program"),
        .args = config_list(c, "drill", NULL, "server_args"),
        .datadir = d->datadir,
        .scratch = d->scratch,
        .page_size = m->server.page_size,
        .lower_case_table_names = m->server.lower_case_table_names,
        .settings = json_object_get(m->info, "server_settings"),
        .go_on = run_go_on,
        .ctx = d->run,
    };
    int r = throwaway_start(&o, &d->server, e);
    if (r == 1)
        return run_pack_result(PACK_STOPPED, e);
    if (r == -EIO)
        return EXIT_INCONSISTENT;
    if (r == 0 && throwaway_recovered(d->server) && strcmp(m->server.state, "clean") == 0) {
        err_set(
            e, EIO, "the copy was said to be clean, but the server had to recover from a crash");
        return EXIT_INCONSISTENT;
    }
    return r;
}

struct complaint {
    char text[300];
};

static int note_complaint(
    void *ctx, char *const *row, const unsigned long *lengths, unsigned columns, struct err *e)
{
    (void)lengths;
    (void)e;
    struct complaint *c = ctx;
    if (columns < 4 || c->text[0])
        return 0;
    bool status = strcmp(row[2], "status") == 0;
    bool bad = strcmp(row[2], "error") == 0 || (strcmp(row[2], "warning") == 0) ||
               (status && strcmp(row[3], "OK") != 0);
    if (bad && !strstr(row[3], "doesn't support check"))
        snprintf(c->text, sizeof c->text, "%s: %s", row[0], row[3]);
    return 0;
}

static int check_table(struct server *s, const struct manifest_table *t, struct err *e)
{
    struct complaint complaint = {0};
    _cleanup_free_ char *schema = server_quote_name(t->schema);
    _cleanup_free_ char *name = server_quote_name(t->name);
    int r = server_rows(s, note_complaint, &complaint, e, "CHECK TABLE %s.%s", schema, name);
    if (r < 0)
        return EXIT_INCONSISTENT;
    if (!complaint.text[0])
        return 0;
    err_set(e, EIO, "%s", complaint.text);
    return EXIT_INCONSISTENT;
}

static const struct manifest_table *find_table(
    const struct manifest *m, const struct manifest_table *t)
{
    for (size_t i = 0; i < m->table_count; i++) {
        if (strcmp(m->tables[i].schema, t->schema) == 0 && strcmp(m->tables[i].name, t->name) == 0)
            return &m->tables[i];
    }
    return NULL;
}

/* Every table of the backup is there, with as many rows and the same checksum. */
static int compare(struct drill *d, const struct manifest *now, struct err *e)
{
    const struct manifest *then = &d->item->manifest;
    for (size_t i = 0; i < then->table_count; i++) {
        const struct manifest_table *a = &then->tables[i], *b = find_table(now, a);
        if (!b)
            err_set(e, EIO, "table %s.%s is missing", a->schema, a->name);
        else if (a->rows >= 0 && a->rows != b->rows)
            err_set(e, EIO, "%s.%s has %" PRId64 " rows, it had %" PRId64, a->schema, a->name,
                b->rows, a->rows);
        else if (a->checksum && b->checksum && strcmp(a->checksum, b->checksum) != 0)
            err_set(e, EIO, "%s.%s has the checksum %s, it had %s", a->schema, a->name, b->checksum,
                a->checksum);
        else {
            d->compared += a->checksum != NULL;
            continue;
        }
        return EXIT_INCONSISTENT;
    }
    return 0;
}

static int check_all(struct drill *d, struct err *e)
{
    struct server *s = throwaway_server(d->server);
    struct manifest now = {0};
    run_phase(d->run, d->item->type, "check", 0);
    int r = table_sums_read(s, &now, run_go_on, d->run, e);
    if (r == 1)
        r = run_pack_result(PACK_STOPPED, e);
    else if (r == -EIO)
        r = EXIT_INCONSISTENT; /* a table that cannot be read */
    for (size_t i = 0; r == 0 && i < now.table_count; i++) {
        if (!run_go_on(d->run))
            r = run_pack_result(PACK_STOPPED, e);
        else
            r = check_table(s, &now.tables[i], e);
    }
    d->tables = now.table_count;
    if (r == 0)
        r = compare(d, &now, e);
    manifest_clear(&now);
    return r;
}

static int record(struct drill *d, bool good, const char *words, uint64_t took_ms, struct err *e)
{
    const struct store_item *it = d->item;
    struct store_status status;
    int r = store_status_read(d->run->s.folder, it->type, it->run, &status, e);
    if (r < 0)
        return r;
    status.proven_ms = clock_wall_ms();
    status.proven_good = good;
    snprintf(status.proven_words, sizeof status.proven_words, "%.255s", words);
    status.drill_ms = (int64_t)took_ms;
    return store_status_write(d->run->s.folder, it->type, it->run, &status, e);
}

static int restore_and_check(struct drill *d, struct err *e)
{
    int r = make_scratch(d, e);
    if (r == 0)
        r = extract(d, e);
    if (r != 0 || d->item->manifest.method == MANIFEST_FILES)
        return r;
    if (d->item->manifest.method == MANIFEST_DUMP)
        r = import_into_new_server(d->run, d->item, d->scratch, d->datadir, &d->server, e);
    else
        r = boot(d, e);
    if (r == 0)
        r = check_all(d, e);
    if (r == 0)
        r = throwaway_stop(d->server, e);
    return r == -EIO ? EXIT_INCONSISTENT : r;
}

int drill_item(struct run *r, const struct store_item *it, struct err *e)
{
    struct drill d = {.run = r, .item = it, .parent_fd = -1};
    uint64_t start = clock_mono_ms();
    int code = EXIT_INCONSISTENT;
    if (it->complete)
        code = restore_and_check(&d, e);
    else
        err_set(e, EIO, "the archive is not complete: %s", it->problem);
    uint64_t took = clock_mono_ms() - start;
    throwaway_drop(d.server);
    char words[200];
    snprintf(
        words, sizeof words, "%zu tables checked, %zu checksums compared", d.tables, d.compared);
    if (code == 0 || code == EXIT_INCONSISTENT) {
        struct err unwritten = {0};
        if (record(&d, code == 0, code == 0 ? words : e->text, took, &unwritten) < 0 && code == 0) {
            *e = unwritten;
            code = EXIT_FAILED;
        }
    }
    run_event(json_pack("{sssssssbsIss}", "event", "drill", "type", it->type, "run", it->run,
        "good", code == 0, "ms", (json_int_t)took, "text", code == 0 ? words : e->text));
    struct err left = {0};
    if (d.parent_fd >= 0) {
        if (file_remove_tree(d.parent_fd, SCRATCH_NAME, &left) < 0)
            run_note("%s", left.text);
        close(d.parent_fd);
    }
    free(d.parent);
    free(d.scratch);
    free(d.datadir);
    return code;
}
