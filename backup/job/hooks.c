#include "backup/job/hooks.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "common/process.h"
#include "common/exit_codes.h"
#include "common/json_get.h"

#define ENV_MAX 10

static char *archive_paths(const struct run *r)
{
    char *all = xstrdup("");
    size_t i;
    json_t *archive;
    json_array_foreach (r->archives, i, archive)
        xappendf(&all, "%s%s/%s", *all ? "\n" : "", r->s.folder, json_get_str(archive, "file"));
    return all;
}

static int call(
    struct run *r, const char *program, const char *event, char **environment, struct err *e)
{
    const char *argv[] = {program, event, r->suffix, NULL};
    struct process_options o = {.argv = argv, .environment = (const char *const *)environment};
    run_phase(r, event, "hook", 0);
    int timeout = (int)config_int(r->s.config, "hooks", NULL, "timeout");
    return process_run(&o, timeout, NULL, NULL, e) == 0 ? 0
                                                        : err_prefix(e, -EIO, "[hooks] %s", event);
}

static int run_hook(struct run *r, const char *event, const char *types, const int *exit_code,
    const char *error, struct err *e)
{
    const char *program = config_str(r->s.config, "hooks", NULL, event);
    if (!program)
        return 0;
    char *environment[ENV_MAX] = {0};
    size_t n = 0;
    environment[n++] = xasprintf("ELEXGATE_EVENT=%s", event);
    environment[n++] = xasprintf("ELEXGATE_RUN=%s", r->suffix);
    environment[n++] = xasprintf("ELEXGATE_FOLDER=%s", r->s.folder);
    environment[n++] = xasprintf("ELEXGATE_TYPES=%s", types);
    if (exit_code) {
        _cleanup_free_ char *archives = archive_paths(r);
        environment[n++] = xasprintf("ELEXGATE_RESULT=%s", exit_code_name(*exit_code));
        environment[n++] = xasprintf("ELEXGATE_EXIT=%d", *exit_code);
        environment[n++] = xasprintf("ELEXGATE_ERROR=%s", error ? error : "");
        environment[n++] = xasprintf("ELEXGATE_ARCHIVES=%s", archives);
    }
    int code = call(r, program, event, environment, e);
    for (size_t i = 0; i < n; i++)
        free(environment[i]);
    return code;
}

int hook_before(struct run *r, const char *event, const char *types, struct err *e)
{
    return run_hook(r, event, types, NULL, NULL, e) < 0 ? EXIT_VETOED : 0;
}

void hook_after(
    struct run *r, const char *event, const char *types, int exit_code, const char *error)
{
    struct err e = {0};
    if (run_hook(r, event, types, &exit_code, error, &e) < 0)
        run_tell(&e);
}
