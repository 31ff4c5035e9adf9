/* The backup folder: which archives a request means. */
#include "backup/archive/store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "common/utf8.h"
#include "common/error_phrase.h"

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

/* What nobody vouches for does not come by itself. */
static json_t *not_taken(const struct store_item *it)
{
    json_t *said = phrase(
        "%s of %s is not taken: %s; whoever knows where it comes from says --foreign, or takes it over after a check with `elexgate backups adopt %s`",
        it->type, it->run, "", it->run);
    phrase_set(said, 2, phrase_of(standing_words(it->standing)));
    return said;
}

static int keep_trusted(struct store_list *l, bool foreign, struct err *e)
{
    size_t kept = 0;
    for (size_t i = 0; i < l->count; i++) {
        struct store_item *it = &l->items[i];
        /* without a manifest that can be read it is not complete, and so never used */
        if (foreign || standing_good(it->standing) || !*it->digest) {
            struct store_item copy = *it;
            l->items[kept++] = copy;
            continue;
        }
        l->left_out_for = it->standing;
        l->left_out++;
        if (kept == 0)
            (void)error_phrase_set(e, EPERM, not_taken(it));
        manifest_clear(&it->manifest);
    }
    l->count = kept;
    return kept > 0 ? 0 : -EPERM;
}

/* l to *out, unless something went wrong. */
static int give_trusted(
    int r, struct store_list *l, bool foreign, struct store_list *out, struct err *e)
{
    if (r == 0)
        r = keep_trusted(l, foreign, e);
    if (r < 0)
        store_list_clear(l);
    else
        *out = *l;
    return r;
}

static int find_by_path(const char *path, const struct trust *trust, bool foreign,
    struct store_list *out, struct err *e)
{
    struct archive_name n;
    struct store_list l;
    const char *slash = strrchr(path, '/');
    if (!archive_name_parse(slash ? slash + 1 : path, &n) || n.part)
        return err_set(e, ENOENT,
            N_("%s is not the name of an archive of Elexgate (TYPE_YYYY-MM-DD-HHmm.tar.gz)"),
            UTF8_SHORT(path, 300));
    _cleanup_free_ char *folder = slash ? xstrdup(path) : xstrdup(".");
    if (slash)
        folder[slash - path + (slash == path)] = 0;
    int r = store_read(folder, n.type, trust, &l, e);
    if (r < 0)
        return r;
    keep_run(&l, n.run, n.type);
    if (l.count == 0)
        r = err_set(e, ENOENT, N_("%s does not exist"), UTF8_SHORT(path, 300));
    return give_trusted(r, &l, foreign, out, e);
}

/* The newest run that is meant by "latest": the list is in order. NULL: none. */
static const char *latest_run(const struct store_list *l, const char *type, bool foreign)
{
    const char *ours = NULL, *trusted = NULL, *any = NULL;
    for (size_t i = 0; i < l->count; i++) {
        const struct store_item *it = &l->items[i];
        if (type && strcmp(it->type, type) != 0)
            continue;
        if (!ours && standing_ours(it->standing))
            ours = it->run;
        if (!trusted && it->standing == STANDING_TRUSTED)
            trusted = it->run;
        if (!any && it->complete)
            any = it->run;
    }
    return ours ? ours : trusted ? trusted : foreign ? any : NULL;
}

static int no_latest(
    const struct store_list *l, const char *folder, const char *type, struct err *e)
{
    size_t others = 0;
    for (size_t i = 0; i < l->count; i++)
        others += l->items[i].complete && (!type || strcmp(l->items[i].type, type) == 0);
    if (others == 0)
        return type ? err_set(e, ENOENT, N_("there is no complete backup of type %s in %s"), type,
                          folder)
                    : err_set(e, ENOENT, N_("there is no complete backup in %s"), folder);
    return err_set(e, EPERM,
        N_("no backup in %s is sealed by this installation; %zu others lie there (`elexgate backups`): bring our key back with `elexgate backup-key import`, or name one and say --foreign"),
        folder, others);
}

int store_find(const char *folder, const char *which, const char *type, const struct trust *trust,
    bool foreign, struct store_list *out, struct err *e)
{
    if (strchr(which, '/') || strstr(which, ".tar.gz") || strstr(which, ".json"))
        return find_by_path(which, trust, foreign, out, e);
    bool latest = strcmp(which, "latest") == 0;
    if (!latest && !run_suffix_valid(which))
        return err_set(e, ENOENT,
            N_("\"%s\" is not a backup; right would be latest, a run such as 2026-11-22-0315, or the path of an archive"),
            UTF8_SHORT(which, 60));
    struct store_list l;
    int r = store_read(folder, NULL, trust, &l, e);
    if (r < 0)
        return r;
    const char *run = latest ? latest_run(&l, type, foreign) : which;
    if (!run)
        r = no_latest(&l, folder, type, e);
    if (run)
        keep_run(&l, run, type);
    if (run && l.count == 0)
        r = type ? err_set(
                       e, ENOENT, N_("there is no backup %s of type %s in %s"), which, type, folder)
                 : err_set(e, ENOENT, N_("there is no backup %s in %s"), which, folder);
    return give_trusted(r, &l, foreign, out, e);
}
