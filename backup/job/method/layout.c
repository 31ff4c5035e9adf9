#include "backup/job/method/layout.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include "backup/archive/elsewhere.h"
#include "backup/job/method/layout_logs.h"
#include "common/error_phrase.h"
#include "common/file.h"
#include "common/json_lines.h"
#include "common/lang.h"
#include "common/sql_name.h"
#include "common/utf8.h"

/* Settings whose value must be the data directory itself (or empty, or relative to it). */
static const char *const inside[] = {
    "innodb_data_home_dir", "innodb_log_group_home_dir", "innodb_undo_directory",
    "aria_log_dir_path", "binlog_directory", /* of 12.3 */
};
static const char *const encrypting[] = {
    "innodb_encrypt_log",
    "innodb_encrypt_tables",
    "aria_encrypt_tables",
    "encrypt_binlog",
};

const char *const layout_settings[] = {
    "innodb_data_file_path", "innodb_undo_tablespaces", "innodb_log_file_size", NULL};
const char *const layout_manners[] = {"max_allowed_packet", "sql_mode", "old_mode",
    "character_set_server", "collation_server", "character_set_collations", "innodb_strict_mode",
    "innodb_default_row_format", "innodb_read_only_compressed", "default_storage_engine",
    "explicit_defaults_for_timestamp", "log_bin_trust_function_creators", "max_heap_table_size",
    "ft_min_word_len", "ft_max_word_len", "innodb_ft_min_token_size", "innodb_ft_max_token_size",
    NULL};

void layout_clear(struct layout *l)
{
    for (size_t i = 0; i < l->skip_count; i++)
        free(l->skip[i]);
    free(l->skip);
    json_decref(l->settings);
    json_decref(l->missing);
    free(l->datadir);
    free(l->version);
    memset(l, 0, sizeof *l);
}

bool layout_skips(const struct layout *l, const char *path)
{
    /* tc.log: which transactions in several engines are committed, between prepare and commit.
     * Under the lock there is none, and a server that finds a running one's says that it recovers.
     */
    if (strncmp(path, "ibtmp", 5) == 0 || strcmp(path, "lost+found") == 0 ||
        strcmp(path, "tc.log") == 0 || strncmp(path, ".elexgate", 9) == 0)
        return true;
    for (size_t i = 0; i < l->skip_count; i++)
        if (strcmp(path, l->skip[i]) == 0)
            return true;
    return false;
}

/* The same path, but for slashes at the end and "./". */
static bool same_folder(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    while (n > 1 && a[n - 1] == '/')
        n--;
    while (m > 1 && b[m - 1] == '/')
        m--;
    return n == m && memcmp(a, b, n) == 0;
}

static bool beneath(const char *path, const char *folder)
{
    size_t n = strlen(folder);
    while (n > 1 && folder[n - 1] == '/')
        n--;
    return strncmp(path, folder, n) == 0 && path[n] == '/';
}

static int check_inside(struct server *s, const char *server_datadir, struct err *e)
{
    for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++) {
        _cleanup_free_ char *value = NULL;
        int r = server_variable(s, inside[i], &value, e);
        if (r < 0)
            return r;
        /* a relative path begins at the data directory */
        if (!value || (*value != '/' && !strstr(value, "..")) || same_folder(value, server_datadir))
            continue;
        return err_outcome(e, 1, EINVAL,
            "%s=%s lies outside the data directory %s: a copy of that would not be whole; use method = dump",
            inside[i], value, server_datadir);
    }
    return 0;
}

static int check_system_space(struct server *s, struct err *e)
{
    _cleanup_free_ char *value = NULL;
    int r = server_variable(s, "innodb_data_file_path", &value, e);
    if (r < 0 || !value)
        return r;
    /* file:size[:autoextend[:max]];file:... ; a folder in a name, or a raw device */
    if (!strchr(value, '/') && !strstr(value, "raw"))
        return 0;
    return err_outcome(e, 1, EINVAL,
        "innodb_data_file_path=%s names files outside the data directory; use method = dump",
        value);
}

