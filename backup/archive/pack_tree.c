/* Folders into the archive, and the second look at them. */
#include "backup/archive/pack_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "backup/archive/elsewhere.h"
#include "common/file.h"
#include "common/lang.h"
#include "common/utf8.h"

#define DEPTH_MAX 100

struct names {
    char **list;
    size_t count, cap;
};

/* One walk: either it packs (pack != NULL), or it only sums up. */
struct walk {
    struct pack *pack;
    const struct pack_root *root;
    const char *prefix;
    enum pack_select select; /* the name that is looked at */
    struct tree_sum sum;
    char newest[256]; /* the file that changed last, for the words of a failed recheck */
    int64_t newest_ns;
};

static void names_clear(struct names *n)
{
    for (size_t i = 0; i < n->count; i++)
        free(n->list[i]);
    free(n->list);
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names in a folder, sorted, so that the same tree gives the same archive. Takes over fd. */
static int read_names(int fd, const char *path, struct names *out, struct err *e)
{
    _cleanup_dir_ DIR *d = fdopendir(fd);
    if (!d) {
        int code = errno;
        close(fd);
        return err_sys(e, code, "cannot read the folder %s", path);
    }
    for (;;) {
        errno = 0;
        struct dirent *de = readdir(d);
        if (!de)
            break;
        if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
            continue;
        if (out->count == out->cap) {
            out->cap = out->cap ? 2 * out->cap : 64;
            out->list = xrealloc(out->list, out->cap * sizeof *out->list);
        }
        out->list[out->count++] = xstrdup(de->d_name);
    }
    int code = errno;
    if (code != 0)
        return err_sys(e, code, "cannot read the folder %s", path);
    if (out->count > 0)
        qsort(out->list, out->count, sizeof *out->list, by_bytes);
    return 0;
}

static char *join(const char *a, const char *b)
{
    return *a ? xasprintf("%s/%s", a, b) : xstrdup(b);
}

static int walk_folder(struct walk *w, int fd, const char *rel, int depth, struct err *e);

static const char *kind_of(mode_t mode)
{
    return S_ISSOCK(mode) ? "a socket" : S_ISFIFO(mode) ? "a FIFO" : "a device";
}

static int symlink_entry(struct pack_reader *rd, int fd, const char *name, const char *path,
    const struct stat *st, struct err *e)
{
    char target[MANIFEST_PATH_MAX + 1];
    ssize_t n = readlinkat(fd, name, target, sizeof target);
    if (n <= 0 || n == (ssize_t)sizeof target) {
        int code = err_sys(e, n < 0 ? errno : ENAMETOOLONG, "cannot read the link %s", path);
        return rd->strict ? code : PACK_UNREADABLE;
    }
    target[n] = 0;
    return pack_plain_entry(rd, st, -1, target, e);
}

static int folder_entry(struct walk *w, int fd, const char *name, const char *rel, const char *path,
    const struct stat *st, int depth, struct err *e)
{
    if (depth >= DEPTH_MAX)
        return err_set(e, ELOOP, "%s is nested deeper than %d folders", path, DEPTH_MAX);
    int sub = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (sub < 0) {
        int code = errno;
        err_sys(e, code, "cannot open the folder %s", path);
        return code == ENOENT || code == ENOTDIR || code == ELOOP ? PACK_CHANGED
               : w->pack && !w->pack->o.strict                    ? PACK_UNREADABLE
                                                                  : -code;
    }
    int r = w->pack ? pack_plain_entry(&w->pack->reader, st, sub, NULL, e) : 0;
    if (r != 0) {
        close(sub);
        return r;
    }
    return walk_folder(w, sub, rel, depth + 1, e);
}

static void add_to_sum(struct tree_sum *sum, const char *path, const struct stat *st)
{
    char text[MANIFEST_PATH_MAX + 200];
    uint64_t hash[4];
    int n = snprintf(text, sizeof text,
        "%s|%" PRIu64 "|%" PRIu64 "|%" PRId64 "|%" PRId64 "|%" PRId64, path, (uint64_t)st->st_dev,
        (uint64_t)st->st_ino, (int64_t)st->st_size, pack_ns(st->st_mtim), pack_ns(st->st_ctim));
    CHECK(n > 0 && EVP_Digest(text, (size_t)n, (unsigned char *)hash, NULL, EVP_sha256(), NULL));
    for (int i = 0; i < 4; i++)
        sum->part[i] += hash[i];
    sum->files++;
}

static void sum_only(struct walk *w, const char *path, const struct stat *st)
{
    add_to_sum(&w->sum, path, st);
    if (pack_ns(st->st_ctim) > w->newest_ns) {
        w->newest_ns = pack_ns(st->st_ctim);
        snprintf(w->newest, sizeof w->newest, "%s", path);
    }
}

/* e has why. */
static int leave_out(struct pack *p, const char *path, struct err *e)
{
    struct err why = {0};
    (void)err_set(&why, ENODATA, "%s was left out: %s", path, e ? err_words(e) : N_("unreadable"));
    pack_leave_out(&p->reader, &why);
    return 0;
}

static void now_at(struct walk *w, const char *path)
{
    free(w->pack->pace.path);
    w->pack->pace.path = xstrdup(path);
}

/* What a name stands for, in its place. */
static int walk_elsewhere(struct walk *w, int fd, const char *name, const char *path, struct err *e)
{
    struct elsewhere at;
    int r = elsewhere_find(fd, name, path, &at, e);
    if (r < 0)
        return r == -ENOENT || r == -ENOLINK ? PACK_CHANGED : r; /* select had it */
    _cleanup_free_ char *as = xasprintf("%.*s%s", (int)(strlen(path) - strlen(name)), path, at.as);
    if (w->pack) {
        now_at(w, as);
        r = pack_file(&w->pack->reader, at.folder, at.name, &at.st, e);
    }
    close(at.folder);
    if (r == 0 && w->pack)
        add_to_sum(&w->pack->sum, as, &at.st);
    else if (r == 0)
        sum_only(w, as, &at.st);
    return r;
}

/* One name that was selected. */
static int walk_name(struct walk *w, int fd, const char *name, const char *rel,
    const struct stat *st, int depth, struct err *e)
{
    struct pack *p = w->pack;
    _cleanup_free_ char *path = join(w->prefix, rel);
    if (strlen(path) > MANIFEST_PATH_MAX)
        return err_set(e, ENAMETOOLONG, "%s… is too long a path", UTF8_SHORT(path, 200));
    if (w->select == PACK_ELSEWHERE)
        return walk_elsewhere(w, fd, name, path, e);
    if (p)
        now_at(w, path);
    if (S_ISDIR(st->st_mode)) {
        int x = folder_entry(w, fd, name, rel, path, st, depth, e);
        if (x == PACK_CHANGED && p && !p->o.strict) {
            manifest_add_note(
                &p->reader.notes, "%s was left out: it vanished before it was read", path);
            return 0;
        }
        return x == PACK_UNREADABLE ? leave_out(p, path, e) : x;
    }
    if (!S_ISREG(st->st_mode) && !S_ISLNK(st->st_mode)) {
        if (p)
            manifest_add_note(
                &p->reader.notes, "%s was left out: it is %s", path, kind_of(st->st_mode));
        return 0;
    }
    if (!p) {
        if (S_ISREG(st->st_mode) && w->select != PACK_GROWS)
            sum_only(w, path, st);
        return 0;
    }
    if (S_ISLNK(st->st_mode)) {
        int x = symlink_entry(&p->reader, fd, name, path, st, e);
        return x == PACK_UNREADABLE ? leave_out(p, path, e) : x;
    }
    if (st->st_mode & 06000)
        manifest_add_note(&p->reader.notes, "%s: its setuid and setgid bits were left out", path);
    struct stat seen = *st;
    int r = pack_file(&p->reader, fd, name, w->select == PACK_GROWS ? NULL : &seen, e);
    if (r == 0 && w->select != PACK_GROWS)
        add_to_sum(&p->sum, path, &seen);
    if (r == PACK_CHANGED && (w->select == PACK_GROWS || !p->o.strict)) {
        manifest_add_note(
            &p->reader.notes, "%s was left out: it vanished before it was read", path);
        return 0;
    }
    return r == PACK_UNREADABLE ? leave_out(p, path, e) : r;
}

/* Whether a name belongs to the pass: FIRST, then TAKE, then LAST (top folder only). */
static bool in_pass(
    struct walk *w, const char *rel, const struct stat *st, int depth, enum pack_select pass)
{
    enum pack_select s = PACK_TAKE;
    if (S_ISDIR(st->st_mode) && depth == 0 && strcmp(rel, "lost+found") == 0)
        s = PACK_SKIP;
    else if (w->root->select)
        s = w->root->select(w->root->ctx, rel, st);
    w->select = s;
    return s == pass || (pass == PACK_TAKE && s > PACK_LAST) || (depth > 0 && s != PACK_SKIP);
}

static int walk_pass(struct walk *w, int fd, const char *rel, const struct names *names, int depth,
    enum pack_select pass, struct err *e)
{
    for (size_t i = 0; i < names->count; i++) {
        struct stat st;
        _cleanup_free_ char *sub = join(rel, names->list[i]);
        if (fstatat(fd, names->list[i], &st, AT_SYMLINK_NOFOLLOW) < 0) {
            int code = errno;
            if (code != ENOENT && w->pack && !w->pack->o.strict) {
                struct err why = {0};
                err_sys(&why, code, "cannot look at it");
                (void)!leave_out(w->pack, sub, &why);
                continue;
            }
            if (code != ENOENT)
                return err_sys(e, code, "cannot look at %s/%s", w->root->folder, sub);
            if (w->pack && w->pack->o.strict) {
                err_set(e, EBUSY, "%s/%s vanished", w->root->folder, sub);
                return PACK_CHANGED;
            }
            continue;
        }
        if (!in_pass(w, sub, &st, depth, pass))
            continue;
        int r = walk_name(w, fd, names->list[i], sub, &st, depth, e);
        if (r == 0 && w->pack)
            r = pack_tick(&w->pack->pace, 0);
        if (r != 0)
            return r;
    }
    return 0;
}

/* Takes over fd. */
static int walk_folder(struct walk *w, int fd, const char *rel, int depth, struct err *e)
{
    static const enum pack_select passes[] = {PACK_FIRST, PACK_TAKE, PACK_LAST};
    CLEANUP(names_clear) struct names names = {0};
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0); /* closedir closes the other one */
    if (copy < 0) {
        int code = errno;
        close(fd);
        return err_sys(e, code, "cannot read the folder %s", rel);
    }
    int r = read_names(fd, *rel ? rel : w->root->folder, &names, e);
    if (r < 0 && depth > 0 && w->pack && !w->pack->o.strict) /* what it told is taken */
        r = leave_out(w->pack, rel, e);
    for (size_t i = 0; i < 3 && r == 0; i++)
        if (depth == 0 || passes[i] == PACK_TAKE)
            r = walk_pass(w, copy, rel, &names, depth, passes[i], e);
    close(copy);
    return r;
}

