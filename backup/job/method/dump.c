/*
 * The dump method: SQL text of the Elexis database from one consistent snapshot, written by the
 * stock mariadb-dump and streamed into the archive.
 */
#include "backup/job/run.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "backup/job/trial/broken_tables.h"
#include "common/json_get.h"
#include "common/process.h"
#include "backup/job/trial/client_login.h"
#include "backup/job/method/dump_beside.h"
#include "backup/job/method/dump_rows.h"
#include "backup/job/method/layout.h"
#include "backup/job/trial/scan.h"
#include "backup/server/dialect.h"
#include "common/file.h"
#include "common/utf8.h"
#include "common/error_phrase.h"
#include "backup/server/server.h"
#include "common/config.h"

/* The last line that a whole dump has. A dump that was cut by a dying server or a full pipe has
 * not, whatever the exit status was. */
#define END_MARKER "-- Dump completed"
#define TAIL       16384 /* the footer, with the GTIDs of the snapshot */
#define END        256   /* of it, where END_MARKER stands */
#define HEAD       16384

/* Between mariadb-dump and the archive: passes everything on, keeps the end, and has it read as an
 * import would. The body of a routine is written out as it was stored, and may be made such that a
 * program that reads it in takes a part of it for a statement. */
struct tap {
    struct scan *scan;
    struct err scan_failed; /* its code: 0 = it has not */
    int in, out;
    char tail[TAIL + 1]; /* a string, as far as it has no NUL itself */
    size_t tail_len;
    char head[HEAD + 1]; /* where the place in the binary log stands */
    size_t head_len;
    atomic_uint_fast64_t bytes;
    pthread_t thread;
};

/* The program that writes a dump: [backup] dump_program, mariadb-dump unless it says otherwise. On
 * a MySQL server without such a word it is MySQL's own mysqldump where one is installed;
 * mariadb-dump writes values for generated columns, which MySQL does not take back. */
struct dump_program {
    char *name;
    bool mysql; /* it is MySQL's */
};

#define ANSWER_MS 20000
#define OURS      "mariadb-dump" /* the default */
#define THEIRS    "mysqldump"    /* in Debian's MariaDB a link to the one above */

static bool is_mysqls(const char *program)
{
    const char *argv[] = {program, "--no-defaults", "--version", NULL};
    char text[512] = "";
    _cleanup_fd_ int out = memfd_create("version", MFD_CLOEXEC);
    struct process_options o = {.argv = argv, .out = out, .err = out};
    return out >= 0 && process_run(&o, ANSWER_MS, NULL, NULL, NULL) == 0 &&
           pread(out, text, sizeof text - 1, 0) > 0 && strstr(text, "Ver ") &&
           !strstr(text, "MariaDB");
}

/* -ENOTSUP: what is installed would write a dump of this database that the server does not take
 * back, with words. The name is malloc'ed. */
static int find_program(const struct config *c, struct server *s, const char *database,
    struct dump_program *out, struct err *e)
{
    const char *given = config_str(c, "backup", NULL, "dump_program");
    if (!server_is_mysql(s)) {
        *out = (struct dump_program){.name = xstrdup(given)};
        return 0;
    }
    const char *program = strcmp(given, OURS) == 0 ? THEIRS : given;
    if (is_mysqls(program)) {
        *out = (struct dump_program){.name = xstrdup(program), .mysql = true};
        return 0;
    }
    _cleanup_free_ char *name = server_quote_text(s, database), *table = NULL;
    int r = server_text(s, &table, e,
        "SELECT CONCAT(TABLE_NAME, '.', COLUMN_NAME) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA=%s AND EXTRA IN ('VIRTUAL GENERATED', 'STORED GENERATED') ORDER BY 1 LIMIT 1",
        name);
    if (r < 0)
        return r;
    if (table)
        return err_set(e, ENOTSUP,
            "%s is a generated column, for which %s writes values that MySQL %s does not take back: install MySQL's own mysqldump (mysql-client), or name it in [backup] dump_program",
            table, given, server_version(s));
    *out = (struct dump_program){.name = xstrdup(given)};
    return 0;
}