static int check_keys(struct server *s, const char *server_datadir, struct err *e)
{
    for (size_t i = 0; i < sizeof encrypting / sizeof encrypting[0]; i++) {
        _cleanup_free_ char *value = NULL, *keys = NULL;
        int r = server_variable(s, encrypting[i], &value, e);
        if (r == 0)
            r = server_variable(s, "file_key_management_filename", &keys, e);
        if (r < 0)
            return r;
        if (!value || strcasecmp(value, "OFF") == 0 || strcmp(value, "0") == 0)
            continue;
        if (keys && *keys && beneath(keys, server_datadir))
            continue;
        return err_outcome(e, 1, EINVAL,
            "%s=%s, and the keys (file_key_management_filename=%s) lie outside the data directory: without them the copy cannot be read; use method = dump",
            encrypting[i], value, keys && *keys ? keys : N_("none, another plugin has them"));
    }
    return 0;
}

/* From their documentation, nobody here has tried them: InnoDB's log in many files (13.0), of which
 * no copy is made by any tool yet, and the binary log in pages of InnoDB (12.3). */
static int check_newer(struct server *s, struct err *e)
{
    static const struct {
        const char *name, *value, *why;
    } unknown[] = {
        {"innodb_log_archive", "ON",
            N_("InnoDB's log lies in files ib_LSN.log, which are not copied as a whole yet")},
        {"binlog_storage_engine", "innodb",
            N_("the binary log lies in files .ibb that belong to InnoDB, which are not copied as a whole yet")},
    };
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        _cleanup_free_ char *value = NULL;
        int r = server_variable(s, unknown[i].name, &value, e);
        if (r < 0)
            return r;
        if (!value || strcasecmp(value, unknown[i].value) != 0)
            continue;
        return err_outcome(e, 1, EINVAL, "%s=%s (MariaDB %s): %s; use method = dump",
            unknown[i].name, value, server_version(s), unknown[i].why);
    }
    return 0;
}

static int check_mysql(struct server *s, struct err *e)
{
    if (!server_is_mysql(s))
        return 0;
    return err_outcome(e, 1, EINVAL,
        "this is MySQL %s, not MariaDB: backups by SQL dump only; use method = dump",
        server_version(s));
}

/* As in the data directory; each for itself, or the slash would be written as @002f. */
#define FILE_NAME                                                                                  \
    "CONCAT(CAST(CONVERT(TABLE_SCHEMA USING filename) AS CHAR CHARACTER SET binary),'/',CAST(CONVERT(TABLE_NAME USING filename) AS CHAR CHARACTER SET binary))"

static int take_engine(void *ctx, const struct server_row *row, struct err *e)
{
    struct err why = {0};
    (void)err_set(&why, ENOTSUP,
        N_("%s: its files are not held still by the lock; use method = dump"), row->text[1]);
    (void)err_copy(e, ENOLINK, &why);
    (void)json_object_set_new(ctx, row->text[0], error_phrase_json(&why));
    return 0;
}

static int check_engines(struct server *s, json_t *missing, struct err *e)
{
    return server_rows(s, take_engine, missing, e,
        "SELECT " FILE_NAME
        ", ENGINE FROM information_schema.TABLES WHERE ENGINE NOT IN ('InnoDB','MyISAM','Aria','MRG_MyISAM','CSV','ARCHIVE','MEMORY','BLACKHOLE','SEQUENCE','FEDERATED','PERFORMANCE_SCHEMA')");
}

typedef int look_fn(
    const struct layout *l, int dirfd, const char *path, const struct stat *st, struct err *e);

