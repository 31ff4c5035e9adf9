#include "backup/monitor/acts.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "backup/monitor/grants.h"
#include "backup/monitor/kinds.h"
#include "common/audit.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/json_get.h"
#include "common/json_lines.h"
#include "common/utf8.h"

#define OBJECT_MAX 1000 /* of a line in the audit log */

static json_t *flag(const struct monitor_request *q, enum monitor_flag f)
{
    return json_boolean(q->flags & f);
}

static json_t *text_or_null(const char *text, bool is)
{
    return is ? json_string(text) : json_null();
}

static json_t *backup(const struct monitor_request *q)
{
    json_t *types = json_array();
    for (uint32_t i = 0; i < q->types_count; i++)
        (void)json_array_append_new(types, json_string(q->types[i]));
    return json_pack("{s:s, s:s, s:o, s:o, s:b, s:o, s:o, s:o}", "cmd", "run", "mode", "now",
        "types", types, "method",
        text_or_null(
            q->flags & MONITOR_DUMP ? "dump" : "lock", q->flags & (MONITOR_DUMP | MONITOR_LOCK)),
        "accept_smaller", 1, "label", text_or_null(q->text, q->flags & MONITOR_LABEL), "protect",
        flag(q, MONITOR_PROTECT), "dry_run", flag(q, MONITOR_DRY_RUN));
}

json_t *act_of(const struct monitor_request *q, json_t *told)
{
    json_t *o;
    switch (q->kind) {
    case MONITOR_BACKUP:
        return q->flags & MONITOR_ACCEPT_SMALLER ? backup(q) : NULL;
    case MONITOR_REMOVE:
        return json_pack("{s:s, s:s, s:o}", "cmd", "delete", "which", q->which, "type",
            text_or_null(q->types[0], q->types_count));
    case MONITOR_MARK:
        return json_pack("{s:s, s:s, s:o, s:o, s:o}", "cmd", "mark", "which", q->which, "label",
            text_or_null(q->text, q->flags & MONITOR_LABEL), "protect", flag(q, MONITOR_PROTECT),
            "unprotect", flag(q, MONITOR_UNPROTECT));
    case MONITOR_RESTORE:
    case MONITOR_RESTORE_PLAN:
    case MONITOR_RESTORE_STATUS:
        o = json_loads(q->text, 0, NULL);
        (void)json_object_set_new(o, "cmd", json_string("restore"));
        return o;
    case MONITOR_OPEN:
        o = json_loads(q->text, 0, NULL);
        if (json_get_true(o, "expire")) { /* opens nothing */
            json_decref(o);
            return NULL;
        }
        (void)json_object_del(o, "action");
        (void)json_object_set_new(o, "cmd", json_string("open-backup"));
        return o;
    default:
        return json_incref(told);
    }
}

int act_read(int given, json_t **told, int *copy, struct err *e)
{
    static char text[JSON_LINE_MAX];
    struct stat st;
    bool plain = fstat(given, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= JSON_LINE_MAX;
    ssize_t n = plain ? pread(given, text, sizeof text, 0) : -1;
    _cleanup_json_ json_t *o = n > 0 ? json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, NULL)
                                     : NULL;
    explicit_bzero(text, sizeof text); /* a key or a passphrase may be in it */
    if (!json_is_object(o))
        return err_set(e, EINVAL, "the monitor refuses a job: what it is to read is no request");
    _cleanup_free_ char *again = json_dumps(o, JSON_COMPACT);
    _cleanup_fd_ int fd = memfd_create("request", MFD_CLOEXEC);
    int r = !again || fd < 0 ? err_sys(e, errno, "memfd")
                             : fd_write_all(fd, again, strlen(again), e);
    if (again)
        explicit_bzero(again, strlen(again));
    if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
        r = err_sys(e, errno, "memfd");
    if (r < 0)
        return r;
    *told = json_incref(o);
    *copy = fd;
    fd = -1;
    return 0;
}

/* What a keeper that was taken over cannot attribute to somebody else. */
static void tell(const struct granted *g, const struct right *right, const json_t *request)
{
    _cleanup_free_ char *object = rights_object(request);
    const char *account = g->grant.account;
    audit_event("confirmed", LOG_S("who", g->user), LOG_S("account", *account ? account : NULL),
        LOG_S("action", right->cmd),
        LOG_S("object", *object ? UTF8_SHORT(object, OBJECT_MAX) : NULL));
}

int act_allowed(const struct monitor_request *q, json_t *told, struct err *e)
{
    const struct kind *k = kind_of(q->kind);
    struct right right;
    _cleanup_json_ json_t *request = act_of(q, told);
    if (!request)
        return 0;
    /* each kind answers its own command only: another one's row may ask for less */
    if (!rights_find(RIGHTS_KEEPER, request, &right) ||
        (told && strcmp(right.cmd, k->command) != 0))
        return err_set(e, EINVAL, "the monitor refuses a job: it answers another request");
    if (!grant_needed(&right))
        return 0;
    const struct granted *g = right.least >= RIGHTS_NOBODY
                                  ? NULL
                                  : grants_use(request, right.least,
                                        told ? rights_account(request) : NULL, clock_mono_ms());
    if (!g)
        return err_set(e, EPERM,
            "the monitor refuses a job: nobody confirmed %s within the last minute, or something else than this",
            right.cmd);
    tell(g, &right, request);
    return 0;
}
