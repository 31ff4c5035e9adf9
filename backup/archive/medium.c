/* The mark of a backup medium. */
#include "backup/archive/medium.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <mntent.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/json_get.h"
#include "common/hex.h"
#include "common/lang.h"

#define MARK_MAX   4096
#define MEDIA_MAX  (256 * 1024)
#define MEDIA_FILE "media"
#define HINT       "Elexgate knows its backup medium by this file: leave it here."

int medium_read(const char *folder, char id[static MEDIUM_ID_LEN], struct err *e)
{
    _cleanup_free_ char *path = xasprintf("%s/" MEDIUM_FILE, folder), *text = NULL;
    size_t len;
    int r = file_read(path, MARK_MAX, &text, &len, e);
    if (r == -ENOENT || r == -ENOTDIR)
        return 1;
    if (r < 0)
        return r;
    _cleanup_json_ json_t *o = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    const char *found = json_get_str(o, "id");
    r = hex_valid(found, MEDIUM_ID_LEN - 1)
            ? 0
            : err_set(e, EINVAL,
                  "%s is damaged; if this is the right medium, remove that file, then `elexgate backup-folder init` marks it anew",
                  path);
    if (r == 0)
        strcpy(id, found);
    return r;
}

/* ---- what is remembered: {"FOLDER":[ID,...],...} ---- */

static int media_load(const char *seal_folder, json_t **out, struct err *e)
{
    _cleanup_free_ char *path = xasprintf("%s/" MEDIA_FILE, seal_folder), *text = NULL;
    size_t len;
    int r = file_read(path, MEDIA_MAX, &text, &len, e);
    if (r < 0 && r != -ENOENT)
        return r;
    json_t *o = r == -ENOENT ? json_object() : json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(o)) {
        json_decref(o);
        return err_set(e, EINVAL,
            "%s is damaged; remove it, then `elexgate backup-folder init` with the right medium in place",
            path);
    }
    *out = o;
    return 0;
}

static bool is_known(const json_t *media, const char *folder, const char *id)
{
    const json_t *known;
    size_t i;
    json_array_foreach (json_object_get(media, folder), i, known) {
        const char *s = json_string_value(known);
        if (s && strcmp(s, id) == 0)
            return true;
    }
    return false;
}

static int remember(const char *seal_folder, const char *folder, const char *id, struct err *e)
{
    _cleanup_json_ json_t *media = NULL;
    _cleanup_free_ char *path = xasprintf("%s/" MEDIA_FILE, seal_folder);
    int r = file_mkdirs(seal_folder, 0700, e);
    if (r == 0)
        r = media_load(seal_folder, &media, e);
    if (r == 0 && !is_known(media, folder, id)) {
        json_t *list = json_object_get(media, folder);
        if (!json_is_array(list)) {
            list = json_array();
            json_object_set_new(media, folder, list);
        }
        json_array_append_new(list, json_string(id));
        char *text = json_dumps(media, JSON_INDENT(1));
        CHECK(text);
        r = file_publish(path, text, strlen(text), 0600, e);
        free(text);
    }
    return r;
}

/* ---- a folder that nothing is known of ---- */

/* folder itself or one above it, of which mount is the path. */
static bool lies_in(const char *folder, const char *mount)
{
    size_t n = strlen(mount);
    while (n > 1 && mount[n - 1] == '/')
        n--;
    return strncmp(folder, mount, n) == 0 && (folder[n] == '/' || folder[n] == 0);
}

static bool listed(const char *table, const char *mount)
{
    FILE *f = setmntent(table, "re");
    bool found = false;
    for (const struct mntent *m; f && !found && (m = getmntent(f));)
        found = strcmp(m->mnt_dir, mount) == 0;
    if (f)
        endmntent(f);
    return found;
}

/* A place in /etc/fstab above the folder where nothing is mounted now; malloc'ed. */
static char *unmounted_place(const char *folder)
{
    FILE *f = setmntent("/etc/fstab", "re");
    char *found = NULL;
    for (const struct mntent *m; f && !found && (m = getmntent(f));)
        if (m->mnt_dir[0] == '/' && m->mnt_dir[1] && lies_in(folder, m->mnt_dir) &&
            !listed("/proc/self/mounts", m->mnt_dir))
            found = xstrdup(m->mnt_dir);
    if (f)
        endmntent(f);
    return found;
}

/* The folder, or the nearest one above that is there; malloc'ed. */
static char *nearest(const char *folder)
{
    char *at = xstrdup(folder);
    struct stat st;
    while (strlen(at) > 1 && stat(at, &st) < 0) {
        char *slash = strrchr(at, '/');
        if (!slash || slash == at)
            break;
        *slash = 0;
    }
    return at;
}

static bool is_empty(const char *folder)
{
    _cleanup_dir_ DIR *d = opendir(folder);
    bool empty = d != NULL;
    for (const struct dirent *de; d && empty && (de = readdir(d));)
        empty = strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0;
    return empty;
}

