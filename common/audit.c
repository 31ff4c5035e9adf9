#include "common/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "common/clock.h"
#include "common/log_line.h"

/* How long the thread waits for more lines before it writes. */
#define GATHER_MS 10
/* How often a file that could not be opened is tried again. */
#define OPEN_AGAIN_MS 30000u
/* How often it is looked whether a month is over, and how long logrotate has had its chance then.
 */
#define LOOK_MS    3600000u
#define GRACE_DAYS 2
#define SEEN_NEVER UINT64_MAX
/* Room for a dozen values of full length; a longer one is cut. */
#define VALUE_MAX_BYTES 4096u
#define LINE_MAX_BYTES  (12u * VALUE_MAX_BYTES + 4096u)
#define ROOM_BYTES      (64u * 1024u)
_Static_assert(LINE_MAX_BYTES <= ROOM_BYTES, "a line has room");
#define STAMP_BYTES sizeof "{\"time\":\"2026-11"

struct line {
    struct line *next;
    size_t len;
    char text[];
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    const char *program;
    bool (*writer)(void *ctx, const char *line, size_t len);
    void *writer_ctx;
    bool running, stop;
    /* under the lock */
    char *path; /* NULL = off */
    bool reopen;
    struct line *head, **tail;
    unsigned waiting;
    uint64_t lost, untold; /* lines, in all; those that the file does not tell of yet */
    bool failing;
    /* the thread's own */
    int fd;
    bool torn; /* the last line went in only in part */
    uint64_t tried_ms, looked_ms;
} audit = {.lock = PTHREAD_MUTEX_INITIALIZER,
    .wake = PTHREAD_COND_INITIALIZER,
    .fd = -1,
    .looked_ms = SEEN_NEVER};

static struct line *line_new(const char *event, const struct log_field *fields, size_t n)
{
    char room[LINE_MAX_BYTES];
    struct log_line l;
    log_line_begin(&l, LOG_JSON, room, sizeof room, VALUE_MAX_BYTES);
    log_line_stamp(&l, "time");
    log_line_field(&l, &LOG_S("program", audit.program));
    log_line_field(&l, &LOG_S("event", event));
    for (size_t i = 0; i < n; i++)
        log_line_field(&l, &fields[i]);
    log_line_end(&l);
    struct line *kept = xmalloc(sizeof *kept + l.len);
    *kept = (struct line){.len = l.len};
    memcpy(kept->text, l.text, l.len);
    return kept;
}

static void open_file(const char *path)
{
    audit.tried_ms = clock_mono_ms();
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
    if (audit.fd >= 0)
        close(audit.fd);
    audit.fd = fd;
    audit.torn = false;
}

/* Months since year 0 of the first line; -1: there is none, or not one of ours. */
static int first_month(int fd)
{
    char text[STAMP_BYTES] = "";
    int year, month;
    if (pread(fd, text, sizeof text - 1, 0) != (ssize_t)sizeof text - 1 ||
        sscanf(text, "{\"time\":\"%4d-%2d", &year, &month) != 2)
        return -1;
    return 12 * year + month - 1;
}

/* Where logrotate runs, it has begun a new file on the first day; what it has left is rotated here,
 * under the same name. */
