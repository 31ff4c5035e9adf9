#include "backup/job/restore/mirror.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "backup/archive/elsewhere.h"

#define TICK_NS 50000000 /* the clock of file times moves in steps of up to 10 ms */
#define CHUNK   (8u << 20)

struct entry {
    char *path;
    bool folder;
    bool sure; /* the copy is of exactly this state */
    unsigned pass;
    struct stat was;
};

struct mirror {
    struct mirror_options o;
    int from, into;
    struct entry *entries; /* the first `sorted` are in the order of their paths */
    size_t n, sorted;
    unsigned pass;
    uint64_t bytes;
};

struct mirror *mirror_create(const struct mirror_options *o)
{
    struct mirror *m = xcalloc(1, sizeof *m);
    m->o = *o;
    m->from = open(o->from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    m->into = open(o->into, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return m;
}

void mirror_drop(struct mirror *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->n; i++)
        free(m->entries[i].path);
    free(m->entries);
    if (m->from >= 0)
        close(m->from);
    if (m->into >= 0)
        close(m->into);
    free(m);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->path, ((const struct entry *)b)->path);
}

static struct entry *find_entry(struct mirror *m, const char *path)
{
    const struct entry key = {.path = (char *)(uintptr_t)path};
    return m->sorted ? bsearch(&key, m->entries, m->sorted, sizeof key, by_path) : NULL;
}

static struct entry *find_or_add(struct mirror *m, const char *path, bool folder)
{
    struct entry *en = find_entry(m, path);
    if (en)
        return en;
    m->entries = xrealloc(m->entries, (m->n + 1) * sizeof *m->entries);
    m->entries[m->n] = (struct entry){.path = xstrdup(path), .folder = folder};
    return &m->entries[m->n++];
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_size == b->st_size &&
           same_time(&a->st_mtim, &b->st_mtim) && same_time(&a->st_ctim, &b->st_ctim);
}