static bool on_root_disk(const char *path)
{
    struct stat a, b;
    return stat(path, &a) == 0 && stat("/", &b) == 0 && a.st_dev == b.st_dev;
}

static bool is_mounted(const char *folder)
{
    struct stat a, b;
    _cleanup_free_ char *above = xasprintf("%s/..", folder);
    return stat(folder, &a) == 0 && stat(above, &b) == 0 && a.st_dev != b.st_dev;
}

/* Signs that a disk should be here and is not. */
static int doubts(const char *folder, struct err *e)
{
    static const char *const places[] = {"/mnt", "/media", "/run/media"};
    _cleanup_free_ char *mount = unmounted_place(folder), *there = nearest(folder);
    if (mount)
        err_set(e, ENODEV,
            N_("nothing is mounted at %s, where /etc/fstab has a disk: mount the disk that is meant; if this very folder is, `elexgate backup-folder init` says so"),
            mount);
    for (size_t i = 0; !mount && i < sizeof places / sizeof places[0]; i++)
        if (lies_in(folder, places[i]) && on_root_disk(there))
            return err_set(e, ENODEV,
                       N_("%s lies on the system's own disk, though disks are mounted beneath %s: mount the disk that is meant; if this very folder is, `elexgate backup-folder init` says so"),
                       folder, places[i]),
                   MEDIUM_DOUBTFUL;
    /* /var/backups of a fresh system is empty too, and no stick's place */
    if (!mount && strcmp(there, folder) != 0 && is_empty(there) && !is_mounted(there) &&
        !lies_in(there, "/var"))
        return err_set(e, ENODEV,
                   N_("%s does not exist, and %s is empty, as a mount point whose disk is away: mount the disk that is meant; if this very folder is, `elexgate backup-folder init` says so"),
                   folder, there),
               MEDIUM_DOUBTFUL;
    return mount ? MEDIUM_DOUBTFUL : MEDIUM_FRESH;
}

/* ---- both together ---- */

int medium_look(
    const char *seal_folder, const char *folder, char id[static MEDIUM_ID_LEN], struct err *e)
{
    _cleanup_json_ json_t *media = NULL;
    id[0] = 0;
    int r = media_load(seal_folder, &media, e);
    int mark = r == 0 ? medium_read(folder, id, e) : r;
    bool known = json_array_size(json_object_get(media, folder)) > 0;
    if (mark < 0) {
        r = mark;
    } else if (mark == 1 && known) {
        err_set(e, ENODEV,
            N_("the backup medium is not there: %s has no mark (%s), which it had; connect and mount the disk, or, if this is a new one, mark it with `elexgate backup-folder init`"),
            folder, MEDIUM_FILE);
        r = MEDIUM_ABSENT;
    } else if (mark == 1) {
        r = doubts(folder, e);
    } else if (known && !is_known(media, folder, id)) {
        err_set(e, ENODEV,
            N_("another medium lies in %s than those that are known; if it is to be used too, `elexgate backup-folder init` says so"),
            folder);
        r = MEDIUM_ANOTHER;
    }
    return r;
}

static int write_mark(const char *folder, char id[static MEDIUM_ID_LEN], struct err *e)
{
    uint8_t raw[16];
    char made[CLOCK_ISO_LEN];
    if (RAND_bytes(raw, sizeof raw) != 1)
        return err_set(e, EIO, "no random numbers for a mark");
    hex_text(raw, sizeof raw, id);
    _cleanup_free_ char *path = xasprintf("%s/" MEDIUM_FILE, folder);
    _cleanup_free_ char *text = xasprintf(
        "{\"format\":\"elexgate-medium\",\"version\":1,\"id\":\"%s\",\"made\":\"%s\",\"hint\":\"" HINT
        "\"}\n",
        id, clock_iso(clock_wall_ms(), made));
    return file_publish(path, text, strlen(text), 0600, e);
}

int medium_init(
    const char *seal_folder, const char *folder, char id[static MEDIUM_ID_LEN], struct err *e)
{
    int r = file_mkdirs(folder, 0700, e);
    if (r == 0)
        r = medium_read(folder, id, e);
    if (r == 1)
        r = write_mark(folder, id, e);
    return r < 0 ? r : remember(seal_folder, folder, id, e);
}

int medium_ready(const char *seal_folder, const char *folder, char id[static MEDIUM_ID_LEN],
    bool *marked, struct err *e)
{
    *marked = false;
    int r = medium_look(seal_folder, folder, id, e);
    if (r == 0) /* a mark that is here already, from another machine or another time */
        return remember(seal_folder, folder, id, e);
    if (r != MEDIUM_FRESH)
        return r;
    r = medium_init(seal_folder, folder, id, e);
    *marked = r == 0;
    return r;
}
