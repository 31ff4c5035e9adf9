#include "backup/job/restore/pick.h"

#include <errno.h>
#include <string.h>
#include "common/exit_codes.h"
#include "common/lang.h"

static bool has_method(const struct store_list *l, enum manifest_method method)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->items[i].manifest.method == method)
            return true;
    return false;
}

bool restore_picked(const struct store_list *l, size_t i, const char *const *types)
{
    const struct store_item *it = &l->items[i];
    if (!*types)
        return it->manifest.method != MANIFEST_DUMP || !has_method(l, MANIFEST_PHYSICAL);
    for (; *types; types++)
        if (!strcmp(*types, it->type))
            return true;
    return false;
}

int restore_picked_dump(const struct store_list *l, const char *const *types,
    const struct store_item **dump, struct err *e)
{
    const struct store_item *other = NULL;
    *dump = NULL;
    for (size_t i = 0; i < l->count; i++) {
        if (!restore_picked(l, i, types))
            continue;
        if (l->items[i].complete && l->items[i].manifest.method == MANIFEST_DUMP)
            *dump = &l->items[i];
        else
            other = &l->items[i];
    }
    if (!*dump || !other)
        return 0;
    return err_outcome(e, EXIT_REFUSED, EINVAL,
        "%s of %s is a dump of the database, %s is not: a dump is restored by itself; first `elexgate restore %s %s`, then the others by their types",
        (*dump)->type, (*dump)->run, other->type, (*dump)->run, (*dump)->type);
}

int restore_picked_whole(const struct store_item *it, const char *which, struct err *e)
{
    if (it->complete)
        return 0;
    return err_outcome(e, EXIT_INCONSISTENT, EINVAL, "%s of %s is not complete: %s%s", it->type,
        it->run, err_words(&it->problem),
        strchr(which, '/')
            ? N_("; an archive of the old system, which made no manifests, is restored with --foreign")
            : "");
}
