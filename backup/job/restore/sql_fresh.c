#include "backup/job/restore/sql_fresh.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "backup/job/trial/copy_check.h"
#include "backup/job/trial/import.h"
#include "backup/job/restore/accounts.h"
#include "backup/job/restore/throwaway_of.h"
#include "common/file.h"
#include "common/json_get.h"

#define NAMED_MAX 20

/* Of a server that nobody has seen here, the manifest of a dump of ours says what it was like. */
static int take_manners(struct sql_stage *q, struct err *e)
{
    struct layout *l = &q->site.layout;
    _cleanup_manifest_file_ struct manifest_file *file = NULL;
    const struct manifest *m = NULL;
    int code = q->text.item && !q->site.known
                   ? copy_check_manifest(q->run, q->text.item, q->text.manifest, &file, &m, e)
                   : 0;
    if (m && l->page_size == 0) {
        l->page_size = m->server.page_size;
        l->lower_case_table_names = m->server.lower_case_table_names;
    }
    if (m && !l->settings)
        l->settings = json_incref(json_object_get(m->info, "server_settings"));
    return code;
}

int sql_fresh_start(struct sql_stage *q, const char *fresh, const char *scratch, const char *why,
    struct throwaway **out, struct err *e)
{
    run_note(
        "the SQL goes into a new installation, and what lies there now is kept beside it: %s", why);
    q->fresh = true;
    int code = take_manners(q, e);
    if (code == 0)
        code = file_remove_path(fresh, e);
    if (code == 0)
        code = import_install(q->run,
            &(struct throwaway_options){.config = q->run->s.config,
                .datadir = fresh,
                .scratch = scratch,
                .page_size = q->site.layout.page_size,
                .lower_case_table_names = q->site.layout.lower_case_table_names},
            true, e);
    return code == 0
               ? throwaway_of_copy(q->run, &q->site.layout, fresh, scratch, q->database, out, e)
               : code;
}

/* --- accounts --------------------------------------------------------------------------------- */

/* The end of `name` or 'name', where such a quote inside stands twice; NULL: it has none. */
static const char *quoted_end(const char *p)
{
    char quote = *p;
    if (quote != '`' && quote != '\'')
        return NULL;
    for (p++; *p && *p != '\n'; p++)
        if (*p == quote && *++p != quote)
            return p;
    return NULL;
}

/* `user`@`host` of CREATE USER; nothing behind it, where the password's hash is. malloc'ed or NULL.
 */
static char *account_of(const char *line)
{
    if (strncmp(line, "CREATE USER ", 12) != 0)
        return NULL;
    size_t to_quote = strcspn(line, "`'\n");
    const char *end = quoted_end(line + to_quote);
    end = end && *end == '@' ? quoted_end(end + 1) : NULL;
    return end ? xasprintf("%.*s", (int)(end - (line + to_quote)), line + to_quote) : NULL;
}

/* Those that are not the keeper's own, nor the server's. */
static bool is_missed(const char *account, const char *ours)
{
    static const char *const servers[] = {"root", "mariadb.sys", "mysql"};
    size_t n = strcspn(account + 1, "`'");
    bool of_server = strlen(ours) == n && strncmp(account + 1, ours, n) == 0;
    for (size_t i = 0; i < sizeof servers / sizeof servers[0]; i++)
        of_server |= strlen(servers[i]) == n && strncmp(account + 1, servers[i], n) == 0;
    return !of_server;
}

/* malloc'ed; "" for none. */
static char *accounts_in(const char *sql, const char *ours)
{
    char *names = xstrdup("");
    size_t n = 0;
    for (const char *line = sql; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        _cleanup_free_ char *account = account_of(line);
        if (!account || !is_missed(account, ours) || n++ >= NAMED_MAX)
            continue;
        xappendf(&names, "%s%s", *names ? ", " : "", n == NAMED_MAX ? "..." : account);
    }
    return names;
}

static int name_missed(struct sql_stage *q, struct err *e)
{
    _cleanup_manifest_file_ struct manifest_file *file = NULL;
    const struct manifest *m = NULL;
    int code = q->text.item
                   ? copy_check_manifest(q->run, q->text.item, q->text.manifest, &file, &m, e)
                   : 0;
    const char *sql = m ? json_get_str(m->info, "accounts") : NULL;
    _cleanup_free_ char *names = accounts_in(sql, q->run->s.target.user);
    if (code == 0 && *names)
        run_note(
            "accounts that this dump knows and that are not brought back: %s; afterwards: jq -r .info.accounts %s | mariadb",
            names, q->text.manifest);
    else if (code == 0)
        run_note(
            "the new installation has root (by its socket only) and the account %s; all other accounts, those of the workstations too, have to be made anew: SQL does not bring them",
            q->run->s.target.user);
    return code;
}

int sql_fresh_accounts(struct sql_stage *q, struct server *s, struct err *e)
{
    _cleanup_json_ json_t *accounts = NULL;
    int code = restore_accounts_read(q->run, NULL, &q->site.was, &accounts, e);
    if (code == 0)
        code = restore_accounts_make(&q->run->s, accounts, s, e);
    return code == 0 ? name_missed(q, e) : code;
}

/* --- other databases -------------------------------------------------------------------------- */

static bool ends_in_frm(const char *name)
{
    size_t n = strlen(name);
    return n > 4 && strcmp(name + n - 4, ".frm") == 0;
}

static bool has_tables(int dir, const char *name)
{
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    _cleanup_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *de;
    bool found = false;
    if (!d && fd >= 0)
        close(fd);
    while (d && !found && (de = readdir(d)))
        found = ends_in_frm(de->d_name);
    return found;
}

int sql_fresh_loss(const struct sql_stage *q, struct server *s, json_t *difference, struct err *e)
{
    _cleanup_free_ char *text = server_quote_text(s, q->database), *ours = NULL;
    int code = server_text(
        s, &ours, e, "SELECT CAST(CONVERT(%s USING filename) AS CHAR CHARACTER SET binary)", text);
    _cleanup_dir_ DIR *d = code == 0 ? opendir(q->site.layout.datadir) : NULL;
    const struct dirent *de;
    if (code == 0 && !d && errno != ENOENT)
        return err_sys(e, errno, "cannot look into %s", q->site.layout.datadir);
    while (d && (de = readdir(d)))
        if (!(strcmp(de->d_name, "mysql") == 0 || strcmp(de->d_name, "sys") == 0 ||
                strcmp(de->d_name, "performance_schema") == 0 || de->d_name[0] == '.' ||
                de->d_name[0] == '#') &&
            strcmp(de->d_name, ours) != 0 && has_tables(dirfd(d), de->d_name))
            (void)json_array_append_new(json_object_get(difference, "vanish"),
                json_pack("{s:s, s:o, s:I}", "kind", "database", "name", json_text(de->d_name),
                    "rows", (json_int_t)-1));
    return code;
}
