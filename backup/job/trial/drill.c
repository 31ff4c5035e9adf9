#include "backup/job/trial/drill.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "backup/archive/status_file.h"
#include "backup/job/trial/copy_check.h"
#include "backup/job/trial/image.h"
#include "backup/job/trial/scratch.h"
#include "backup/job/trial/trial.h"
#include "common/clock.h"
#include "common/error_phrase.h"
#include "common/exit_codes.h"
#include "common/lang.h"
#include "common/utf8.h"

struct drill {
    struct run *run;
    const struct store_item *item;
    struct scratch space;
    struct store_proof proof;
};

static int record(
    struct drill *d, bool good, const struct err *words, uint64_t took_ms, struct err *e)
{
    const struct store_item *it = d->item;
    struct store_status status = it->status;
    status.proven_ms = clock_wall_ms();
    status.proven_good = good;
    status.proven_words = *words;
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
        r = scratch_open(&d->space, d->run, it->manifest.content.bytes, e);
    if (r != 0)
        return r;
    struct copy_check c = {.run = d->run,
        .item = it,
        .archive = archive,
        .manifest = manifest,
        .datadir = server ? d->space.datadir : NULL,
        .scratch = d->space.scratch};
    r = copy_check_extract(&c, e);
    if (r == 0)
        r = copy_check_boot(&c, e);
    d->proof = c.proof;
    return r;
}

/* What was proven. A proof that went through nothing says so, instead of "good". */
static void tell_proof(const struct drill *d, struct err *words)
{
    const struct store_proof *p = &d->proof;
    if (d->item->manifest.method == MANIFEST_FILES)
        (void)err_set(words, EIO, "%" PRId64 " files with %" PRId64 " bytes read and compared",
            p->files, p->bytes);
    else
        (void)err_set(words, EIO,
            "%" PRId64 " tables checked, %" PRId64 " rows counted, %" PRId64 " checksums compared",
            p->tables, p->rows, p->checksums);
}

int drill_item(struct run *r, const struct store_item *it, struct err *e)
{
    struct drill d = {.run = r, .item = it};
    uint64_t start = clock_mono_ms();
    int code = EXIT_INCONSISTENT;
    run_be_modest(r);
    if (it->complete)
        code = restore_and_check(&d, e);
    else
        err_set(e, EIO, "the archive is not complete: %s", err_words(&it->problem));
    uint64_t took = clock_mono_ms() - start;
    struct err words = *e;
    if (code == 0)
        tell_proof(&d, &words);
    if ((code == 0 || code == EXIT_INCONSISTENT) && !it->gone) {
        struct err unwritten = {0};
        if (record(&d, code == 0, &words, took, &unwritten) < 0 && code == 0) {
            *e = unwritten;
            code = EXIT_FAILED;
        }
    }
    json_t *told = json_pack("{sssssssbsI}", "type", it->type, "run", it->run, "method",
        manifest_method_name(it->manifest.method), "good", code == 0, "ms", (json_int_t)took);
    error_phrase_put_as(told, "text", &words);
    json_t *event = json_pack("{ss}", "event", "drill");
    json_object_update(event, told);
    json_object_set_new(event, "proof",
        status_proof_json(&(struct store_status){.proven_ms = 1, .proof = d.proof}));
    json_array_append_new(r->proofs, told);
    run_event(event);
    scratch_close(&d.space);
    return code;
}

int drill_rehearse(
    struct run *r, const struct store_item *it, const struct rehearsal *what, struct err *e)
{
    CLEANUP(scratch_close) struct scratch space = {.folder = -1};
    struct rehearsal with = *what;
    _cleanup_free_ char *root = NULL;
    run_be_modest(r);
    int code = it->complete
                   ? trial_ready(r, e)
                   : err_set(e, EIO, "the archive is not complete: %s", err_words(&it->problem));
    if (code == 0)
        code = scratch_open(
            &space, r, it->manifest.content.bytes + (what->image ? IMAGE_ROOM : 0), e);
    if (code == 0 && what->image) {
        code = image_unpack(r, what->image, space.home, &root, e);
        with.root = root;
    }
    return code == 0 ? rehearse(r, it, &with, space.datadir, space.scratch, e) : code;
}
