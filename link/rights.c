#include "link/rights.h"

#include <errno.h>
#include <string.h>
#include "common/utf8.h"
#include "common/json_get.h"
#include "common/lang.h"

#define ROW(program, cmd, action, member, least, confirm, logged)                                  \
    {                                                                                              \
        RIGHTS_##program, cmd, action, member, RIGHTS_##least, confirm, logged                     \
    }

static const struct right rows[] = {
    /* program  command            action       member       least  confirm logged */
    ROW(PROXY, "status", NULL, NULL, PAGE, false, false),
    ROW(PROXY, "watch", NULL, NULL, PAGE, false, false),
    ROW(PROXY, "sessions", NULL, NULL, PAGE, false, false),
    ROW(PROXY, "workstations", NULL, NULL, VIEWER, false, false),
    ROW(PROXY, "writers", NULL, NULL, VIEWER, false, false),
    ROW(PROXY, "workstation", NULL, NULL, ADMIN, false, true),
    ROW(PROXY, "log", NULL, NULL, PAGE, false, false),
    ROW(PROXY, "audit-log", NULL, NULL, VIEWER, false, false),
    ROW(PROXY, "block", NULL, NULL, ADMIN, false, true),
    ROW(PROXY, "drain", NULL, NULL, ADMIN, false, true),
    ROW(PROXY, "open", NULL, NULL, ADMIN, false, true),
    ROW(PROXY, "kill", NULL, NULL, ADMIN, false, true),
    /* a held client waits; the backup's own */
    ROW(PROXY, "hold", NULL, NULL, MACHINE, false, false),
    ROW(PROXY, "release", NULL, NULL, MACHINE, false, false),
    ROW(PROXY, "reload", NULL, NULL, MACHINE, false, true),
    ROW(PROXY, "log-level", NULL, NULL, MACHINE, false, true),
    ROW(PROXY, "stop", NULL, NULL, MACHINE, false, true),
    ROW(PROXY, "upgrade", NULL, NULL, MACHINE, false, true),
    ROW(PROXY, "handover", NULL, NULL, MACHINE, false, false),
    ROW(PROXY, "handover-take", NULL, NULL, MACHINE, false, false),
    ROW(PROXY, "handover-done", NULL, NULL, MACHINE, false, false),
    ROW(PROXY, "handover-failed", NULL, NULL, MACHINE, false, false),

    ROW(KEEPER, "status", NULL, NULL, PAGE, false, false),
    ROW(KEEPER, "watch", NULL, NULL, PAGE, false, false),
    ROW(KEEPER, "runs", NULL, NULL, PAGE, false, false),
    ROW(KEEPER, "log", NULL, NULL, PAGE, false, false),
    ROW(KEEPER, "audit-log", NULL, NULL, VIEWER, false, false),
    ROW(KEEPER, "audit", NULL, NULL, PAGE, false, false), /* writes its own line */
    ROW(KEEPER, "archives", NULL, NULL, VIEWER, false, false),
    ROW(KEEPER, "timeline", NULL, NULL, VIEWER, false, false),
    ROW(KEEPER, "info", NULL, NULL, VIEWER, false, false),
    ROW(KEEPER, "config-get", NULL, NULL, VIEWER, false, false),
    ROW(KEEPER, "schedule-preview", NULL, NULL, VIEWER, false, false),
    ROW(KEEPER, "retention-preview", NULL, NULL, VIEWER, false, false),
    ROW(KEEPER, "config-set", NULL, NULL, ADMIN, true, true), /* fewer generations delete, too */
    ROW(KEEPER, "run", NULL, "accept_smaller", ADMIN, true, true), /* lets older ones go */
    ROW(KEEPER, "run", NULL, NULL, ADMIN, false, true),
    ROW(KEEPER, "cancel", NULL, NULL, ADMIN, false, true),
    ROW(KEEPER, "verify", NULL, NULL, ADMIN, false, true),
    ROW(KEEPER, "drill", NULL, NULL, ADMIN, false, true),
    ROW(KEEPER, "prove", NULL, NULL, ADMIN, false, true),
    ROW(KEEPER, "delete", NULL, "force", NOBODY, false, true),
    ROW(KEEPER, "delete", NULL, NULL, ADMIN, true, true),
    ROW(KEEPER, "mark", NULL, "unprotect", ADMIN, true, true), /* then it may be deleted */
    ROW(KEEPER, "mark", NULL, NULL, ADMIN, false, true),
    ROW(KEEPER, "restore", "status", NULL, VIEWER, false, false),
    ROW(KEEPER, "restore", "plan", NULL, VIEWER, false, false),
    ROW(KEEPER, "restore", "sql", NULL, ADMIN, true, true),
    ROW(KEEPER, "restore", "accept", NULL, ADMIN, true, true), /* deletes the other side */
    ROW(KEEPER, "restore", NULL, "foreign", ADMIN, true, true),
    ROW(KEEPER, "restore", NULL, "no_trial", NOBODY, false, true),
    ROW(KEEPER, "restore", NULL, NULL, ADMIN, false, true),
    ROW(KEEPER, "open-backup", NULL, NULL, ADMIN, true, true), /* patients' records in the clear */
    ROW(KEEPER, "close-backup", NULL, NULL, ADMIN, false, true),
    ROW(KEEPER, "cert", NULL, "options.force", MACHINE, false, true),
    ROW(KEEPER, "cert", NULL, "options.no-constraints", MACHINE, false, true),
    ROW(KEEPER, "cert", NULL, "options.no_constraints", MACHINE, false, true),
    ROW(KEEPER, "cert", NULL, "options.allow-no-san", MACHINE, false, true),
    ROW(KEEPER, "cert", NULL, "options.allow_no_san", MACHINE, false, true),
    ROW(KEEPER, "cert", "show", NULL, VIEWER, false, false),
    ROW(KEEPER, "cert", "fingerprint", NULL, VIEWER, false, false),
    ROW(KEEPER, "cert", "guide", NULL, VIEWER, false, false),
    ROW(KEEPER, "cert", "export", NULL, VIEWER, false, false),
    ROW(KEEPER, "cert", "check", NULL, ADMIN, false, false),         /* changes nothing */
    ROW(KEEPER, "cert", "renew", "options.host", ADMIN, true, true), /* other names, another life */
    ROW(KEEPER, "cert", "renew", "options.ip", ADMIN, true, true),
    ROW(KEEPER, "cert", "renew", "options.days", ADMIN, true, true),
    ROW(KEEPER, "cert", "renew", "options.rsa", ADMIN, true, true),
    ROW(KEEPER, "cert", "renew", "options.ed25519", ADMIN, true, true),
    ROW(KEEPER, "cert", "renew", "options.ca-days", ADMIN, true, true),
    ROW(KEEPER, "cert", "renew", "options.ca_days", ADMIN, true, true),
    ROW(KEEPER, "cert", "renew", NULL, ADMIN, false, true), /* the same CA, the same names */
    ROW(KEEPER, "cert", NULL, NULL, ADMIN, true, true),
    ROW(KEEPER, "account", "first", NULL, PAGE, false, true),
    ROW(KEEPER, "account", NULL, NULL, VIEWER, true, true),
    ROW(KEEPER, "reload", NULL, NULL, MACHINE, false, true),
    ROW(KEEPER, "log-level", NULL, NULL, MACHINE, false, true),
};