static void rotate(const char *path)
{
    time_t now = time(NULL);
    struct tm tm;
    _cleanup_fd_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    int begun = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? first_month(fd) : -1;
    CHECK(gmtime_r(&now, &tm));
    int over = 12 * (tm.tm_year + 1900) + tm.tm_mon - begun;
    if (begun < 0 || over < 1 || (over == 1 && tm.tm_mday <= GRACE_DAYS))
        return;
    _cleanup_free_ char *name = xasprintf(
        "%s-%04d%02d%02d", path, tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
    if (renameat2(AT_FDCWD, path, AT_FDCWD, name, RENAME_NOREPLACE) == 0)
        log_event(LOG_INFO, "audit-rotated", LOG_S("file", name));
}

/* A month that is over gets a file of its own; a file that somebody renamed is let go of. */
static void look(const char *path)
{
    struct stat ours, there;
    if (audit.fd < 0 ||
        (audit.looked_ms != SEEN_NEVER && clock_mono_ms() - audit.looked_ms < LOOK_MS))
        return;
    audit.looked_ms = clock_mono_ms();
    rotate(path);
    bool same = fstat(audit.fd, &ours) == 0 && stat(path, &there) == 0 &&
                ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
    if (!same)
        open_file(path);
}

/* How much of it went in; if not all, *error says why. */
static size_t write_whole(const char *text, size_t len, int *error)
{
    ssize_t n;
    *error = audit.fd < 0 ? EBADF : 0;
    if (audit.torn && audit.fd >= 0) { /* so that the rest of a line does not spoil the next one */
        if (write(audit.fd, "\n", 1) != 1)
            *error = errno ? errno : ENOSPC;
        else
            audit.torn = false;
    }
    if (*error)
        return 0;
    do
        n = write(audit.fd, text, len);
    while (n < 0 && errno == EINTR);
    if (n == (ssize_t)len)
        return len;
    *error = n < 0 ? errno : ENOSPC;
    audit.torn = n > 0 && text[n - 1] != '\n';
    return n > 0 ? (size_t)n : 0;
}

/* Called with what happened to lines or to an attempt to open; tells a change, once. */
static void note(const char *path, int error, uint64_t lost)
{
    pthread_mutex_lock(&audit.lock);
    bool before = audit.failing;
    audit.failing = error != 0;
    audit.lost += lost;
    audit.untold += lost;
    pthread_mutex_unlock(&audit.lock);
    if (error && !before)
        log_event(LOG_ERROR, "audit-failed", LOG_S("file", path), LOG_S("error", strerror(error)),
            LOG_S(
                "hint", "who connects is not recorded; make room, or see to the folder's rights"));
    else if (!error && before)
        log_event(LOG_INFO, "audit-works-again", LOG_S("file", path));
}

/* Before the first line that goes in again: how many are missing. 0, or why it does not go in. */
static int tell_lost(void)
{
    int error;
    pthread_mutex_lock(&audit.lock);
    uint64_t untold = audit.untold;
    pthread_mutex_unlock(&audit.lock);
    if (untold == 0)
        return 0;
    struct line *l = line_new("lines-lost", &LOG_U("lines", untold), 1);
    (void)write_whole(l->text, l->len, &error);
    free(l);
    pthread_mutex_lock(&audit.lock);
    audit.untold -= error ? 0 : untold;
    pthread_mutex_unlock(&audit.lock);
    return error;
}

static void write_together(const char *path, const char *text, size_t len, uint64_t lines)
{
    if (audit.fd < 0 && clock_mono_ms() - audit.tried_ms >= OPEN_AGAIN_MS)
        open_file(path);
    look(path);
    int error = tell_lost();
    size_t in = error ? 0 : write_whole(text, len, &error);
    for (size_t i = 0; i < in; i++)
        lines -= text[i] == '\n';
    note(path, error, lines);
}

/* A burst's lines go in with few calls. Frees them. */
static void write_lines(const char *path, struct line *l)
{
    static char room[ROOM_BYTES];
    while (l) {
        size_t len = 0;
        uint64_t lines = 0;
        while (l && len + l->len <= sizeof room) {
            struct line *next = l->next;
            memcpy(room + len, l->text, l->len);
            len += l->len;
            lines++;
            free(l);
            l = next;
        }
        if (path)
            write_together(path, room, len, lines);
    }
}

static void take_path(char *path, bool reopen)
{
    if (!path) {
        if (audit.fd >= 0)
            close(audit.fd);
        audit.fd = -1;
    } else if (reopen) {
        audit.looked_ms = SEEN_NEVER;
        open_file(path);
        note(path, audit.fd < 0 ? errno : 0, 0);
    }
}

/* Under the lock: what comes shortly behind the first line goes with it, so that a burst of logins
 * costs one change of threads and not one a line. Nobody signals meanwhile but to end it. */
static void gather(void)
{
    struct timespec end;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &end) == 0);
    end.tv_nsec += GATHER_MS * 1000000;
    end.tv_sec += end.tv_nsec / 1000000000;
    end.tv_nsec %= 1000000000;
    while (!audit.stop && !audit.reopen && audit.waiting < AUDIT_WAITING_MAX / 2 &&
           pthread_cond_clockwait(&audit.wake, &audit.lock, CLOCK_MONOTONIC, &end) == 0)
        ;
}

