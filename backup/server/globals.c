#include "backup/server/globals.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "common/file.h"
#include "common/json_get.h"

#define JOURNAL_MAX 65536

struct globals {
    char *path;
    json_t *values; /* array of {"name","value"}, in the order of the changes */
};

/* What goes into a SET statement unquoted: numbers and words. The journal is a file, and a file can
 * be damaged. */
static bool plain_word(const char *s)
{
    if (!s || !*s || strlen(s) > 64)
        return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && *s != '_' && *s != '.' && *s != '-')
            return false;
    return true;
}

static int save(struct globals *g, struct err *e)
{
    if (json_array_size(g->values) == 0) {
        if (unlink(g->path) < 0 && errno != ENOENT)
            return err_sys(e, errno, "cannot remove %s", g->path);
        return file_sync_parent(g->path, e);
    }
    _cleanup_free_ char *text = json_dumps(g->values, JSON_COMPACT);
    CHECK(text);
    return file_publish(g->path, text, strlen(text), 0600, e);
}

static int load(struct globals *g, struct err *e)
{
    _cleanup_free_ char *text = NULL;
    size_t len = 0;
    int r = file_read(g->path, JOURNAL_MAX, &text, &len, e);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return r;
    json_t *values = json_loadb(text, len, 0, NULL);
    size_t i;
    json_t *item;
    json_array_foreach (values, i, item) {
        const char *name = json_get_str(item, "name");
        const char *value = json_get_str(item, "value");
        if (!plain_word(name) || !plain_word(value)) {
            json_decref(values);
            values = NULL;
            break;
        }
    }
    if (!json_is_array(values)) {
        json_decref(values);
        return err_set(e, EBADMSG,
            "%s does not hold remembered server settings; compare the server's global variables with its configuration, then remove the file",
            g->path);
    }
    json_decref(g->values);
    g->values = values;
    return 0;
}

static size_t find_setting(const struct globals *g, const char *name)
{
    size_t i;
    json_t *item;
    json_array_foreach (g->values, i, item)
        if (strcmp(json_get_str(item, "name"), name) == 0)
            return i;
    return SIZE_MAX;
}

static int put_back(struct globals *g, struct server *s, size_t i, struct err *e)
{
    json_t *item = json_array_get(g->values, i);
    int r = server_exec(
        s, e, "SET GLOBAL %s=%s", json_get_str(item, "name"), json_get_str(item, "value"));
    if (r == 0)
        json_array_remove(g->values, i);
    return r;
}

int globals_open(
    struct server *s, const char *path, struct globals **out, unsigned *count, struct err *e)
{
    struct globals *g = xcalloc(1, sizeof *g);
    g->path = xstrdup(path);
    g->values = json_array();
    int r = load(g, e);
    size_t found = json_array_size(g->values);
    if (r == 0 && found > 0)
        r = globals_restore(g, s, e);
    if (r < 0) {
        globals_close(g);
        return r;
    }
    if (count)
        *count = (unsigned)found;
    *out = g;
    return 0;
}

int globals_set(
    struct globals *g, struct server *s, const char *name, const char *value, struct err *e)
{
    _cleanup_free_ char *now = NULL;
    int r = server_variable(s, name, &now, e);
    if (r < 0)
        return r;
    if (!now)
        return 1;
    if (strcasecmp(now, value) == 0)
        return 0;
    if (!plain_word(now))
        return err_set(e, EINVAL, "cannot remember %s=\"%s\"", name, now);
    if (find_setting(g, name) == SIZE_MAX) {
        json_array_append_new(g->values, json_pack("{ssss}", "name", name, "value", now));
        r = save(g, e);
        if (r < 0)
            return r;
    }
    return server_exec(s, e, "SET GLOBAL %s=%s", name, value);
}

int globals_restore_one(struct globals *g, struct server *s, const char *name, struct err *e)
{
    size_t i = find_setting(g, name);
    if (i == SIZE_MAX)
        return 0;
    int r = put_back(g, s, i, e);
    return r < 0 ? r : save(g, e);
}

int globals_restore(struct globals *g, struct server *s, struct err *e)
{
    size_t n;
    while ((n = json_array_size(g->values)) > 0) {
        int r = put_back(g, s, n - 1, e);
        if (r < 0)
            return err_prefix(e, r, "cannot put back the server's settings (kept in %s)", g->path);
    }
    return save(g, e);
}

void globals_close(struct globals *g)
{
    if (!g)
        return;
    json_decref(g->values);
    free(g->path);
    free(g);
}

int globals_recover(struct server *s, const char *path, unsigned *count, struct err *e)
{
    struct globals *g = NULL;
    int r = globals_open(s, path, &g, count, e);
    globals_close(g);
    return r;
}
