/*
 * The server is stopped, and nothing can start it, while its files change places: a running MariaDB
 * holds fcntl write locks on aria_log_control and ibdata1, so whoever holds these locks knows that
 * it stands still, and a server that something starts in the mean time ends with "unable to lock"
 * before it has touched anything. Open-file-description locks (fcntl(2)) conflict with the server's
 * and stay ours whatever else opens the files.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <signal.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "backup/job/restore/database.h"
#include "backup/job/trial/broken_tables.h"
#include "common/json_get.h"
#include "common/process.h"
#include "backup/job/restore/holder.h"
#include "backup/job/restore/site.h"
#include "backup/job/trial/server_program.h"
#include "backup/rules/series.h"
#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/file.h"
#include "common/utf8.h"
#include "common/lang.h"

#define COMMAND_MS     120000
#define ASK_AGAIN_MS   1000
#define START_AGAIN_MS 500
#define REFUSED_MS     5000 /* a server that comes up may refuse for a moment */
#define SILENT_MS      4000
#define COMES_UP_MS    3000 /* one that has the files and does not answer */

/* Stands in for a file that is missing in the live folder, so that nothing starts there meanwhile.
 */
static const char guard[] = "stands in for a missing file while elexgate restores\n";

static const char *const places[] = {NULL, "new", "old"};

static char *place_of(const struct restore_part *p, size_t k)
{
    return places[k] ? xasprintf("%s/%s", p->root, places[k]) : xstrdup(p->live);
}

static const char *const *command(const struct run *run, const char *key)
{
    const char *const *argv = config_list(run->s.config, "restore", NULL, key);
    return argv[0] ? argv : NULL;
}

int restore_database_ready(struct run *run, struct err *e)
{
    if (command(run, "start_command"))
        return 0;
    return err_outcome(e, EXIT_REFUSED, EINVAL,
        "[restore] start_command is not set: nothing would start the server again after the swap; for example: start_command = systemctl start mariadb");
}

static int run_command(struct run *run, const char *key, struct err *e)
{
    const char *const *argv = command(run, key);
    struct process_options o = {.argv = argv};
    int code = process_run(&o, COMMAND_MS, NULL, NULL, e);
    return code == 0 ? 0 : err_prefix(e, code < 0 ? code : -EIO, "[restore] %s", key);
}

/* A server lets go of its locks before it has done with its folder (tc.log, its pid file), and one
 * whose files were taken away under it holds none. */
static bool still_lives(const struct restore *r)
{
    struct pollfd p = {.fd = r->server_fd, .events = POLLIN};
    return r->server_fd > 0 && poll(&p, 1, 0) == 0;
}

static void remember_process(struct restore *r, const struct server *s)
{
    pid_t pid = holder_of(restore_database(r)->live);
    if (pid <= 0 && s)
        pid = server_pid(s);
    if (pid <= 0 || still_lives(r))
        return;
    if (r->server_fd > 0)
        close(r->server_fd);
    r->server_fd = (int)syscall(SYS_pidfd_open, pid, 0);
}

/* A signal that comes while a server starts may leave it hanging. */
static bool silent_for_long(struct restore *r)
{
    uint64_t now = clock_mono_ms();
    r->silent_ms = r->silent_ms ? r->silent_ms : now;
    return now - r->silent_ms >= SILENT_MS;
}

/* By the configured command, by SQL, or, when the server lets nobody in or does not answer, by a
 * signal to the process that holds its files: no account in the data that go can keep them. */
static int shut_down(struct restore *r, struct err *e)
{
    struct server *s = NULL;
    struct err why = {0};
    if (command(r->run, "stop_command")) {
        remember_process(r, NULL);
        return run_command(r->run, "stop_command", e);
    }
    enum site_server how = site_ask(r->run, &s, &why);
    if (how == SITE_ANSWERS) {
        remember_process(r, s);
        int code = server_exec(s, &why, "SHUTDOWN");
        server_close(s);
        if (code == 0 || code == -EPIPE) /* it may be quicker than its answer */
            return 0;
    }
    remember_process(r, NULL);
    if (how == SITE_SILENT && !silent_for_long(r))
        return 0; /* the locks will say whether it does not run, or only comes up */
    int code = holder_end(restore_database(r)->live, e);
    if (code == 0)
        run_tell_of(&why, "the server is ended by its process");
    return code < 0 ? code : 0;
}

