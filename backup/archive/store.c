/* The backup folder: what there is, what may go. */
#include "backup/archive/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/archive/manifest_file.h"

char *store_path(const char *folder, const struct store_item *it, enum archive_name_kind kind)
{
    struct archive_name n = {
        .kind = kind, .encrypted = it->encrypted && kind != ARCHIVE_NAME_STATUS};
    char name[ARCHIVE_NAME_LEN];
    memcpy(n.type, it->type, sizeof n.type);
    memcpy(n.run, it->run, sizeof n.run);
    return xasprintf("%s/%s", folder, archive_name_format(&n, name));
}

/* The plain manifest, also of an encrypted archive. */
static char *plain_manifest_path(const char *folder, const struct store_item *it)
{
    struct store_item plain = {0};
    memcpy(plain.type, it->type, sizeof plain.type);
    memcpy(plain.run, it->run, sizeof plain.run);
    return store_path(folder, &plain, ARCHIVE_NAME_MANIFEST);
}

/* Calls fn for each name of ours; fn's result other than 0 ends it. */
static int each_name(const char *folder,
    int (*fn)(void *ctx, const char *name, const struct archive_name *n), void *ctx, struct err *e)
{
    DIR *d = opendir(folder);
    int r = 0;
    if (!d)
        return errno == ENOENT ? 0 : err_sys(e, errno, "cannot read the backup folder %s", folder);
    for (struct dirent *de; r == 0 && (errno = 0, de = readdir(d));) {
        struct archive_name n;
        if (archive_name_parse(de->d_name, &n))
            r = fn(ctx, de->d_name, &n);
    }
    closedir(d);
    return r;
}

/* ---- reading ---- */

struct reading {
    const char *type;
    struct store_list list;
};

static struct store_item *item_of(struct store_list *l, const struct archive_name *n)
{
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->items[i].type, n->type) == 0 && strcmp(l->items[i].run, n->run) == 0)
            return &l->items[i];
    l->items = xrealloc(l->items, (l->count + 1) * sizeof *l->items);
    struct store_item *it = &l->items[l->count++];
    memset(it, 0, sizeof *it);
    memcpy(it->type, n->type, sizeof it->type);
    memcpy(it->run, n->run, sizeof it->run);
    return it;
}

/* An archive or a manifest makes an item; a status file alone is a leftover and makes none. */
static int collect(void *ctx, const char *name, const struct archive_name *n)
{
    struct reading *r = ctx;
    (void)name;
    if (n->part || n->kind == ARCHIVE_NAME_STATUS || (r->type && strcmp(n->type, r->type) != 0))
        return 0;
    struct store_item *it = item_of(&r->list, n);
    it->encrypted = it->encrypted || n->encrypted;
    return 0;
}

static void problem(struct store_item *it, const char *fmt, ...) PRINTF(2, 3);
static void problem(struct store_item *it, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(it->problem, sizeof it->problem, fmt, ap);
    va_end(ap);
    it->complete = false;
}

/* What can be said without reading the archive. */
static void look_at(const char *folder, struct store_item *it)
{
    struct err e = {0};
    struct stat st;
    _cleanup_free_ char *archive = store_path(folder, it, ARCHIVE_NAME_ARCHIVE);
    _cleanup_free_ char *plain = plain_manifest_path(folder, it);
    _cleanup_free_ char *full = store_path(folder, it, ARCHIVE_NAME_MANIFEST);

    it->complete = true;
    /* A status that cannot be read says nothing: as if it was never verified. */
    if (store_status_read(folder, it->type, it->run, &it->status, &e) < 0)
        memset(&it->status, 0, sizeof it->status);
    bool there = lstat(archive, &st) == 0 && S_ISREG(st.st_mode);
    it->size = there ? (uint64_t)st.st_size : 0;
    int r = manifest_file_head_read(plain, &it->manifest, &e);
    if (r < 0) {
        if (access(plain, F_OK) < 0)
            problem(it, "the manifest is missing");
        else
            problem(it, "%.190s", e.text);
    } else if (strcmp(it->manifest.type, it->type) != 0 || strcmp(it->manifest.run, it->run) != 0) {
        problem(it, "the manifest is that of %.40s_%s", it->manifest.type, it->manifest.run);
    } else if (!there) {
        problem(it, "the archive is missing");
    } else if (it->size != it->manifest.archive.size) {
        problem(it, "the archive has %llu bytes, the manifest says %llu",
            (unsigned long long)it->size, (unsigned long long)it->manifest.archive.size);
    } else if (it->encrypted && access(full, F_OK) < 0) {
        problem(it, "the encrypted manifest is missing");
    } else if (it->encrypted != (it->manifest.archive.encryption != NULL)) {
        problem(it, "archive and manifest do not agree whether it is encrypted");
    }
}

