#include "proxy/writers.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/log.h"
#include "common/utf8.h"

#define PENDING_MAX                                                                                \
    16384               /* between two writes of the file; what comes beyond is not known later    \
                         */
#define ANSWER_MAX 5000 /* intervals: far below a line of the control protocol */
#define LINE_MAX   (ADDRESS_TEXT_MAX + 64)

struct interval {
    int64_t from, to;
    uint32_t thread_id;
    struct address address;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct interval *pending;
static size_t n_pending;
static char *path, *path_before;

void writer_look(
    struct writer *w, bool wrote, bool now, const struct address *from, uint32_t thread_id)
{
    int64_t second = clock_wall_ms() / 1000, since = w->seen ? w->seen : second;
    w->seen = second;
    if (!wrote)
        return;
    if (!w->began) /* a CALL that turns out to have written began when we last heard of it */
        w->began = now ? second : since;
    if (now && w->began == second)
        return;
    const struct interval i = {w->began, second, thread_id, *from};
    if (i.from < w->noted[0] || i.to > w->noted[1]) {
        pthread_mutex_lock(&lock);
        if (!pending)
            pending = xcalloc(PENDING_MAX, sizeof *pending);
        if (n_pending < PENDING_MAX)
            pending[n_pending++] = i;
        pthread_mutex_unlock(&lock);
        w->noted[0] = i.from;
        w->noted[1] = i.to;
    }
    w->began = now ? second : 0;
}

void writers_open(const char *state_dir)
{
    path = xasprintf("%s/writers.log", state_dir);
    path_before = xasprintf("%s/writers.log.1", state_dir);
}

static int append(const struct interval *list, size_t n, bool own, struct err *e)
{
    struct stat st;
    char address[ADDRESS_TEXT_MAX];
    size_t len = 0;
    if (own && stat(path, &st) == 0 && st.st_size >= (off_t)WRITERS_MAX &&
        rename(path, path_before) < 0)
        return err_sys(e, errno, "cannot rename %s", path);
    _cleanup_fd_ int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_sys(e, errno, "cannot open %s", path);
    _cleanup_free_ char *text = xmalloc(n * LINE_MAX);
    for (size_t i = 0; i < n; i++)
        len += utf8_format(text + len, LINE_MAX, "%" PRId64 " %" PRId64 " %u %s\n", list[i].from,
            list[i].to, list[i].thread_id, address_text(&list[i].address, address));
    return fd_write_all(fd, text, len, e);
}

void writers_save(bool own)
{
    struct err e = {0};
    pthread_mutex_lock(&lock);
    struct interval *list = pending;
    size_t n = n_pending;
    pending = NULL;
    n_pending = 0;
    pthread_mutex_unlock(&lock);
    if (n > 0 && path && append(list, n, own, &e) < 0)
        log_err(LOG_WARNING, "writers-not-kept", &e);
    free(list);
}

/* --- asked for -------------------------------------------------------------------------------- */

/* A line that is odd, such as one that a crash has cut, is left out. */
static void take_line(const char *line, int64_t from, int64_t to, json_t *list, bool *more)
{
    int64_t began, ended;
    unsigned thread;
    char address[ADDRESS_TEXT_MAX];
    struct cidr c;
    _Static_assert(ADDRESS_TEXT_MAX > 45, "the width below");
    if (sscanf(line, "%" SCNd64 " %" SCNd64 " %u %45s", &began, &ended, &thread, address) != 4 ||
        began > to || ended < from || cidr_parse(address, &c, NULL) < 0)
        return;
    if (json_array_size(list) == ANSWER_MAX)
        *more = true;
    else
        (void)json_array_append_new(list, json_pack("[I, I, I, s]", (json_int_t)began,
                                              (json_int_t)ended, (json_int_t)thread, address));
}

static void take_file(const char *file, int64_t from, int64_t to, json_t *list, bool *more)
{
    struct err e = {0};
    _cleanup_free_ char *data = NULL;
    size_t len = 0;
    char *rest = NULL;
    int r = file_read(file, 2 * WRITERS_MAX, &data, &len, &e);
    if (r < 0 && r != -ENOENT)
        log_err(LOG_WARNING, "writers-unreadable", &e);
    if (r < 0)
        return;
    for (char *line = strtok_r(data, "\n", &rest); line && !*more;
         line = strtok_r(NULL, "\n", &rest))
        take_line(line, from, to, list, more);
}

json_t *writers_json(int64_t from, int64_t to)
{
    json_t *list = json_array();
    bool more = false;
    if (path) {
        take_file(path_before, from, to, list, &more);
        if (!more)
            take_file(path, from, to, list, &more);
    }
    return json_pack("{s:b, s:o, s:b}", "ok", 1, "writers", list, "more", more);
}
