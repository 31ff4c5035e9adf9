#include "backup/monitor/grants.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "common/clock.h"
#include "common/log.h"
#include "common/log_limit.h"
#include "common/utf8.h"
#include "link/peer.h"

#define REFUSED_MAX 30 /* lines a minute */
#define ENDS(text)  (memchr(text, '\0', sizeof(text)) != NULL)

static struct granted all[GRANTS_MAX]; /* at_ms 0 = free */
static int door = -1;

/* --- what was told ---------------------------------------------------------------------------- */

static bool is_over(const struct granted *g, uint64_t now_ms)
{
    return g->grant.at_ms == 0 || now_ms > g->grant.at_ms + GRANT_LASTS_MS;
}

int grants_add(const struct grant *g, const char *user, uint64_t now_ms, struct err *e)
{
    struct granted *place = NULL;
    if (!ENDS(g->act) || !hex_valid(g->act, SHA256_HEX_LEN - 1) || !ENDS(g->account) ||
        g->level > RIGHTS_MACHINE || g->at_ms == 0)
        return err_set(e, EINVAL, "what was told is no grant");
    if (g->at_ms > now_ms || now_ms - g->at_ms > GRANT_LASTS_MS)
        return err_set(e, ETIME, "it was confirmed more than a minute ago: once more");
    for (size_t i = 0; i < GRANTS_MAX; i++) {
        bool over = is_over(&all[i], now_ms);
        if (!over && memcmp(all[i].grant.nonce, g->nonce, sizeof g->nonce) == 0)
            return err_set(e, EEXIST, "it was told before");
        if (over && !place)
            place = &all[i];
    }
    if (!place)
        return err_set(e, ENOBUFS, "%d were confirmed within a minute already", GRANTS_MAX);
    *place = (struct granted){.grant = *g};
    utf8_copy(place->user, sizeof place->user, user);
    return 0;
}

const struct granted *grants_use(
    const json_t *request, enum rights_level least, const char *account, uint64_t now_ms)
{
    char act[SHA256_HEX_LEN];
    grant_act(request, act);
    for (size_t i = 0; i < GRANTS_MAX; i++) {
        struct granted *g = &all[i];
        if (g->used || is_over(g, now_ms) || strcmp(g->grant.act, act) != 0 ||
            g->grant.level < least || (account && strcmp(g->grant.account, account) != 0))
            continue;
        g->used = true;
        return g;
    }
    return NULL;
}

/* --- the door --------------------------------------------------------------------------------- */

static const char *control_socket(const struct config *c)
{
    return config_str(c, "backup", NULL, "control_socket");
}

/* Another monitor serves it still, or a socket was left. */
static bool somebody_listens(const struct sockaddr_un *at)
{
    _cleanup_fd_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && connect(fd, (const struct sockaddr *)at, sizeof *at) == 0;
}

static int open_door(const struct config *c, int *out, struct err *e)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    _cleanup_free_ char *path = grant_door_beside(control_socket(c));
    const char *const *users = config_list(c, "backup", NULL, "control_users");
    bool others = false;
    const int on = 1;
    if (strlen(path) >= sizeof at.sun_path)
        return err_set(e, ENAMETOOLONG, "%s is too long for a socket", path);
    memcpy(at.sun_path, path, strlen(path));
    if (somebody_listens(&at))
        return err_set(e, EADDRINUSE, "another elexgate-monitor listens at %s", path);
    (void)unlink(path);
    for (size_t i = 0; users && users[i]; i++)
        others |= strcmp(users[i], "root") != 0;
    _cleanup_fd_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t mask = umask(others ? 0111 : 0177); /* who may of those: take */
    bool good = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0 &&
                bind(fd, (const struct sockaddr *)&at, sizeof at) == 0;
    int code = errno;
    umask(mask);
    if (!good)
        return err_sys(e, code, "cannot listen at %s", path);
    *out = fd;
    fd = -1;
    return 0;
}

int grants_door(const struct config *c)
{
    static bool told;
    struct err e = {0};
    int r = door < 0 ? open_door(c, &door, &e) : 0;
    if (r < 0 && !told)
        log_err(LOG_ERROR, "no-door-for-grants", &e);
    told = r < 0;
    return door;
}

/* As the kernel says; (uid_t)-1: it does not. Descriptors that came along are closed. */
static ssize_t receive(int fd, void *data, size_t size, uid_t *uid)
{
    union {
        char bytes[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int) * 8)];
        struct cmsghdr aligned;
    } control = {0};
    struct iovec iov = {data, size};
    struct msghdr m = {.msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof control.bytes};
    ssize_t n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC | MSG_TRUNC);
    *uid = (uid_t)-1;
    for (struct cmsghdr *h = n >= 0 ? CMSG_FIRSTHDR(&m) : NULL; h; h = CMSG_NXTHDR(&m, h)) {
        if (h->cmsg_level != SOL_SOCKET)
            continue;
        if (h->cmsg_type == SCM_CREDENTIALS) {
            struct ucred who;
            memcpy(&who, CMSG_DATA(h), sizeof who);
            *uid = who.uid;
        }
        for (size_t i = 0; h->cmsg_type == SCM_RIGHTS && i < (h->cmsg_len - CMSG_LEN(0)) / 4; i++) {
            int given;
            memcpy(&given, CMSG_DATA(h) + i * sizeof given, sizeof given);
            close(given);
        }
    }
    return n;
}

/* Only a program of root's may speak for an account of the page: the job that compared passwords.
 */
static int take(struct grant *g, ssize_t n, uid_t uid, const struct config *c, struct err *e)
{
    const struct passwd *pw = getpwuid(uid);
    if (n != (ssize_t)sizeof *g)
        return err_set(e, EINVAL, "what was told is no grant");
    if (!peer_is_own(uid) &&
        (!peer_is_named(uid, config_list(c, "backup", NULL, "control_users")) || g->account[0]))
        return err_set(e, EPERM, "user %u may confirm nothing", (unsigned)uid);
    return grants_add(g, pw ? pw->pw_name : "", clock_mono_ms(), e);
}

/* Whoever may tell something there tells as much of what is none as he likes. */
static void log_refused(uid_t uid, const struct err *e)
{
    static struct log_limit *refusals;
    refusals = refusals ? refusals : log_limit_new(REFUSED_MAX);
    unsigned more = log_limit_kept_back(refusals, clock_mono_ms());
    if (more)
        log_event(LOG_WARNING, "grants-refused", LOG_U("more", more));
    if (log_limit_may(refusals, clock_mono_ms()))
        log_err(LOG_WARNING, "grant-refused", e, LOG_U("uid", uid));
}

void grants_take(const struct config *c)
{
    struct grant g;
    uid_t uid;
    ssize_t n;
    /* no more at once than can wait there, else whoever floods it holds up the rest */
    for (size_t i = 0; i < GRANTS_MAX && grants_door(c) >= 0; i++) {
        struct err e = {0};
        if ((n = receive(door, &g, sizeof g, &uid)) < 0)
            return;
        if (take(&g, n, uid, c, &e) < 0)
            log_refused(uid, &e);
    }
}

void grants_close(const struct config *c)
{
    _cleanup_free_ char *path = grant_door_beside(control_socket(c));
    if (door < 0)
        return;
    (void)unlink(path);
    cleanup_fd(&door);
    door = -1;
}
