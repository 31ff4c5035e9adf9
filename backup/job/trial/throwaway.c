#include "backup/job/trial/throwaway.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/process.h"
#include "backup/job/trial/definers.h"
#include "backup/job/method/layout.h"
#include "backup/job/trial/server_program.h"
#include "backup/job/trial/trial.h"
#include "common/clock.h"

#define START_MS 300000
#define STOP_MS  300000
#define LOG_MAX  (1 << 20)
#define ACCOUNTS "accounts.sql"
#define NOTHING  "nothing" /* an empty folder */
#define WATCH_US 200000

struct throwaway {
    struct trial trial;
    struct sandbox import; /* for the program that reads SQL into it */
    const char *import_folder[2];
    struct process child;
    struct server *server;
    char *socket;
    int log; /* its error log, and whatever else it says */
    pthread_t watcher;
    atomic_bool watching, full; /* it was ended, since it filled the disk */
    bool accounts;              /* those two are there */
    char password[2][SERVER_PASSWORD_SIZE];
    char *database;
    struct definers definers; /* of what was read in */
};

/* The two accounts of a server that takes an import. */
enum { OURS, IMPORTS };
static const char *const account_names[] = {"elexgate-trial-root", DEFINERS_IMPORTER};

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
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:;_-.,=";
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