static int walk_root(struct walk *w, struct err *e)
{
    int fd = open(w->root->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(e, errno, "cannot open the folder %s", w->root->folder);
    return walk_folder(w, fd, "", 0, e);
}

int pack_tree(struct pack *p, const char *folder, const char *prefix,
    enum pack_select (*select)(void *ctx, const char *path, const struct stat *st), void *ctx,
    struct err *e)
{
    CHECK(!p->closed && (!*prefix || manifest_path_valid(prefix)));
    p->roots = xrealloc(p->roots, (p->root_count + 1) * sizeof *p->roots);
    struct pack_root *root = &p->roots[p->root_count++];
    *root = (struct pack_root){xstrdup(folder), xstrdup(prefix), select, ctx};
    struct walk w = {.pack = p, .root = root, .prefix = root->prefix};
    return walk_root(&w, e);
}

uint64_t pack_left_out(const struct pack *p, struct err *first)
{
    *first = p->reader.first_left_out;
    return p->reader.left_out;
}

int pack_recheck(struct pack *p, struct err *e)
{
    struct tree_sum sum = {0};
    struct walk w = {0};
    for (size_t i = 0; i < p->root_count; i++) {
        w.root = &p->roots[i];
        w.prefix = w.root->prefix;
        w.sum = sum;
        int r = walk_root(&w, e);
        if (r != 0)
            return r;
        sum = w.sum;
    }
    if (memcmp(&sum, &p->sum, sizeof sum) == 0)
        return 0;
    err_set(e, EBUSY,
        "files changed, appeared or vanished after they were read (%llu files read, %llu there now; the last change is that of %s)",
        (unsigned long long)p->sum.files, (unsigned long long)sum.files,
        w.newest[0] ? w.newest : "none");
    return PACK_CHANGED;
}

int pack_bytes(struct pack *p, const char *name, const void *data, size_t len, struct err *e)
{
    CHECK(!p->closed && manifest_path_valid(name));
    struct stat st = {.st_mode = S_IFREG | 0600, .st_size = (off_t)len};
    clock_gettime(CLOCK_REALTIME, &st.st_mtim);
    free(p->pace.path);
    p->pace.path = xstrdup(name);
    return pack_memory(&p->reader, data, &st, e);
}