void restore_database_flush(struct restore *r)
{
    _cleanup_server_ struct server *s = NULL;
    struct err why = {0};
    if (server_connect(&r->run->s.target, "elexgate-job", &s, NULL) < 0)
        return; /* it does not run */
    /* as many pages as there are: no limit; who works goes on meanwhile */
    int code = server_limit(s, 0, &why);
    if (code == 0)
        code = server_exec(s, &why, "SET GLOBAL innodb_log_checkpoint_now=ON");
    if (code < 0)
        run_tell_of(&why,
            "the server writes its changed pages only when it is stopped, which takes it longer");
}

/*
 * A server that was started again in the mean time opens aria_log_control and then waits for its
 * lock, up to 30 s. If the file changed places under it, it would go on with the control file of
 * one side and the logs of the other. A write lease (fcntl(2), F_SETLEASE) is granted only while
 * nobody else has the file open, and is broken by whoever opens it: so the lease says both. 1:
 * somebody has it open. A file system without leases, or a process that may not take one, goes
 * without.
 */
static int lease(int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || fcntl(fd, F_SETSIG, SIGURG) < 0) /* SIGIO would end us, SIGURG not */
        return 0;
    setfsuid(st.st_uid); /* the owner may, and root without CAP_LEASE may not */
    int r = fcntl(fd, F_SETLEASE, F_WRLCK), why = errno;
    setfsuid(geteuid());
    return r < 0 && why == EAGAIN ? 1 : 0;
}

/* The inode that leaves the live folder as the database comes to the given side. */
static bool leaves(const struct restore_part *p, uint64_t inode, bool to_new)
{
    for (size_t i = 0; i < p->swap.n; i++) {
        const struct swap_entry *en = &p->swap.entries[i];
        if (inode == (to_new ? en->old_ino : en->new_ino))
            return true;
    }
    return false;
}

int restore_database_untouched(const struct restore *r, bool to_new, struct err *e)
{
    const struct restore_part *p = restore_database(r);
    for (size_t i = 0; p && i < r->n_locks; i++) {
        struct stat st;
        if (!r->locks[i].leased || fstat(r->locks[i].fd, &st) < 0 ||
            fcntl(r->locks[i].fd, F_GETLEASE) == F_WRLCK || !leaves(p, st.st_ino, to_new))
            continue;
        return err_set(e, EBUSY,
            "something opened the server's files while it was stopped: it is started again by somebody else (a container's restart policy?); set [restore] stop_command to what really stops it");
    }
    return 0;
}

static int make_guard(struct restore *r, const char *path, int *fd, struct err *e)
{
    struct stat st;
    *fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0660);
    if (*fd < 0)
        return err_sys(e, errno, "cannot make %s", path);
    r->guarded = true;
    if (stat(restore_database(r)->live, &st) < 0 ||
        (geteuid() == 0 && fchown(*fd, st.st_uid, st.st_gid) < 0))
        return err_sys(e, errno, "cannot hand %s over", path);
    return fd_write_all(*fd, guard, strlen(guard), e);
}

/* Once the locks are gone: opening a file breaks our own lease on it. */
static void drop_guards(const struct restore_part *p)
{
    for (size_t k = 0; k < sizeof places / sizeof places[0]; k++)
        for (size_t i = 0; holder_files[i]; i++) {
            char text[sizeof guard];
            _cleanup_free_ char *folder = place_of(p, k);
            _cleanup_free_ char *path = xasprintf("%s/%s", folder, holder_files[i]);
            _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
            if (fd >= 0 && read(fd, text, sizeof text) == (ssize_t)strlen(guard) &&
                memcmp(text, guard, strlen(guard)) == 0)
                (void)unlink(path);
        }
}

