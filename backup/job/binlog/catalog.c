#include "backup/job/binlog/catalog.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "common/file.h"
#include "common/hex.h"

#define SUFFIX ".json"

char *binlog_catalog_dir(const char *folder, uint32_t timeline)
{
    return xasprintf("%s/%04u", folder, timeline);
}

char *binlog_catalog_path(
    const struct binlog_catalog *c, const struct binlog_segment *s, const char *name)
{
    return xasprintf("%s/%04u/%s", c->folder, s->timeline, name);
}

static bool is_known(const struct trust *t, const char *key)
{
    bool known = trust_is_own_key(t, key);
    for (size_t i = 0; !known && t->trusted && t->trusted[i]; i++)
        known = strcmp(t->trusted[i], key) == 0;
    return known;
}

/* -EPERM: nobody vouches for it. */
static int read_index(
    const char *path, const struct trust *trust, struct binlog_item *out, struct err *e)
{
    _cleanup_free_ char *text = NULL;
    size_t len;
    struct manifest_seal seal;
    int r = file_read(path, BINLOG_INDEX_MAX, &text, &len, e);
    if (r < 0)
        return r;
    const char *line = memchr(text, '\n', len);
    size_t first = line ? (size_t)(line - text) + 1 : 0;
    if (!line || manifest_seal_parse(text, first, &seal, e) != 0)
        return err_set(e, EINVAL, "it has no seal");
    hex_sha256(line + 1, len - first, out->digest);
    if (strcmp(out->digest, seal.digest) != 0 || !seal.key[0] || !is_known(trust, seal.key) ||
        !seal_verify(seal.key, SEAL_BINLOG, seal.digest, seal.signature))
        return err_set(e, EPERM, "nobody vouches for it: it is not sealed with a key of ours");
    return binlog_segment_parse(line + 1, len - first, &out->s, e);
}

static void take_segment(
    struct binlog_catalog *c, const char *path, uint32_t timeline, const struct trust *trust)
{
    struct err why = {0};
    struct binlog_item item = {.digest = ""};
    int r = read_index(path, trust, &item, &why);
    if (r == 0 && item.s.timeline != timeline)
        r = err_set(&why, EINVAL, "it belongs to another timeline");
    if (r < 0) {
        if (c->refused++ == 0)
            (void)err_set(&c->problem, why.code, "%s: %s", path, err_words(&why));
        return;
    }
    if ((c->n & (c->n + 1)) == 0) /* grows by doubling: 1, 2, 4, … */
        c->items = xrealloc(c->items, (2 * c->n + 2) * sizeof *c->items);
    c->items[c->n++] = item;
    c->newest = timeline > c->newest ? timeline : c->newest;
}

static bool is_index(const char *name)
{
    size_t n = strlen(name), suffix = strlen(SUFFIX);
    return name[0] != '.' && n > suffix && strcmp(name + n - suffix, SUFFIX) == 0;
}

static int read_timeline(
    struct binlog_catalog *c, uint32_t timeline, const struct trust *trust, struct err *e)
{
    _cleanup_free_ char *dir = binlog_catalog_dir(c->folder, timeline);
    _cleanup_dir_ DIR *d = opendir(dir);
    const struct dirent *de;
    if (!d)
        return err_sys(e, errno, "cannot read %s", dir);
    while ((de = readdir(d))) {
        if (!is_index(de->d_name))
            continue;
        _cleanup_free_ char *path = xasprintf("%s/%s", dir, de->d_name);
        take_segment(c, path, timeline, trust);
    }
    return 0;
}

static int compare(const void *a, const void *b)
{
    return binlog_segment_compare(
        &((const struct binlog_item *)a)->s, &((const struct binlog_item *)b)->s);
}

/* "0007" */
static uint32_t timeline_of(const char *name)
{
    size_t digits = strspn(name, "0123456789");
    return digits == 4 && !name[digits] ? (uint32_t)strtoul(name, NULL, 10) : 0;
}

