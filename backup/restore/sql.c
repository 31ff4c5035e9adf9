/*
 * A restore from SQL text, into the Elexis database only: looked through first, then a safety dump,
 * clients blocked, database made anew, import through the stock client with its own commands
 * disabled. If anything fails after the block, the safety dump comes back by the same way. The
 * journal names that dump, so that a killed import is undone as well.
 */
#include "backup/restore/sql.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include "backup/child.h"
#include "backup/copy_check.h"
#include "backup/import.h"
#include "backup/restore/restore.h"
#include "backup/rules/sql_scan.h"
#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/file.h"

#define CHUNK (256u * 1024u)

struct sql_restore {
    struct run *run;
    const char *database;
    int spool; /* the text, decompressed, in an unlinked file in the backup folder */
    struct sql_scan scan;
};

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n >= k && strcmp(s + n - k, end) == 0;
}

static int take(struct sql_restore *q, const char *data, size_t n, struct err *e)
{
    sql_scan_feed(&q->scan, data, n);
    int code = fd_write_all(q->spool, data, n, e);
    return code < 0
               ? err_prefix(e, code, "%s has no room for the decompressed text", q->run->s.folder)
               : 0;
}

static int spool_plain(struct sql_restore *q, int in, const char *name, struct err *e)
{
    _cleanup_free_ char *buf = xmalloc(CHUNK);
    for (;;) {
        ssize_t n = read(in, buf, CHUNK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(e, errno, "cannot read %s", name);
        if (n == 0)
            return 0;
        int code = take(q, buf, (size_t)n, e);
        if (code < 0 || !run_go_on(q->run))
            return code < 0 ? code : run_pack_result(PACK_STOPPED, e);
    }
}

static int spool_gzip(struct sql_restore *q, const char *path, struct err *e)
{
    _cleanup_free_ char *buf = xmalloc(CHUNK);
    gzFile z = gzopen(path, "rbe");
    if (!z)
        return err_sys(e, errno, "cannot open %s", path);
    int n, code = 0;
    while (code == 0 && (n = gzread(z, buf, CHUNK)) > 0)
        code = take(q, buf, (size_t)n, e);
    int why = 0;
    const char *words = gzerror(z, &why);
    if (code == 0 && why < 0) {
        err_set(e, EBADMSG, "%s is damaged or cut off: %s", path, words);
        code = EXIT_INCONSISTENT;
    }
    /* gzclose alone tells of a last member without its trailer */
    if (gzclose_r(z) != Z_OK && code == 0) {
        err_set(e, EBADMSG, "%s is cut off", path);
        code = EXIT_INCONSISTENT;
    }
    return code;
}

static int spool_zstd(struct sql_restore *q, const char *path, struct err *e)
{
    int from[2];
    if (pipe2(from, O_CLOEXEC) < 0)
        return err_sys(e, errno, "cannot make a pipe");
    const char *argv[] = {"zstd", "-dcq", "--", path, NULL};
    struct child_options o = {.argv = argv, .out = from[1], .err = -1, .keep = -1};
    struct child c = {0};
    int code = child_start(&o, &c, e);
    close(from[1]);
    if (code == 0)
        code = spool_plain(q, from[0], path, e);
    close(from[0]);
    if (code == 0 && (child_wait(&c, 10000, NULL, NULL) != 0 || !child_good(&c))) {
        char how[80];
        err_set(
            e, EBADMSG, "%s cannot be decompressed: zstd %s", path, child_how(&c, how, sizeof how));
        code = EXIT_INCONSISTENT;
    }
    child_end(&c, 1000);
    return code;
}

static int spool(struct sql_restore *q, const char *path, struct err *e)
{
    _cleanup_free_ char *name = xasprintf("%s/.restore-sql.part", q->run->s.folder);
    int code = file_mkdirs(q->run->s.folder, 0700, e);
    if (code < 0)
        return code;
    (void)unlink(name);
    q->spool = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (q->spool < 0)
        return err_sys(e, errno, "cannot make %s", name);
    (void)unlink(name); /* it goes with us, however we end */
    run_phase(q->run, q->run->s.dump_type, "read", 0);
    sql_scan_start(&q->scan, q->database);
    if (!strcmp(path, "-"))
        code = spool_plain(q, 0, "standard input", e);
    else if (ends_with(path, ".gz"))
        code = spool_gzip(q, path, e);
    else if (ends_with(path, ".zst"))
        code = spool_zstd(q, path, e);
    else {
        _cleanup_fd_ int in = open(path, O_RDONLY | O_CLOEXEC);
        code = in < 0 ? err_sys(e, errno, "cannot open %s", path) : spool_plain(q, in, path, e);
    }
    sql_scan_finish(&q->scan);
    return code;
}

/* Each refusal says what is wrong, where, and what would help. */
static int judge(const struct sql_restore *q, const char *path, struct err *e)
{
    const struct sql_scan *s = &q->scan;
#define AT(line) (unsigned long long)(line)
    if (s->nul_line)
        err_set(e, EINVAL, "%s is no SQL text: line %llu has a NUL byte", path, AT(s->nul_line));
    else if (s->statements == 0)
        err_set(e, EINVAL, "%s has no SQL statement in it", path);
    else if (s->command_line)
        err_set(e, EINVAL,
            "%s, line %llu: \"%s\" is a command of the client program, not SQL; a dump has none, "
            "and it "
            "would be run on this machine",
            path, AT(s->command_line), s->command);
    else if (s->other_line)
        err_set(e, EINVAL,
            "%s, line %llu, is about the database \"%s\"; only \"%s\" is restored: make the dump "
            "with "
            "`mariadb-dump %s`, without --databases or --all-databases",
            path, AT(s->other_line), s->other, q->database, q->database);
    else if (s->account_line)
        err_set(e, EINVAL,
            "%s, line %llu, changes accounts or rights; a dump of one database does not", path,
            AT(s->account_line));
    else if (s->collation_line)
        err_set(e, EINVAL,
            "%s, line %llu: the collation utf8mb4_0900_... is MySQL 8's, which this server does "
            "not have; "
            "replace it, for example with: sed 's/utf8mb4_0900_ai_ci/utf8mb4_unicode_520_ci/g'",
            path, AT(s->collation_line));
    else if (s->open || !s->complete)
        err_set(e, EINVAL,
            "%s is cut off after line %llu: it does not end with \"-- Dump completed\", as every "
            "whole "
            "dump of mariadb-dump or mysqldump does (made with --skip-comments? then add that "
            "line)",
            path, AT(s->lines));
    else
        return 0;
#undef AT
    return s->open || (!s->complete && s->statements) ? EXIT_INCONSISTENT : EXIT_REFUSED;
}

/* The tables of rights show all accounts' to one that may read mysql.*: only our own count. */
#define OURS                                                                                       \
    "GRANTEE = CONCAT(QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', 1)), '@', "                       \
    "QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', -1)))"
#define NEEDED  "PRIVILEGE_TYPE IN ('CREATE', 'DROP', 'INSERT', 'ALTER', 'CREATE ROUTINE')"
#define NEEDS_N 5

/* May the admin account write to the one database? */
static int may_write(struct sql_restore *q, struct server *s, struct err *e)
{
    uint64_t n = 0, global = 0;
    _cleanup_free_ char *name = server_quote_text(s, q->database);
    int code = server_u64(s, &n, e,
        "SELECT COUNT(*) FROM information_schema.SCHEMA_PRIVILEGES WHERE " OURS " AND " NEEDED
        " AND TABLE_SCHEMA IN (%s, REPLACE(%s, '_', '\\\\_'))",
        name, name);
    if (code == 0)
        code = server_u64(s, &global, e,
            "SELECT COUNT(*) FROM information_schema.USER_PRIVILEGES WHERE " OURS " AND " NEEDED);
    if (code < 0 || n >= NEEDS_N || global >= NEEDS_N)
        return code;
    err_set(e, EACCES,
        "the admin account may not write to %s; to restore from SQL run once: GRANT ALL PRIVILEGES "
        "ON "
        "`%s`.* TO '%s'@'localhost'",
        q->database, q->database, q->run->s.target.user);
    return EXIT_REFUSED;
}

/* Drops and makes the database with the character set that it had. */
static int make_anew(struct sql_restore *q, struct err *e)
{
    struct server *s = NULL;
    char *charset = NULL, *order = NULL;
    _cleanup_free_ char *name = server_quote_name(q->database);
    int code = server_connect(&q->run->s.target, "elexgate-job", &s, e);
    _cleanup_free_ char *text = code == 0 ? server_quote_text(s, q->database) : NULL;
    if (code == 0)
        code = server_text(s, &charset, e,
            "SELECT DEFAULT_CHARACTER_SET_NAME FROM information_schema.SCHEMATA WHERE "
            "SCHEMA_NAME=%s",
            text);
    if (code == 0)
        code = server_text(s, &order, e,
            "SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME=%s",
            text);
    if (code == 0)
        code = server_exec(s, e, "DROP DATABASE IF EXISTS %s", name);
    if (code == 0)
        code = server_exec(s, e, "CREATE DATABASE %s CHARACTER SET %s COLLATE %s", name,
            charset ? charset : "utf8mb4", order ? order : "utf8mb4_general_ci");
    free(charset);
    free(order);
    server_close(s);
    return code;
}

static int import(struct sql_restore *q, int text, const char *phase, struct err *e)
{
    run_phase(q->run, q->run->s.dump_type, phase, 0);
    if (lseek(text, 0, SEEK_SET) < 0)
        return err_sys(e, errno, "cannot rewind the dump");
    int code = make_anew(q, e);
    return code == 0 ? import_sql(q->run, &q->run->s.target, text, q->database, e) : code;
}

/* The text of a dump archive of ours, unpacked into the staging folder. */
static int open_safety(struct sql_restore *q, struct restore *r, int *text, struct err *e)
{
    struct store_list found = {0};
    int code = store_find(q->run->s.folder, r->suffix, q->run->s.dump_type, &found, e);
    if (code == 0 && found.count != 1)
        code = err_set(e, ENOENT, "the safety dump of %s is not there", r->suffix);
    _cleanup_free_ char *folder = xasprintf("%s/safety", q->run->s.state_dir);
    _cleanup_fd_ int state = open(q->run->s.state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (code == 0)
        code = file_remove_tree(state, "safety", e);
    if (code == 0 && mkdir(folder, 0700) < 0)
        code = err_sys(e, errno, "cannot make %s", folder);
    if (code == 0) {
        _cleanup_free_ char *archive = store_path(
            q->run->s.folder, &found.items[0], ARCHIVE_NAME_ARCHIVE);
        _cleanup_free_ char *manifest = store_path(
            q->run->s.folder, &found.items[0], ARCHIVE_NAME_MANIFEST);
        struct copy_check c = {.run = q->run,
            .item = &found.items[0],
            .archive = archive,
            .manifest = manifest,
            .datadir = folder,
            .scratch = folder};
        code = copy_check_extract(&c, e);
    }
    _cleanup_free_ char *file = xasprintf("%s/%s.sql", folder, q->database);
    if (code == 0 && (*text = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)) < 0)
        code = err_sys(e, errno, "cannot open %s", file);
    struct err left;
    if (state >= 0 &&
        file_remove_tree(state, "safety", &left) < 0) /* the open file stays readable */
        run_note("%s", left.text);
    store_list_clear(&found);
    return code;
}

int restore_sql_undo(struct restore *r, struct err *e)
{
    struct sql_restore q = {.run = r->run,
        .spool = -1,
        .database = config_str(r->run->s.config, "database", NULL, "name")};
    int text = -1;
    int code = restore_block(r, e);
    if (code == 0)
        code = open_safety(&q, r, &text, e);
    if (code == 0)
        code = import(&q, text, "undo", e);
    cleanup_fd(&text);
    if (code == 0)
        code = restore_let_in(r, e);
    return code == 0 ? restore_journal_remove(r, e) : code;
}

static int replace(struct sql_restore *q, struct restore *r, struct err *e)
{
    int code = restore_journal_save(r, RESTORE_IMPORTING, e);
    if (code == 0)
        code = restore_block(r, e);
    if (code == 0)
        code = import(q, q->spool, "import", e);
    if (code == 0) {
        code = restore_let_in(r, e);
        return code == 0 ? restore_journal_remove(r, e) : code;
    }
    struct err back = {0};
    run_note("the import failed, the safety dump comes back: %s", e->text);
    if (restore_sql_undo(r, &back) == 0)
        return err_prefix(e, code, "the database is as it was before, and clients are let in");
    return err_prefix(e, code,
        "CLIENTS STAY BLOCKED, because the safety dump of %s did not come back (%.200s); put that "
        "right, then run `elexgate restore recover`",
        r->suffix, back.text);
}

int restore_sql(struct run *run, const char *path, bool dry_run, struct err *e)
{
    struct sql_restore q = {
        .run = run, .spool = -1, .database = config_str(run->s.config, "database", NULL, "name")};
    struct restore r = {.run = run, .started_ms = clock_wall_ms()};
    struct server *s = NULL;
    r.journal = xasprintf("%s/restore.json", run->s.state_dir);
    int code = spool(&q, path, e);
    if (code == 0)
        code = judge(&q, path, e);
    if (code == 0)
        code = server_connect(&run->s.target, "elexgate-job", &s, e);
    if (code == 0)
        code = may_write(&q, s, e);
    server_close(s);
    if (code == 0 && !dry_run) { /* the safety dump is a backup like any other */
        code = store_free_suffix(
            run->s.folder, run->started_ms / 1000, &cron_zone_local, run->suffix, e);
        if (code == 0)
            code = dump_backup(run, e);
        snprintf(r.suffix, sizeof r.suffix, "%s", run->suffix);
        if (code == 0)
            code = replace(&q, &r, e);
        if (code == 0)
            run_event(json_pack("{s:s, s:s, s:I, s:I, s:I}", "event", "restored", "safety",
                r.suffix, "blocked_ms", (json_int_t)r.blocked_for_ms, "tables",
                (json_int_t)q.scan.tables, "statements", (json_int_t)q.scan.statements));
    }
    cleanup_fd(&q.spool);
    restore_clear(&r);
    return code;
}