/* 1: somebody has it. A file that is not there needs no lock, but where a server would start. */
static int lock_file(
    struct restore *r, const char *folder, const char *name, bool guarded, struct err *e)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", folder, name);
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW), code = 0;
    if (fd < 0 && errno != ENOENT)
        return err_sys(e, errno, "cannot open %s", path);
    if (fd < 0 && !guarded)
        return 0;
    if (fd < 0 && (code = make_guard(r, path, &fd, e)) < 0) {
        cleanup_fd(&fd);
        return code;
    }
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_OFD_SETLK, &l) < 0) {
        int why = errno;
        close(fd);
        return why == EAGAIN || why == EACCES ? 1 : err_sys(e, why, "cannot lock %s", path);
    }
    CHECK(r->n_locks < sizeof r->locks / sizeof r->locks[0]);
    int opened = lease(fd);
    r->locks[r->n_locks].leased = fcntl(fd, F_GETLEASE) == F_WRLCK;
    r->locks[r->n_locks++].fd = fd;
    return opened;
}

void restore_database_unlock(struct restore *r)
{
    while (r->n_locks > 0)
        close(r->locks[--r->n_locks].fd);
    if (r->guarded && restore_database(r))
        drop_guards(restore_database(r));
    r->guarded = false;
}

/* All or none. */
static int lock_all(struct restore *r, bool guarded, struct err *e)
{
    const struct restore_part *p = restore_database(r);
    int code = 0;
    for (size_t k = 0; k < sizeof places / sizeof places[0]; k++) {
        _cleanup_free_ char *folder = place_of(p, k);
        for (size_t i = 0; code == 0 && holder_files[i]; i++)
            code = lock_file(r, folder, holder_files[i], guarded && !places[k], e);
    }
    if (code == 0 && still_lives(r))
        code = 1;
    if (code != 0)
        restore_database_unlock(r);
    return code;
}

int restore_database_stop(struct restore *r, struct err *e)
{
    uint64_t limit = (uint64_t)config_int(r->run->s.config, "restore", NULL, "stop_timeout");
    restore_database_unlock(r);
    r->silent_ms = 0;
    run_phase(r->run, r->run->s.physical_type, "stop", 0);
    int code = shut_down(r, e);
    uint64_t now = clock_mono_ms(), end = now + limit, asked = now;
    while (code == 0 && (code = lock_all(r, true, e)) == 1) {
        if (clock_mono_ms() - asked >= ASK_AGAIN_MS) { /* it was only starting when it was asked */
            if ((code = shut_down(r, e)) < 0)
                return code;
            asked = clock_mono_ms();
        }
        if (clock_mono_ms() >= end)
            return err_set(e, EBUSY,
                "the server's files are still in use %llu s after it was stopped: something starts it again (a container's restart policy?); set [restore] stop_command to what really stops it",
                (unsigned long long)limit / 1000);
        usleep(10000);
        code = 0;
    }
    return code;
}

/* Nobody has the server's files. A server that starts at this very moment tries again a second
 * later. */
static bool stands_still(struct restore *r)
{
    bool still = lock_all(r, false, NULL) == 0;
    restore_database_unlock(r);
    return still;
}

/*
 * A server lets go of its files some moments before its process is gone. A start command that comes
 * in between finds it running (systemctl start does) and does nothing; hence again, until somebody
 * has the files.
 */
int restore_database_start(struct restore *r, struct err *e)
{
    uint64_t limit = (uint64_t)config_int(r->run->s.config, "restore", NULL, "start_timeout");
    run_phase(r->run, r->run->s.physical_type, "start", 0);
    restore_database_unlock(r);
    drop_guards(restore_database(r));
    uint64_t now = clock_mono_ms(), end = now + limit, asked = 0, refused = 0;
    struct err last = {0};
    for (;; now = clock_mono_ms()) {
        struct server *s = NULL;
        enum site_server how = site_ask(r->run, &s, &last);
        server_close(s);
        if (how == SITE_ANSWERS)
            return 0;
        refused = how == SITE_SILENT ? 0 : refused ? refused : now;
        if (refused && now - refused >= REFUSED_MS)
            return err_prefix(
                e, err_copy(e, EACCES, &last), "the server runs, and does not let the keeper in");
        if (now >= end)
            return err_prefix(e, err_copy(e, ETIMEDOUT, &last),
                "the server does not answer %llu s after its start",
                (unsigned long long)limit / 1000);
        if (!asked || (!refused && now - asked >= START_AGAIN_MS && stands_still(r))) {
            int code = run_command(r->run, "start_command", e);
            if (code < 0)
                return code;
            asked = clock_mono_ms();
        }
        usleep(20000);
    }
}

