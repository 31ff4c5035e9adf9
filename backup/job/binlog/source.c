#include "backup/job/binlog/source.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "backup/job/binlog/follow.h"
#include "backup/server/binlog_client.h"
#include "backup/server/dialect.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/json_get.h"
#include "common/json_lines.h"
#include "common/lang.h"

#define FILES_MAX 100000

static int variable_is(
    struct server *s, const char *name, const char *value, bool *is, struct err *e)
{
    _cleanup_free_ char *have = NULL;
    int r = server_variable(s, name, &have, e);
    *is = r == 0 && have && strcasecmp(have, value) == 0;
    return r;
}

static int can_be_followed(struct server *s, struct err *e)
{
    bool on = false, encrypted = false, row = false;
    _cleanup_free_ char *engine = NULL;
    int r = dialect_needs_mariadb(s, N_("the archived binary log"), e);
    if (r == 0)
        r = variable_is(s, "log_bin", "ON", &on, e);
    if (r == 0)
        r = variable_is(s, "encrypt_binlog", "ON", &encrypted, e);
    if (r == 0)
        r = variable_is(s, "binlog_format", "ROW", &row, e);
    if (r == 0)
        r = server_variable(s, "binlog_storage_engine", &engine, e);
    if (r < 0)
        return r;
    if (!on)
        return err_set(e, ENOTSUP,
            "the server writes no binary log: `elexgate doctor` has the lines for its configuration");
    if (encrypted)
        return err_set(e, ENOTSUP,
            "the server encrypts its binary log (encrypt_binlog), which cannot be archived: the archive has its own encryption, [archive] recipients");
    if (!row) /* what anybody wrote would be run again with all rights, and what it calls, too */
        return err_set(e, ENOTSUP,
            "the server's binlog_format is not ROW: what it logs as statements cannot be replayed with certainty");
    if (engine && *engine)
        return err_set(e, ENOTSUP,
            "the server keeps its binary log in a storage engine (binlog_storage_engine), which this version of Elexgate does not read");
    return 0;
}

static int take_file(void *ctx, const struct server_row *row, struct err *e)
{
    struct binlog_source *s = ctx;
    uint64_t number;
    if (row->n < 2 || !row->text[0] || !row->text[1] || !binlog_name_valid(row->text[0], &number))
        return err_set(e, ENOTSUP,
            "the server's binary logs have a name that cannot be used: letters, digits, . _ and - are");
    if (s->n == FILES_MAX)
        return err_set(e, E2BIG, "the server has too many binary logs");
    s->files = xrealloc(s->files, (s->n + 1) * sizeof *s->files);
    struct binlog_file *f = &s->files[s->n++];
    snprintf(f->name, sizeof f->name, "%s", row->text[0]);
    f->size = strtoull(row->text[1], NULL, 10);
    return 0;
}

/* --- the marker of a restore --- */

static char *marker(const struct run *r)
{
    return xasprintf("%s/binlog-restored.json", r->s.state_dir);
}

int binlog_mark_restored(const struct run *r, const struct binlog_place *place, struct err *e)
{
    _cleanup_free_ char *path = marker(r);
    if (!place)
        return unlink(path) == 0 || errno == ENOENT ? 0
                                                    : err_sys(e, errno, "cannot remove %s", path);
    size_t n;
    json_t *o = json_pack("{s:i, s:s, s:I, s:I}", "timeline", (int)place->timeline, "file",
        place->file, "position", (json_int_t)place->position, "at",
        (json_int_t)(clock_wall_ms() / 1000));
    _cleanup_free_ char *line = json_line(o, &n);
    json_decref(o);
    return file_publish(path, line, n, 0600, e);
}

bool binlog_restore_pending(const struct run *r)
{
    _cleanup_free_ char *path = marker(r);
    return access(path, F_OK) == 0;
}

void binlog_source_settled(const struct run *r)
{
    _cleanup_free_ char *path = marker(r);
    (void)unlink(path);
}