/* Each name in the data directory and in the folders of its databases. */
static int look_at_names(const struct layout *l, const char *in, look_fn *look, struct err *e)
{
    _cleanup_free_ char *folder = xasprintf("%s/%s", l->datadir, in);
    _cleanup_dir_ DIR *d = opendir(folder);
    if (!d)
        return err_sys(e, errno, "cannot read %s", folder);
    int r = 0;
    struct dirent *entry;
    while (r == 0 && (entry = readdir(d))) {
        struct stat st;
        if (entry->d_name[0] == '.' ||
            fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue; /* it may have gone */
        _cleanup_free_ char *path = xasprintf("%s%s%s", in, *in ? "/" : "", entry->d_name);
        r = look(l, dirfd(d), path, &st, e);
        if (r == 0 && S_ISDIR(st.st_mode) && !*in)
            r = look_at_names(l, path, look, e);
    }
    return r;
}

static int no_link(
    const struct layout *l, int dirfd, const char *path, const struct stat *st, struct err *e)
{
    (void)dirfd;
    if (!S_ISLNK(st->st_mode) || elsewhere_is(path, st))
        return 0;
    return err_outcome(e, 1, EINVAL,
        "%s/%s leads out of the data directory (a symlink): a copy would not be whole; use method = dump",
        l->datadir, path);
}

static int reachable(
    const struct layout *l, int dirfd, const char *path, const struct stat *st, struct err *e)
{
    struct elsewhere at;
    struct err why = {0};
    if (!elsewhere_is(path, st))
        return 0;
    const char *name = strchr(path, '/') + 1;
    int r = elsewhere_find(dirfd, name, path, &at, &why);
    if (r == 0)
        close(at.folder);
    if (r != -ENOLINK)
        return 0;
    /* in a file's name '.' and '#' (of a partition) stand for nothing else */
    size_t n = (size_t)(name - path) + 1 + strcspn(name + 1, ".#");
    _cleanup_free_ char *table = xasprintf("%.*s", (int)n, path);
    (void)json_object_set_new(l->missing, UTF8_SHORT(table, 600), error_phrase_json(&why));
    return err_copy(e, ENOLINK, &why);
}

static int look_if_reachable(
    const struct layout *l, int dirfd, const char *path, const struct stat *st, struct err *e)
{
    (void)!reachable(l, dirfd, path, st, e);
    return 0;
}

bool layout_lacks(const struct layout *l, const char *path, const struct stat *st)
{
    if (!elsewhere_is(path, st))
        return false;
    _cleanup_free_ char *folder = xasprintf("%s/%.*s", l->datadir, (int)strcspn(path, "/"), path);
    _cleanup_fd_ int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 && reachable(l, fd, path, st, NULL) == -ENOLINK;
}

int layout_tables(struct server *s, const struct layout *l, struct err *e)
{
    int r = check_engines(s, l->missing, e);
    if (r == 0)
        r = look_at_names(l, "", look_if_reachable, e);
    return r == 0 && json_object_size(l->missing) > 0 ? -ENOLINK : r;
}

static int take_name(void *ctx, const struct server_row *row, struct err *e)
{
    (void)e;
    _cleanup_free_ char *name = sql_name_table(row->text[0], row->text[1]);
    return json_object_set_new(ctx, name,
        json_pack(
            "{s:o, s:o}", "schema", json_text(row->text[0]), "table", json_text(row->text[1])));
}

static int take_definition(void *ctx, const struct server_row *row, struct err *e)
{
    static const char begin[] = "CREATE TABLE ";
    (void)e;
    if (row->n == 2 && row->text[1] && strncmp(row->text[1], begin, sizeof begin - 1) == 0)
        json_object_set_new(ctx, "definition", json_text(row->text[1]));
    return 0;
}

int layout_missing(struct server *s, const struct layout *l, json_t **out, struct err *e)
{
    _cleanup_json_ json_t *named = json_object();
    _cleanup_free_ char *list = xstrdup("''");
    const char *path;
    json_t *words;
    json_object_foreach (l->missing, path, words) {
        _cleanup_free_ char *quoted = server_quote_text(s, path);
        xappendf(&list, ",%s", quoted);
    }
    int r =
        json_object_size(l->missing) == 0
            ? 0
            : server_rows(s, take_name, named, e,
                  "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE " FILE_NAME
                  " IN (%s)",
                  list);
    json_object_foreach (named, path, words) {
        _cleanup_free_ char *quoted = sql_name_quoted_table(
            json_get_str(words, "schema"), json_get_str(words, "table"));
        if (r == 0 &&
            server_rows(s, take_definition, words, e, "SHOW CREATE TABLE %s", quoted) == -EPIPE)
            r = -EPIPE; /* one that the server cannot open has none */
    }
    if (r == 0)
        *out = json_incref(named);
    return r;
}

static int find_datadir(const char *folder, struct layout *l, struct err *e)
{
    l->datadir = xstrdup(folder);
    for (size_t n = strlen(folder); n > 1 && l->datadir[n - 1] == '/'; n--)
        l->datadir[n - 1] = '\0';
    static const char *const must[] = {"ibdata1", "ib_logfile0", "aria_log_control", "mysql"};
    for (size_t i = 0; i < sizeof must / sizeof must[0]; i++) {
        _cleanup_free_ char *path = xasprintf("%s/%s", l->datadir, must[i]);
        if (access(path, R_OK) == 0)
            continue;
        return err_sys(e, errno,
            "cannot read %s: is this the server's data directory as seen from here ([backup] datadir), and may this user read it?",
            path);
    }
    return 0;
}

static int take_setting(void *ctx, const struct server_row *row, struct err *e)
{
    (void)e;
    if (row->n > 1 && row->text[0] && row->text[1])
        json_object_set_new(ctx, row->text[0], json_text(row->text[1]));
    return 0;
}

int layout_read_settings(struct server *s, json_t **out, struct err *e)
{
    _cleanup_free_ char *list = xstrdup("''");
    const char *const *both[] = {layout_settings, layout_manners};
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; both[k][i]; i++)
            xappendf(&list, ",'%s'", both[k][i]);
    _cleanup_json_ json_t *settings = json_object();
    int r = server_rows(
        s, take_setting, settings, e, "SHOW GLOBAL VARIABLES WHERE Variable_name IN (%s)", list);
    if (r == 0)
        *out = json_incref(settings);
    return r;
}

