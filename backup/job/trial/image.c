#include "backup/job/trial/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/lang.h"
#include "common/process.h"

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

int image_unpack(struct run *run, const char *image, const char *home, char **root, struct err *e)
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
