#include "backup/monitor/files.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "backup/rules/settings.h"
#include "common/audit.h"
#include "common/config_intent.h"
#include "common/file.h"
#include "common/json_get.h"
#include "people/list.h"

#define CONFIG_MAX (1024 * 1024)

static char *in_state(const struct config *c, const char *name)
{
    return xasprintf("%s/%s", config_str(c, "backup", NULL, "state_dir"), name);
}

static pid_t holder(const struct config *c)
{
    pid_t pid = 0;
    _cleanup_free_ char *lock = in_state(c, STATE_RUN_LOCK);
    return file_lock_held(lock, &pid) ? pid : 0;
}

void files_state(const struct config *c, struct monitor_state *out)
{
    struct stat st;
    _cleanup_free_ char *journal = in_state(c, STATE_RESTORE_JOURNAL);
    _cleanup_free_ char *trail = in_state(c, STATE_RESTORE_TRAIL);
    _cleanup_free_ char *settings = in_state(c, STATE_SERVER_SETTINGS);
    _cleanup_json_ json_t *audit = audit_status();
    *out = (struct monitor_state){.holder = holder(c),
        .settings_left = access(settings, F_OK) == 0,
        .audit_failing = !json_is_null(audit) && !json_get_true(audit, "good"),
        .audit_lost = (uint64_t)json_get_int(audit, "lost")};
    if (stat(journal, &st) == 0)
        out->journal_s = st.st_mtim.tv_sec;
    if (stat(trail, &st) == 0)
        out->trail_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

int files_trail(const struct config *c, int *fd, struct err *e)
{
    _cleanup_free_ char *trail = in_state(c, STATE_RESTORE_TRAIL);
    *fd = open(trail, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    return *fd < 0 ? err_sys(e, errno, "cannot open %s", trail) : 0;
}

int files_stop_restore(const struct config *c, struct err *e)
{
    _cleanup_free_ char *lock = in_state(c, STATE_RUN_LOCK);
    int r = file_lock_signal(lock, SIGTERM, e);
    return r == -ESRCH ? err_set(e, ESRCH, "no restore goes on") : r;
}

int files_config(
    const struct config *c, const char *config_file, bool *whole, int *fd, struct err *e)
{
    const char *path = config_path(c);
    _cleanup_free_ char *text = NULL;
    size_t len = 0;
    int r = file_read(path, CONFIG_MAX, &text, &len, e);
    if (r == -ENOENT && !config_file) { /* a default path that does not exist is an empty file */
        text = xstrdup("");
        r = 0;
    }
    if (r == 0)
        r = config_intent_not_lost(path, text, len, e);
    if (r < 0)
        return r;
    _cleanup_fd_ int copy = memfd_create("config", MFD_CLOEXEC);
    if (copy < 0)
        return err_sys(e, errno, "memfd");
    r = fd_write_all(copy, text, len, e);
    if (r < 0)
        return r;
    *whole = config_intent_whole(path, text, len);
    *fd = copy;
    copy = -1;
    return 0;
}

int files_people(const struct config *c, int *fd, struct err *e)
{
    _cleanup_json_ json_t *list = NULL;
    size_t i;
    json_t *person;
    int r = people_read(config_str(c, "backup", NULL, "state_dir"), &list, e);
    if (r < 0)
        return r;
    json_array_foreach (list, i, person)
        (void)json_object_del(person, "hash");
    _cleanup_free_ char *text = json_dumps(list, JSON_COMPACT);
    _cleanup_fd_ int copy = memfd_create("people", MFD_CLOEXEC);
    r = !text || copy < 0 ? err_sys(e, errno, "memfd") : fd_write_all(copy, text, strlen(text), e);
    if (r < 0)
        return r;
    *fd = copy;
    copy = -1;
    return 0;
}

int files_closed(const struct config *c, struct err *e)
{
    const char *path = config_str(c, "backup", NULL, "control_socket");
    struct stat st;
    if (lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return 0;
    return unlink(path) < 0 ? err_sys(e, errno, "cannot remove %s", path) : 0;
}