/* Every table is read more than once: a quarter of the memory that is free, within reason. */
static unsigned long long pool_mb(void)
{
    long pages = sysconf(_SC_AVPHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    unsigned long long mb = pages > 0 && size > 0
                                ? (unsigned long long)pages * (unsigned long long)size >> 22
                                : 0;
    return mb < 128 ? 128 : mb > 2048 ? 2048 : mb;
}

static void add_settings_of(struct args *a, const struct throwaway_options *o)
{
    if (o->page_size)
        add(a, "--innodb-page-size=%u", o->page_size);
    if (o->lower_case_table_names >= 0)
        add(a, "--lower-case-table-names=%d", o->lower_case_table_names);
    if (o->settings && !o->mysql) /* no files of MySQL's are ever copied */
        add_settings(a, o->settings, layout_settings, "");
    if (o->settings)
        add_settings(a, o->settings, layout_manners, "loose-"); /* another version may lack some */
    if (o->database)
        add(a, "--max-allowed-packet=1G");
}

/* What would take it out of its folders. io_uring is not for those in a sandbox. */
static void add_walls(struct args *a, const struct throwaway_options *o)
{
    bool plugins = false;
    for (size_t i = 0; o->args && o->args[i]; i++)
        plugins |= strncmp(o->args[i], "--plugin", 8) == 0;
    add(a, "--skip-networking");
    add(a, o->mysql ? "--mysqlx=OFF" : "--skip-symbolic-links");
    add(a, "--secure-file-priv=%s/" NOTHING, o->scratch);
    if (!plugins) /* the data can name some as well, which are then not found */
        add(a, "--plugin-dir=%s/" NOTHING, o->scratch);
    add(a, "--innodb-use-native-aio=OFF");
}

/* "--option=/path" as the sandbox shows it. */
static int add_shown(struct args *a, struct throwaway *t, const char *arg, struct err *e)
{
    _cleanup_free_ char *shown = NULL;
    int r = trial_show(&t->trial, arg, &shown, e);
    if (r == 0)
        add(a, "%s", shown);
    return r;
}

static int add_share(
    struct args *a, const struct throwaway_options *o, struct throwaway *t, struct err *e)
{
    _cleanup_free_ char *share = o->root ? NULL : server_program_share(o->program);
    if (!share)
        return 0;
    _cleanup_free_ char *words = xasprintf("--lc-messages-dir=%s", share);
    add(a, "--character-sets-dir=%s/charsets", share);
    return add_shown(a, t, words, e);
}

static int build_args(
    struct args *a, const struct throwaway_options *o, struct throwaway *t, struct err *e)
{
    add(a, "%s", o->program);
    add(a, "--no-defaults");
    add(a, "--datadir=%s", o->datadir);
    add(a, "--socket=%s", t->socket);
    add(a, "--pid-file=%s/server.pid", o->scratch);
    add(a, "--tmpdir=%s", o->scratch);
    add_walls(a, o);
    if (o->database)
        add(a, "--init-file=%s/" ACCOUNTS, o->scratch);
    else
        add(a, "--skip-grant-tables");
    add(a, "--event-scheduler=OFF");
    add(a, "--skip-log-bin");
    add(a, o->mysql ? "--skip-replica-start" : "--skip-slave-start");
    add(a, "--innodb-buffer-pool-size=%lluM", pool_mb());
    add(a, "--innodb-buffer-pool-load-at-startup=OFF");
    add(a, "--innodb-buffer-pool-dump-at-shutdown=OFF");
    add(a, "--innodb-fast-shutdown=1");
    add(a, "--innodb-flush-log-at-trx-commit=2");
    add(a, "--performance-schema=OFF");
    add_settings_of(a, o);
    int r = add_share(a, o, t, e);
    for (size_t i = 0; r == 0 && o->args && o->args[i]; i++)
        r = add_shown(a, t, o->args[i], e);
    return r;
}

static struct server_target target_as(const struct throwaway *t, int account)
{
    return (struct server_target){.socket = t->socket,
        .user = t->accounts ? account_names[account] : "root",
        .password = t->accounts ? t->password[account] : NULL,
        .sandbox = &t->import,
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

/* Read by the server before it listens, a statement a line. What a killed trial has left in the
 * data is replaced, rights and all. */
static int write_accounts(struct throwaway *t, const struct throwaway_options *o, struct err *e)
{
    _cleanup_free_ char *database = server_quote_pattern(o->database);
    int r = server_make_password(t->password[OURS], e);
    if (r == 0)
        r = server_make_password(t->password[IMPORTS], e);
    if (r < 0)
        return r;
    if (strpbrk(o->database, "\r\n"))
        return err_set(e, EINVAL, "the name of the database has a line break");
    const char *ours = account_names[OURS], *imports = account_names[IMPORTS];
    _cleanup_free_ char *text = xasprintf(
        "SET sql_mode='';\n"
        "DROP USER IF EXISTS `%s`@localhost, `%s`@localhost;\n"
        "CREATE USER `%s`@localhost IDENTIFIED BY '%s';\n"
        "GRANT ALL PRIVILEGES ON *.* TO `%s`@localhost WITH GRANT OPTION;\n"
        "CREATE USER `%s`@localhost IDENTIFIED BY '%s';\n"
        "GRANT ALL PRIVILEGES ON %s.* TO `%s`@localhost;\n",
        ours, imports, ours, t->password[OURS], ours, imports, t->password[IMPORTS], database,
        imports);
    t->accounts = true;
    t->database = xstrdup(o->database);
    return trial_write(&t->trial, ACCOUNTS, text, strlen(text), e);
}

/* Ours last: the session goes on without its account. */
static int remove_accounts(struct throwaway *t, struct err *e)
{
    if (!t->accounts || !t->server)
        return 0;
    /* what MySQL read in is dropped with the whole (import.h) */
    int r = server_is_mysql(t->server)
                ? 0
                : definers_put_right(t->server, t->database, &t->definers, e);
    return r < 0 ? r
                 : server_exec(t->server, e, "DROP USER IF EXISTS `%s`@localhost, `%s`@localhost",
                       account_names[IMPORTS], account_names[OURS]);
}

/* malloc'ed */
static char *read_log(const struct throwaway *t)
{
    char *text = xmalloc(LOG_MAX + 1);
    ssize_t n = pread(t->log, text, LOG_MAX, 0);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

const char *throwaway_last_words(const struct throwaway *t, struct err *words)
{
    _cleanup_free_ char *text = read_log(t);
    if (!atomic_load(&t->full))
        return *text ? said_of_log(text, words) : process_said(t->log, words);
    (void)err_set(words, ENOSPC, "it was ended, since it filled the disk");
    return err_words(words);
}

/* What answers at the socket is the server that we have started, and none that it leads us to. */
static bool is_ours(const struct throwaway *t)
{
    struct ucred peer;
    return server_peer(t->server, &peer) == 0 && peer.pid == t->child.pid;
}

static int wait_until_it_answers(
    struct throwaway *t, const struct throwaway_options *o, struct err *e)
{
    struct server_target target = throwaway_target(t);
    uint64_t end = clock_mono_ms() + START_MS;
    while (clock_mono_ms() < end) {
        if (o->go_on && !o->go_on(o->ctx))
            return 1;
        if (process_wait(&t->child, 20, NULL, NULL) == 0) {
            struct err how = {0}, words = {0};
            return err_set(e, atomic_load(&t->full) ? ENOSPC : EIO,
                "a server does not start on this data: %s %s: %s", o->program,
                process_how(&t->child, &how), throwaway_last_words(t, &words));
        }
        if (access(t->socket, F_OK) < 0 ||
            server_connect(&target, "elexgate-job", &t->server, NULL) < 0)
            continue;
        return is_ours(t) ? 0 : err_set(e, EPERM, "another server answers at %s", t->socket);
    }
    return err_set(
        e, ETIMEDOUT, "a server on this data does not answer after %d s", START_MS / 1000);
}

static void *watcher_main(void *arg)
{
    struct throwaway *t = arg;
    while (atomic_load(&t->watching)) {
        if (!trial_has_room(&t->trial) && !atomic_exchange(&t->full, true))
            kill(t->child.pid, SIGKILL);
        usleep(WATCH_US);
    }
    return NULL;
}

static void stop_watching(struct throwaway *t)
{
    if (atomic_exchange(&t->watching, false))
        pthread_join(t->watcher, NULL);
}

/* The log is a file that we hold: whatever becomes of its name. */
static int furnish(struct throwaway *t, const struct throwaway_options *o, struct err *e)
{
    (void)unlinkat(t->trial.scratch, "server.log", 0);
    t->log = openat(t->trial.scratch, "server.log",
        O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (t->log < 0 || (mkdirat(t->trial.scratch, NOTHING, 0555) < 0 && errno != EEXIST))
        return err_sys(e, errno, "cannot make what a server needs in %s", o->scratch);
    if (strlen(t->socket) > 106)
        return err_set(
            e, ENAMETOOLONG, "%s is too long for a socket: set [drill] scratch", t->socket);
    return o->database ? write_accounts(t, o, e) : 0;
}

static int start_program(struct throwaway *t, const struct throwaway_options *o, struct err *e)
{
    struct args a = {0};
    int r = build_args(&a, o, t, e);
    t->import = t->trial.sandbox;
    t->import_folder[0] = t->trial.writable[1];
    t->import.writable = t->import_folder;
    t->import.readable = NULL;
    trial_for_import(&t->import);
    t->trial.sandbox.root = o->root;
    t->trial.sandbox.memory += (uint64_t)pool_mb() << 21;
    struct process_options co = {.argv = (const char *const *)a.argv, .out = t->log, .err = t->log};
    if (r == 0)
        r = sandbox_start(&t->trial.sandbox, &co, &t->child, NULL, e);
    for (size_t i = 0; i < a.n; i++)
        free(a.argv[i]);
    free(a.argv);
    if (r == 0) {
        atomic_store(&t->watching, true);
        CHECK(pthread_create(&t->watcher, NULL, watcher_main, t) == 0);
    }
    return r;
}

int throwaway_start(const struct throwaway_options *o, struct throwaway **out, struct err *e)
{
    struct throwaway *t = xcalloc(1, sizeof *t);
    t->log = -1;
    t->socket = xasprintf("%s/s", o->scratch);
    int r = trial_open(&t->trial, o->config, o->datadir, o->scratch, e);
    if (r == 0)
        r = furnish(t, o, e);
    if (r == 0)
        r = start_program(t, o, e);
    if (r == 0)
        r = wait_until_it_answers(t, o, e);
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

int throwaway_run(
    struct throwaway *t, const struct process_options *o, struct process *out, struct err *e)
{
    struct sandbox s = t->trial.sandbox;
    s.scripts = s.connects = true;
    return sandbox_start(&s, o, out, NULL, e);
}

bool throwaway_runs(struct throwaway *t)
{
    return process_wait(&t->child, 0, NULL, NULL) != 0;
}

/* "InnoDB: Starting crash recovery from ...", "Aria engine: starting recovery": each series has its
 * words, so any of these two engines that speaks of recovery counts, but for the name of a setting.
 */
static bool tells_of_recovery(const char *line)
{
    static const char setting[] = "innodb_force_";
    const char *engine = strstr(line, "InnoDB:"), *word;
    engine = engine ? engine : strcasestr(line, "Aria engine");
    for (word = engine; word && (word = strcasestr(word, "recover")); word++) {
        size_t n = sizeof setting - 1;
        if ((size_t)(word - engine) < n || strncasecmp(word - n, setting, n) != 0)
            return true;
    }
    return false;
}

bool throwaway_recovered(const struct throwaway *t)
{
    _cleanup_free_ char *text = read_log(t);
    char *save = NULL;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        if (tells_of_recovery(line))
            return true;
    return false;
}

int throwaway_stop(struct throwaway *t, struct err *e)
{
    int r = remove_accounts(t, e);
    if (r < 0)
        return r;
    server_close(t->server);
    t->server = NULL;
    stop_watching(t);
    if (t->child.pid > 0)
        kill(t->child.pid, SIGTERM);
    struct err how = {0};
    if (process_wait(&t->child, STOP_MS, NULL, NULL) != 0 || !process_good(&t->child))
        return err_set(
            e, EIO, "the throwaway server did not end well: it %s", process_how(&t->child, &how));
    return trial_close(&t->trial, e);
}

void throwaway_drop(struct throwaway *t)
{
    if (!t)
        return;
    stop_watching(t);
    server_close(t->server);
    process_end(&t->child, 2000);
    struct err left = {0};
    int closed = trial_close(&t->trial, &left); /* what nobody looks at any more */
    (void)closed;
    cleanup_fd(&t->log);
    definers_clear(&t->definers);
    free(t->database);
    free(t->socket);
    free(t);
}
