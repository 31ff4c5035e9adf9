#include "backup/job/restore/trail.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "common/clock.h"

void restore_trail_begin(const struct run *r, const char *action, const char *which, bool dry_run)
{
    char started[CLOCK_ISO_LEN];
    _cleanup_free_ char *path = xasprintf("%s/" STATE_RESTORE_TRAIL, r->s.state_dir);
    /* The number of a process comes again; together with the time it does not. */
    _cleanup_free_ char *id = xasprintf("%lld-%d", (long long)r->started_ms, (int)getpid());
    /* A new file: whoever still reads the old one reads it to its end. */
    (void)unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        run_note("%s cannot be made: %s", path, strerror(errno));
    else
        run_also_to(fd);
    run_event(json_pack("{s:s, s:s, s:i, s:s, s:s?, s:b, s:s}", "event", "restore-begin", "id", id,
        "pid", (int)getpid(), "action", action, "which", which, "dry_run", (int)dry_run, "started",
        clock_iso(r->started_ms, started)));
}
