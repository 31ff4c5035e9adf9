#include "backup/job/restore/swap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/file.h"

static uint64_t inode(int dir, const char *name)
{
    struct stat st;
    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? (uint64_t)st.st_ino : 0;
}

static struct swap_entry *entry(struct swap *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (!strcmp(s->entries[i].name, name))
            return &s->entries[i];
    s->entries = xrealloc(s->entries, (s->n + 1) * sizeof *s->entries);
    s->entries[s->n] = (struct swap_entry){.name = xstrdup(name)};
    return &s->entries[s->n++];
}

static bool listed(const char *const *names, const char *name)
{
    size_t len = strlen(name);
    for (; names && *names; names++) {
        const char *end = *names + 1; /* behind a * */
        if (**names != '*' ? !strcmp(*names, name)
                           : len >= strlen(end) && !strcmp(name + len - strlen(end), end))
            return true;
    }
    return false;
}

static int list(int dir, const char *const *leave, bool fresh, struct swap *s, struct err *e)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d)
        return err_sys(e, errno, "cannot list a folder of the restore");
    const struct dirent *de;
    while ((errno = 0, de = readdir(d))) {
        if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, "..") || listed(leave, de->d_name))
            continue;
        struct swap_entry *en = entry(s, de->d_name);
        *(fresh ? &en->new_ino : &en->old_ino) = inode(dir, de->d_name);
    }
    int why = errno;
    return why ? err_sys(e, why, "cannot list a folder of the restore") : 0;
}

int swap_plan(
    const struct swap_folders *f, const char *const *leave, struct swap *out, struct err *e)
{
    struct swap s = {0};
    int r = list(f->live, leave, false, &s, e);
    if (r == 0)
        r = list(f->fresh, leave, true, &s, e);
    if (r < 0) {
        swap_clear(&s);
        return r;
    }
    *out = s;
    return 0;
}

void swap_clear(struct swap *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->entries[i].name);
    free(s->entries);
    *s = (struct swap){0};
}

json_t *swap_to_json(const struct swap *s)
{
    json_t *array = json_array();
    for (size_t i = 0; i < s->n; i++)
        (void)json_array_append_new(array,
            json_pack("{s:s, s:I, s:I}", "name", s->entries[i].name, "old",
                (json_int_t)s->entries[i].old_ino, "new", (json_int_t)s->entries[i].new_ino));
    return array;
}

int swap_from_json(const json_t *j, struct swap *out, struct err *e)
{
    struct swap s = {0};
    size_t i;
    json_t *o;
    json_array_foreach ((json_t *)(uintptr_t)j, i, o) {
        const char *name;
        json_int_t old_ino, new_ino;
        if (json_unpack(o, "{s:s, s:I, s:I}", "name", &name, "old", &old_ino, "new", &new_ino) <
                0 ||
            !*name || strchr(name, '/') || !strcmp(name, "..")) {
            swap_clear(&s);
            return err_set(e, EINVAL, "the restore's journal is damaged: entry %zu", i);
        }
        struct swap_entry *en = entry(&s, name);
        en->old_ino = (uint64_t)old_ino;
        en->new_ino = (uint64_t)new_ino;
    }
    *out = s;
    return 0;
}

static int move(int from, int to, const char *name, struct err *e)
{
    if (renameat2(from, name, to, name, RENAME_NOREPLACE) == 0)
        return 1;
    if (errno != EINVAL && errno != ENOSYS)
        return err_sys(e, errno, "cannot move \"%s\"", name);
    /* A file system without the flag: the caller has looked, and only we work in these folders. */
    return renameat(from, name, to, name) == 0 ? 1 : err_sys(e, errno, "cannot move \"%s\"", name);
}

/*
 * One step for one entry. want is to be in live and comes from `from`; other leaves live for `to`.
 * 1: something was moved, look again. 0: all is where it belongs.
 */
static int step_entry(const struct swap_folders *f, int from, int to, const char *name,
    uint64_t want, uint64_t other, struct err *e)
{
    uint64_t live = inode(f->live, name), source = inode(from, name), away = inode(to, name);
    if (live == want && away == other && (source == 0 || !want))
        return 0;
    if (other && live == other && want && source == want) {
        if (renameat2(f->live, name, from, name, RENAME_EXCHANGE) == 0)
            return 1;
        return move(f->live, to, name, e);
    }
    /* The other way had just exchanged them when it was stopped. */
    if (other && live == other && want && away == want)
        return renameat2(f->live, name, to, name, RENAME_EXCHANGE) == 0
                   ? 1
                   : err_sys(e, errno, "cannot exchange \"%s\"", name);
    if (other && live == other && !want && away == 0)
        return move(f->live, to, name, e);
    if (other && source == other && away == 0) /* after an exchange */
        return move(from, to, name, e);
    if (want && live == 0 && source == want)
        return move(from, f->live, name, e);
    return err_set(e, EEXIST,
        "\"%s\" is neither what was there before nor what was restored; nothing was overwritten",
        name);
}

static int sync_folder(int fd, struct err *e)
{
    return fsync(fd) < 0 ? err_sys(e, errno, "cannot sync a folder of the restore") : 0;
}

int swap_settle(const struct swap_folders *f, const struct swap *s, bool to_new,
    void (*step)(void *ctx), void *ctx, struct err *e)
{
    int from = to_new ? f->fresh : f->old, to = to_new ? f->old : f->fresh;
    for (size_t i = 0; i < s->n; i++) {
        const struct swap_entry *en = &s->entries[i];
        uint64_t want = to_new ? en->new_ino : en->old_ino;
        uint64_t other = to_new ? en->old_ino : en->new_ino;
        int r;
        while ((r = step_entry(f, from, to, en->name, want, other, e)) > 0)
            if (step)
                step(ctx);
        if (r < 0)
            return r;
    }
    int r = sync_folder(f->live, e);
    if (r == 0)
        r = sync_folder(f->fresh, e);
    return r == 0 ? sync_folder(f->old, e) : r;
}