struct dump {
    struct run *run;
    struct dump_program program;
    struct dump_rows *rows; /* NULL: they are not counted */
    bool logs;              /* the server writes a binary log, which is archived */
    bool history;           /* of tables WITH SYSTEM VERSIONING */
    struct process child;
    int options_fd, said_fd; /* the login; what the program writes to standard error */
    struct tap tap;
    struct pack *pack;
    char *version;
};

static void keep_tail(struct tap *t, const char *data, size_t n)
{
    t->bytes += n;
    if (n >= TAIL) {
        memcpy(t->tail, data + n - TAIL, TAIL);
        t->tail_len = TAIL;
        return;
    }
    size_t keep = t->tail_len + n > TAIL ? TAIL - n : t->tail_len;
    memmove(t->tail, t->tail + t->tail_len - keep, keep);
    memcpy(t->tail + keep, data, n);
    t->tail_len = keep + n;
}

static void keep_head(struct tap *t, const char *data, size_t n)
{
    size_t room = HEAD - t->head_len, take = n < room ? n : room;
    memcpy(t->head + t->head_len, data, take);
    t->head_len += take;
}

/* What stands between `from` and the next quote; malloc'ed, NULL = nowhere. */
static char *quoted_after(const char *text, const char *from)
{
    const char *at = strstr(text, from), *begin = at ? at + strlen(from) : NULL;
    const char *end = begin ? strchr(begin, '\'') : NULL;
    return end ? xasprintf("%.*s", (int)(end - begin), begin) : NULL;
}

/* "-- CHANGE MASTER TO MASTER_LOG_FILE='…', MASTER_LOG_POS=…;" of mariadb-dump --master-data=2, in
 * its snapshot, at the beginning, and "-- SET GLOBAL gtid_slave_pos='…';" of --gtid at the end: the
 * last one counts, as a routine's text before it may hold the same words. */
static void note_binlog(struct tap *t, struct manifest *m)
{
    uint64_t number;
    _cleanup_free_ char *file = quoted_after(t->head, "MASTER_LOG_FILE='");
    const char *position = strstr(t->head, "MASTER_LOG_POS=");
    if (!file || !position || !binlog_name_valid(file, &number))
        return;
    snprintf(m->server.binlog.file, sizeof m->server.binlog.file, "%s", file);
    m->server.binlog.position = strtoull(position + strlen("MASTER_LOG_POS="), NULL, 10);
    static const char gtids[] = "\n-- SET GLOBAL gtid_slave_pos='";
    const char *at = t->tail, *next;
    while ((next = strstr(at, gtids)))
        at = next + 1;
    if (at != t->tail)
        m->server.binlog.gtids = quoted_after(at - 1, gtids);
}

static void *tap_main(void *arg)
{
    struct tap *t = arg;
    static const size_t size = 64 * 1024;
    _cleanup_free_ char *chunk = xmalloc(size);
    bool failed = false;
    ssize_t n;
    while ((n = read(t->in, chunk, size)) > 0 || (n < 0 && errno == EINTR)) {
        if (n < 0)
            continue;
        keep_tail(t, chunk, (size_t)n);
        keep_head(t, chunk, (size_t)n);
        if (!failed)
            failed = scan_feed(t->scan, chunk, (size_t)n, &t->scan_failed) < 0;
        if (fd_write_all(t->out, chunk, (size_t)n, NULL) < 0)
            break; /* the archive does not read on: the run stops */
    }
    close(t->in);
    close(t->out);
    return NULL;
}