static void note_version(struct restore *r, bool new_side, const struct server *s)
{
    utf8_copy(r->server[new_side], RESTORE_VERSION_LEN, server_version(s));
}

int restore_database_same_series(struct restore *r, bool to_new, struct err *e)
{
    _cleanup_server_ struct server *s = NULL;
    const char *theirs = r->server[to_new];
    const char *program = config_str(r->run->s.config, "drill", NULL, "server_program");
    _cleanup_free_ char *ours = site_ask(r->run, &s, NULL) == SITE_ANSWERS
                                    ? xstrdup(server_version(s))
                                    : server_program_version(r->run->s.config, program);
    enum series_fit fit = series_compare(theirs, ours);
    if (fit == SERIES_SAME || fit == SERIES_UNKNOWN)
        return 0;
    const char *root = restore_database(r)->root, *side = to_new ? "new" : "old";
    return err_outcome(e, EXIT_REFUSED, EINVAL,
        N_("the data that would come back were last under MariaDB %s, and this server is %s: it would change them for good, or not start on them. They lie in %s/%s: a mariadbd of that series runs on a copy of them; `elexgate restore --into DIR --serve SOCKET` shows a backup, and `elexgate restore accept` lets them go"),
        theirs, ours, root, side);
}

void restore_database_remember(struct restore *r)
{
    struct server *s = NULL;
    json_t *broken = NULL;
    const char *live = restore_database(r)->live;
    enum site_server how = site_ask(r->run, &s, NULL);
    if (how == SITE_SILENT && holder_that_stays(live, COMES_UP_MS))
        how = site_ask(r->run, &s, NULL) == SITE_ANSWERS ? SITE_ANSWERS : SITE_REFUSES;
    r->before = how == SITE_ANSWERS   ? RESTORE_ANSWERED
                : how == SITE_REFUSES ? RESTORE_RAN
                                      : RESTORE_DEAD;
    int code = how == SITE_ANSWERS ? broken_tables_find(s, &broken, NULL) : -EPIPE;
    if (how == SITE_ANSWERS)
        note_version(r, r->new_live, s);
    server_close(s);
    if (code < 0) /* nothing is known of its tables */
        return;
    bool told = r->broken[r->new_live] != NULL;
    json_decref(r->broken[r->new_live]);
    r->broken[r->new_live] = broken;
    if (json_object_size(broken) > 0 && !told) {
        _cleanup_free_ char *words = broken_tables_words(broken);
        run_note("the server cannot open these tables, before anything was done: %s", words);
    }
}

int restore_database_check(struct restore *r, bool new_side, struct err *e)
{
    _cleanup_server_ struct server *s = NULL;
    _cleanup_json_ json_t *now = NULL;
    run_phase(r->run, r->run->s.physical_type, "look", 0);
    int code = server_connect(&r->run->s.target, "elexgate-job", &s, e);
    if (code == 0)
        note_version(r, new_side, s);
    if (code == 0)
        code = broken_tables_find(s, &now, e);
    if (code < 0)
        return code;
    /* What is brought back may lack what already lacked before. */
    const json_t *then = r->broken[new_side], *also = new_side ? r->broken[0] : NULL;
    _cleanup_json_ json_t *worse = broken_tables_new(now, then, also);
    _cleanup_free_ char *words = broken_tables_words(worse);
    if (json_object_size(worse) > 0 && (then || also))
        code = err_set(e, EIO, "tables that could be opened before cannot be opened: %s", words);
    else if (json_object_size(worse) > 0)
        run_note("these tables cannot be opened: %s", words);
    return code;
}

/* Back to what the server was before; it may have been in a bad way. */
int restore_database_start_again(struct restore *r, struct err *e)
{
    struct err why = {0};
    if (r->before == RESTORE_DEAD) {
        restore_database_unlock(r);
        drop_guards(restore_database(r));
        if (command(r->run, "stop_command") && run_command(r->run, "start_command", &why) < 0)
            run_tell(&why); /* what was held back is let go */
        run_note("the server did not run before, and does not now");
        return 0;
    }
    int code = restore_database_start(r, &why);
    if (code < 0 && code != -EACCES && r->before == RESTORE_ANSWERED) {
        *e = why;
        return code;
    }
    if (code == 0)
        code = restore_database_check(r, r->new_live, &why);
    if (code < 0)
        run_tell(&why);
    return 0;
}
