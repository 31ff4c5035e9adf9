#include "backup/job/restore/foreign.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/file.h"
#include "common/lang.h"

#define RESERVE    (1024u << 20) /* the live server goes on working while we unpack */
#define DEPTH_MAX  5             /* "var/lib/mysql/", "volumes/elexis/_data/" */
#define FILE_OF_DB "ibdata1"     /* every data directory has it */

static bool has_manifest(const char *path)
{
    size_t n = strlen(path);
    if (n < 7 || strcmp(path + n - 7, ".tar.gz") != 0)
        return false;
    _cleanup_free_ char *manifest = xasprintf("%.*s.manifest.json", (int)(n - 7), path);
    return access(manifest, F_OK) == 0;
}

/* The newest run that has the one type asked for need not be the newest of all. */
static const char *only_type(const struct restore_request *q)
{
    return q->types[0] && !q->types[1] ? q->types[0] : NULL;
}

int restore_find(
    struct run *run, const struct restore_request *q, struct store_list *out, struct err *e)
{
    struct stat st;
    if (!q->foreign || !strchr(q->which, '/') || has_manifest(q->which))
        return run_find(run, q->which, only_type(q), q->foreign, out, e);
    if (stat(q->which, &st) < 0)
        return err_sys(e, errno, "cannot find %s", q->which);
    if (!S_ISREG(st.st_mode))
        return err_set(e, EINVAL, "%s is no file", q->which);
    const char *type = q->types[0] ? q->types[0] : run->s.physical_type;
    struct store_item *it = xcalloc(1, sizeof *it);
    snprintf(it->type, sizeof it->type, "%s", type);
    it->complete = true;
    it->size = (uint64_t)st.st_size;
    it->manifest.method = strcmp(type, run->s.physical_type) == 0 ? MANIFEST_PHYSICAL
                                                                  : MANIFEST_FILES;
    *out = (struct store_list){.items = it, .count = 1};
    return 0;
}

uint64_t restore_foreign_limit(const char *root)
{
    uint64_t space = 0;
    if (file_space(root, &space, NULL) < 0)
        return 1;
    uint64_t reserve = space / 4 < RESERVE ? space / 4 : RESERVE;
    return space > reserve ? space - reserve : 1; /* 0 would mean no limit of its own */
}

/* The one folder in a folder that has nothing else, malloc'ed; NULL otherwise. */
static char *only_folder(const char *path)
{
    char *found = NULL;
    struct stat st;
    _cleanup_dir_ DIR *d = opendir(path);
    const struct dirent *de;
    while (d && (de = readdir(d))) {
        if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
            continue;
        if (found || fstatat(dirfd(d), de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            !S_ISDIR(st.st_mode)) {
            free(found);
            found = NULL;
            break;
        }
        found = xasprintf("%s/%s", path, de->d_name);
    }
    return found;
}

static bool holds_data(const char *path)
{
    _cleanup_free_ char *file = xasprintf("%s/%s", path, FILE_OF_DB);
    return access(file, F_OK) == 0;
}

int restore_foreign_flatten(const char *root, const char *name, struct err *e)
{
    _cleanup_free_ char *fresh = xasprintf("%s/%s", root, name),
                        *wrap = xasprintf("%s/.wrap", root);
    _cleanup_free_ char *at = xstrdup(fresh);
    for (int depth = 0; !holds_data(at); depth++) {
        char *in = depth < DEPTH_MAX ? only_folder(at) : NULL;
        if (!in)
            return err_set(e, EINVAL,
                "the archive holds no data directory of a server: no " FILE_OF_DB N_(
                    " at its top, nor in the one folder that it has"));
        free(at);
        at = in;
    }
    if (!strcmp(at, fresh))
        return 0;
    /* NAME/a/b -> NAME: the wrapping goes aside, its content comes up */
    _cleanup_free_ char *inner = xasprintf("%s%s", wrap, at + strlen(fresh));
    if (rename(fresh, wrap) < 0 || rename(inner, fresh) < 0)
        return err_sys(e, errno, "cannot move %s", at);
    return file_remove_path(wrap, e);
}
