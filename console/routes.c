#include "console/routes.h"

#include <string.h>

#include "console/events.h"
#include "console/pages.h"
#include "console/sign_in.h"
#include "console/static_files.h"

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

static const struct route routes[] = {
    /* for everybody */
    PAGE("/login", ROLE_NONE, login),
    PAGE("/setup", ROLE_NONE, setup),
    POST("/login", ROLE_NONE, "sign-in", action_login),
    POST("/setup", ROLE_NONE, "first-account", action_setup),
    GET("/assets/*", ROLE_NONE, get_asset),
    GET("/healthz", ROLE_NONE, get_healthz),

    /* for who is signed in */
    PAGE("/", ROLE_VIEWER, overview),
    PAGE("/overview", ROLE_VIEWER, overview),
    PAGE("/api/overview", ROLE_VIEWER, overview),
    GET("/events", ROLE_VIEWER, get_events),
    PAGE("/account", ROLE_VIEWER, account),
    POST("/logout", ROLE_VIEWER, "sign-out", action_logout),
    POST("/account/password", ROLE_VIEWER, "password", action_account_password),
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
