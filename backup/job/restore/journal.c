#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "backup/job/restore/restore.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/json_lines.h"
#include "common/json_get.h"
#include "common/utf8.h"

#define JOURNAL_MAX (16u << 20)
#define SPARE_BYTES (1u << 20)

static const char *const phases[RESTORE_PHASES] = {
    "staging", "blocked", "swapping", "starting", "undoing", "kept"};

const char *restore_phase_name(enum restore_phase p)
{
    return phases[p];
}

static json_t *parts_json(const struct restore *r)
{
    json_t *array = json_array();
    for (size_t i = 0; i < r->n; i++) {
        const struct restore_part *p = &r->parts[i];
        (void)json_array_append_new(
            array, json_pack("{s:s, s:b, s:s, s:s, s:o}", "type", p->type, "database", p->database,
                       "live", p->live, "root", p->root, "entries", swap_to_json(&p->swap)));
    }
    return array;
}

static char *spare_path(const struct restore *r)
{
    return xasprintf("%s.spare", r->journal);
}

/* Room for the journal's next lines: a disk that fills up in the middle of a restore must not keep
 * it from saying how far it got. Without it works too, as long as there is room. */
static void keep_spare(const char *path)
{
    _cleanup_fd_ int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0 && posix_fallocate(fd, 0, SPARE_BYTES) != 0)
        (void)unlink(path);
}

int restore_journal_save(struct restore *r, enum restore_phase phase, struct err *e)
{
    _cleanup_json_ json_t *o = json_pack(
        "{s:i, s:s, s:s, s:I, s:b, s:b, s:b, s:b, s:o, s:O?, s:O?, s:O?, s:i, s:b}", "version", 1,
        "phase", phases[phase], "run", r->suffix, "started_ms", (json_int_t)r->started_ms,
        "new_live", r->new_live, "target_new", r->target_new, "again", r->again, "clients_out",
        r->clients_out, "parts", parts_json(r), "addresses", r->addresses, "broken_old",
        r->broken[0], "broken_new", r->broken[1], "before", (int)r->before, "made_live",
        r->made_live);
    (void)json_object_set_new(o, "server_old", json_text(r->server[0]));
    (void)json_object_set_new(o, "server_new", json_text(r->server[1]));
    if (r->beside)
        (void)json_object_set(o, "beside", r->beside);
    size_t n;
    _cleanup_free_ char *line = json_line(o, &n);
    _cleanup_free_ char *spare = spare_path(r);
    if (phase == RESTORE_STAGING || phase == RESTORE_BLOCKED)
        keep_spare(spare);
    int code = file_publish(r->journal, line, n, 0600, e);
    if ((code == -ENOSPC || code == -EDQUOT) && unlink(spare) == 0)
        code = file_publish(r->journal, line, n, 0600, e);
    if (code == 0 && phase == RESTORE_KEPT)
        (void)unlink(spare);
    if (code == 0)
        r->phase = phase;
    return code;
}

static int phase_of(const char *name)
{
    for (int i = 0; i < RESTORE_PHASES; i++)
        if (!strcmp(phases[i], name))
            return i;
    return -1;
}

static int load_part(struct restore *r, const json_t *j, struct err *e)
{
    const char *type, *live, *root;
    int database;
    json_t *entries;
    if (r->n == RESTORE_PARTS_MAX ||
        json_unpack((json_t *)(uintptr_t)j, "{s:s, s:b, s:s, s:s, s:o}", "type", &type, "database",
            &database, "live", &live, "root", &root, "entries", &entries) < 0)
        return err_set(e, EINVAL, "the restore's journal %s is damaged", r->journal);
    struct restore_part *p = &r->parts[r->n];
    int code = swap_from_json(entries, &p->swap, e);
    if (code < 0)
        return code;
    snprintf(p->type, sizeof p->type, "%s", type);
    p->database = database;
    p->live = xstrdup(live);
    p->root = xstrdup(root);
    r->n++;
    return 0;
}

static json_t *take_object(const json_t *o, const char *key)
{
    json_t *v = json_object_get(o, key);
    return json_is_object(v) ? json_incref(v) : NULL;
}