static void read_marker(const struct run *r, struct binlog_source *s)
{
    _cleanup_free_ char *path = marker(r), *text = NULL;
    size_t n;
    const char *file = NULL;
    int timeline = 0;
    json_int_t position = 0;
    uint64_t number;
    if (file_read(path, 4096, &text, &n, NULL) < 0)
        return;
    s->restored = true;
    _cleanup_json_ json_t *o = json_loadb(text, n, 0, NULL);
    s->restored_at = json_get_int(o, "at");
    if (json_unpack(o, "{s:i, s:s, s:I}", "timeline", &timeline, "file", &file, "position",
            &position) == 0 &&
        timeline > 0 && position >= 0 && binlog_name_valid(file, &number)) {
        s->has_parent = true;
        s->parent.timeline = (uint32_t)timeline;
        s->parent.position = (uint64_t)position;
        snprintf(s->parent.file, sizeof s->parent.file, "%s", file);
    }
}

/* --- where it goes on --- */

/* Nothing is archived yet: the newest backup is where anybody would want to go on from. */
static char *start_file(struct run *r)
{
    CLEANUP(store_list_clear) struct store_list all = {0};
    char *file = NULL;
    if (store_read(r->s.folder, NULL, &r->trust, &all, NULL) < 0)
        return NULL;
    for (size_t i = 0; i < all.count && !file; i++)
        if (all.items[i].complete && all.items[i].manifest.server.binlog.file[0])
            file = xstrdup(all.items[i].manifest.server.binlog.file);
    return file;
}

/* The first file that the server wrote since the data were exchanged: it was restarted for that,
 * and what lies before came back with the data. malloc'ed, NULL = none can be told. */
static char *file_since(struct run *r, const struct binlog_source *s)
{
    size_t i = s->n;
    uint32_t created;
    uint32_t id = (uint32_t)config_int(r->s.config, "binlog", NULL, "server_id");
    while (i > 0 &&
           binlog_client_created(&r->s.target, id, s->files[i - 1].name, &created, NULL) == 0 &&
           created >= s->restored_at)
        i--;
    return i < s->n ? xstrdup(s->files[i].name) : NULL;
}

static int decide(
    struct run *r, const struct binlog_segment *have, struct binlog_source *s, struct err *e)
{
    struct binlog_question q = {
        .have = have, .restored = s->restored, .files = s->files, .n = s->n};
    bool there = false;
    for (size_t i = 0; have && i < s->n; i++)
        there |= strcmp(s->files[i].name, have->file) == 0;
    _cleanup_free_ char *start = s->restored ? file_since(r, s) : have ? NULL : start_file(r);
    q.start = start;
    if (there) {
        int code = binlog_client_created(&r->s.target,
            (uint32_t)config_int(r->s.config, "binlog", NULL, "server_id"), have->file, &q.created,
            e);
        if (code < 0)
            return code;
    }
    s->decision = binlog_decide(&q);
    return 0;
}

int binlog_source_look(
    struct run *r, const struct binlog_segment *have, struct binlog_source *out, struct err *e)
{
    struct binlog_source s = {.n = 0};
    struct server *server = NULL;
    int code = server_connect(&r->s.target, "elexgate-job", &server, e);
    if (code == 0)
        code = can_be_followed(server, e);
    if (code == 0)
        code = server_rows(server, take_file, &s, e, "SHOW BINARY LOGS");
    server_close(server);
    if (code == 0 && s.n == 0)
        code = err_set(e, ENOTSUP, "the server has no binary log");
    if (code == 0) {
        read_marker(r, &s);
        code = decide(r, have, &s, e);
    }
    if (code < 0) {
        binlog_source_clear(&s);
        return code;
    }
    *out = s;
    return 0;
}

void binlog_source_clear(struct binlog_source *s)
{
    free(s->files);
    memset(s, 0, sizeof *s);
}
