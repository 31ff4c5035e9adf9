#include "backup/job/trial/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "common/exit_codes.h"
#include "common/file.h"

#define NAME  ".elexgate-drill"
#define SPARE (64u << 20)

static int enough_space(const struct scratch *s, uint64_t bytes, struct err *e)
{
    struct statvfs fs;
    if (statvfs(s->parent, &fs) < 0)
        return err_sys(e, errno, "cannot look at %s", s->parent);
    uint64_t space = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (space >= bytes + SPARE)
        return 0;
    err_set(e, ENOSPC,
        "a drill needs %" PRIu64 " MB in %s, there are %" PRIu64 " MB; set [drill] scratch",
        (bytes + SPARE) >> 20, s->parent, space >> 20);
    return EXIT_NO_SPACE;
}

int scratch_open(struct scratch *s, const struct run *r, uint64_t bytes, struct err *e)
{
    const char *folder = config_str(r->s.config, "drill", NULL, "scratch");
    *s = (struct scratch){.parent = xstrdup(folder ? folder : r->s.folder), .parent_fd = -1};
    s->home = xasprintf("%s/" NAME, s->parent);
    s->datadir = xasprintf("%s/data", s->home);
    s->scratch = xasprintf("%s/try", s->home);
    int code = file_mkdirs(s->parent, 0700, e);
    if (code < 0)
        return code;
    s->parent_fd = open(s->parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->parent_fd < 0)
        return err_sys(e, errno, "cannot open %s", s->parent);
    code = file_remove_tree(s->parent_fd, NAME, e);
    if (code == 0)
        code = enough_space(s, bytes, e);
    if (code != 0)
        return code;
    if (mkdir(s->home, 0700) < 0 || mkdir(s->scratch, 0700) < 0 || mkdir(s->datadir, 0700) < 0)
        return err_sys(e, errno, "cannot make %s", s->datadir);
    return 0;
}

void scratch_close(struct scratch *s)
{
    struct err left = {0};
    if (s->home && s->parent_fd >= 0) {
        if (file_remove_tree(s->parent_fd, NAME, &left) < 0)
            run_note("%s", left.text);
        close(s->parent_fd);
    }
    free(s->parent);
    free(s->home);
    free(s->scratch);
    free(s->datadir);
    *s = (struct scratch){.parent_fd = -1};
}
