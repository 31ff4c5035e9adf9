#include "backup/keeper/audit.h"

#include <dirent.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "backup/keeper/people.h"
#include "common/audit.h"
#include "common/clock.h"
#include "common/json_lines.h"
#include "common/json_get.h"

#define LOOK_MS (INT64_C(24) * 60 * 60 * 1000)

static const char *path_of(const struct config *c, const char *key)
{
    const char *path = config_str(c, "audit", NULL, key);
    return path && strcmp(path, "off") != 0 ? path : NULL;
}

void keeper_audit_open(const struct config *c)
{
    audit_use(path_of(c, "file"));
}

const char *keeper_audit_file(const struct config *c)
{
    return path_of(c, "file");
}

/* "audit.log-20261122", "audit.log-20261122.gz", "audit.log.1" for "audit.log". */
static bool is_rotated(const char *name, const char *base)
{
    size_t n = strlen(base);
    return strncmp(name, base, n) == 0 && (name[n] == '-' || name[n] == '.') &&
           name[n + 1] >= '0' && name[n + 1] <= '9';
}

static void remove_old(const char *path, int64_t before_s)
{
    _cleanup_free_ char *folder = xstrdup(path);
    char *slash = strrchr(folder, '/');
    if (!slash)
        return;
    *slash = '\0';
    const char *base = path + (slash - folder) + 1;
    DIR *d = opendir(*folder ? folder : "/");
    struct dirent *entry;
    while (d && (entry = readdir(d))) {
        struct stat st;
        if (!is_rotated(entry->d_name, base) ||
            fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            !S_ISREG(st.st_mode) || st.st_mtime >= before_s ||
            unlinkat(dirfd(d), entry->d_name, 0) < 0)
            continue;
        log_event(LOG_INFO, "audit-expired", LOG_S("file", entry->d_name));
        audit_event("expired", LOG_S("file", entry->d_name));
    }
    if (d)
        closedir(d);
}

void keeper_audit_tick(const struct config *c)
{
    static int64_t next_ms;
    int64_t now = (int64_t)clock_mono_ms(), keep = config_int(c, "audit", NULL, "keep");
    if (now < next_ms)
        return;
    next_ms = now + LOOK_MS;
    static const char *const keys[] = {"file", "proxy_file"};
    for (size_t i = 0; i < 2 && keep > 0; i++)
        if (path_of(c, keys[i]))
            remove_old(path_of(c, keys[i]), (clock_wall_ms() - keep) / 1000);
}

/* What a request is about, in one field: the names of what it touches, never their values. */
static char *object_of(const json_t *request)
{
    static const char *const keys[] = {"action", "mode", "which", "type", "upload", "level"};
    char *text = xstrdup("");
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const char *v = json_get_str(request, keys[i]);
        if (!v)
            continue;
        char *longer = xasprintf("%s%s%s", text, *text ? " " : "", v);
        free(text);
        text = longer;
    }
    const char *key;
    json_t *v;
    json_object_foreach (json_object_get(request, "values"), key, v) {
        char *longer = xasprintf("%s%s%s", text, *text ? " " : "", key);
        free(text);
        text = longer;
    }
    return text;
}

static char *user_name(unsigned uid)
{
    const struct passwd *pw = getpwuid(uid);
    return pw ? xstrdup(pw->pw_name) : xasprintf("%u", uid);
}

void keeper_audit_request(unsigned uid, const json_t *request, const json_t *answer)
{
    struct right right;
    bool refused = json_is_false(json_object_get(answer, "ok"));
    if (!rights_find(RIGHTS_KEEPER, request, &right) || !right.logged)
        return;
    const char *account = rights_account(request);
    _cleanup_free_ char *object = object_of(request), *who = user_name(uid);
    audit_event("command", LOG_S("who", who), LOG_S("account", *account ? account : NULL),
        LOG_S("action", right.cmd), LOG_S("object", *object ? object : NULL),
        LOG_S("result", refused ? "refused" : "ok"), LOG_S("error", json_get_str(answer, "error")));
}

void keeper_audit_job(const char *kind, const char *run, const char *result, const char *error)
{
    audit_event("job", LOG_S("kind", kind), LOG_S("run", run && *run ? run : NULL),
        LOG_S("result", result), LOG_S("error", error));
}

/* The page's program tells what was done there; for whom is what "as" says, as in every request,
 * and by which program, says the kernel. */
json_t *keeper_audit_command(struct keeper *k, struct control_client *c, json_t *request)
{
    static const char *const keys[] = {"address", "action", "object", "result"};
    const char *v[4], *account = rights_account(request);
    for (size_t i = 0; i < 4; i++)
        v[i] = json_get_str(request, keys[i]);
    if (!v[1] || !json_is_object(json_object_get(request, "as")))
        return json_error(EINVAL, "\"as\" and \"action\" must be given");
    enum rights_level level = keeper_people_level(
        k->ports.people, rights_level(control_client_page(c), request), request);
    _cleanup_free_ char *by = user_name(control_client_uid(c));
    audit_event("console", LOG_S("who", account), LOG_S("role", rights_level_name(level)),
        LOG_S("by", by), LOG_S("address", v[0]), LOG_S("action", v[1]), LOG_S("object", v[2]),
        LOG_S("result", v[3] ? v[3] : "ok"));
    return json_pack("{sb}", "ok", 1);
}
