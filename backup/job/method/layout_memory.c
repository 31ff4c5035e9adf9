#include "backup/job/method/layout_memory.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include "backup/job/run.h"
#include "common/file.h"
#include "common/json_lines.h"
#include "common/json_get.h"

#define MEMORY_MAX (1u << 20)

static char *memory_path(const struct backup_settings *s)
{
    return xasprintf("%s/server.json", s->state_dir);
}

void layout_remember(const struct backup_settings *s, struct server *server, const struct layout *l)
{
    struct stat st;
    struct err e = {0};
    size_t n;
    _cleanup_free_ char *path = memory_path(s), *where = server_where(&s->target), *account = NULL;
    if (stat(l->datadir, &st) < 0 || server_text(server, &account, NULL, "SELECT CURRENT_USER()"))
        return;
    _cleanup_json_ json_t *o = json_pack(
        "{s:i, s:s, s:s, s:i, s:i, s:O?, s:s, s:s?, s:I, s:I, s:i}", "version", 1, "datadir",
        l->datadir, "server", l->version, "page_size", (int)l->page_size, "lower_case_table_names",
        l->lower_case_table_names, "settings", l->settings, "where", where, "account", account,
        "uid", (json_int_t)st.st_uid, "gid", (json_int_t)st.st_gid, "mode",
        (int)(st.st_mode & 07777));
    _cleanup_free_ char *line = json_line(o, &n);
    if (file_publish(path, line, n, 0600, &e) < 0)
        run_tell(&e);
}

int layout_recall(const struct backup_settings *s, struct layout_memory *out, struct err *e)
{
    _cleanup_free_ char *path = memory_path(s), *text = NULL;
    size_t len = 0;
    const char *datadir, *version, *where;
    int page_size, lower, mode;
    json_int_t uid, gid;
    int code = file_read(path, MEMORY_MAX, &text, &len, e);
    if (code < 0)
        return code == -ENOENT ? 1 : code;
    _cleanup_json_ json_t *o = json_loadb(text, len, 0, NULL);
    if (!o ||
        json_unpack(o, "{s:s, s:s, s:s, s:i, s:i, s:i, s:I, s:I}", "datadir", &datadir, "server",
            &version, "where", &where, "page_size", &page_size, "lower_case_table_names", &lower,
            "mode", &mode, "uid", &uid, "gid", &gid) < 0 ||
        *datadir != '/' || page_size <= 0)
        return 1; /* it is only a memory */
    const char *account = json_get_str(o, "account");
    json_t *settings = json_object_get(o, "settings");
    *out = (struct layout_memory){
        .layout = {.datadir = xstrdup(datadir),
            .version = xstrdup(version),
            .page_size = (uint32_t)page_size,
            .lower_case_table_names = lower,
            .settings = json_is_object(settings) ? json_incref(settings) : json_object()},
        .where = xstrdup(where),
        .account = account ? xstrdup(account) : NULL,
        .uid = (uid_t)uid,
        .gid = (gid_t)gid,
        .mode = (mode_t)mode & 07777};
    return 0;
}

void layout_memory_clear(struct layout_memory *m)
{
    layout_clear(&m->layout);
    free(m->where);
    free(m->account);
    memset(m, 0, sizeof *m);
}
