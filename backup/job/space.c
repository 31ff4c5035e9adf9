#include "backup/job/space.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include "backup/archive/store.h"
#include "backup/job/method/layout.h"
#include "common/exit_codes.h"
#include "common/file.h"
#include "common/phrase.h"

/* The next archive is taken to be a tenth larger than the last; without one, half of its sources
 * (data directories deflate to 0.4). */
#define SPARE (32u << 20)

static bool last_size(const struct run *r, const char *type, uint64_t *size)
{
    struct store_list list;
    if (store_read(r->s.folder, type, &r->trust, &list, NULL) < 0)
        return false;
    bool found = false;
    for (size_t i = 0; i < list.count && !found; i++) {
        if (list.items[i].complete && standing_good(list.items[i].standing)) {
            *size = list.items[i].size;
            found = true;
        }
    }
    store_list_clear(&list);
    return found;
}

/* Where a type's data come from; NULL if that is not known without asking the server. */
static char *source_of(const struct run *r, const char *type, struct err *e)
{
    if (strcmp(type, r->s.physical_type) != 0 && strcmp(type, r->s.dump_type) != 0)
        return xstrdup(config_str(r->s.config, "data", type, "path"));
    const char *set = config_str(r->s.config, "backup", NULL, "datadir");
    if (set)
        return xstrdup(set);
    _cleanup_server_ struct server *s = NULL;
    char *folder = NULL;
    int code = server_connect(&r->s.target, "elexgate-job", &s, e);
    if (code == 0)
        code = server_text(s, &folder, e, "SELECT @@datadir");
    return code == 0 ? folder : NULL;
}

static bool lies_in(const char *path, const char *folder)
{
    char a[PATH_MAX], b[PATH_MAX];
    if (!realpath(path, a) || !realpath(folder, b))
        return false;
    size_t n = strlen(b);
    return strncmp(a, b, n) == 0 && (a[n] == '/' || a[n] == '\0');
}

static int add_type(struct run *r, const char *type, struct space_plan *plan, struct err *e)
{
    _cleanup_free_ char *source = source_of(r, type, e);
    if (!source)
        return e->code ? -e->code : -EIO;
    if (lies_in(r->s.folder, source))
        return err_outcome(e, EXIT_REFUSED, EINVAL,
            "the backup folder %s lies inside %s, which is to be backed up", r->s.folder, source);
    uint64_t size = 0, last = 0;
    bool dump = strcmp(type, r->s.dump_type) == 0;
    int code = layout_size(source, &size, dump ? NULL : e);
    if (code < 0 && !dump)
        return code;
    plan->sources += size;
    plan->needed += last_size(r, type, &last) ? last + last / 10 : size / 2;
    return 0;
}

static int judge(const char *folder, uint64_t needed, uint64_t space, struct err *e)
{
    if (space >= needed)
        return 0;
    _cleanup_free_ char *want = phrase_bytes_carried(needed), *have = phrase_bytes_carried(space);
    return err_outcome(e, EXIT_NO_SPACE, ENOSPC,
        "not enough space in %s: about %s are needed, %s are free", folder, want, have);
}

int space_check(struct run *r, const char *const *types, struct space_plan *plan, struct err *e)
{
    memset(plan, 0, sizeof *plan);
    int code = file_mkdirs(r->s.folder, 0700, e);
    for (size_t i = 0; code == 0 && types[i]; i++)
        code = add_type(r, types[i], plan, e);
    if (code != 0)
        return code;
    code = file_space(r->s.folder, &plan->free, e);
    return code < 0 ? code : judge(r->s.folder, plan->needed + SPARE, plan->free, e);
}

int space_for(const char *folder, uint64_t needed, struct err *e)
{
    uint64_t space;
    int code = file_space(folder, &space, e);
    return code < 0 ? code : judge(folder, needed, space, e);
}
