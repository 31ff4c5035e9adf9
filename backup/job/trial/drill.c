#include "backup/job/trial/drill.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "backup/archive/status_file.h"
#include "backup/job/trial/copy_check.h"
#include "backup/job/trial/scratch.h"
#include "backup/job/trial/trial.h"
#include "common/clock.h"
#include "common/error_phrase.h"
#include "common/exit_codes.h"
#include "common/lang.h"
#include "common/process.h"
#include "backup/job/run.h"

/* --- the system in a container's image, as files in a folder: podman or docker makes a container
 * of the image, which is never started, and hands out what is in it --- */

#define IMAGE_ROOM (1ull << 30) /* bytes, more than an image of a database server needs */

#define CREATE_MS (30 * 60 * 1000) /* it may have to be fetched over a slow line */
#define EXPORT_MS (10 * 60 * 1000)
#define REMOVE_MS (60 * 1000)

/* One at a time, under the run lock; what a killed job left has the same name. */
#define CONTAINER "elexgate-rehearsal"

static char *engine_here(struct err *e)
{
    static const char *const known[] = {"podman", "docker"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        char *found = process_find(known[i]);
        if (found)
            return found;
    }
    err_set(e, ENOENT,
        N_("an image needs podman or docker, and neither is installed here; a folder with the newer system needs none: --root DIR"));
    return NULL;
}

static void remove_container(const char *engine)
{
    const char *argv[] = {engine, "rm", "--force", CONTAINER, NULL};
    _cleanup_fd_ int nobody = memfd_create("engine", MFD_CLOEXEC);
    const struct process_options o = {.argv = argv, .out = nobody, .err = nobody};
    int r = process_run(&o, REMOVE_MS, NULL, NULL, NULL);
    (void)r; /* mostly there is none */
}

/* The engine writes a tar of the container's files, and tar unpacks it. Devices are left out, and
 * whose a file was: it is only read, by a server of the trial's user. What either says holds no
 * data of a practice, so people get to see it. */
static int export_into(struct run *run, const char *engine, const char *folder, struct err *e)
{
    const char *out[] = {engine, "export", CONTAINER, NULL};
    const char *in[] = {"tar", "--extract", "--file=-", "--no-same-owner", "--exclude=dev/*",
        "--directory", folder, NULL};
    int pipe[2];
    if (pipe2(pipe, O_CLOEXEC) < 0)
        return err_sys(e, errno, "cannot make a pipe");
    const struct process_options from = {.argv = out, .out = pipe[1], .err = PROCESS_OURS};
    const struct process_options to = {.argv = in, .in = pipe[0], .err = PROCESS_OURS};
    struct process giving = {0}, taking = {0};
    int r = process_start(&from, &giving, e);
    close(pipe[1]);
    if (r == 0)
        r = process_start(&to, &taking, e);
    close(pipe[0]);
    if (r == 0)
        r = process_finish(&giving, &from, EXPORT_MS, run_go_on, run, e);
    if (r == 0)
        r = process_finish(&taking, &to, EXPORT_MS, run_go_on, run, e);
    process_end(&giving, 1000);
    process_end(&taking, 1000);
    return r;
}

/* The command is never run; an image without one of its own wants one. */
static int create(struct run *run, const char *engine, const char *image, struct err *e)
{
    const char *argv[] = {engine, "create", "--name", CONTAINER, image, "mariadbd", NULL};
    const struct process_options o = {.argv = argv, .err = PROCESS_OURS};
    int r = process_run(&o, CREATE_MS, run_go_on, run, e);
    return r == 0 || r == -ECANCELED
               ? r
               : err_prefix(
                     e, -ENOENT, N_("%s has no image %s and cannot fetch it"), engine, image);
}

static int unpack(
    struct run *run, const char *engine, const char *image, const char *folder, struct err *e)
{
    int r = create(run, engine, image, e);
    if (r != 0)
        return r;
    r = export_into(run, engine, folder, e);
    return r == 0 || r == -ECANCELED
               ? r
               : err_prefix(e, -EIO, N_("the image %s cannot be unpacked"), image);
}

/* *root is a new folder in home, its real path; malloc'ed. An image that is not here is fetched, as
 * the engine's own settings say. 0; EXIT_CANCELLED; negative with words: there is no engine, no
 * such image, no room. */
static int unpack_image(
    struct run *run, const char *image, const char *home, char **root, struct err *e)
{
    _cleanup_free_ char *engine = engine_here(e), *real = realpath(home, NULL);
    if (!engine)
        return -ENOENT;
    if (*image == '-' || !*image) /* it would be an option of the engine's */
        return err_set(e, EINVAL, N_("%s is not the name of an image"), image);
    _cleanup_free_ char *folder = xasprintf("%s/image", real ? real : home);
    _cleanup_fd_ int fd = mkdir(folder, 0700) < 0
                              ? -1
                              : open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fchmod(fd, 0755) < 0) /* whatever the umask is: the trial's user goes through */
        return err_sys(e, errno, "cannot make %s", folder);
    run_phase(run, run->s.physical_type, "image", 0);
    remove_container(engine);
    int r = unpack(run, engine, image, folder, e);
    remove_container(engine);
    if (r == -ECANCELED)
        return run_pack_result(PACK_STOPPED, e);
    if (r == 0)
        *root = xstrdup(folder);
    return r;
}

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
        code = unpack_image(r, what->image, space.home, &root, e);
        with.root = root;
    }
    return code == 0 ? rehearse(r, it, &with, space.datadir, space.scratch, e) : code;
}