/* Newest first by UTC time; what has no manifest last, by its name. */
static int order(const void *a, const void *b)
{
    const struct store_item *x = a, *y = b;
    int64_t tx = x->manifest.started_ms, ty = y->manifest.started_ms;
    if (tx != ty)
        return tx < ty ? 1 : -1;
    int c = strcmp(y->run, x->run);
    return c != 0 ? c : strcmp(x->type, y->type);
}

int store_read(const char *folder, const char *type, struct store_list *out, struct err *e)
{
    struct reading r = {.type = type};
    int x = each_name(folder, collect, &r, e);
    if (x < 0) {
        store_list_clear(&r.list);
        return x;
    }
    for (size_t i = 0; i < r.list.count; i++)
        look_at(folder, &r.list.items[i]);
    if (r.list.count > 0)
        qsort(r.list.items, r.list.count, sizeof *r.list.items, order);
    r.list.folder = xstrdup(folder);
    *out = r.list;
    return 0;
}

void store_list_clear(struct store_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        manifest_clear(&l->items[i].manifest);
    free(l->items);
    free(l->folder);
    *l = (struct store_list){0};
}

/* ---- suffixes ---- */

struct suffix_search {
    const char *run;
};

static int suffix_taken(void *ctx, const char *name, const struct archive_name *n)
{
    struct suffix_search *s = ctx;
    (void)name;
    return strcmp(n->run, s->run) == 0;
}

int store_free_suffix(const char *folder, int64_t utc_s, const struct cron_zone *zone,
    char out[static RUN_SUFFIX_LEN], struct err *e)
{
    char run[RUN_SUFFIX_LEN];
    run_suffix_format(utc_s, zone, run);
    for (int i = 0; i < 24 * 60; i++) {
        struct suffix_search s = {run};
        int r = each_name(folder, suffix_taken, &s, e);
        if (r < 0)
            return r;
        if (r == 0) {
            memcpy(out, run, sizeof run);
            return 0;
        }
        run_suffix_next(run, run);
    }
    return err_set(e, EEXIST, "every minute of a day is taken in %s", folder);
}

/* ---- removing ---- */

static int remove_one(int dirfd, const char *type, const char *run, enum archive_name_kind kind,
    bool encrypted, struct err *e)
{
    struct archive_name n = {.kind = kind, .encrypted = encrypted};
    char name[ARCHIVE_NAME_LEN];
    snprintf(n.type, sizeof n.type, "%s", type);
    snprintf(n.run, sizeof n.run, "%s", run);
    if (unlinkat(dirfd, archive_name_format(&n, name), 0) < 0 && errno != ENOENT)
        return err_sys(e, errno, "cannot remove %s", name);
    return 0;
}

int store_remove(const char *folder, const char *type, const char *run, struct err *e)
{
    if (!archive_type_valid(type) || !run_suffix_valid(run))
        return err_set(e, EINVAL, "\"%.60s\" of type \"%.60s\" is not a backup's name", run, type);
    _cleanup_fd_ int dirfd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dirfd < 0)
        return err_sys(e, errno, "cannot open the backup folder %s", folder);
    int r = remove_one(dirfd, type, run, ARCHIVE_NAME_MANIFEST, false, e);
    if (r == 0 && fsync(dirfd) < 0)
        r = err_sys(e, errno, "cannot write the folder %s to the disk", folder);
    if (r == 0)
        r = remove_one(dirfd, type, run, ARCHIVE_NAME_MANIFEST, true, e);
    for (int encrypted = 0; encrypted < 2 && r == 0; encrypted++)
        r = remove_one(dirfd, type, run, ARCHIVE_NAME_ARCHIVE, encrypted, e);
    if (r == 0)
        r = remove_one(dirfd, type, run, ARCHIVE_NAME_STATUS, false, e);
    return r;
}