static int read_values(struct server *s, struct layout *l, struct err *e)
{
    uint64_t page = 0, lower = 0, binlog = 0;
    int r = server_text(s, &l->version, e, "SELECT VERSION()");
    if (r == 0)
        r = server_u64(s, &page, e, "SELECT @@innodb_page_size");
    if (r == 0)
        r = server_u64(s, &lower, e, "SELECT @@lower_case_table_names");
    if (r == 0)
        r = server_u64(s, &binlog, e, "SELECT @@log_bin");
    l->page_size = (uint32_t)page;
    l->lower_case_table_names = (int)lower;
    l->binary_log = binlog != 0;
    return r;
}

int layout_read(struct server *s, const char *datadir, struct layout *out, struct err *e)
{
    struct layout l = {0};
    _cleanup_free_ char *server_datadir = NULL;
    int r = check_mysql(s, e);
    if (r == 0)
        r = server_text(s, &server_datadir, e, "SELECT @@datadir");
    if (r == 0)
        r = check_newer(s, e);
    if (r == 0)
        r = check_inside(s, server_datadir, e);
    if (r == 0)
        r = check_system_space(s, e);
    if (r == 0)
        r = check_keys(s, server_datadir, e);
    if (r == 0)
        r = read_values(s, &l, e);
    if (r == 0)
        r = layout_read_settings(s, &l.settings, e);
    if (r == 0)
        r = find_datadir(datadir ? datadir : server_datadir, &l, e);
    if (r == 0)
        r = layout_logs_find(s, server_datadir, &l, e);
    if (r == 0)
        r = look_at_names(&l, "", no_link, e);
    if (r != 0) {
        layout_clear(&l);
        return r;
    }
    l.missing = json_object();
    *out = l;
    return 0;
}

/* Format of 10.8 and later: "Phys" at the start, checkpoint blocks at 4096 and 8192, each with the
 * checkpoint's LSN as its first eight bytes. */
int layout_check_log(const struct layout *l, uint64_t checkpoint_lsn, struct err *e)
{
    _cleanup_free_ char *path = xasprintf("%s/ib_logfile0", l->datadir);
    _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(e, errno, "cannot open %s", path);
    char magic[4];
    uint64_t first, second;
    if (pread(fd, magic, sizeof magic, 0) != sizeof magic || memcmp(magic, "Phys", 4) != 0)
        return 0;
    if (pread(fd, &first, 8, 4096) != 8 || pread(fd, &second, 8, 8192) != 8)
        return err_set(e, EIO, "%s is too short", path);
    first = be64toh(first);
    second = be64toh(second);
    uint64_t newest = first > second ? first : second;
    if (newest == checkpoint_lsn)
        return 0;
    return err_outcome(e, 1, EINVAL,
        "%s has the checkpoint %llu, the server says %llu: this is not the data directory of the server asked",
        path, (unsigned long long)newest, (unsigned long long)checkpoint_lsn);
}

int layout_size(const char *folder, uint64_t *bytes, struct err *e)
{
    char *roots[] = {xstrdup(folder), NULL};
    FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    if (!fts) {
        free(roots[0]);
        return err_sys(e, errno, "cannot read %s", folder);
    }
    uint64_t sum = 0;
    FTSENT *entry;
    while ((entry = fts_read(fts)))
        if (entry->fts_info == FTS_F)
            sum += (uint64_t)entry->fts_statp->st_blocks * 512;
    fts_close(fts);
    free(roots[0]);
    *bytes = sum;
    return 0;
}
