#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/hex.h"
#include "common/json_get.h"
#include "common/phrase.h"
#include "common/utf8.h"
#include "console/http/upload_store.h"

/* How much may be lost and sent again when the machine stops; each piece waits for the disk. */
#define SYNC_EVERY   (16 * 1024 * 1024)
#define DISK_RESERVE (256LL * 1024 * 1024) /* that the disk keeps free */
#define META_MAX     8192

/* The store itself never changes after it was opened: what several threads share is on the disk,
 * and the lock on ID.part decides who may write. */
struct upload_store {
    char *dir;
    int64_t max;
};

struct upload_append {
    struct upload_store *store;
    char id[UPLOAD_ID_LEN];
    json_t *meta;
    int fd; /* ID.part, locked */
    int64_t offset, size, synced;
};

static char *part_path(const struct upload_store *s, const char *id)
{
    return xasprintf("%s/%s.part", s->dir, id);
}

static char *meta_path(const struct upload_store *s, const char *id)
{
    return xasprintf("%s/%s.json", s->dir, id);
}

bool upload_id_valid(const char *id)
{
    return hex_valid(id, UPLOAD_ID_LEN - 1);
}

/* --- what is remembered about an upload ------------------------------------------------------- */

static int meta_load(const struct upload_store *s, const char *id, json_t **out, struct err *e)
{
    _cleanup_free_ char *path = NULL, *text = NULL;
    size_t len = 0;
    if (!upload_id_valid(id))
        return err_set(e, ENOENT, "there is no such upload");
    path = meta_path(s, id);
    int r = file_read(path, META_MAX, &text, &len, e);
    if (r == -ENOENT)
        return err_set(e, ENOENT, "there is no such upload");
    if (r < 0)
        return r;
    json_t *meta = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_integer(json_object_get(meta, "size")) ||
        !json_is_integer(json_object_get(meta, "offset")) ||
        !json_is_string(json_object_get(meta, "owner")) ||
        !json_is_string(json_object_get(meta, "name"))) {
        json_decref(meta);
        return err_set(e, EBADMSG, "%s does not describe an upload", path);
    }
    *out = meta;
    return 0;
}

static int meta_save(
    const struct upload_store *s, const char *id, const json_t *meta, struct err *e)
{
    _cleanup_free_ char *path = meta_path(s, id);
    _cleanup_free_ char *text = json_dumps(meta, JSON_COMPACT);
    CHECK(text); /* name and owner: good_text; or what meta_load has read as JSON */
    return file_publish(path, text, strlen(text), 0600, e);
}

/* Calls fn for the ID of every ID.json. */
static int each_upload(
    const struct upload_store *s, void (*fn)(void *ctx, const char *id), void *ctx, struct err *e)
{
    DIR *d = opendir(s->dir);
    if (!d)
        return err_sys(e, errno, "cannot read the folder %s", s->dir);
    for (struct dirent *entry; (entry = readdir(d));) {
        char id[UPLOAD_ID_LEN];
        if (strlen(entry->d_name) != UPLOAD_ID_LEN - 1 + strlen(".json") ||
            strcmp(entry->d_name + UPLOAD_ID_LEN - 1, ".json") != 0)
            continue;
        memcpy(id, entry->d_name, UPLOAD_ID_LEN - 1);
        id[UPLOAD_ID_LEN - 1] = 0;
        if (upload_id_valid(id))
            fn(ctx, id);
    }
    closedir(d);
    return 0;
}

/* --- the store -------------------------------------------------------------------------------- */

/* The final name of a complete upload. */
static int publish(const struct upload_store *s, const char *id, struct err *e)
{
    _cleanup_free_ char *part = part_path(s, id);
    _cleanup_free_ char *whole = xasprintf("%s/%s", s->dir, id);
    return file_rename_durable(part, whole, e);
}

/* A crash between the last offset and the final name leaves an upload that the browser takes for
 * complete, so that it would never come back for it. */
static void publish_missed(void *ctx, const char *id)
{
    const struct upload_store *s = ctx;
    _cleanup_json_ json_t *meta = NULL;
    _cleanup_free_ char *part = part_path(s, id);
    if (meta_load(s, id, &meta, NULL) == 0 && access(part, F_OK) == 0 &&
        json_get_int(meta, "offset") == json_get_int(meta, "size") && publish(s, id, NULL) < 0)
        return; /* it stays incomplete in the list, and can be removed */
}

