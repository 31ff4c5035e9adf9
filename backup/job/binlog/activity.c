#include "backup/job/binlog/activity.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "common/clock.h"
#include "common/file.h"

#define FOLDER   "activity"
#define SAVE_MS  2000
#define FILE_MAX (4u << 20) /* a line each two seconds, of a day, is a quarter of it */
#define DAY      1440       /* minutes */

static char *path_of(const char *state_dir, uint32_t minute)
{
    char day[16];
    return xasprintf("%s/" FOLDER "/%s", state_dir,
        clock_utc((int64_t)minute * 60000, "%Y-%m-%d", day, sizeof day));
}

static int read_file(const char *path, uint32_t from, size_t n, uint32_t *counts, struct err *e);

/* Whoever sets another time for each transaction has a line for each: the day is written anew, a
 * line a minute. */
static void shorten(const char *path, uint32_t minute)
{
    uint32_t first = minute - minute % DAY, counts[DAY] = {0};
    size_t len = 0, room = DAY * sizeof "4294967295 4294967295\n";
    _cleanup_free_ char *text = xmalloc(room);
    if (read_file(path, first, DAY, counts, NULL) < 0)
        return;
    for (uint32_t i = 0; i < DAY; i++)
        if (counts[i])
            len += (size_t)snprintf(text + len, room - len, "%u %u\n", first + i, counts[i]);
    (void)!file_publish(path, text, len, 0600, NULL);
}

void activity_save(struct activity *a, const char *state_dir, bool at_once)
{
    char line[40];
    if (a->count == 0 || (!at_once && clock_mono_ms() - a->since_ms < SAVE_MS))
        return;
    _cleanup_free_ char *path = path_of(state_dir, a->minute);
    _cleanup_free_ char *folder = xasprintf("%s/" FOLDER, state_dir);
    size_t n = (size_t)snprintf(line, sizeof line, "%u %u\n", a->minute, a->count);
    a->count = 0;
    if (file_mkdirs(folder, 0700, NULL) < 0)
        return;
    _cleanup_fd_ int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct stat st;
    if (fd >= 0 && fd_write_all(fd, line, n, NULL) == 0 && fstat(fd, &st) == 0 &&
        st.st_size > FILE_MAX / 2)
        shorten(path, a->minute);
}

void activity_note(struct activity *a, const char *state_dir, uint32_t when)
{
    int64_t now = clock_wall_ms() / 1000;
    if (when > now + 86400 || when < now - ACTIVITY_DAYS * INT64_C(86400))
        return; /* SET timestamp: no day that anybody looks at */
    if (a->count && a->minute != when / 60)
        activity_save(a, state_dir, true);
    if (a->count++ == 0) {
        a->minute = when / 60;
        a->since_ms = clock_mono_ms();
    }
}

void activity_tidy(const char *state_dir)
{
    _cleanup_free_ char *folder = xasprintf("%s/" FOLDER, state_dir);
    _cleanup_free_ char *oldest = path_of(
        state_dir, (uint32_t)(clock_wall_ms() / 60000) - ACTIVITY_DAYS * DAY);
    const char *first = strrchr(oldest, '/') + 1;
    _cleanup_dir_ DIR *d = opendir(folder);
    const struct dirent *de;
    while (d && (de = readdir(d)))
        if (de->d_name[0] != '.' && strcmp(de->d_name, first) < 0)
            (void)unlinkat(dirfd(d), de->d_name, 0);
}

static int read_file(const char *path, uint32_t from, size_t n, uint32_t *counts, struct err *e)
{
    _cleanup_free_ char *data = NULL;
    size_t len = 0;
    char *rest = NULL;
    int r = file_read(path, FILE_MAX, &data, &len, e);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    for (char *line = strtok_r(data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        unsigned minute, count;
        if (sscanf(line, "%u %u", &minute, &count) == 2 && minute >= from && minute - from < n)
            counts[minute - from] += count;
    }
    return 0;
}

int activity_read(const char *state_dir, uint32_t from, size_t n, uint32_t *counts, struct err *e)
{
    int r = 0;
    memset(counts, 0, n * sizeof *counts);
    for (uint32_t day = from / DAY; r == 0 && day <= (from + n) / DAY; day++) {
        _cleanup_free_ char *path = path_of(state_dir, day * DAY);
        r = read_file(path, from, n, counts, e);
    }
    return r;
}
