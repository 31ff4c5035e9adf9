#include "backup/monitor/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/audit.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/json_get.h"

static const char *path_of(const struct config *c, const char *key)
{
    const char *path = config_str(c, "audit", NULL, key);
    return path && strcmp(path, "off") != 0 ? path : NULL;
}

void files_audit_open(const struct config *c)
{
    audit_use(path_of(c, "file"));
}

/* More than refusals and what the page tells can come to: they crowd nothing else out. */
#define AUDIT_A_MINUTE (8u << 20)

/* One object in one line, and one of the keeper's: nobody who reads the log must take it for more,
 * or for one of ours. */
static bool is_line(const char *line, size_t n)
{
    _cleanup_json_ json_t *o = json_loadb(line, n, JSON_REJECT_DUPLICATES, NULL);
    bool good = json_is_object(o) && json_is_string(json_object_get(o, "event")) &&
                strcmp(json_get_text(o, "program"), "elexgate-keeper") == 0;
    for (size_t i = 0; i < n; i++)
        good &= (unsigned char)line[i] >= ' ';
    return good;
}

/* So much a minute of what the keeper may not have from anybody: a keeper that was taken over fills
 * no disk. Its lines about what is done are far fewer. */
static bool has_room(size_t n)
{
    static uint64_t begun_ms;
    static size_t used;
    uint64_t now = clock_mono_ms();
    if (begun_ms == 0 || now - begun_ms >= 60000) {
        begun_ms = now;
        used = 0;
    }
    used += n;
    return used <= AUDIT_A_MINUTE;
}

int files_audit(int lines, struct err *e)
{
    static char text[MONITOR_AUDIT_MAX];
    struct stat st;
    if (fstat(lines, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > (off_t)sizeof text)
        return err_set(e, EINVAL, "the monitor takes no such audit log");
    ssize_t n = pread(lines, text, sizeof text, 0);
    for (char *at = text, *end; n > 0 && (end = memchr(at, '\n', (size_t)(text + n - at)));
         at = end + 1) {
        if (!is_line(at, (size_t)(end - at)))
            return err_set(e, EINVAL, "what should go into the audit log is no line of it");
        if (!has_room((size_t)(end + 1 - at)) || !audit_write_line(at, (size_t)(end + 1 - at)))
            return err_set(e, ENOBUFS, "the audit log takes no more lines");
    }
    return 0;
}

/* "audit.log-20261122", "audit.log-20261122.gz", "audit.log.1" for "audit.log". */
static bool is_rotated(const char *name, const char *base)
{
    size_t n = strlen(base);
    return strncmp(name, base, n) == 0 && (name[n] == '-' || name[n] == '.') &&
           name[n + 1] >= '0' && name[n + 1] <= '9';
}

static void remove_old(const char *path, int64_t before_s)
{
    _cleanup_free_ char *folder = xstrdup(path);
    char *slash = strrchr(folder, '/');
    if (!slash)
        return;
    *slash = '\0';
    const char *base = path + (slash - folder) + 1;
    _cleanup_dir_ DIR *d = opendir(*folder ? folder : "/");
    struct dirent *entry;
    while (d && (entry = readdir(d))) {
        struct stat st;
        if (!is_rotated(entry->d_name, base) ||
            fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            !S_ISREG(st.st_mode) || st.st_mtime >= before_s ||
            unlinkat(dirfd(d), entry->d_name, 0) < 0)
            continue;
        log_event(LOG_INFO, "audit-expired", LOG_S("file", entry->d_name));
        audit_event("expired", LOG_S("file", entry->d_name));
    }
}

void files_audit_expire(const struct config *c)
{
    int64_t keep = config_int(c, "audit", NULL, "keep");
    static const char *const keys[] = {"file", "proxy_file"};
    for (size_t i = 0; i < 2 && keep > 0; i++)
        if (path_of(c, keys[i]))
            remove_old(path_of(c, keys[i]), (clock_wall_ms() - keep) / 1000);
}