int upload_store_open(const char *dir, int64_t max_size, struct upload_store **out, struct err *e)
{
    int r = file_mkdirs(dir, 0700, e);
    if (r < 0)
        return r;
    struct upload_store *s = xcalloc(1, sizeof *s);
    s->dir = xstrdup(dir);
    s->max = max_size;
    if ((r = each_upload(s, publish_missed, s, e)) < 0) {
        upload_store_close(s);
        return r;
    }
    *out = s;
    return 0;
}

void upload_store_close(struct upload_store *s)
{
    if (!s)
        return;
    free(s->dir);
    free(s);
}

/* --- a new one -------------------------------------------------------------------------------- */

struct claims {
    const struct upload_store *store;
    unsigned count;
    int64_t bytes; /* still to come from the others */
};

static void claim(void *ctx, const char *id)
{
    struct claims *c = ctx;
    _cleanup_json_ json_t *meta = NULL;
    c->count++;
    if (meta_load(c->store, id, &meta, NULL) == 0)
        c->bytes += json_get_int(meta, "size") - json_get_int(meta, "offset");
}

/* Whether another size bytes have room beside what others have announced and not sent yet. */
static int check_room(const struct upload_store *s, int64_t size, struct err *e)
{
    struct statvfs v;
    struct claims claims = {.store = s};
    int r = each_upload(s, claim, &claims, e);
    if (r < 0)
        return r;
    if (claims.count >= UPLOAD_COUNT_MAX)
        return err_set(e, EDQUOT, "%u uploads lie there already; remove one first", claims.count);
    if (statvfs(s->dir, &v) < 0)
        return err_sys(e, errno, "cannot ask for the free space of %s", s->dir);
    int64_t room = (int64_t)v.f_bavail * (int64_t)v.f_frsize - claims.bytes - DISK_RESERVE;
    if (room >= size)
        return 0;
    _cleanup_free_ char *more = phrase_bytes_carried((uint64_t)size);
    return err_set(e, ENOSPC, "the disk of %s has no room for %s more", s->dir, more);
}

static bool good_text(const char *text)
{
    size_t len = text ? strlen(text) : UPLOAD_NAME_MAX + 1;
    return len <= UPLOAD_NAME_MAX && utf8_check(text, len) == len;
}

/* The last part of the name, as a Windows or Unix browser may send it, without what could turn a
 * page's or a terminal's text around. */
static void shown_name(const char *name, char out[static UPLOAD_NAME_MAX + 1])
{
    size_t n = 0, step;
    for (const char *p = name; *p; p++)
        if (*p == '/' || *p == '\\')
            name = p + 1;
    for (size_t left = strlen(name); left; name += step, left -= step) {
        uint32_t c;
        step = utf8_decode(name, left, &c);
        if (utf8_is_control(c))
            continue;
        memcpy(out + n, name, step);
        n += step;
    }
    out[n] = 0;
    if (!n)
        strcpy(out, "?");
}

int upload_store_create(struct upload_store *s, int64_t size, const char *name, const char *owner,
    char id[static UPLOAD_ID_LEN], struct err *e)
{
    char fresh[UPLOAD_ID_LEN], clean[UPLOAD_NAME_MAX + 1], now[CLOCK_ISO_LEN];
    if (size < 1)
        return err_set(e, EINVAL, "an empty file cannot be uploaded");
    if (!good_text(name) || !good_text(owner))
        return err_set(e, EINVAL, "the file's name is too long or not UTF-8");
    if (size > s->max)
        return err_set(e, EFBIG, "the file is larger than upload_max in [console] allows");
    int r = check_room(s, size, e);
    if (r < 0)
        return r;
    unsigned char random[(UPLOAD_ID_LEN - 1) / 2];
    randombytes_buf(random, sizeof random);
    (void)sodium_bin2hex(fresh, UPLOAD_ID_LEN, random, sizeof random);
    shown_name(name, clean);
    _cleanup_free_ char *part = part_path(s, fresh);
    _cleanup_fd_ int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_sys(e, errno, "cannot make %s", part);
    _cleanup_json_ json_t *meta = json_pack("{s:I,s:I,s:s,s:s,s:s}", "size", (json_int_t)size,
        "offset", (json_int_t)0, "name", clean, "owner", owner, "created",
        clock_iso(clock_wall_ms(), now));
    if ((r = meta_save(s, fresh, meta, e)) < 0) {
        unlink(part);
        return r;
    }
    memcpy(id, fresh, sizeof fresh);
    return 0;
}

int upload_store_offset(
    struct upload_store *s, const char *id, int64_t *offset, int64_t *size, struct err *e)
{
    _cleanup_json_ json_t *meta = NULL;
    int r = meta_load(s, id, &meta, e);
    if (r < 0)
        return r;
    *offset = json_get_int(meta, "offset");
    *size = json_get_int(meta, "size");
    return 0;
}