static int start_program(struct dump *d, struct err *e)
{
    const struct config *c = d->run->s.config;
    char options[64];
    snprintf(options, sizeof options, "--defaults-file=/proc/self/fd/%d", d->options_fd);
    const char *argv[20] = {d->program.name, options, "--single-transaction", "--quick",
        "--routines", "--triggers", "--events", "--hex-blob", "--no-tablespaces",
        "--default-character-set=utf8mb4", "--max-allowed-packet=1G"};
    size_t n = 11;
    if (d->logs) {
        argv[n++] = "--master-data=2";
        argv[n++] = "--gtid";
    }
    if (d->history)
        argv[n++] = "--loose-dump-history";
    if (d->program.mysql) { /* what only concerns a replica, and histograms */
        argv[n++] = "--loose-set-gtid-purged=OFF";
        argv[n++] = "--loose-column-statistics=OFF";
    }
    argv[n] = config_str(c, "database", NULL, "name");
    int from[2], to[2];
    if (pipe2(from, O_CLOEXEC) < 0)
        return err_sys(e, errno, "cannot make a pipe");
    d->said_fd = memfd_create("said", MFD_CLOEXEC);
    struct process_options o = {
        .argv = argv, .out = from[1], .err = d->said_fd, .keep = d->options_fd};
    int r = process_start(&o, &d->child, e);
    close(from[1]);
    if (r < 0 || pipe2(to, O_CLOEXEC) < 0) {
        close(from[0]);
        return r < 0 ? r : err_sys(e, errno, "cannot make a pipe");
    }
    d->tap.in = from[0];
    d->tap.out = to[1];
    int code = pthread_create(&d->tap.thread, NULL, tap_main, &d->tap);
    CHECK(code == 0);
    return to[0];
}

/* What the program said names no table (common/said.h): those that cannot be read are looked for.
 */
static int program_failed(struct dump *d, struct err *e)
{
    struct err how = {0}, said = {0};
    _cleanup_server_ struct server *s = NULL;
    struct err ignored = {0};
    _cleanup_json_ json_t *broken = NULL;
    if (server_connect(&d->run->s.target, "elexgate-job", &s, NULL) == 0)
        (void)!broken_tables_find(s, &broken, &ignored);
    _cleanup_free_ char *tables = broken_tables_words(broken);
    return err_set(e, EIO, "%s %s: %s%s%s", d->program.name, process_how(&d->child, &how),
        process_said(d->said_fd, &said), *tables ? N_("; tables that cannot be read: ") : "",
        tables);
}

static int check_end(struct dump *d, struct err *e)
{
    if (!process_good(&d->child))
        return program_failed(d, e);
    /* first: what is cut off ends inside a literal as well */
    size_t end = d->tap.tail_len < END ? d->tap.tail_len : END;
    if (!memmem(d->tap.tail + d->tap.tail_len - end, end, END_MARKER, strlen(END_MARKER)))
        return err_set(e, EIO, "the dump has no end (\"%s\"): it is cut off after %llu bytes",
            END_MARKER, (unsigned long long)atomic_load(&d->tap.bytes));
    struct sql_scan found = {0};
    if (d->tap.scan_failed.code) {
        *e = d->tap.scan_failed;
        return -e->code;
    }
    int code = scan_end(d->tap.scan, &found, e);
    if (code < 0)
        return code;
    enum sql_refusal why = found.refused;
    unsigned long long line = found.refused_line;
    if (why) {
        json_t *said = phrase(
            "line %llu of the dump has %s: it could not be brought back safely. Most likely it stands in a procedure, a function, a trigger or an event; make that anew without it",
            line, "");
        phrase_set(said, 1, phrase_of(sql_refusal_words(why)));
        return error_phrase_set(e, EPERM, said);
    }
    return 0;
}

/* It writes nothing before its transaction is open, or it has ended. */
static bool has_begun(void *ctx)
{
    struct dump *d = ctx;
    return atomic_load(&d->tap.bytes) > 0 || process_wait(&d->child, 0, NULL, NULL) == 0;
}

/* A dump without them is as good; its drill then has less to compare, which it says. */
static void rows_not_counted(struct dump *d, struct manifest *m, const struct err *why)
{
    dump_rows_close(d->rows);
    d->rows = NULL;
    manifest_add_note(m, "the rows were not counted: %s", err_words(why));
    run_tell_of(why, "the rows were not counted");
}