int binlog_catalog_read(
    const char *backups, const struct trust *trust, struct binlog_catalog *out, struct err *e)
{
    struct binlog_catalog c = {.folder = xasprintf("%s/" BINLOG_FOLDER, backups)};
    _cleanup_dir_ DIR *d = opendir(c.folder);
    const struct dirent *de;
    int r = d || errno == ENOENT ? 0 : err_sys(e, errno, "cannot read %s", c.folder);
    while (r == 0 && d && (de = readdir(d))) {
        uint32_t timeline = timeline_of(de->d_name);
        if (timeline == 0)
            continue;
        r = read_timeline(&c, timeline, trust, e);
    }
    if (r < 0) {
        binlog_catalog_clear(&c);
        return r;
    }
    if (c.n > 0)
        qsort(c.items, c.n, sizeof *c.items, compare);
    *out = c;
    return 0;
}

/* Nothing that has an index, ours or not, is written into. */
static bool is_free(const char *dir)
{
    struct stat st;
    const struct dirent *de;
    bool free = true;
    if (lstat(dir, &st) < 0)
        return errno == ENOENT;
    _cleanup_dir_ DIR *d = S_ISDIR(st.st_mode) ? opendir(dir) : NULL;
    if (!d)
        return false;
    while ((de = readdir(d)))
        free &= !is_index(de->d_name);
    return free;
}

int binlog_catalog_free(const struct binlog_catalog *c, uint32_t *timeline, struct err *e)
{
    for (uint32_t t = c->newest + 1; t <= BINLOG_TIMELINE_MAX; t++) {
        _cleanup_free_ char *dir = binlog_catalog_dir(c->folder, t);
        if (!is_free(dir))
            continue;
        *timeline = t;
        return 0;
    }
    return err_set(e, EOVERFLOW,
        "%s has no room for another timeline: remove the folders in it that are none of this installation's",
        c->folder);
}

uint32_t binlog_catalog_after(const struct binlog_catalog *c, uint32_t timeline)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->items[i].s.timeline > timeline)
            return c->items[i].s.timeline;
    return 0;
}

void binlog_catalog_clear(struct binlog_catalog *c)
{
    free(c->folder);
    free(c->items);
    memset(c, 0, sizeof *c);
}

/* Without waiting for the disk: the rename orders it behind its content on every file system that
 * we know, and what an older index says stays true. */
static int replace(const char *path, const char *text, size_t len, struct err *e)
{
    _cleanup_free_ char *part = xasprintf("%s.part", path);
    _cleanup_fd_ int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_sys(e, errno, "cannot write %s", part);
    int r = fd_write_all(fd, text, len, e);
    if (r == 0 && rename(part, path) < 0)
        r = err_sys(e, errno, "cannot rename %s", part);
    return r;
}

int binlog_catalog_publish(const char *dir, const struct binlog_segment *s, const struct trust *t,
    bool durable, char digest[static SHA256_HEX_LEN], struct err *e)
{
    char name[BINLOG_PATH_MAX];
    struct manifest_seal seal = {.key = ""};
    _cleanup_free_ char *head = binlog_segment_text(s);
    _cleanup_free_ char *path = xasprintf("%s/%s", dir, binlog_segment_name(s, SUFFIX, name));
    hex_sha256(head, strlen(head), seal.digest);
    memcpy(seal.key, t->key.public, sizeof seal.key);
    seal_sign(&t->key, SEAL_BINLOG, seal.digest, seal.signature);
    _cleanup_free_ char *first = manifest_seal_text(&seal);
    _cleanup_free_ char *text = xasprintf("%s%s", first, head);
    int r = durable ? file_publish(path, text, strlen(text), 0600, e)
                    : replace(path, text, strlen(text), e);
    if (r == 0)
        memcpy(digest, seal.digest, sizeof seal.digest);
    return r;
}