int restore_journal_load(struct restore *r, struct err *e)
{
    _cleanup_free_ char *text = NULL;
    size_t n = 0, i;
    int code = file_read(r->journal, JOURNAL_MAX, &text, &n, e);
    if (code == -ENOENT)
        return 1;
    if (code < 0)
        return code;
    const char *phase, *suffix;
    json_int_t started;
    int new_live, target_new, again;
    _cleanup_json_ json_t *o = json_loadb(text, n, 0, NULL);
    json_t *parts, *part;
    if (!o ||
        json_unpack(o, "{s:s, s:s, s:I, s:b, s:b, s:b, s:o}", "phase", &phase, "run", &suffix,
            "started_ms", &started, "new_live", &new_live, "target_new", &target_new, "again",
            &again, "parts", &parts) < 0 ||
        phase_of(phase) < 0)
        return err_set(e, EINVAL, "the restore's journal %s is damaged", r->journal);
    r->phase = (enum restore_phase)phase_of(phase);
    r->started_ms = started;
    r->new_live = new_live;
    r->target_new = target_new;
    r->again = again;
    r->clients_out = json_get_true(o, "clients_out");
    snprintf(r->suffix, sizeof r->suffix, "%s", suffix);
    r->addresses = json_incref(json_object_get(o, "addresses"));
    json_int_t before = json_get_int(o, "before");
    r->before = before == RESTORE_RAN || before == RESTORE_DEAD ? (enum restore_before)before
                                                                : RESTORE_ANSWERED;
    r->made_live = json_get_true(o, "made_live");
    utf8_copy(r->server[0], RESTORE_VERSION_LEN, json_get_text(o, "server_old"));
    utf8_copy(r->server[1], RESTORE_VERSION_LEN, json_get_text(o, "server_new"));
    r->broken[0] = take_object(o, "broken_old");
    r->broken[1] = take_object(o, "broken_new");
    r->beside = take_object(o, "beside");
    json_array_foreach (parts, i, part)
        if ((code = load_part(r, part, e)) < 0)
            break;
    return code;
}

void restore_journal_clear(struct restore *r)
{
    for (size_t i = 0; i < r->n; i++) {
        free(r->parts[i].live);
        free(r->parts[i].root);
        swap_clear(&r->parts[i].swap);
    }
    json_decref(r->addresses);
    json_decref(r->broken[0]);
    json_decref(r->broken[1]);
    json_decref(r->beside);
    free(r->journal);
}

int restore_journal_remove(struct restore *r, struct err *e)
{
    _cleanup_free_ char *spare = spare_path(r);
    (void)unlink(spare);
    if (unlink(r->journal) < 0 && errno != ENOENT)
        return err_sys(e, errno, "cannot remove %s", r->journal);
    return file_sync_parent(r->journal, e);
}

void restore_init(struct restore *r, struct run *run)
{
    *r = (struct restore){
        .run = run, .started_ms = clock_wall_ms(), .clients_out = run->clients_out};
    r->journal = xasprintf("%s/" STATE_RESTORE_JOURNAL, run->s.state_dir);
}

const struct restore_part *restore_database(const struct restore *r)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->parts[i].database)
            return &r->parts[i];
    return NULL;
}

static int open_folder(const char *root, const char *name, int *fd, struct err *e)
{
    _cleanup_free_ char *path = name ? xasprintf("%s/%s", root, name) : xstrdup(root);
    *fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return *fd < 0 ? err_sys(e, errno, "cannot open %s", path) : 0;
}

int restore_open_folders(const struct restore_part *p, struct swap_folders *f, struct err *e)
{
    *f = (struct swap_folders){-1, -1, -1};
    _cleanup_free_ char *live = xstrdup(p->live);
    /* the live folder itself may be reached through a link; what lies in it may not */
    f->live = open(live, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int code = f->live < 0 ? err_sys(e, errno, "cannot open %s", live) : 0;
    if (code == 0)
        code = open_folder(p->root, "new", &f->fresh, e);
    if (code == 0)
        code = open_folder(p->root, "old", &f->old, e);
    if (code < 0)
        restore_close_folders(f);
    return code;
}

void restore_close_folders(struct swap_folders *f)
{
    cleanup_fd(&f->live);
    cleanup_fd(&f->fresh);
    cleanup_fd(&f->old);
    *f = (struct swap_folders){-1, -1, -1};
}