/* false, null and "no such member" are not set; everything else is, so that no odd value slips by.
 */
static bool is_set(const json_t *request, const char *member)
{
    const char *dot = strchr(member, '.');
    const json_t *in = request;
    if (dot) {
        _cleanup_free_ char *outer = xasprintf("%.*s", (int)(dot - member), member);
        in = json_object_get(request, outer);
        member = dot + 1;
    }
    const json_t *v = json_object_get(in, member);
    return v && !json_is_null(v) && !json_is_false(v);
}

bool rights_find(enum rights_program program, const json_t *request, struct right *out)
{
    const char *cmd = json_get_text(request, "cmd"), *action = json_get_text(request, "action");
    bool found = false;
    struct right sum = {.program = program};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct right *r = &rows[i];
        if (r->program != program || strcmp(r->cmd, cmd) != 0 ||
            (r->action && strcmp(r->action, action) != 0) ||
            (r->member ? !is_set(request, r->member) : found))
            continue;
        if (r->least >= sum.least) { /* what is asked for most is what a refusal names */
            sum.action = r->action;
            sum.member = r->member;
        }
        sum.cmd = r->cmd;
        sum.least = r->least > sum.least ? r->least : sum.least;
        sum.confirm |= r->confirm;
        sum.logged |= r->logged;
        found |= !r->member;
    }
    if (found)
        *out = sum;
    return found;
}

enum rights_level rights_level(bool page, const json_t *request)
{
    const json_t *as = json_object_get(request, "as");
    const char *role = json_get_text(as, "role");
    if (!as)
        return page ? RIGHTS_PAGE : RIGHTS_MACHINE;
    if (!*json_get_text(as, "account"))
        return RIGHTS_PAGE;
    return !strcmp(role, "admin")    ? RIGHTS_ADMIN
           : !strcmp(role, "viewer") ? RIGHTS_VIEWER
                                     : RIGHTS_PAGE;
}

const char *rights_level_name(enum rights_level level)
{
    static const char *const names[] = {"", "viewer", "admin", "machine"};
    return names[level];
}

const char *rights_account(const json_t *request)
{
    return json_get_text(json_object_get(request, "as"), "account");
}

static void add_word(char **text, const char *word)
{
    char *longer = xasprintf("%s%s%s", *text, **text ? " " : "", word);
    free(*text);
    *text = longer;
}

char *rights_object(const json_t *request)
{
    static const char *const keys[] = {
        "action", "mode", "which", "type", "upload", "level", "name", "role"};
    static const char *const named[] = {"values", "options"}; /* by the names of their members */
    char *text = xstrdup("");
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (json_get_str(request, keys[i]))
            add_word(&text, json_get_str(request, keys[i]));
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++) {
        const char *key;
        json_t *v;
        json_object_foreach (json_object_get(request, named[i]), key, v)
            if (!json_is_null(v) && !json_is_false(v))
                add_word(&text, key);
    }
    return text;
}

static const char *who_may(enum rights_level least)
{
    return least >= RIGHTS_MACHINE ? N_("root, with elexgate(1) on the machine itself")
           : least == RIGHTS_ADMIN ? N_("an admin who is signed in")
                                   : N_("somebody who is signed in");
}

int rights_check(enum rights_program program, enum rights_level level, const json_t *request,
    struct right *out, struct err *e)
{
    struct right r;
    if (!rights_find(program, request, &r))
        return err_set(
            e, ENOSYS, "there is no command \"%s\"", UTF8_SHORT(json_get_text(request, "cmd"), 40));
    if (level < r.least)
        return err_set(e, EPERM, "%s%s%s%s%s is for %s", r.cmd, r.action ? " " : "",
            r.action ? r.action : "", r.member ? " with " : "", r.member ? r.member : "",
            who_may(r.least));
    if (out)
        *out = r;
    return 0;
}

void rights_name(json_t *request, const char *name, const char *role)
{
    (void)json_object_set_new(
        request, "as", json_pack("{ss ss}", "account", name ? name : "", "role", role));
}
