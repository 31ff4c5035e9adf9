#include "backup/job/trial/import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "common/process.h"
#include "backup/job/method/dump_beside.h"
#include "backup/job/trial/server_program.h"
#include "backup/job/trial/trial.h"
#include "backup/server/dialect.h"
#include "common/exit_codes.h"
#include "common/lang.h"
#include "common/sql_name.h"

#define INSTALL_MS 120000

static int run_sandboxed(struct run *r, const char *const *argv, const struct sandbox *sandbox,
    int timeout_ms, struct err *e)
{
    _cleanup_fd_ int words = memfd_create("said", MFD_CLOEXEC);
    struct process_options o = {.argv = argv, .out = words, .err = words};
    struct process p = {0};
    int code = sandbox_start(sandbox, &o, &p, NULL, e);
    if (code == 0)
        code = process_finish(&p, &o, timeout_ms, run_go_on, r, e);
    if (code == -ECANCELED)
        return run_pack_result(PACK_STOPPED, e);
    return code == 1 ? EXIT_INCONSISTENT : code;
}

/* --force: the program would refuse a host that cannot look up its own name and localhost, which
 * only matters for accounts that nobody will use here. */
static int install_in(struct run *r, const struct throwaway_options *o, bool stays,
    struct trial *trial, struct err *e)
{
    char page[48], dir[4200], lower[48], temporary[4200];
    snprintf(dir, sizeof dir, "--datadir=%s", o->datadir);
    snprintf(temporary, sizeof temporary, "--tmpdir=%s", o->scratch);
    snprintf(page, sizeof page, "--innodb-page-size=%u", o->page_size);
    snprintf(lower, sizeof lower, "--lower-case-table-names=%d", o->lower_case_table_names);
    const char *argv[12] = {"mariadb-install-db", "--no-defaults", dir, temporary,
        "--innodb-use-native-aio=OFF", "--force", "--skip-test-db",
        stays ? "--auth-root-authentication-method=socket"
              : "--auth-root-authentication-method=normal",
        "--auth-root-socket-user=root"};
    size_t n = 9;
    if (o->page_size)
        argv[n++] = page;
    if (o->lower_case_table_names >= 0)
        argv[n++] = lower;
    trial->sandbox.scripts = true;
    return run_sandboxed(r, argv, &trial->sandbox, INSTALL_MS, e);
}

/* MySQL's own program does it, which is the server. */
static int install_mysql(
    struct run *r, const struct throwaway_options *o, struct trial *trial, struct err *e)
{
    char *argv[12] = {xstrdup(o->program), xstrdup("--no-defaults"),
        xstrdup("--initialize-insecure"), xstrdup("--innodb-use-native-aio=OFF"),
        xasprintf("--datadir=%s", o->datadir), xasprintf("--tmpdir=%s", o->scratch),
        xstrdup("--secure-file-priv=")};
    size_t n = 7;
    _cleanup_free_ char *share = server_program_share(o->program);
    _cleanup_free_ char *words = xasprintf("--lc-messages-dir=%s", share ? share : "");
    int code = share ? trial_show(trial, words, &argv[n], e) : 0;
    n += share && code == 0;
    if (o->lower_case_table_names >= 0)
        argv[n++] = xasprintf("--lower-case-table-names=%d", o->lower_case_table_names);
    if (o->page_size)
        argv[n++] = xasprintf("--innodb-page-size=%u", o->page_size);
    if (code == 0)
        code = run_sandboxed(r, (const char *const *)argv, &trial->sandbox, INSTALL_MS, e);
    while (n > 0)
        free(argv[--n]);
    return code;
}

int import_install(struct run *r, const struct throwaway_options *o, bool stays, struct err *e)
{
    struct trial trial;
    if (mkdir(o->datadir, 0700) < 0)
        return err_sys(e, errno, "cannot make %s", o->datadir);
    int code = trial_open(&trial, o->config, o->datadir, o->scratch, e);
    if (code < 0)
        return code;
    code = o->mysql ? install_mysql(r, o, &trial, e) : install_in(r, o, stays, &trial, e);
    int closed = trial_close(&trial, code == 0 ? e : NULL);
    return code == 0 ? closed : code;
}

static int feed(struct run *r, const struct server_target *t, const char *file,
    const char *database, struct err *e)
{
    _cleanup_fd_ int in = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (in < 0) {
        err_sys(e, errno, "cannot open %s", file);
        return EXIT_INCONSISTENT;
    }
    return import_sql(r, t, in, database, e);
}

static int make_database(
    struct throwaway *t, const char *database, const json_t *like, struct err *e)
{
    _cleanup_free_ char *name = sql_name_quoted(database);
    _cleanup_free_ char *clause = dump_beside_clause(throwaway_server(t), like);
    return server_exec(throwaway_server(t), e, "CREATE DATABASE %s %s", name, clause);
}

int import_new_server(struct run *r, const struct throwaway_options *o, const char *type,
    const char *file, const char *database, const json_t *like, struct throwaway **out,
    struct err *e)
{
    struct throwaway *t = NULL;
    run_phase(r, type, "boot", 0);
    int code = import_install(r, o, false, e);
    if (code != 0)
        return code;
    struct throwaway_options with = *o;
    with.database = database;
    code = throwaway_start(&with, &t, e);
    if (code == 1)
        return run_pack_result(PACK_STOPPED, e);
    if (code == 0)
        code = make_database(t, database, like, e);
    struct server_target target = {0};
    if (code == 0) {
        target = throwaway_import_target(t);
        run_phase(r, type, "import", 0);
        code = feed(r, &target, file, database, e);
    }
    if (code != 0) {
        throwaway_drop(t);
        return code;
    }
    *out = t;
    return 0;
}

int import_into_new_server(struct run *r, const struct store_item *it, const char *scratch,
    const char *folder, struct throwaway **out, struct err *e)
{
    const struct manifest *m = &it->manifest;
    const char *database = m->table_count ? m->tables[0].schema : NULL;
    if (!database)
        return err_outcome(
            e, EXIT_INCONSISTENT, EINVAL, "the manifest of this dump names no table");
    _cleanup_free_ char *datadir = xasprintf(
        "%.*s/server", (int)(strrchr(scratch, '/') - scratch), scratch);
    _cleanup_free_ char *file = xasprintf("%s/%s.sql", folder, database);
    bool mysql = m->server.version && dialect_version_is_mysql(m->server.version);
    _cleanup_free_ char *program = mysql ? server_program_of_mysql(r->s.config)
                                         : xstrdup(config_str(
                                               r->s.config, "drill", NULL, "server_program"));
    if (!program)
        return err_outcome(e, EXIT_REFUSED, ENOENT,
            N_("not drilled: this is a dump of MySQL %s, and no mysqld of MySQL is installed here to try it in (mysql-server, or its path in [drill] server_program)"),
            m->server.version);
    struct throwaway_options o = {
        .config = r->s.config,
        .program = program,
        .mysql = mysql,
        .datadir = datadir,
        .scratch = scratch,
        .page_size = m->server.page_size,
        .lower_case_table_names = m->server.lower_case_table_names,
        .settings = json_object_get(m->info, "server_settings"),
        .go_on = run_go_on,
        .ctx = r,
    };
    return import_new_server(
        r, &o, it->type, file, database, json_object_get(m->info, "database"), out, e);
}
