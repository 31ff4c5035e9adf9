#include "common/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log_line.h"
#include "common/log_ring.h"

/* A pipe takes up to 4096 bytes (PIPE_BUF) in one piece: a line is kept below that. */
#define LINE_MAX_BYTES  4096
#define VALUE_MAX_BYTES 1024 /* escaped; a longer value is cut and ends in "..." */

static struct {
    const char *program;
    enum log_format format;
    bool journal;
} state;
static atomic_int current_level = LOG_INFO;

static const int syslog_levels[] = {
    [LOG_ERROR] = 3, [LOG_WARNING] = 4, [LOG_INFO] = 6, [LOG_DEBUG] = 7};

/* systemd.exec(5): JOURNAL_STREAM holds device:inode of the stream to the journal. The variable
 * alone proves nothing, a child with a redirected stderr inherits it too. */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    uintmax_t dev, ino;
    struct stat st;

    return stream && sscanf(stream, "%ju:%ju", &dev, &ino) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
           st.st_dev == dev && st.st_ino == ino;
}

void log_init(const char *program, enum log_format format, enum log_level level)
{
    state.program = program;
    state.format = format;
    state.journal = stderr_is_journal();
    log_set_level(level);
}

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
}

enum log_level log_get_level(void)
{
    return (enum log_level)atomic_load_explicit(&current_level, memory_order_relaxed);
}

static void compose(struct log_line *l, bool stamp, enum log_level level, const char *event,
    const struct log_field *fields, size_t n)
{
    if (stamp)
        log_line_stamp(l, "ts");
    log_line_field(l, &LOG_S("level", log_level_name(level)));
    log_line_field(l, &LOG_S("program", state.program));
    log_line_field(l, &LOG_S("event", event));
    for (size_t i = 0; i < n; i++)
        log_line_field(l, &fields[i]);
    log_line_end(l);
}

void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t n)
{
    char room[LINE_MAX_BYTES];
    struct log_line l;
    size_t prefix = 0;
    int saved = errno;

    if (state.journal)
        prefix = (size_t)snprintf(room, sizeof room, "<%d>", syslog_levels[level]);
    log_line_begin(&l, state.format, room + prefix, sizeof room - prefix, VALUE_MAX_BYTES);
    compose(&l, !state.journal, level, event, fields, n);
    ssize_t written;
    do
        written = write(STDERR_FILENO, room, prefix + l.len);
    while (written < 0 && errno == EINTR);
    if (log_ring_started()) {
        log_line_begin(&l, LOG_JSON, room, sizeof room, VALUE_MAX_BYTES);
        compose(&l, true, level, event, fields, n);
        log_ring_add(level, l.text, l.len);
    }
    errno = saved; /* a log line that cannot be written must not disturb the program */
}
