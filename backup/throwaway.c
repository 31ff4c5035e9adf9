#include "backup/throwaway.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include "backup/child.h"
#include "backup/definers.h"
#include "backup/layout.h"
#include "common/clock.h"
#include "common/file.h"

#define START_MS     300000
#define STOP_MS      300000
#define LOG_MAX      (1 << 20)
#define PASSWORD_LEN 32

struct throwaway {
    struct child child;
    struct server *server;
    char *socket, *log;
    int said; /* what it says before it has opened its log */
    char user[64];
    bool accounts; /* those two are there */
    char password[2][PASSWORD_LEN + 1];
    char *database;
    struct definers definers; /* of what was read in */
};

/* The two accounts of a server that takes an import. */
enum { OURS, IMPORTS };
static const char *const account_names[] = {"elexgate-trial-root", "elexgate-import"};

struct args {
    char **argv; /* NULL-terminated; how many there are is the configuration's */
    size_t n;
};

PRINTF(2, 3) static void add(struct args *a, const char *fmt, ...)
{
    a->argv = xrealloc(a->argv, (a->n + 2) * sizeof *a->argv);
    a->argv[a->n + 1] = NULL;
    va_list ap;
    va_start(ap, fmt);
    CHECK(vasprintf(&a->argv[a->n++], fmt, ap) >= 0);
    va_end(ap);
}

/* The settings come out of a manifest, and a manifest is a file that somebody may have written:
 * only the known names, and only harmless characters. */