static void begin_to_count(struct dump *d, struct manifest *m)
{
    struct err why = {0};
    const struct config *c = d->run->s.config;
    if (config_bool(c, "backup", NULL, "checksums") &&
        dump_rows_begin(&d->run->s.target, config_str(c, "database", NULL, "name"), d->history,
            &d->rows, &why) < 0)
        rows_not_counted(d, m, &why);
}

static int take_rows(struct dump *d, struct manifest *m, struct err *e)
{
    struct err why = {0};
    if (!d->rows)
        return 0;
    run_phase(d->run, d->run->s.dump_type, "checksums", 0);
    int r = dump_rows_take(d->rows, m, run_go_on, d->run, &why);
    if (r < 0)
        rows_not_counted(d, m, &why);
    return r == 1 ? run_pack_result(PACK_STOPPED, e) : 0;
}

/* A dump without them is as good; a physical backup has them. */
static void keep_accounts(struct dump *d, struct manifest *m)
{
    struct err why = {0};
    _cleanup_free_ char *accounts = NULL;
    if (dump_beside_accounts(&d->run->s.target, d->program.name, d->options_fd, &accounts,
            run_go_on, d->run, &why) == 0)
        json_object_set_new(m->info, "accounts", json_text(accounts));
    else
        manifest_add_note(m, "the server's accounts are not kept: %s", err_words(&why));
}

static int copy(struct dump *d, struct manifest *m, struct err *e)
{
    struct run *r = d->run;
    struct err why = {0};
    struct pack_options o = run_pack_options(r, r->s.dump_type, false);
    int code = pack_open(&o, &d->pack, e);
    if (code == 0)
        code = client_login(&d->run->s.target, &d->options_fd, e);
    if (code < 0)
        return code;
    keep_accounts(d, m);
    begin_to_count(d, m);
    code = scan_begin(config_str(r->s.config, "database", NULL, "name"), &d->tap.scan, e);
    int fd = code == 0 ? start_program(d, e) : code;
    if (fd < 0)
        return fd;
    if (dump_rows_go(d->rows, has_begun, d, &why) < 0)
        rows_not_counted(d, m, &why);
    _cleanup_free_ char *name = xasprintf(
        "%s.sql", config_str(r->s.config, "database", NULL, "name"));
    code = pack_stream(d->pack, name, fd, e);
    close(fd); /* should the program still write, it ends now */
    if (code != 0)
        process_end(&d->child, 1000);
    pthread_join(d->tap.thread, NULL);
    int ended = process_wait(&d->child, 10000, NULL, NULL);
    if (ended != 0)
        process_end(&d->child, 1000);
    code = code == 0 ? check_end(d, e) : run_pack_result(code, e);
    if (code == 0 && d->logs)
        note_binlog(&d->tap, m);
    return code == 0 ? take_rows(d, m, e) : code;
}

static int note_table(void *ctx, const struct server_row *row, struct err *e)
{
    (void)e;
    manifest_add_table(ctx, row->text[0], row->text[1], row->text[2], -1, NULL);
    return 0;
}

/* What the text of the tables does not hold: the settings that decide what a server takes, what the
 * database itself is like, past rows. */
static int look_beside_tables(
    struct dump *d, struct server *s, const char *name, struct manifest *m, struct err *e)
{
    json_t *settings = NULL, *database = NULL;
    _cleanup_free_ char *precise = NULL;
    uint64_t versioned = 0;
    int r = layout_read_settings(s, &settings, e);
    if (r == 0)
        r = dump_beside_database(
            s, config_str(d->run->s.config, "database", NULL, "name"), &database, e);
    if (r == 0)
        r = server_u64(s, &versioned, e,
            "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA=%s AND TABLE_TYPE='SYSTEM VERSIONED'",
            name);
    if (r == 0 && versioned)
        r = server_text(s, &precise, e,
            "SELECT GROUP_CONCAT(TABLE_NAME) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA=%s AND GENERATION_EXPRESSION='ROW START' AND DATA_TYPE='bigint'",
            name);
    d->history = versioned && !precise;
    if (precise)
        manifest_add_note(m,
            "past rows of tables WITH SYSTEM VERSIONING are not in the dump, because the history of %s counts transactions; a physical backup has them",
            UTF8_SHORT(precise, 200));
    m->info = json_pack("{s:o?, s:o?, s:b}", "server_settings", settings, "database", database,
        "history", d->history);
    return r;
}

