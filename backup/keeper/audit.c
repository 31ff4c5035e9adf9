#include "backup/keeper/audit.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include "common/audit.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/json_get.h"
#include "common/log_limit.h"
#include "common/utf8.h"
#include "link/rights.h"

/* What others chose is cut there: a line has its room (MONITOR_AUDIT_MAX), whatever JSON makes of
 * it. */
#define FIELD_MAX 1000
#define CUT(text) ((text) ? UTF8_SHORT((text), FIELD_MAX) : NULL)

/* Lines a minute of what anybody can have written without anything being done. What is done has its
 * line always. */
#define REFUSED_MAX 60
#define CONSOLE_MAX 120

static struct log_limit *refusals, *told;

static void tell_kept_back(void)
{
    uint64_t now = clock_mono_ms();
    unsigned n = log_limit_kept_back(refusals, now) + log_limit_kept_back(told, now);
    if (n)
        audit_event("kept-back", LOG_U("lines", n));
}

/* By the monitor, whose the file is. */
static bool write_line(void *ctx, const char *line, size_t len)
{
    struct keeper_monitor *m = ctx;
    struct monitor_request q = {.act = MONITOR_AUDIT};
    struct monitor_answer answer;
    struct err e = {0};
    _cleanup_fd_ int fd = memfd_create("audit", MFD_CLOEXEC);
    int r = fd < 0 ? err_sys(&e, errno, "memfd") : fd_write_all(fd, line, len, &e);
    if (r == 0)
        r = keeper_monitor_ask(m, &q, fd, &answer, NULL, &e);
    if (r < 0)
        log_err(LOG_ERROR, "audit-line-lost", &e);
    return r == 0;
}

void keeper_audit_begin(struct keeper_monitor *m)
{
    refusals = refusals ? refusals : log_limit_new(REFUSED_MAX);
    told = told ? told : log_limit_new(CONSOLE_MAX);
    audit_init("elexgate-keeper");
    audit_use_writer(write_line, m);
}

json_t *keeper_audit_status(const struct keeper *k)
{
    const char *path = config_str(k->config, "audit", NULL, "file");
    struct monitor_state s;
    tell_kept_back();
    if (!path || strcmp(path, "off") == 0)
        return json_null();
    keeper_monitor_state(k->ports.monitor, &s);
    return json_pack("{s:s, s:b, s:I}", "file", path, "good", !s.audit_failing, "lost",
        (json_int_t)s.audit_lost);
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
    tell_kept_back();
    if (refused && !log_limit_may(refusals, clock_mono_ms()))
        return;
    const char *account = rights_account(request);
    _cleanup_free_ char *object = rights_object(request), *who = user_name(uid);
    audit_event("command", LOG_S("who", who), LOG_S("account", *account ? CUT(account) : NULL),
        LOG_S("action", right.cmd), LOG_S("object", *object ? CUT(object) : NULL),
        LOG_S("result", refused ? "refused" : "ok"),
        LOG_S("error", CUT(json_get_str(answer, "error"))));
}

void keeper_audit_job(const char *kind, const char *run, const char *result, const char *error)
{
    audit_event("job", LOG_S("kind", kind), LOG_S("run", run && *run ? run : NULL),
        LOG_S("result", result), LOG_S("error", CUT(error)));
}

void keeper_audit_console(unsigned uid, const json_t *request, const char *role)
{
    tell_kept_back();
    if (!log_limit_may(told, clock_mono_ms()))
        return;
    _cleanup_free_ char *by = user_name(uid);
    const char *result = json_get_str(request, "result");
    audit_event("console", LOG_S("who", CUT(rights_account(request))), LOG_S("role", role),
        LOG_S("by", by), LOG_S("address", CUT(json_get_str(request, "address"))),
        LOG_S("action", CUT(json_get_str(request, "action"))),
        LOG_S("object", CUT(json_get_str(request, "object"))),
        LOG_S("result", result ? CUT(result) : "ok"));
}