/* --- appending -------------------------------------------------------------------------------- */

/* Opens ID.part and takes its lock, which goes with the descriptor. -ENOENT: complete already. */
static int open_locked(const struct upload_store *s, const char *id, int *out, struct err *e)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    _cleanup_free_ char *path = part_path(s, id);
    _cleanup_fd_ int fd = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_sys(e, errno, "cannot open %s", path);
    if (fcntl(fd, F_OFD_SETLK, &lock) < 0)
        return errno == EAGAIN || errno == EACCES
                   ? err_set(e, EBUSY, "another request is writing to this upload")
                   : err_sys(e, errno, "cannot lock %s", path);
    *out = fd;
    fd = -1;
    return 0;
}

/* A complete upload has no .part any more: appending nothing at its end is good, all else is not.
 */
static int append_to_complete(struct upload_store *s, const char *id, int64_t offset, json_t *meta,
    struct upload_append **out, struct err *e)
{
    if (offset != json_get_int(meta, "size"))
        return err_set(e, ESTALE, "the upload is complete");
    struct upload_append *a = xcalloc(1, sizeof *a);
    *a = (struct upload_append){.store = s, .meta = json_incref(meta), .fd = -1};
    a->offset = a->synced = a->size = offset;
    memcpy(a->id, id, sizeof a->id);
    *out = a;
    return 0;
}

int upload_store_append_begin(struct upload_store *s, const char *id, int64_t offset,
    struct upload_append **out, struct err *e)
{
    _cleanup_json_ json_t *before = NULL, *meta = NULL;
    _cleanup_fd_ int fd = -1;
    int r = meta_load(s, id, &before, e);
    if (r < 0)
        return r;
    if ((r = open_locked(s, id, &fd, e)) == -ENOENT)
        return append_to_complete(s, id, offset, before, out, e);
    /* Read again under the lock: another request may just have ended. */
    if (r < 0 || (r = meta_load(s, id, &meta, e)) < 0)
        return r;
    int64_t at = json_get_int(meta, "offset");
    if (offset != at)
        return err_set(
            e, ESTALE, "the upload goes on at %lld, not at %lld", (long long)at, (long long)offset);
    /* What a crash left behind the offset was never acknowledged. */
    if (ftruncate(fd, at) < 0 || lseek(fd, at, SEEK_SET) < 0)
        return err_sys(e, errno, "cannot go to the end of upload %s", id);
    struct upload_append *a = xcalloc(1, sizeof *a);
    *a = (struct upload_append){.store = s, .fd = fd, .meta = meta, .offset = at, .synced = at};
    a->size = json_get_int(meta, "size");
    memcpy(a->id, id, sizeof a->id);
    fd = -1;
    meta = NULL;
    *out = a;
    return 0;
}

/* Puts the data on the disk first and only then the offset that promises them. */
static int sync_append(struct upload_append *a, struct err *e)
{
    if (a->synced == a->offset)
        return 0;
    if (fdatasync(a->fd) < 0)
        return err_sys(e, errno, "upload %s does not reach the disk", a->id);
    json_object_set_new(a->meta, "offset", json_integer(a->offset));
    int r = meta_save(a->store, a->id, a->meta, e);
    if (r == 0)
        a->synced = a->offset;
    return r;
}

