/*
 * Further data types: a folder of documents, images, settings, archived as it is.
 */
#include "backup/job/run.h"

#include <fnmatch.h>
#include <string.h>
#include "common/error_phrase.h"

struct data {
    const char *const *include, *const *exclude;
};

/* A pattern with a slash is compared with the whole path, one without with the last part. `*` also
 * matches slashes. */
static bool matches(const char *const *patterns, const char *path)
{
    const char *last = strrchr(path, '/');
    last = last ? last + 1 : path;
    for (; *patterns; patterns++)
        if (fnmatch(*patterns, strchr(*patterns, '/') ? path : last, 0) == 0)
            return true;
    return false;
}

static enum pack_select choose(void *ctx, const char *path, const struct stat *st)
{
    const struct data *d = ctx;
    if (matches(d->exclude, path))
        return PACK_SKIP;
    if (*d->include && !S_ISDIR(st->st_mode) && !matches(d->include, path))
        return PACK_SKIP;
    return PACK_TAKE;
}

int data_backup(struct run *r, const char *name, struct err *e)
{
    const struct config *c = r->s.config;
    const char *path = config_str(c, "data", name, "path");
    struct data d = {.include = config_list(c, "data", name, "include"),
        .exclude = config_list(c, "data", name, "exclude")};
    struct pack_options o = run_pack_options(r, name, false);
    struct manifest m;
    struct pack *p = NULL;
    run_manifest(r, &m, MANIFEST_FILES);
    m.info = json_pack("{ss}", "path", path);
    run_phase(r, name, "copy", 0);
    run_be_modest(r);
    int code = pack_open(&o, &p, e);
    if (code == 0)
        code = pack_tree(p, path, "", choose, &d, e);
    struct err first = {0};
    uint64_t left_out = code == 0 ? pack_left_out(p, &first) : 0;
    if (left_out) {
        json_object_set_new(m.info, "left_out", json_integer((json_int_t)left_out));
        json_t *part = json_pack("{sI}", "files", (json_int_t)left_out);
        error_phrase_put_as(part, "first", &first);
        json_object_set_new(r->incomplete, name, part);
    }
    code = code == 0 ? run_publish(r, p, &m, left_out ? "incomplete" : "files", e)
                     : run_pack_result(code, e);
    manifest_clear(&m);
    pack_drop(p);
    return code;
}
