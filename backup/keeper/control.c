#include "backup/keeper/control.h"

#include <errno.h>
#include <string.h>
#include "common/file.h"
#include "common/json_get.h"

struct keeper_control {
    struct control_server *server;
    struct control_door *door;
};

/* A client's room in the server. */
struct follower {
    bool follows;
    const char *job; /* this kind of job to its end; NULL = everything for ever */
};

void keeper_control_follow(struct control_client *c, const char *job)
{
    *(struct follower *)control_client_room(c) = (struct follower){true, job};
}

static void tell_follower(void *ctx, struct control_client *c)
{
    json_t *event = ctx;
    struct follower *f = control_client_room(c);
    const char *job = json_get_str(event, "job");
    if (!f->follows || (f->job && job && strcmp(job, f->job) != 0))
        return;
    control_answer(c, json_incref(event));
    if (f->job && json_get_true(event, "done"))
        f->follows = false;
}

void keeper_control_publish(struct keeper_control *k, json_t *event)
{
    control_server_each(k->server, tell_follower, event);
}

void keeper_control_users(struct keeper_control *k, const struct config *config)
{
    control_server_users(k->server, "[backup] control_users",
        config_list(config, "backup", NULL, "control_users"),
        config_str(config, "console", NULL, "user"));
}

int keeper_control_open(uv_loop_t *loop, const struct config *config, keeper_request_fn *fn,
    void *ctx, struct keeper_control **out, struct err *e)
{
    const char *path = config_str(config, "backup", NULL, "control_socket");
    const struct control_events events = {
        .request = fn, .ctx = ctx, .room = sizeof(struct follower)};
    const char *slash = strrchr(path, '/');
    _cleanup_free_ char *folder = xasprintf("%.*s", slash ? (int)(slash - path) : 0, path);
    int r = *folder ? file_mkdirs(folder, 0755, e) : 0;
    if (r < 0)
        return r;
    struct keeper_control *k = xcalloc(1, sizeof *k);
    k->server = control_server_new(loop, &events);
    keeper_control_users(k, config);
    r = control_door_open(k->server, 0, path, &k->door, e);
    if (r == -EADDRINUSE)
        err_set(e, EADDRINUSE, "another keeper serves %s", path);
    if (r < 0)
        keeper_control_close(k);
    else
        *out = k;
    return r;
}

void keeper_control_close(struct keeper_control *k)
{
    if (!k)
        return;
    control_door_close(k->door);
    control_server_close(k->server);
    free(k);
}
