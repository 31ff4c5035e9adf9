/*
 * What can be asked for, by whom. The one table of all paths.
 */
#ifndef ELEXGATE_CONSOLE_HTTP_ROUTES_H
#define ELEXGATE_CONSOLE_HTTP_ROUTES_H

#include <stddef.h>
#include "console/who/accounts.h"
#include "console/http/request.h"

enum route_kind {
    ROUTE_PAGE,   /* GET; model() is rendered, or is JSON beneath /api/ */
    ROUTE_GET,    /* GET; handle() answers */
    ROUTE_ACTION, /* POST with a CSRF token; handle() answers; goes into the audit log */
    ROUTE_UPLOAD, /* tus; any of its methods; the CSRF token is in a header */
};

struct route {
    const char *path; /* with a final *: and whatever follows */
    enum route_kind kind;
    enum role role;   /* ROLE_NONE: for everybody */
    const char *name; /* ROUTE_PAGE: the template's; ROUTE_ACTION: the audit log's */
    json_t *(*model)(struct request *rq);
    void (*handle)(struct request *rq);
    size_t body_max; /* 0: BODY_MAX */
};

#define BODY_MAX (64u * 1024u)

/* NULL: there is no such path. post: the ones that change something are looked for first. */
const struct route *route_find(const char *path, bool post);

#endif
