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
#include "backup/archive/medium.h"
#include "backup/archive/status_file.h"
#include "common/file.h"
#include "common/lang.h"
#include "common/utf8.h"

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
int store_each_name(const char *folder,
    int (*fn)(void *ctx, const char *name, const struct archive_name *n), void *ctx, struct err *e)
{
    _cleanup_dir_ DIR *d = opendir(folder);
    int r = 0;
    if (!d)
        return errno == ENOENT ? 0 : err_sys(e, errno, "cannot read the backup folder %s", folder);
    for (struct dirent *de; r == 0 && (errno = 0, de = readdir(d));) {
        struct archive_name n;
        if (archive_name_parse(de->d_name, &n))
            r = fn(ctx, de->d_name, &n);
    }
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

PRINTF(2, 3) static void problem(struct store_item *it, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)err_set_v(&it->problem, EBADMSG, fmt, ap);
    va_end(ap);
    it->complete = false;
}

/* What can be said without reading the archive. */
static void look_at(const char *folder, const struct trust *trust, struct store_item *it)
{
    struct err e = {0};
    struct manifest_seal seal = {0};
    struct stat st;
    _cleanup_free_ char *archive = store_path(folder, it, ARCHIVE_NAME_ARCHIVE);
    _cleanup_free_ char *plain = plain_manifest_path(folder, it);
    _cleanup_free_ char *full = store_path(folder, it, ARCHIVE_NAME_MANIFEST);

    it->complete = true;
    bool there = lstat(archive, &st) == 0 && S_ISREG(st.st_mode);
    it->size = there ? (uint64_t)st.st_size : 0;
    int r = manifest_file_head_read(plain, &it->manifest, &seal, it->digest, &e);
    /* A status that cannot be read, or that is not ours, says nothing: as if never verified. */
    struct status_subject about = {it->type, it->run, it->digest};
    struct err unread = {0};
    if (status_read(folder, &about, trust, &it->status, &unread) < 0)
        memset(&it->status, 0, sizeof it->status);
    memcpy(it->expect, it->encrypted ? it->manifest.full_sha256 : it->digest, sizeof it->expect);
    bool fits = strcmp(it->manifest.type, it->type) == 0 && strcmp(it->manifest.run, it->run) == 0;
    if (r == 0 && trust) /* under another name it is not what was sealed */
        it->standing = fits ? trust_standing(trust, &it->manifest, &seal, it->digest)
                            : STANDING_BROKEN;
    if (r == 0 && trust && fits && trust_is_own_key(trust, seal.key))
        it->sequence = it->manifest.sequence; /* of another's, it counts something else */
    if (r < 0) {
        if (access(plain, F_OK) < 0)
            problem(it, N_("the manifest is missing"));
        else
            problem(it, "%s", err_words(&e));
    } else if (!fits) {
        problem(it, N_("the manifest is that of %s_%s"), UTF8_SHORT(it->manifest.type, 40),
            it->manifest.run);
    } else if (!there) {
        problem(it, N_("the archive is missing"));
    } else if (it->size != it->manifest.archive.size) {
        problem(it, N_("the archive has %llu bytes, the manifest says %llu"),
            (unsigned long long)it->size, (unsigned long long)it->manifest.archive.size);
    } else if (it->encrypted && access(full, F_OK) < 0) {
        problem(it, N_("the encrypted manifest is missing"));
    } else if (it->encrypted != (it->manifest.archive.encryption != NULL)) {
        problem(it, N_("archive and manifest do not agree whether it is encrypted"));
    }
}

/* What is ours by its number, the others behind it. */
static int by_number(const void *a, const void *b)
{
    const struct store_item *x = a, *y = b;
    bool ox = standing_ours(x->standing), oy = standing_ours(y->standing);
    if (ox != oy)
        return ox ? -1 : 1;
    if (x->sequence != y->sequence)
        return x->sequence < y->sequence ? -1 : 1;
    return (x->order_ms > y->order_ms) - (x->order_ms < y->order_ms);
}

