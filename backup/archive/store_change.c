/* The backup folder: how names are taken, and what goes. */
#include "backup/archive/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "backup/archive/medium.h"
#include "common/clock.h"
#include "common/utf8.h"

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
        int r = store_each_name(folder, suffix_taken, &s, e);
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

/* A name that no archive has: a status is never written as .part. */
static char *claim_path(const char *folder, const char *run)
{
    struct archive_name n = {.type = "elexgate", .kind = ARCHIVE_NAME_STATUS, .part = true};
    char name[ARCHIVE_NAME_LEN];
    snprintf(n.run, sizeof n.run, "%s", run);
    return xasprintf("%s/%s", folder, archive_name_format(&n, name));
}

int store_take_suffix(const char *folder, int64_t utc_s, const struct cron_zone *zone,
    const struct ledger *ledger, char out[static RUN_SUFFIX_LEN], struct err *e)
{
    char run[RUN_SUFFIX_LEN];
    run_suffix_format(utc_s, zone, run);
    for (int i = 0; i < 24 * 60; i++, run_suffix_next(run, run)) {
        struct suffix_search s = {run};
        if (ledger_began_run(ledger, run)) /* an old archive of ours could stand in for it */
            continue;
        int r = store_each_name(folder, suffix_taken, &s, e);
        if (r < 0)
            return r;
        if (r > 0)
            continue;
        _cleanup_free_ char *path = claim_path(folder, run);
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0 && errno != EEXIST) /* EEXIST: somebody was quicker */
            return err_sys(e, errno, "cannot make %s", path);
        if (fd < 0)
            continue;
        close(fd);
        memcpy(out, run, sizeof run);
        return 0;
    }
    return err_set(e, EEXIST, "every minute of a day is taken in %s", folder);
}

void store_give_suffix(const char *folder, const char *run)
{
    if (!run_suffix_valid(run))
        return;
    _cleanup_free_ char *path = claim_path(folder, run);
    (void)!unlink(path); /* what stays is cleaned by the next run */
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

/* So that it is not missed. Only what the ledger has is told. */
static int tell_ledger(
    const char *folder, const char *type, const char *run, struct trust *trust, struct err *e)
{
    struct ledger_entry gone = {.what = LEDGER_REMOVED};
    int r = trust ? medium_read(folder, gone.medium, e) : 1;
    const struct ledger_entry *n = trust && r >= 0
                                       ? ledger_find(&trust->ledger, type, run, NULL, gone.medium)
                                       : NULL;
    if (!n)
        return r < 0 ? r : 0;
    gone.sequence = n->sequence;
    snprintf(gone.type, sizeof gone.type, "%s", type);
    snprintf(gone.run, sizeof gone.run, "%s", run);
    return ledger_append(&trust->ledger, &gone, e);
}

int store_remove(
    const char *folder, const char *type, const char *run, struct trust *trust, struct err *e)
{
    if (!archive_type_valid(type) || !run_suffix_valid(run))
        return err_set(e, EINVAL, "\"%s\" of type \"%s\" is not a backup's name",
            UTF8_SHORT(run, 60), UTF8_SHORT(type, 60));
    _cleanup_fd_ int dirfd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dirfd < 0)
        return err_sys(e, errno, "cannot open the backup folder %s", folder);
    int r = tell_ledger(folder, type, run, trust, e);
    if (r == 0)
        r = remove_one(dirfd, type, run, ARCHIVE_NAME_MANIFEST, false, e);
    if (r == 0 && fsync(dirfd) < 0)
        r = err_sys(e, errno, "cannot write the folder %s to the disk", folder);
    if (r == 0)
        r = remove_one(dirfd, type, run, ARCHIVE_NAME_MANIFEST, true, e);
    for (int encrypted = 0; encrypted < 2 && r == 0; encrypted++)
        r = remove_one(dirfd, type, run, ARCHIVE_NAME_ARCHIVE, encrypted, e);
    return r == 0 ? remove_one(dirfd, type, run, ARCHIVE_NAME_STATUS, false, e) : r;
}

static struct generation generation_of(const struct store_item *it, const char *run)
{
    return (struct generation){.type = it->type,
        .sequence = it->sequence,
        .started_ms = it->manifest.started_ms,
        .ours = standing_ours(it->standing),
        .just_made = run && strcmp(it->run, run) == 0,
        .complete = it->complete && !(it->status.verified_ms && !it->status.verified_good),
        .protected = it->protected,
        .proven = it->status.proven_ms && it->status.proven_good,
        .bad = it->status.proven_ms && !it->status.proven_good,
        .owner = it};
}

int store_retention_plan(const struct store_list *l, const char *type,
    const struct store_retention *o, bool with_next, struct generation **out, struct err *e)
{
    struct generation *g = xcalloc(l->count + 1, sizeof *g);
    size_t n = l->count;
    for (size_t i = 0; i < n; i++)
        g[i] = generation_of(&l->items[i], o->run);
    const struct generation *future = retention_future(g, n, type, o->now_ms);
    int r = 0;
    if (future) {
        char when[CLOCK_ISO_LEN];
        err_set(e, EINVAL, "%s of %s says that it was made at %s, which lies in the future", type,
            ((const struct store_item *)future->owner)->run, clock_iso(future->started_ms, when));
        for (size_t i = 0; i < n; i++)
            g[i].kept_by = "future";
        r = 1;
    } else {
        if (with_next)
            g[n++] = (struct generation){.type = type,
                .sequence = UINT64_MAX,
                .started_ms = o->now_ms,
                .ours = true,
                .just_made = true,
                .complete = true};
        retention_apply(g, n, type, &o->policy, o->zone, true);
    }
    *out = g;
    return r;
}

int store_retain(const char *folder, const char *type, struct trust *trust,
    const struct store_retention *o, struct err *e)
{
    CLEANUP(store_list_clear) struct store_list l = {0};
    _cleanup_free_ struct generation *g = NULL;
    int r = store_read(folder, type, trust, &l, e);
    if (r < 0)
        return r;
    r = store_retention_plan(&l, type, o, false, &g, e);
    for (size_t i = 0; i < l.count && r == 0; i++) {
        if (g[i].kept_by)
            continue;
        const struct store_item *it = g[i].owner;
        r = store_remove(folder, it->type, it->run, trust, e);
        if (r == 0 && o->removed)
            o->removed(o->ctx, it->type, it->run);
    }
    return r;
}

#define ABANDONED_S INT64_C(86400) /* a part that nobody has written to for so long */

struct cleaning {
    const char *folder;
    const struct trust *trust;
    unsigned removed;
    struct err *e;
};

static int clean_part(void *ctx, const char *name, const struct archive_name *n)
{
    struct cleaning *c = ctx;
    struct stat st;
    if (!n->part)
        return 0;
    _cleanup_free_ char *path = xasprintf("%s/%s", c->folder, name);
    /* Another machine may be writing it just now. */
    if (!ledger_began_run(&c->trust->ledger, n->run) && lstat(path, &st) == 0 &&
        clock_wall_ms() / 1000 - st.st_mtime < ABANDONED_S)
        return 0;
    if (unlink(path) < 0 && errno != ENOENT)
        return err_sys(c->e, errno, "cannot remove %s", path);
    c->removed++;
    return 0;
}

int store_clean_parts(const char *folder, const struct trust *trust, unsigned *n, struct err *e)
{
    struct cleaning c = {folder, trust, 0, e};
    int r = store_each_name(folder, clean_part, &c, e);
    *n = c.removed;
    return r;
}
