#include "console/http/assets.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "common/file.h"

#define NAME_MAX_LEN 120
#define FILE_MAX     (8 * 1024 * 1024)

static int compare(const void *key, const void *asset)
{
    return strcmp(key, ((const struct asset *)asset)->name);
}

/* a/b/c.ext of letters, digits, - _ and . ; no part begins with a dot. */
static int good_name(const char *name)
{
    if (strlen(name) > NAME_MAX_LEN)
        return 0;
    for (const char *p = name; *p; p++) {
        int begins = p == name || p[-1] == '/';
        if (begins && !isalnum((unsigned char)*p))
            return 0;
        if (!isalnum((unsigned char)*p) && !strchr("-_./", *p))
            return 0;
    }
    return *name != '\0';
}

int asset_get(
    const char *dir, const char *name, const char **text, size_t *len, char **owned, struct err *e)
{
    *owned = NULL;
    if (!good_name(name))
        return err_set(e, ENOENT, "there is no such file");
    if (dir) {
        _cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
        int r = file_read(path, FILE_MAX, owned, len, e);
        *text = *owned;
        return r;
    }
    const struct asset *a = bsearch(
        name, embedded_assets, embedded_assets_count, sizeof embedded_assets[0], compare);
    if (!a)
        return err_set(e, ENOENT, "there is no file %s", name);
    *text = (const char *)a->data;
    *len = a->len;
    return 0;
}

const char *asset_type(const char *name)
{
    static const struct {
        const char *ending, *type;
    } types[] = {
        {".css", "text/css; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".mjs", "text/javascript; charset=utf-8"},
        {".json", "application/json"},
        {".svg", "image/svg+xml"},
        {".png", "image/png"},
        {".ico", "image/x-icon"},
        {".woff2", "font/woff2"},
        {".txt", "text/plain; charset=utf-8"},
        {".webmanifest", "application/manifest+json"},
    };
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof types / sizeof types[0]; i++)
        if (strcmp(dot, types[i].ending) == 0)
            return types[i].type;
    return NULL;
}
