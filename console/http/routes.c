#include "console/http/routes.h"

#include <string.h>

#include "console/http/events.h"
#include "console/pages/pages.h"
#include "console/who/second_factor.h"
#include "console/who/sign_in.h"
#include "console/http/static_files.h"

#define CERTIFICATE_MAX (1000u * 1024u) /* the control socket takes a line of 1 MiB */

#define PAGE(path, role, name)                                                                     \
    {                                                                                              \
        path, ROUTE_PAGE, role, #name, model_##name, NULL, 0                                       \
    }
#define GET(path, role, handle)                                                                    \
    {                                                                                              \
        path, ROUTE_GET, role, NULL, NULL, handle, 0                                               \
    }
#define POST(path, role, audit, handle)                                                            \
    {                                                                                              \
        path, ROUTE_ACTION, role, audit, NULL, handle, 0                                           \
    }
/* The page, and its model as JSON. */
#define BOTH(path, name) PAGE(path, ROLE_VIEWER, name), PAGE("/api" path, ROLE_VIEWER, name)

static const struct route routes[] = {
    /* for everybody */
    PAGE("/login", ROLE_NONE, login),
    PAGE("/setup", ROLE_NONE, setup),
    POST("/login", ROLE_NONE, "sign-in", action_login),
    POST("/setup", ROLE_NONE, "first-account", action_setup),
    GET("/assets/*", ROLE_NONE, get_asset),
    GET("/healthz", ROLE_NONE, get_healthz),
    GET("/metrics", ROLE_NONE, get_metrics), /* this machine, or a token */

    /* to read */
    PAGE("/", ROLE_VIEWER, overview),
    BOTH("/overview", overview),
    BOTH("/clients", clients),
    BOTH("/schedule", schedule),
    BOTH("/backups", backups),
    BOTH("/backups/run", run),
    BOTH("/timeline", timeline),
    BOTH("/restore", restore),
    BOTH("/certificates", certificates),
    BOTH("/log", log),
    PAGE("/account", ROLE_VIEWER, account),
    PAGE("/certificates/guide", ROLE_VIEWER, guide),
    PAGE("/api/schedule-preview", ROLE_VIEWER, schedule_preview),
    PAGE("/api/retention-preview", ROLE_VIEWER, retention_preview),
    GET("/certificates/file", ROLE_VIEWER, get_certificate_file),
    GET("/log/download", ROLE_VIEWER, get_log_download),
    GET("/events", ROLE_VIEWER, get_events),
    POST("/logout", ROLE_VIEWER, "sign-out", action_logout),
    POST("/account/password", ROLE_VIEWER, "password", action_account_password),
    POST("/account/language", ROLE_VIEWER, "language", action_account_language),
    POST("/account/code/begin", ROLE_VIEWER, "code-begin", action_code_begin),
    POST("/account/code/on", ROLE_VIEWER, "code-on", action_code_on),
    POST("/account/code/off", ROLE_VIEWER, "code-off", action_code_off),

    /* to change; a whole archive, which is every patient's record, leaves the machine otherwise */
    POST("/clients/name", ROLE_ADMIN, "workstation-name", action_workstation),
    POST("/clients/kill", ROLE_ADMIN, "session-kill", action_clients_kill),
    POST("/clients/block", ROLE_ADMIN, "block", action_clients_block),
    POST("/clients/open", ROLE_ADMIN, "open", action_clients_open),
    POST("/clients/admit", ROLE_ADMIN, "admit", action_clients_admit),
    POST("/schedule", ROLE_ADMIN, "settings", action_schedule),
    POST("/backup", ROLE_ADMIN, "backup", action_backup),
    POST("/job/cancel", ROLE_ADMIN, "cancel", action_cancel),
    POST("/backups/verify", ROLE_ADMIN, "verify", action_verify),
    POST("/backups/drill", ROLE_ADMIN, "drill", action_drill),
    POST("/backups/mark", ROLE_ADMIN, "mark", action_mark),
    POST("/backups/open", ROLE_ADMIN, "open-backup", action_open_backup),
    POST("/backups/close", ROLE_ADMIN, "close-backup", action_close_backup),
    POST("/backups/delete", ROLE_ADMIN, "delete", action_delete),
    POST("/restore", ROLE_ADMIN, "restore", action_restore),
    POST("/restore/undo", ROLE_ADMIN, "restore-undo", action_restore_undo),
    POST("/restore/accept", ROLE_ADMIN, "restore-accept", action_restore_accept),
    POST("/uploads/remove", ROLE_ADMIN, "upload-remove", action_upload_remove),
    POST("/certificates/make", ROLE_ADMIN, "certificate-make", action_certificate_make),
    POST("/certificates/back", ROLE_ADMIN, "certificate-back", action_certificate_back),
    POST("/certificates/renew", ROLE_ADMIN, "certificate-renew", action_certificate_renew),
    {"/certificates/install", ROUTE_ACTION, ROLE_ADMIN, "certificate-install", NULL,
        action_certificate_install, CERTIFICATE_MAX},
    POST("/account/add", ROLE_ADMIN, "account-add", action_account_add),
    POST("/account/role", ROLE_ADMIN, "account-role", action_account_role),
    POST("/account/remove", ROLE_ADMIN, "account-remove", action_account_remove),
    {"/api/uploads", ROUTE_UPLOAD, ROLE_ADMIN, NULL, NULL, NULL, 0},
    {"/api/uploads/*", ROUTE_UPLOAD, ROLE_ADMIN, NULL, NULL, NULL, 0},
};

static bool matches(const char *pattern, const char *path)
{
    size_t n = strlen(pattern);
    if (pattern[n - 1] == '*')
        return strncmp(pattern, path, n - 1) == 0 && path[n - 1] != '\0';
    return strcmp(pattern, path) == 0;
}

const struct route *route_find(const char *path, bool post)
{
    const struct route *other = NULL;
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        const struct route *r = &routes[i];
        if (!matches(r->path, path))
            continue;
        if (r->kind == ROUTE_UPLOAD || (r->kind == ROUTE_ACTION) == post)
            return r;
        other = r; /* there, but for another method */
    }
    return other;
}