int store_retain(const char *folder, const char *type, const struct retention_policy *policy,
    const struct cron_zone *zone, bool run_succeeded,
    void (*removed)(void *ctx, const char *type, const char *run), void *ctx, struct err *e)
{
    struct store_list l;
    int r = store_read(folder, type, &l, e);
    if (r < 0)
        return r;
    struct generation *g = xcalloc(l.count + 1, sizeof *g);
    for (size_t i = 0; i < l.count; i++) {
        const struct store_item *it = &l.items[i];
        g[i] = (struct generation){.type = it->type,
            .started_ms = it->manifest.started_ms,
            .complete = it->complete && !(it->status.verified_ms && !it->status.verified_good),
            .proven = it->status.proven_ms && it->status.proven_good,
            .owner = it};
    }
    retention_apply(g, l.count, type, policy, zone, run_succeeded);
    for (size_t i = 0; i < l.count && r == 0; i++) {
        if (g[i].kept_by)
            continue;
        const struct store_item *it = g[i].owner;
        r = store_remove(folder, it->type, it->run, e);
        if (r == 0 && removed)
            removed(ctx, it->type, it->run);
    }
    free(g);
    store_list_clear(&l);
    return r;
}

struct cleaning {
    const char *folder;
    unsigned removed;
    struct err *e;
};

static int clean_part(void *ctx, const char *name, const struct archive_name *n)
{
    struct cleaning *c = ctx;
    if (!n->part)
        return 0;
    _cleanup_free_ char *path = xasprintf("%s/%s", c->folder, name);
    if (unlink(path) < 0 && errno != ENOENT)
        return err_sys(c->e, errno, "cannot remove %s", path);
    c->removed++;
    return 0;
}

int store_clean_parts(const char *folder, unsigned *n, struct err *e)
{
    struct cleaning c = {folder, 0, e};
    int r = each_name(folder, clean_part, &c, e);
    *n = c.removed;
    return r;
}

/* ---- finding ---- */

/* Keeps the items for which the run (and type) fits. */
static void keep_run(struct store_list *l, const char *run, const char *type)
{
    size_t kept = 0;
    char wanted[RUN_SUFFIX_LEN];
    snprintf(wanted, sizeof wanted, "%s", run); /* it may be one of the items' own */
    for (size_t i = 0; i < l->count; i++) {
        struct store_item *it = &l->items[i];
        if (strcmp(it->run, wanted) == 0 && (!type || strcmp(it->type, type) == 0)) {
            struct store_item copy = *it;
            l->items[kept++] = copy;
        } else {
            manifest_clear(&it->manifest);
        }
    }
    l->count = kept;
}

static int find_by_path(const char *path, struct store_list *out, struct err *e)
{
    struct archive_name n;
    const char *slash = strrchr(path, '/');
    if (!archive_name_parse(slash ? slash + 1 : path, &n) || n.part)
        return err_set(e, ENOENT,
            "%.300s is not the name of an archive of Elexgate (TYPE_YYYY-MM-DD-HHmm.tar.gz)", path);
    _cleanup_free_ char *folder = slash ? xstrdup(path) : xstrdup(".");
    if (slash)
        folder[slash - path + (slash == path)] = 0;
    int r = store_read(folder, n.type, out, e);
    if (r < 0)
        return r;
    keep_run(out, n.run, n.type);
    if (out->count > 0)
        return 0;
    store_list_clear(out);
    return err_set(e, ENOENT, "%.300s does not exist", path);
}

int store_find(
    const char *folder, const char *which, const char *type, struct store_list *out, struct err *e)
{
    if (strchr(which, '/') || strstr(which, ".tar.gz") || strstr(which, ".json"))
        return find_by_path(which, out, e);
    bool latest = strcmp(which, "latest") == 0;
    if (!latest && !run_suffix_valid(which))
        return err_set(e, ENOENT,
            "\"%.60s\" is not a backup; right would be latest, a run such as 2026-11-22-0315, or "
            "the path of an archive",
            which);
    struct store_list l;
    int r = store_read(folder, NULL, &l, e);
    if (r < 0)
        return r;
    const char *run = which;
    if (latest) {
        run = NULL;
        for (size_t i = 0; i < l.count && !run; i++)
            if (l.items[i].complete && (!type || strcmp(l.items[i].type, type) == 0))
                run = l.items[i].run;
    }
    if (run)
        keep_run(&l, run, type);
    if (!run || l.count == 0) {
        store_list_clear(&l);
        return err_set(e, ENOENT, "there is no %sbackup%s%s%s%s in %s", latest ? "complete " : "",
            latest ? "" : " ", latest ? "" : which, type ? " of type " : "", type ? type : "",
            folder);
    }
    *out = l;
    return 0;
}
