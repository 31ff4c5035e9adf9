#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "certs/cert_store.h"
#include "common/lang.h"

bool cert_store_is_later(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec > b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec > b->tv_nsec);
}

/* The generation that was made last, without the present one; NULL: none. By the folders' times,
 * since two of the same second are in no order by name. malloc'ed. */
static char *find_previous(const struct cert_store *s)
{
    char now[256] = "", *found = NULL;
    struct timespec newest = {0};
    const struct dirent *d;
    _cleanup_free_ char *parent = cert_store_path(s, "generations");
    _cleanup_free_ char *link = cert_store_path(s, "current");
    (void)!readlink(link, now, sizeof now - 1);
    DIR *all = opendir(parent);
    while (all != NULL && (d = readdir(all)) != NULL) {
        struct stat st;
        _cleanup_free_ char *name = xasprintf("generations/%s", d->d_name);
        _cleanup_free_ char *path = cert_store_path(s, name);
        if (d->d_name[0] == '.' || strcmp(name, now) == 0 || stat(path, &st) < 0 ||
            !cert_store_is_later(&st.st_mtim, &newest))
            continue;
        newest = st.st_mtim;
        free(found);
        found = xstrdup(path);
    }
    if (all != NULL)
        closedir(all);
    return found;
}

int cert_store_previous(const struct cert_store *s, struct cert_pair **out, struct err *e)
{
    _cleanup_free_ char *folder = find_previous(s);
    if (folder == NULL) {
        return err_set(e, ENOENT,
            N_("there is no earlier certificate in %s: none has been replaced yet"), s->dir);
    }
    _cleanup_free_ char *cert = xasprintf("%s/%s", folder, s->cert_name);
    _cleanup_free_ char *key = xasprintf("%s/%s", folder, s->key_name);
    return cert_pair_load(cert, key, out, e);
}