/* Which tables there are, and which of them no snapshot covers. */
static int look_at_tables(struct dump *d, struct manifest *m, struct err *e)
{
    struct server *s = NULL;
    int r = server_connect(&d->run->s.target, "elexgate-job", &s, e);
    if (r < 0)
        return r;
    const char *database = config_str(d->run->s.config, "database", NULL, "name");
    _cleanup_free_ char *name = server_quote_text(s, database);
    uint64_t known = 0, page = 0, lower = 0, lsn = 0, logs = 0;
    r = server_u64(s, &known, e,
        "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME=%s", name);
    if (r == 0 && known == 0)
        r = err_set(e, ENOENT, "the server has no database \"%s\" ([database] name)", database);
    if (r == 0)
        r = server_rows(s, note_table, m, e,
            "SELECT TABLE_SCHEMA, TABLE_NAME, ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA=%s AND TABLE_TYPE IN ('BASE TABLE','SEQUENCE','SYSTEM VERSIONED') ORDER BY 2",
            name);
    if (r == 0)
        r = server_text(s, &d->version, e, "SELECT VERSION()");
    if (r == 0)
        r = server_u64(s, &page, e, "SELECT @@innodb_page_size");
    if (r == 0)
        r = server_u64(s, &lower, e, "SELECT @@lower_case_table_names");
    if (r == 0 && config_bool(d->run->s.config, "binlog", NULL, "archive"))
        r = server_u64(s, &logs, e, "SELECT @@log_bin");
    d->logs = logs != 0;
    struct server_counter counter = {"Innodb_lsn_current", &lsn};
    if (r == 0 && !server_is_mysql(s))
        r = server_counters(s, &counter, 1, e);
    if (r == 0)
        r = find_program(d->run->s.config, s, database, &d->program, e);
    if (r == 0 && d->logs)
        r = dialect_needs_mariadb(s, N_("the archived binary log ([binlog] archive)"), e);
    if (r == 0)
        r = look_beside_tables(d, s, name, m, e);
    server_close(s);
    m->has_server = true;
    m->server.version = xstrdup(d->version);
    m->server.page_size = (uint32_t)page;
    m->server.lower_case_table_names = (int)lower;
    m->server.lsn = lsn;
    m->server.state = xstrdup("dump");
    for (size_t i = 0; i < m->table_count; i++) {
        const char *engine = m->tables[i].engine;
        if (engine && strcmp(engine, "InnoDB") != 0)
            manifest_add_note(m,
                "%s is %s, which a snapshot does not cover: if it was written to during the dump it may not fit the others",
                m->tables[i].name, engine);
    }
    return r;
}

int dump_backup(struct run *r, struct err *e)
{
    struct dump d = {.run = r, .options_fd = -1, .said_fd = -1};
    struct manifest m;
    run_manifest(r, &m, MANIFEST_DUMP);
    run_phase(r, r->s.dump_type, "copy", 0);
    run_be_modest(r);
    int code = look_at_tables(&d, &m, e);
    if (code == 0)
        code = copy(&d, &m, e);
    if (code == 0)
        code = run_publish(r, d.pack, &m, "dump", e);
    manifest_clear(&m);
    pack_drop(d.pack);
    process_end(&d.child, 1000);
    dump_rows_close(d.rows);
    if (d.options_fd >= 0)
        close(d.options_fd);
    if (d.said_fd >= 0)
        close(d.said_fd);
    scan_drop(d.tap.scan);
    free(d.program.name);
    free(d.version);
    return code;
}
