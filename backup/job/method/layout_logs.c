#include "backup/job/method/layout_logs.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "common/file.h"

static void skip(struct layout *l, const char *name)
{
    for (size_t i = 0; i < l->skip_count; i++)
        if (strcmp(l->skip[i], name) == 0)
            return;
    l->skip = xrealloc(l->skip, (l->skip_count + 1) * sizeof *l->skip);
    l->skip[l->skip_count++] = xstrdup(name);
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n > m && strcmp(s + n - m, end) == 0;
}

bool layout_logs_is_table(const char *path)
{
    static const char *const tables[] = {"mysql/general_log.", "mysql/slow_log."};
    for (size_t i = 0; i < 2; i++)
        if (strncmp(path, tables[i], strlen(tables[i])) == 0 && !ends_with(path, ".frm"))
            return true;
    return false;
}

/* Opened for appending, and data all the same: tables of the CSV engine, and the logs of
 * replication, which begin with one of `logs`. */
static bool is_data(const char *name, char *const logs[2])
{
    for (size_t i = 0; i < 2; i++) {
        size_t n = logs[i] ? strlen(logs[i]) : 0;
        if (n > 0 && strncmp(name, logs[i], n) == 0 && (name[n] == '.' || name[n] == '-'))
            return true;
    }
    return ends_with(name, ".CSV") || ends_with(name, ".CSM");
}

/* --- as /proc tells --------------------------------------------------------------------------- */

struct appended {
    struct file_id {
        dev_t dev;
        ino_t ino;
    } * files;
    size_t n;
};

static bool opened_for_appending(const char *fds, const char *number)
{
    _cleanup_free_ char *path = xasprintf("%.*s/fdinfo/%s", (int)(strlen(fds) - 3), fds, number);
    FILE *f = fopen(path, "re");
    char line[128];
    unsigned flags = 0;
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "flags: %o", &flags) == 1)
            break;
    if (f)
        fclose(f);
    return flags & O_APPEND;
}

/* All that one process has open for appending, if it is the server: it has `own` open. fds:
 * /proc/PID/fd. By device and inode, since its paths may be those of a container. */
static bool look_at_process(const char *fds, const struct stat *own, struct appended *out)
{
    _cleanup_dir_ DIR *d = opendir(fds);
    struct dirent *entry;
    bool server = false;
    while (d && (entry = readdir(d))) {
        struct stat st;
        if (!isdigit((unsigned char)entry->d_name[0]) ||
            fstatat(dirfd(d), entry->d_name, &st, 0) < 0 || !S_ISREG(st.st_mode))
            continue;
        server |= st.st_dev == own->st_dev && st.st_ino == own->st_ino;
        if (!opened_for_appending(fds, entry->d_name))
            continue;
        out->files = xrealloc(out->files, (out->n + 1) * sizeof *out->files);
        out->files[out->n++] = (struct file_id){st.st_dev, st.st_ino};
    }
    return server;
}

/* The process that has the system tablespace open. False: none that we may look at. */
static bool find_appended(const char *datadir, struct appended *out)
{
    struct stat own;
    _cleanup_free_ char *ibdata = xasprintf("%s/ibdata1", datadir);
    _cleanup_dir_ DIR *d = stat(ibdata, &own) == 0 ? opendir("/proc") : NULL;
    struct dirent *entry;
    bool found = false;
    while (d && !found && (entry = readdir(d))) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        _cleanup_free_ char *fds = xasprintf("/proc/%s/fd", entry->d_name);
        out->n = 0;
        found = look_at_process(fds, &own, out);
    }
    return found;
}

/* Names of those files, in the data directory and in the folders of its schemas. */
static void skip_appended(
    struct layout *l, const struct appended *a, char *const logs[2], const char *folder)
{
    _cleanup_free_ char *full = *folder ? xasprintf("%s/%s", l->datadir, folder)
                                        : xstrdup(l->datadir);
    _cleanup_dir_ DIR *d = opendir(full);
    struct dirent *entry;
    while (d && (entry = readdir(d))) {
        struct stat st;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        _cleanup_free_ char *name = xasprintf("%s%s%s", folder, *folder ? "/" : "", entry->d_name);
        if (S_ISDIR(st.st_mode) && !*folder)
            skip_appended(l, a, logs, name);
        bool open = false;
        for (size_t i = 0; S_ISREG(st.st_mode) && i < a->n; i++)
            open |= a->files[i].dev == st.st_dev && a->files[i].ino == st.st_ino;
        if (open && !is_data(name, logs))
            skip(l, name);
    }
}