int upload_store_append_data(struct upload_append *a, const void *data, size_t len, struct err *e)
{
    const char *p = data;
    if ((uint64_t)len > (uint64_t)(a->size - a->offset))
        return err_set(
            e, EFBIG, "more than the %lld bytes that were announced", (long long)a->size);
    while (len) {
        ssize_t n = write(a->fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(e, errno, "cannot write upload %s", a->id);
        a->offset += n;
        p += n;
        len -= (size_t)n;
    }
    return a->offset - a->synced >= SYNC_EVERY ? sync_append(a, e) : 0;
}

int upload_store_append_end(struct upload_append *a, int64_t *offset, struct err *e)
{
    int r = sync_append(a, e);
    if (r == 0 && a->fd >= 0 && a->offset == a->size)
        r = publish(a->store, a->id, e);
    if (r == 0 && offset)
        *offset = a->offset;
    if (a->fd >= 0)
        close(a->fd);
    json_decref(a->meta);
    free(a);
    return r;
}

/* --- what lies there -------------------------------------------------------------------------- */

int upload_store_remove(struct upload_store *s, const char *id, struct err *e)
{
    _cleanup_json_ json_t *meta = NULL;
    _cleanup_fd_ int fd = -1;
    int r = meta_load(s, id, &meta, e);
    if (r < 0 && r != -EBADMSG) /* a damaged description can be removed, too */
        return r;
    r = open_locked(s, id, &fd, e);
    if (r < 0 && r != -ENOENT)
        return r;
    _cleanup_free_ char *json = meta_path(s, id);
    _cleanup_free_ char *part = part_path(s, id);
    _cleanup_free_ char *whole = xasprintf("%s/%s", s->dir, id);
    /* The description last: as long as it is there, a removal that was cut off can be repeated. */
    const char *all[] = {part, whole, json};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (unlink(all[i]) < 0 && errno != ENOENT)
            return err_sys(e, errno, "cannot remove %s", all[i]);
    return file_sync_parent(json, e);
}

struct listing {
    const struct upload_store *store;
    const char *owner;
    json_t *array;
};

static void list_one(void *ctx, const char *id)
{
    struct listing *l = ctx;
    _cleanup_json_ json_t *meta = NULL;
    size_t at = 0;
    if (meta_load(l->store, id, &meta, NULL) < 0)
        return;
    if (l->owner && strcmp(l->owner, json_get_str(meta, "owner")) != 0)
        return;
    json_object_set_new(meta, "id", json_string(id));
    _cleanup_free_ char *whole = xasprintf("%s/%s", l->store->dir, id);
    json_object_set_new(meta, "complete", json_boolean(access(whole, F_OK) == 0));
    const char *created = json_get_text(meta, "created");
    for (; at < json_array_size(l->array); at++) {
        json_t *other = json_array_get(l->array, at);
        const char *c = json_get_text(other, "created");
        if (strcmp(created, c) > 0)
            break;
    }
    json_array_insert(l->array, at, meta);
}

json_t *upload_store_list(struct upload_store *s, const char *owner)
{
    struct listing l = {s, owner, json_array()};
    if (each_upload(s, list_one, &l, NULL) < 0)
        json_array_clear(l.array);
    return l.array;
}

/* The youngest time at which one of an upload's files changed; 0: there is none. */
static int64_t changed_ms(const struct upload_store *s, const char *id)
{
    int64_t newest = 0;
    for (unsigned i = 0; i < 3; i++) {
        static const char *const endings[] = {"", ".part", ".json"};
        struct stat st;
        _cleanup_free_ char *path = xasprintf("%s/%s%s", s->dir, id, endings[i]);
        if (lstat(path, &st) == 0 && st.st_mtim.tv_sec * 1000LL > newest)
            newest = st.st_mtim.tv_sec * 1000LL;
    }
    return newest;
}

struct expiry {
    struct upload_store *store;
    int64_t before_ms;
    unsigned removed;
};

static void expire_one(void *ctx, const char *id)
{
    struct expiry *x = ctx;
    if (changed_ms(x->store, id) < x->before_ms && upload_store_remove(x->store, id, NULL) == 0)
        x->removed++;
}

/* Data without a description (a creation or removal that was cut off), and file_publish's temporary
 * files: whatever begins with an ID. Nothing else in the folder is touched. */
static void expire_leftovers(struct expiry *x)
{
    DIR *d = opendir(x->store->dir);
    if (!d)
        return;
    for (struct dirent *entry; (entry = readdir(d));) {
        char id[UPLOAD_ID_LEN];
        struct stat st;
        const char *name = entry->d_name + (entry->d_name[0] == '.');
        if (strlen(name) < UPLOAD_ID_LEN - 1)
            continue;
        memcpy(id, name, UPLOAD_ID_LEN - 1);
        id[UPLOAD_ID_LEN - 1] = 0;
        if (!upload_id_valid(id))
            continue;
        _cleanup_free_ char *json = meta_path(x->store, id);
        const char *rest = name + UPLOAD_ID_LEN - 1;
        bool owned = access(json, F_OK) == 0 &&
                     (!*rest || strcmp(rest, ".part") == 0 || strcmp(rest, ".json") == 0);
        if (!owned && fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            st.st_mtim.tv_sec * 1000LL < x->before_ms && unlinkat(dirfd(d), entry->d_name, 0) == 0)
            x->removed++;
    }
    closedir(d);
}

unsigned upload_store_expire(struct upload_store *s, int64_t max_age_ms)
{
    struct expiry x = {.store = s, .before_ms = clock_wall_ms() - max_age_ms};
    if (each_upload(s, expire_one, &x, NULL) == 0)
        expire_leftovers(&x);
    return x.removed;
}