/* Both times lie so far before `now` that a later write shows. */
static bool settled(const struct stat *st, const struct timespec *now)
{
    int64_t at = (int64_t)now->tv_sec * 1000000000 + now->tv_nsec - TICK_NS;
    return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec < at &&
           (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec < at;
}

static int copy_bytes(struct mirror *m, int in, int out, const char *path, struct err *e)
{
    if (ioctl(out, FICLONE, in) == 0)
        return 0;
    bool by_kernel = true;
    _cleanup_free_ char *buf = NULL;
    for (;;) {
        if (m->o.go_on && !m->o.go_on(m->o.ctx))
            return 1;
        ssize_t n;
        if (by_kernel) {
            n = copy_file_range(in, NULL, out, NULL, CHUNK, 0);
            if (n < 0 &&
                (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP)) {
                by_kernel = false;
                continue;
            }
        } else {
            buf = buf ? buf : xmalloc(CHUNK);
            n = read(in, buf, CHUNK);
            for (ssize_t done = 0; n > 0 && done < n;) {
                ssize_t w = write(out, buf + done, (size_t)(n - done));
                if (w < 0 && errno != EINTR)
                    return err_sys(e, errno, "cannot write %s/%s", m->o.into, path);
                done += w > 0 ? w : 0;
            }
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(e, errno, "cannot copy %s/%s", m->o.from, path);
        if (n == 0)
            return 0;
        m->bytes += (uint64_t)n;
        if (m->o.progress)
            m->o.progress(m->o.ctx, m->bytes, path);
    }
}

/* What a path is copied from, and to. */
struct source {
    int folder;       /* where it lies */
    const char *name; /* there */
    char *path;       /* in the copy */
    struct stat st;
    struct elsewhere at; /* its folder -1: it lies where its path says */
};

static void source_clear(struct source *s)
{
    free(s->path);
    if (s->at.folder >= 0)
        close(s->at.folder);
}

/* 2: it is gone. */
static int source_find(struct mirror *m, const char *path, struct source *s, struct err *e)
{
    *s = (struct source){.folder = m->from, .name = path, .at = {.folder = -1}};
    if (fstatat(m->from, path, &s->st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 2 : err_sys(e, errno, "cannot look at %s/%s", m->o.from, path);
    if (!elsewhere_is(path, &s->st)) {
        s->path = xstrdup(path);
        return 0;
    }
    const char *name = strrchr(path, '/') + 1;
    _cleanup_free_ char *parent = xasprintf("%.*s", (int)(name - path), path);
    _cleanup_fd_ int fd = openat(m->from, parent, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 2 : err_sys(e, errno, "cannot open %s/%s", m->o.from, parent);
    int r = elsewhere_find(fd, name, path, &s->at, e);
    if (r < 0) {
        s->at.folder = -1;
        return r == -ENOENT ? 2 : r;
    }
    s->folder = s->at.folder;
    s->name = s->at.name;
    s->st = s->at.st;
    s->path = xasprintf("%s%s", parent, s->at.as);
    return 0;
}

/* 2: it went away meanwhile. */
static int copy_file(struct mirror *m, struct entry *en, const struct source *s, struct err *e)
{
    struct timespec now;
    struct stat after;
    clock_gettime(CLOCK_REALTIME, &now);
    en->sure = false;
    _cleanup_fd_ int in = openat(
        s->folder, s->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (in < 0 || fstat(in, &en->was) < 0)
        return errno == ENOENT ? 2 : err_sys(e, errno, "cannot read %s/%s", m->o.from, en->path);
    if (!S_ISREG(en->was.st_mode) || en->was.st_dev != s->st.st_dev ||
        en->was.st_ino != s->st.st_ino || en->was.st_uid != s->st.st_uid)
        return 2; /* another one stands in its place: who is not sure looks again */
    (void)unlinkat(m->into, en->path, 0);
    _cleanup_fd_ int out = openat(
        m->into, en->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (out < 0)
        return err_sys(e, errno, "cannot make %s/%s", m->o.into, en->path);
    int code = copy_bytes(m, in, out, en->path, e);
    if (code != 0)
        return code;
    if (fchmod(out, en->was.st_mode & 07777) < 0 || fstat(in, &after) < 0)
        return err_sys(e, errno, "cannot finish %s/%s", m->o.into, en->path);
    en->sure = settled(&en->was, &now) && same(&en->was, &after);
    return 0;
}

static int make_folder(struct mirror *m, const char *path, const struct stat *st, struct err *e)
{
    if ((mkdirat(m->into, path, 0700) < 0 && errno != EEXIST) ||
        fchmodat(m->into, path, st->st_mode & 07777, 0) < 0)
        return err_sys(e, errno, "cannot make %s/%s", m->o.into, path);
    return 0;
}

static bool listed(const char *const *names, const char *path)
{
    for (; names && *names; names++)
        if (strcmp(*names, path) == 0)
            return true;
    return false;
}

static int copy_source(struct mirror *m, const struct source *s, struct err *e)
{
    if (!S_ISREG(s->st.st_mode) && !S_ISDIR(s->st.st_mode))
        return 0; /* sockets and pipes are no data; links the layout has refused */
    struct entry *en = find_or_add(m, s->path, S_ISDIR(s->st.st_mode));
    int code = 0;
    if (en->folder)
        code = make_folder(m, s->path, &s->st, e);
    else if (!en->sure || !same(&en->was, &s->st))
        code = copy_file(m, en, s, e);
    if (code == 0)
        en->pass = m->pass;
    return code;
}

/* One of the names of first or last, or what was met on the way. */
static int copy_entry(struct mirror *m, const char *path, struct err *e)
{
    struct source s;
    int code = source_find(m, path, &s, e);
    if (code == 0)
        code = copy_source(m, &s, e);
    source_clear(&s);
    return code == 2 ? 0 : code;
}

static int take_all(struct mirror *m, const char *const *names, struct err *e)
{
    int code = 0;
    for (; code == 0 && names && *names; names++)
        code = copy_entry(m, *names, e);
    return code;
}

static int walk(struct mirror *m, const char *beneath,
    int (*fn)(struct mirror *m, const char *path, struct err *e), struct err *e)
{
    _cleanup_free_ char *root = beneath ? xasprintf("%s/%s", m->o.from, beneath)
                                        : xstrdup(m->o.from);
    char *roots[] = {root, NULL};
    size_t skip = strlen(m->o.from) + 1;
    FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    if (!fts)
        return err_sys(e, errno, "cannot read %s", root);
    int code = 0;
    const FTSENT *en;
    while (code == 0 && (errno = 0, en = fts_read(fts))) {
        if (en->fts_info == FTS_DP || strlen(en->fts_path) <= skip)
            continue;
        const char *path = en->fts_path + skip;
        if (m->o.skip && m->o.skip(m->o.ctx, path)) {
            fts_set(fts, (FTSENT *)(uintptr_t)en, FTS_SKIP);
            continue;
        }
        if (en->fts_info == FTS_DNR)
            code = err_sys(e, en->fts_errno, "cannot read %s", en->fts_path);
        else
            code = fn(m, path, e);
    }
    fts_close(fts);
    return code;
}

static int take_if_neither(struct mirror *m, const char *path, struct err *e)
{
    return listed(m->o.first, path) || listed(m->o.last, path) ? 0 : copy_entry(m, path, e);
}

/* What was not met any more goes; files before the folders that they lay in. */
static int forget_gone(struct mirror *m, struct err *e)
{
    size_t left = m->n;
    for (size_t i = m->n; i-- > 0;) {
        struct entry *en = &m->entries[i];
        if (en->pass == m->pass)
            continue;
        if (unlinkat(m->into, en->path, en->folder ? AT_REMOVEDIR : 0) < 0 && errno != ENOENT)
            return err_sys(e, errno, "cannot remove %s/%s", m->o.into, en->path);
        free(en->path);
        en->path = NULL;
        left--;
    }
    size_t k = 0;
    for (size_t i = 0; i < m->n; i++)
        if (m->entries[i].path)
            m->entries[k++] = m->entries[i];
    CHECK(k == left);
    m->n = k;
    return 0;
}

static void sort(struct mirror *m)
{
    if (m->n)
        qsort(m->entries, m->n, sizeof *m->entries, by_path);
    m->sorted = m->n;
}

int mirror_pass(struct mirror *m, struct err *e)
{
    if (m->from < 0 || m->into < 0)
        return err_set(e, ENOENT, "cannot open %s or %s", m->o.from, m->o.into);
    m->pass++;
    m->bytes = 0;
    int code = take_all(m, m->o.first, e);
    if (code == 0)
        code = walk(m, NULL, take_if_neither, e);
    if (code == 0)
        code = take_all(m, m->o.last, e);
    sort(m);
    return code == 0 ? forget_gone(m, e) : code;
}

static int is_as_copied(struct mirror *m, const char *path, struct err *e)
{
    struct source s;
    int code = source_find(m, path, &s, e);
    if (code == 0 && (S_ISREG(s.st.st_mode) || S_ISDIR(s.st.st_mode))) {
        struct entry *en = find_entry(m, s.path);
        if (en)
            en->pass = m->pass;
        code = en && (en->folder || same(&en->was, &s.st)) ? 0 : 1;
    }
    source_clear(&s);
    return code == 2 ? 1 : code;
}

int mirror_compare(struct mirror *m, const char *beneath, struct err *e)
{
    size_t n = beneath ? strlen(beneath) : 0;
    sort(m);
    m->pass++;
    _cleanup_free_ char *path = beneath ? xasprintf("%s/%s", m->o.from, beneath) : NULL;
    int code = !path || access(path, F_OK) == 0 ? walk(m, beneath, is_as_copied, e) : 0;
    for (size_t i = 0; code == 0 && i < m->n; i++) {
        const struct entry *en = &m->entries[i];
        bool counts = !beneath || (strncmp(en->path, beneath, n) == 0 &&
                                      (en->path[n] == '/' || en->path[n] == '\0'));
        if (counts && en->pass != m->pass)
            code = 1; /* it is gone */
    }
    return code;
}