/* --- as the variables tell -------------------------------------------------------------------- */

struct telling {
    const char *server_datadir;
    struct layout *l;
    char *logs[2]; /* begin of the names of binary and relay logs; NULL = there are none */
};

/* The value relative to the data directory; NULL if it leads elsewhere. */
static const char *inside(const struct telling *t, const char *value)
{
    size_t n = strlen(t->server_datadir);
    while (n > 1 && t->server_datadir[n - 1] == '/')
        n--;
    if (strncmp(value, t->server_datadir, n) == 0 && value[n] == '/')
        value += n;
    else if (*value == '/')
        return NULL;
    if (strncmp(value, "./", 2) == 0)
        value += 2;
    value += strspn(value, "/");
    return *value ? value : NULL;
}

/* A variable of a log whose value is the name of a file in the data directory, but for the engines'
 * logs and those of replication, which are data; the pid file, the socket. */
static int take_variable(void *ctx, const struct server_row *row, struct err *e)
{
    static const char *const engines[] = {
        "innodb_", "aria_", "rocksdb_", "log_bin", "relay_log", "log_tc", NULL};
    struct telling *t = ctx;
    (void)e;
    for (size_t i = 0; i < 2 && row->n > 1 && row->text[1]; i++) {
        static const char *const names[] = {"log_bin_basename", "relay_log_basename"};
        const char *base = strcmp(row->text[0], names[i]) == 0 ? inside(t, row->text[1]) : NULL;
        if (base && !t->logs[i])
            t->logs[i] = xstrdup(base);
    }
    bool log = strstr(row->text[0], "log") || strstr(row->text[0], "audit") ||
               !strcmp(row->text[0], "pid_file") || !strcmp(row->text[0], "socket");
    const char *name = log && row->n > 1 && row->text[1] ? inside(t, row->text[1]) : NULL;
    for (size_t i = 0; name && engines[i]; i++)
        if (strncmp(row->text[0], engines[i], strlen(engines[i])) == 0)
            return 0;
    struct stat st;
    _cleanup_free_ char *path = name ? xasprintf("%s/%s", t->l->datadir, name) : NULL;
    if (!path || strstr(name, "..") || lstat(path, &st) < 0)
        return 0;
    if (S_ISREG(st.st_mode) || S_ISSOCK(st.st_mode))
        skip(t->l, name);
    return 0;
}

/* A plugin's log becomes NAME.1, NAME.2 or NAME.01 when it is full, and that in mid-copy too. */
static void skip_rotated(struct layout *l)
{
    _cleanup_dir_ DIR *d = opendir(l->datadir);
    struct dirent *entry;
    size_t n = l->skip_count;
    while (d && (entry = readdir(d))) {
        const char *name = entry->d_name, *dot = strrchr(name, '.');
        if (!dot || !dot[1] || dot[1 + strspn(dot + 1, "0123456789")])
            continue;
        for (size_t i = 0; i < n; i++) {
            size_t len = (size_t)(dot - name);
            if (strlen(l->skip[i]) == len && memcmp(l->skip[i], name, len) == 0)
                skip(l, name);
        }
    }
}

int layout_logs_find(struct server *s, const char *server_datadir, struct layout *l, struct err *e)
{
    struct telling t = {server_datadir, l, {NULL, NULL}};
    struct appended a = {0};
    int r = server_rows(s, take_variable, &t, e, "SHOW GLOBAL VARIABLES");
    if (r == 0 && find_appended(l->datadir, &a))
        skip_appended(l, &a, t.logs, "");
    free(a.files);
    free(t.logs[0]);
    free(t.logs[1]);
    if (r == 0)
        skip_rotated(l);
    return r;
}
