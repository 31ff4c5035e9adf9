#include "backup/job/trial/drill.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "backup/archive/status_file.h"
#include "backup/job/trial/copy_check.h"
#include "backup/job/trial/trial.h"
#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/file.h"
#include "common/utf8.h"

#define SCRATCH_NAME  ".elexgate-drill"
#define SCRATCH_SPARE (64u << 20)

struct drill {
    struct run *run;
    const struct store_item *item;
    char *parent, *home, *scratch, *datadir;
    int parent_fd;
    struct store_proof proof;
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
    d->home = xasprintf("%s/%s", d->parent, SCRATCH_NAME);
    d->datadir = xasprintf("%s/data", d->home);
    d->scratch = xasprintf("%s/try", d->home);
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
    if (mkdir(d->home, 0700) < 0 || mkdir(d->scratch, 0700) < 0 || mkdir(d->datadir, 0700) < 0)
        return err_sys(e, errno, "cannot make %s", d->datadir);
    return 0;
}

static int record(struct drill *d, bool good, const char *words, uint64_t took_ms, struct err *e)
{
    const struct store_item *it = d->item;
    struct store_status status = it->status;
    status.proven_ms = clock_wall_ms();
    status.proven_good = good;
    utf8_copy(status.proven_words, sizeof status.proven_words, words);
    status.drill_ms = (int64_t)took_ms;
    status.proof = d->proof;
    return store_status_write(
        d->run->s.folder, it->type, it->run, it->digest, &d->run->trust, &status, e);
}

static int restore_and_check(struct drill *d, struct err *e)
{
    const struct store_item *it = d->item;
    _cleanup_free_ char *archive = store_path(d->run->s.folder, it, ARCHIVE_NAME_ARCHIVE);
    _cleanup_free_ char *manifest = store_path(d->run->s.folder, it, ARCHIVE_NAME_MANIFEST);
    /* folders of documents, which may be large, are read and compared file by file */
    bool server = it->manifest.method != MANIFEST_FILES;
    int r = server ? trial_ready(d->run, e) : 0;
    if (r == 0 && server)
        r = make_scratch(d, e);
    if (r != 0)
        return r;
    struct copy_check c = {.run = d->run,
        .item = it,
        .archive = archive,
        .manifest = manifest,
        .datadir = server ? d->datadir : NULL,
        .scratch = d->scratch};
    r = copy_check_extract(&c, e);
    if (r == 0)
        r = copy_check_boot(&c, e);
    d->proof = c.proof;
    return r;
}

/* What was proven. A proof that went through nothing says so, instead of "good". */
static void tell(const struct drill *d, char *words, size_t size)
{
    const struct store_proof *p = &d->proof;
    if (d->item->manifest.method == MANIFEST_FILES)
        snprintf(words, size, "%" PRId64 " files with %" PRId64 " bytes read and compared",
            p->files, p->bytes);
    else
        snprintf(words, size,
            "%" PRId64 " tables checked, %" PRId64 " rows counted, %" PRId64 " checksums compared",
            p->tables, p->rows, p->checksums);
}

static void drop(struct drill *d)
{
    struct err left = {0};
    if (d->parent_fd >= 0) {
        if (file_remove_tree(d->parent_fd, SCRATCH_NAME, &left) < 0)
            run_note("%s", left.text);
        close(d->parent_fd);
    }
    free(d->parent);
    free(d->home);
    free(d->scratch);
    free(d->datadir);
}

int drill_item(struct run *r, const struct store_item *it, struct err *e)
{
    struct drill d = {.run = r, .item = it, .parent_fd = -1};
    uint64_t start = clock_mono_ms();
    int code = EXIT_INCONSISTENT;
    run_be_modest(r);
    if (it->complete)
        code = restore_and_check(&d, e);
    else
        err_set(e, EIO, "the archive is not complete: %s", it->problem);
    uint64_t took = clock_mono_ms() - start;
    char words[200];
    tell(&d, words, sizeof words);
    if ((code == 0 || code == EXIT_INCONSISTENT) && !it->gone) {
        struct err unwritten = {0};
        if (record(&d, code == 0, code == 0 ? words : e->text, took, &unwritten) < 0 && code == 0) {
            *e = unwritten;
            code = EXIT_FAILED;
        }
    }
    json_t *told = json_pack("{sssssssbsIss}", "type", it->type, "run", it->run, "method",
        manifest_method_name(it->manifest.method), "good", code == 0, "ms", (json_int_t)took,
        "text", code == 0 ? words : e->text);
    json_t *event = json_pack("{ss}", "event", "drill");
    json_object_update(event, told);
    json_object_set_new(event, "proof",
        status_proof_json(&(struct store_status){.proven_ms = 1, .proof = d.proof}));
    json_array_append_new(r->proofs, told);
    run_event(event);
    drop(&d);
    return code;
}

int drill_rehearse(
    struct run *r, const struct store_item *it, const struct rehearsal *what, struct err *e)
{
    struct drill d = {.run = r, .item = it, .parent_fd = -1};
    run_be_modest(r);
    int code = it->complete ? trial_ready(r, e)
                            : err_set(e, EIO, "the archive is not complete: %s", it->problem);
    if (code == 0)
        code = make_scratch(&d, e);
    if (code == 0)
        code = rehearse(r, it, what, d.datadir, d.scratch, e);
    drop(&d);
    return code;
}