static void add_settings(
    struct args *a, const json_t *settings, const char *const *names, const char *prefix)
{
    static const char harmless[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:;_-.,";
    for (size_t i = 0; names[i]; i++) {
        const json_t *given = json_object_get(settings, names[i]);
        const char *value = json_string_value(given);
        bool empty = value && !*value; /* sql_mode= is a setting as well */
        if (!value || strlen(value) > 1000 || value[strspn(value, harmless)] ||
            (empty && names == layout_settings))
            continue;
        add(a, "--%s%s=%s", prefix, names[i], value);
    }
}

/* Everybody may go through each folder of the path. */
static bool reachable(const char *path)
{
    _cleanup_free_ char *part = xstrdup(path);
    for (char *p = strchr(part + 1, '/'); p; p = strchr(p + 1, '/')) {
        struct stat st;
        *p = '\0';
        if (stat(part, &st) < 0 || !(st.st_mode & S_IXOTH))
            return false;
        *p = '/';
    }
    return true;
}

/* As root the server runs as whoever owns the data, if that one gets through to it; it refuses to
 * be root without being told. */
static const char *run_as(const struct throwaway_options *o, char buf[static 64])
{
    struct stat st;
    struct passwd *pw = stat(o->datadir, &st) == 0 ? getpwuid(st.st_uid) : NULL;
    snprintf(buf, 64, "%s", pw && reachable(o->scratch) ? pw->pw_name : "root");
    return buf;
}

/* Every table is read more than once: a quarter of the memory that is free, within reason. */
static unsigned long long pool_mb(void)
{
    long pages = sysconf(_SC_AVPHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    unsigned long long mb = pages > 0 && size > 0
                                ? (unsigned long long)pages * (unsigned long long)size >> 22
                                : 0;
    return mb < 128 ? 128 : mb > 2048 ? 2048 : mb;
}

static void build_args(struct args *a, const struct throwaway_options *o, struct throwaway *t)
{
    add(a, "%s", o->program);
    add(a, "--no-defaults");
    if (geteuid() == 0)
        add(a, "--user=%s", run_as(o, t->user));
    add(a, "--datadir=%s", o->datadir);
    add(a, "--socket=%s", t->socket);
    add(a, "--pid-file=%s/server.pid", o->scratch);
    add(a, "--log-error=%s", t->log);
    add(a, "--tmpdir=%s", o->scratch);
    add(a, "--skip-networking");
    if (o->database)
        add(a, "--init-file=%s/accounts.sql", o->scratch);
    else
        add(a, "--skip-grant-tables");
    add(a, "--event-scheduler=OFF");
    add(a, "--skip-log-bin");
    add(a, "--skip-slave-start");
    add(a, "--innodb-buffer-pool-size=%lluM", pool_mb());
    add(a, "--innodb-buffer-pool-load-at-startup=OFF");
    add(a, "--innodb-buffer-pool-dump-at-shutdown=OFF");
    add(a, "--innodb-fast-shutdown=1");
    add(a, "--innodb-flush-log-at-trx-commit=2");
    add(a, "--performance-schema=OFF");
    if (o->page_size)
        add(a, "--innodb-page-size=%u", o->page_size);
    if (o->lower_case_table_names >= 0)
        add(a, "--lower-case-table-names=%d", o->lower_case_table_names);
    if (o->settings)
        add_settings(a, o->settings, layout_settings, "");
    if (o->settings)
        add_settings(a, o->settings, layout_manners, "loose-"); /* another version may lack some */
    if (o->database)
        add(a, "--max-allowed-packet=1G");
    for (size_t i = 0; o->args && o->args[i]; i++)
        add(a, "%s", o->args[i]);
}

static struct server_target target_as(const struct throwaway *t, int account)
{
    return (struct server_target){.socket = t->socket,
        .user = t->accounts ? account_names[account] : "root",
        .password = t->accounts ? t->password[account] : NULL,
        .connect_timeout_ms = 5000};
}

struct server_target throwaway_target(const struct throwaway *t)
{
    return target_as(t, OURS);
}

struct server_target throwaway_import_target(struct throwaway *t)
{
    CHECK(t->accounts);
    struct server_target target = target_as(t, IMPORTS);
    target.definers = &t->definers;
    return target;
}

static int make_password(char out[static PASSWORD_LEN + 1], struct err *e)
{
    unsigned char raw[PASSWORD_LEN / 2];
    if (getrandom(raw, sizeof raw, 0) != (ssize_t)sizeof raw)
        return err_sys(e, errno, "cannot make a password");
    for (size_t i = 0; i < sizeof raw; i++)
        snprintf(out + 2 * i, 3, "%02x", raw[i]);
    return 0;
}

/* In a GRANT the name of a database is a pattern. */
static char *quote_pattern(const char *name)
{
    _cleanup_free_ char *plain = xmalloc(2 * strlen(name) + 1);
    char *p = plain;
    for (; *name; name++) {
        if (*name == '_' || *name == '%' || *name == '\\')
            *p++ = '\\';
        *p++ = *name;
    }
    *p = '\0';
    return server_quote_name(plain);
}

/* Read by the server before it listens, a statement a line. What a killed trial has left in the
 * data is replaced, rights and all. */
static int write_accounts(struct throwaway *t, const struct throwaway_options *o, struct err *e)
{
    _cleanup_free_ char *path = xasprintf("%s/accounts.sql", o->scratch);
    _cleanup_free_ char *database = quote_pattern(o->database);
    int r = make_password(t->password[OURS], e);
    if (r == 0)
        r = make_password(t->password[IMPORTS], e);
    if (r < 0)
        return r;
    if (strpbrk(o->database, "\r\n"))
        return err_set(e, EINVAL, "the name of the database has a line break");
    const char *ours = account_names[OURS], *imports = account_names[IMPORTS];
    _cleanup_free_ char *text = xasprintf(
        "SET sql_mode='';\n"
        "CREATE OR REPLACE USER `%s`@localhost IDENTIFIED BY '%s';\n"
        "GRANT ALL PRIVILEGES ON *.* TO `%s`@localhost WITH GRANT OPTION;\n"
        "CREATE OR REPLACE USER `%s`@localhost IDENTIFIED BY '%s';\n"
        "GRANT ALL PRIVILEGES ON %s.* TO `%s`@localhost;\n",
        ours, t->password[OURS], ours, imports, t->password[IMPORTS], database, imports);
    t->accounts = true;
    t->database = xstrdup(o->database);
    return file_publish(path, text, strlen(text), 0600, e);
}

/* Ours last: the session goes on without its account. */
static int remove_accounts(struct throwaway *t, struct err *e)
{
    if (!t->accounts || !t->server)
        return 0;
    int r = definers_put_right(t->server, t->database, account_names[IMPORTS], &t->definers, e);
    return r < 0 ? r
                 : server_exec(t->server, e, "DROP USER IF EXISTS `%s`@localhost, `%s`@localhost",
                       account_names[IMPORTS], account_names[OURS]);
}

void throwaway_last_words(const struct throwaway *t, char buf[static SAID_MAX])
{
    _cleanup_free_ char *text = NULL;
    size_t len = 0;
    if (file_read(t->log, LOG_MAX, &text, &len, NULL) < 0 || len == 0)
        child_said(t->said, buf);
    else
        said_of_log(text, buf);
}

static int wait_until_it_answers(
    struct throwaway *t, const struct throwaway_options *o, struct err *e)
{
    struct server_target target = throwaway_target(t);
    uint64_t end = clock_mono_ms() + START_MS;
    while (clock_mono_ms() < end) {
        if (o->go_on && !o->go_on(o->ctx))
            return 1;
        if (child_wait(&t->child, 20, NULL, NULL) == 0) {
            char how[80], words[SAID_MAX];
            throwaway_last_words(t, words);
            return err_set(e, EIO, "a server does not start on this data: %s %s: %s", o->program,
                child_how(&t->child, how, sizeof how), words);
        }
        if (access(t->socket, F_OK) == 0 &&
            server_connect(&target, "elexgate-job", &t->server, NULL) == 0)
            return 0;
    }
    return err_set(
        e, ETIMEDOUT, "a server on this data does not answer after %d s", START_MS / 1000);
}

int throwaway_start(const struct throwaway_options *o, struct throwaway **out, struct err *e)
{
    struct throwaway *t = xcalloc(1, sizeof *t);
    t->socket = xasprintf("%s/s", o->scratch);
    t->log = xasprintf("%s/server.log", o->scratch);
    struct args a = {0};
    build_args(&a, o, t);
    int r = o->database ? write_accounts(t, o, e) : 0;
    t->said = memfd_create("said", MFD_CLOEXEC);
    struct child_options co = {
        .argv = (const char *const *)a.argv, .out = t->said, .err = t->said, .keep = -1};
    if (r == 0 && strlen(t->socket) > 106)
        r = err_set(e, ENAMETOOLONG, "%s is too long for a socket: set [drill] scratch", t->socket);
    if (r == 0)
        r = child_start(&co, &t->child, e);
    if (r == 0)
        r = wait_until_it_answers(t, o, e);
    for (size_t i = 0; i < a.n; i++)
        free(a.argv[i]);
    free(a.argv);
    if (r != 0) {
        throwaway_drop(t);
        return r;
    }
    *out = t;
    return 0;
}

struct server *throwaway_server(struct throwaway *t)
{
    return t->server;
}

bool throwaway_runs(struct throwaway *t)
{
    return child_wait(&t->child, 0, NULL, NULL) != 0;
}

bool throwaway_recovered(const struct throwaway *t)
{
    _cleanup_free_ char *text = NULL;
    size_t len = 0;
    if (file_read(t->log, LOG_MAX, &text, &len, NULL) < 0)
        return false;
    return strstr(text, "InnoDB: Starting crash recovery") ||
           strstr(text, "Aria engine: starting recovery");
}

int throwaway_stop(struct throwaway *t, struct err *e)
{
    int r = remove_accounts(t, e);
    if (r < 0)
        return r;
    server_close(t->server);
    t->server = NULL;
    kill(t->child.pid, SIGTERM);
    char how[80];
    if (child_wait(&t->child, STOP_MS, NULL, NULL) != 0 || !child_good(&t->child))
        return err_set(e, EIO, "the throwaway server did not end well: it %s",
            child_how(&t->child, how, sizeof how));
    return 0;
}

void throwaway_drop(struct throwaway *t)
{
    if (!t)
        return;
    server_close(t->server);
    child_end(&t->child, 2000);
    cleanup_fd(&t->said);
    definers_clear(&t->definers);
    free(t->database);
    free(t->socket);
    free(t->log);
    free(t);
}