static void *audit_thread(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&audit.lock);
    while (!audit.stop || audit.head || audit.reopen) {
        if (!audit.head && !audit.reopen) {
            pthread_cond_wait(&audit.wake, &audit.lock);
            continue;
        }
        gather();
        bool reopen = audit.reopen;
        char *path = audit.path ? xstrdup(audit.path) : NULL;
        struct line *l = audit.head;
        audit.head = NULL;
        audit.tail = &audit.head;
        audit.waiting = 0;
        audit.reopen = false;
        pthread_mutex_unlock(&audit.lock);
        take_path(path, reopen);
        write_lines(path, l);
        free(path);
        pthread_mutex_lock(&audit.lock);
    }
    pthread_mutex_unlock(&audit.lock);
    return NULL;
}

void audit_init(const char *program)
{
    audit.program = program;
    audit.tail = &audit.head;
}

/* The thread gets no signals: they are the main thread's. */
static void start_thread(void)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    CHECK(pthread_create(&audit.thread, NULL, audit_thread, NULL) == 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    audit.running = true;
}

void audit_use(const char *path)
{
    if (!audit.program || (!path && !audit.running))
        return;
    pthread_mutex_lock(&audit.lock);
    free(audit.path);
    audit.path = path ? xstrdup(path) : NULL;
    audit.reopen = true;
    if (!path)
        audit.failing = false;
    pthread_cond_signal(&audit.wake);
    pthread_mutex_unlock(&audit.lock);
    if (!audit.running)
        start_thread();
}

/* Takes l over. */
static bool enqueue(struct line *l)
{
    pthread_mutex_lock(&audit.lock);
    bool room = audit.path && audit.waiting < AUDIT_WAITING_MAX;
    if (room) {
        audit.waiting++;
        *audit.tail = l;
        audit.tail = &l->next;
        if (audit.waiting == 1 || audit.waiting == AUDIT_WAITING_MAX / 2)
            pthread_cond_signal(&audit.wake);
    } else if (audit.path) {
        audit.lost++;
        audit.untold++;
    }
    pthread_mutex_unlock(&audit.lock);
    if (!room)
        free(l);
    return room;
}

void audit_write(const char *event, const struct log_field *fields, size_t n)
{
    if (!audit.running && !audit.writer)
        return;
    struct line *l = line_new(event, fields, n);
    if (!audit.writer) {
        enqueue(l);
        return;
    }
    if (!audit.writer(audit.writer_ctx, l->text, l->len))
        log_event(LOG_ERROR, "audit-failed", LOG_S("event", event));
    free(l);
}

void audit_use_writer(bool (*fn)(void *ctx, const char *line, size_t len), void *ctx)
{
    audit.writer = fn;
    audit.writer_ctx = ctx;
}

bool audit_write_line(const char *line, size_t len)
{
    if (!audit.running)
        return true; /* it is off */
    struct line *l = xmalloc(sizeof *l + len + 1);
    *l = (struct line){.len = len};
    memcpy(l->text, line, len);
    l->text[len] = '\0';
    return enqueue(l);
}

json_t *audit_status(void)
{
    pthread_mutex_lock(&audit.lock);
    json_t *o = audit.path ? json_pack("{s:s, s:b, s:I}", "file", audit.path, "good",
                                 !audit.failing, "lost", (json_int_t)audit.lost)
                           : json_null();
    pthread_mutex_unlock(&audit.lock);
    return o;
}

void audit_stop(void)
{
    if (!audit.running)
        return;
    pthread_mutex_lock(&audit.lock);
    audit.stop = true;
    pthread_cond_signal(&audit.wake);
    pthread_mutex_unlock(&audit.lock);
    pthread_join(audit.thread, NULL);
    if (audit.fd >= 0)
        close(audit.fd);
    free(audit.path);
    audit.fd = -1;
    audit.path = NULL;
    audit.running = audit.stop = audit.failing = audit.torn = false;
    audit.lost = audit.untold = 0;
    audit.looked_ms = SEEN_NEVER;
}
