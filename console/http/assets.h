/*
 * Pages, texts, style sheets and scripts: within the program, or with --assets DIR from that folder
 * at each request, so that a page can be changed without building.
 */
#ifndef ELEXGATE_CONSOLE_HTTP_ASSETS_H
#define ELEXGATE_CONSOLE_HTTP_ASSETS_H

#include <stddef.h>
#include "common/error.h"

struct asset {
    const char *name; /* "pages/overview.html" */
    const unsigned char *data;
    size_t len;
};

/* Made by embed.py; sorted by name. */
extern const struct asset embedded_assets[];
extern const size_t embedded_assets_count;
/* Changes with every file; in the addresses of assets, so that browsers may keep them for ever. */
extern const char embedded_assets_version[];

/* dir NULL: what is embedded. The text has a NUL behind it. *owned is what the caller frees, or
 * NULL. -ENOENT, also for names that are no plain relative path. */
int asset_get(const char *dir, const char *name, const char **text, size_t *len, char **owned,
    struct err *e) MUSTCHECK;

/* "text/css; charset=utf-8" and so on by the ending; NULL for endings that are not served. */
const char *asset_type(const char *name);

#endif
