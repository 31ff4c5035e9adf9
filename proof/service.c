#include "proof/service.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "common/clock.h"
#include "common/config.h"
#include "common/json_lines.h"
#include "common/log.h"
#include "common/program.h"
#include "link/control.h"
#include "link/peer.h"
#include "link/unix_socket.h"
#include "proof/answer.h"

struct service {
    struct config *config;
    const char *const *users;
    char *password;
    struct answerer answerer;
    const char *path;
    int fd;
};

static void add_server(struct service *s, const char *section, const char *name)
{
    const struct config *c = s->config;
    struct answer_server *a = &s->answerer.servers[s->answerer.n++];
    a->target = (struct accounts_target){
        .host = config_str(c, section, name, "host"),
        .port = (unsigned)config_int(c, section, name, "port"),
        .socket = config_str(c, section, name, "socket"),
        .user = config_str(c, "proof", NULL, "account"),
        .password = s->password,
    };
    a->accounts = accounts_new(&a->target);
}

static int read_config(struct service *s, const char *config_path, struct err *e)
{
    int r = config_load(config_path, &s->config, e);
    if (r < 0)
        return r;
    const struct config *c = s->config;
    program_log("elexgate-proof", c);
    s->path = config_str(c, "proof", NULL, "socket");
    s->users = config_list(c, "proof", NULL, "users");
    const char *file = config_str(c, "proof", NULL, "password_file");
    r = file ? secret_read(file, &s->password, e) : 0;
    /* The gate's servers: those of [backend NAME], or the one of [database]. */
    const char *name = config_section(c, "backend", 0);
    if (!name)
        add_server(s, "database", NULL);
    for (size_t i = 0; name && i < ANSWER_SERVERS_MAX; name = config_section(c, "backend", ++i))
        add_server(s, "backend", name);
    return r;
}

int service_open(const char *config_path, struct service **out, struct err *e)
{
    struct service *s = xcalloc(1, sizeof *s);
    s->fd = -1;
    int r = read_config(s, config_path, e);
    if (r == 0)
        r = unix_socket_listen(s->path, &s->fd, e);
    if (r < 0) {
        service_close(s);
        return r;
    }
    *out = s;
    return 0;
}

void service_close(struct service *s)
{
    if (s->fd >= 0) {
        (void)unlink(s->path);
        close(s->fd);
    }
    for (size_t i = 0; i < s->answerer.n; i++)
        accounts_free(s->answerer.servers[i].accounts);
    secret_free(s->password);
    config_free(s->config);
    free(s);
}

int service_fd(const struct service *s)
{
    return s->fd;
}

static bool may_ask(const struct service *s, int fd)
{
    uid_t uid = peer_uid(fd);
    bool may = peer_is_own(uid) || peer_is_named(uid, s->users);
    if (!may)
        log_event(LOG_WARNING, "refused", LOG_U("uid", uid));
    return may;
}

void service_one(struct service *s)
{
    int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    bool may = may_ask(s, fd);
    struct control *c = control_adopt(
        fd, "the asker", may ? SERVICE_WAIT_MS : SERVICE_WAIT_REFUSED_MS, SERVICE_REQUEST_MAX);
    json_t *request = NULL, *answer = NULL;
    /* What it says is read in any case: closing over unread bytes would take the answer away. */
    if (control_receive(c, &request, NULL) == 0)
        answer = may ? answer_make(&s->answerer, request, clock_mono_ms())
                     : json_error(EACCES, "this user is not in [proof] users");
    if (answer && control_send(c, answer, NULL) < 0)
        log_event(LOG_DEBUG, "asker-gone");
    json_decref(answer);
    json_decref(request);
    control_close(c);
}