/* Newest first; what has no manifest last, by its name. */
static int order(const void *a, const void *b)
{
    const struct store_item *x = a, *y = b;
    if (x->order_ms != y->order_ms)
        return x->order_ms < y->order_ms ? 1 : -1;
    if (x->sequence != y->sequence)
        return x->sequence < y->sequence ? 1 : -1;
    int c = strcmp(y->run, x->run);
    return c != 0 ? c : strcmp(x->type, y->type);
}

/* A clock that fell back does not make a new backup an old one: of what is ours none stands before
 * one that was made earlier. */
static void sort_items(struct store_list *l)
{
    int64_t latest = INT64_MIN;
    if (l->count == 0)
        return;
    qsort(l->items, l->count, sizeof *l->items, by_number);
    for (size_t i = 0; i < l->count && standing_ours(l->items[i].standing); i++) {
        if (l->items[i].order_ms < latest)
            l->items[i].order_ms = latest;
        latest = l->items[i].order_ms;
    }
    qsort(l->items, l->count, sizeof *l->items, order);
}

/* What we have made on this medium and not removed must be there. */
static void add_gone(struct store_list *l, const char *type, const struct trust *trust)
{
    size_t n = 0;
    size_t *live = *l->medium ? ledger_live(&trust->ledger, l->medium, &n) : NULL;
    for (size_t i = 0; i < n; i++) {
        const struct ledger_entry *entry = &trust->ledger.entries[live[i]];
        struct archive_name name = {.kind = ARCHIVE_NAME_MANIFEST};
        if (type && strcmp(type, entry->type) != 0)
            continue;
        memcpy(name.type, entry->type, sizeof name.type);
        memcpy(name.run, entry->run, sizeof name.run);
        size_t before = l->count;
        struct store_item *it = item_of(l, &name);
        if (l->count == before && standing_ours(it->standing) &&
            strcmp(it->digest, entry->digest) == 0)
            continue;
        it->gone = l->count > before;
        it->standing = entry->what == LEDGER_ADOPTED ? STANDING_ADOPTED : STANDING_OWN;
        if (it->gone) {
            problem(it, N_("it is gone: this machine made it and did not remove it"));
        } else if (*it->digest) {
            it->standing = STANDING_REPLACED;
            problem(it, "%s", standing_words(STANDING_REPLACED));
        }
        it->sequence = entry->sequence;
        it->order_ms = it->manifest.started_ms ? it->manifest.started_ms : entry->at_ms;
    }
    free(live);
}

static void add_mark(struct store_item *it, const struct trust *trust)
{
    const struct ledger_entry *mark = ledger_mark(&trust->ledger, it->run);
    if (!mark || !standing_ours(it->standing))
        return;
    memcpy(it->label, mark->label, sizeof it->label);
    it->protected = mark->protected;
}

int store_read(const char *folder, const char *type, const struct trust *trust,
    struct store_list *out, struct err *e)
{
    struct reading r = {.type = type};
    int x = store_each_name(folder, collect, &r, e);
    if (x == 0)
        x = medium_read(folder, r.list.medium, e);
    if (x < 0) {
        store_list_clear(&r.list);
        return x;
    }
    for (size_t i = 0; i < r.list.count; i++) {
        look_at(folder, trust, &r.list.items[i]);
        r.list.items[i].order_ms = r.list.items[i].manifest.started_ms;
    }
    if (trust)
        add_gone(&r.list, type, trust);
    for (size_t i = 0; trust && i < r.list.count; i++)
        add_mark(&r.list.items[i], trust);
    sort_items(&r.list);
    r.list.folder = xstrdup(folder);
    *out = r.list;
    return 0;
}

const char *store_expect(const struct store_item *it)
{
    return *it->expect ? it->expect : NULL;
}

uint64_t store_sequence(const struct store_list *l)
{
    uint64_t highest = 0;
    for (size_t i = 0; i < l->count; i++) {
        const struct store_item *it = &l->items[i];
        uint64_t n = it->standing == STANDING_UNLISTED ? it->manifest.sequence
                     : standing_ours(it->standing)     ? it->sequence
                                                       : 0;
        if (n > highest)
            highest = n;
    }
    return highest;
}

void store_list_clear(struct store_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        manifest_clear(&l->items[i].manifest);
    free(l->items);
    free(l->folder);
    *l = (struct store_list){0};
}
