#include "proof/service.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>
#include "common/clock.h"
#include "common/config.h"
#include "common/file.h"
#include "common/json_lines.h"
#include "common/log.h"
#include "link/peer.h"
#include "proof/answer.h"

struct service {
    struct config *config;
    const char *const *users;
    char *password;
    struct answerer answerer;
    const char *path;
    int fd;
};

static void log_as_configured(const struct config *c)
{
    enum log_level level = LOG_INFO;
    (void)log_level_parse(config_str(c, "log", NULL, "level"), &level);
    log_init("elexgate-proof",
        strcmp(config_str(c, "log", NULL, "format"), "json") ? LOG_LOGFMT : LOG_JSON, level);
}

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
    log_as_configured(c);
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

/* A socket file that nobody answers on is left over from a killed process. */
static int listen_on(const char *path, int *out, struct err *e)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof un.sun_path)
        return err_set(e, ENAMETOOLONG, "[proof] socket: %s is too long", path);
    memcpy(un.sun_path, path, strlen(path) + 1);
    _cleanup_fd_ int old = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (old >= 0 && connect(old, (struct sockaddr *)&un, sizeof un) == 0)
        return err_set(e, EADDRINUSE, "another elexgate-proof answers on %s", path);
    if (unlink(path) < 0 && errno != ENOENT)
        return err_sys(e, errno, "cannot remove the old socket %s", path);
    _cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&un, sizeof un) < 0 || listen(fd, 128) < 0)
        return err_sys(e, errno, "cannot listen on %s", path);
    /* Who may speak is decided by the peer's credentials; the mode only lets it ask. */
    (void)chmod(path, 0666);
    *out = fd;
    fd = -1;
    return 0;
}

int service_open(const char *config_path, struct service **out, struct err *e)
{
    struct service *s = xcalloc(1, sizeof *s);
    s->fd = -1;
    int r = read_config(s, config_path, e);
    if (r == 0)
        r = listen_on(s->path, &s->fd, e);
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

static void set_wait(int fd, unsigned ms)
{
    struct timeval wait = {.tv_usec = (suseconds_t)ms * 1000};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
}

static int on_request(void *ctx, json_t *object)
{
    json_t **request = ctx;
    if (!*request)
        *request = json_incref(object);
    return 0;
}

/* NULL: it hung up, was too slow, or sent what is no request. */
static json_t *read_request(int fd, unsigned wait_ms)
{
    set_wait(fd, wait_ms);
    struct json_splitter splitter = {.max = SERVICE_REQUEST_MAX};
    json_t *request = NULL;
    char buf[512];
    uint64_t until = clock_mono_ms() + wait_ms;
    while (!request && clock_mono_ms() < until) {
        ssize_t n = recv(fd, buf, sizeof buf, 0);
        if (n <= 0 || json_splitter_feed(&splitter, buf, (size_t)n, on_request, &request, NULL) < 0)
            break;
    }
    json_splitter_clear(&splitter);
    return request;
}

static void send_answer(int fd, json_t *answer)
{
    size_t n;
    _cleanup_free_ char *line = json_line(answer, &n);
    /* An asker that has gone meanwhile needs none. */
    (void)!send(fd, line, n, MSG_NOSIGNAL);
    json_decref(answer);
}

void service_one(struct service *s)
{
    _cleanup_fd_ int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    bool may = may_ask(s, fd);
    /* What it says is read in any case: closing over unread bytes would take the answer away. */
    json_t *request = read_request(fd, may ? SERVICE_WAIT_MS : SERVICE_WAIT_REFUSED_MS);
    if (request)
        send_answer(fd, may ? answer_make(&s->answerer, request, clock_mono_ms())
                            : json_error(EACCES, "this user is not in [proof] users"));
    json_decref(request);
}
