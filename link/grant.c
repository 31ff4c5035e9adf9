#include "link/grant.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "common/clock.h"
#include "common/json_get.h"

bool grant_needed(const struct right *right)
{
    return right->confirm || right->least >= RIGHTS_MACHINE;
}

void grant_act(const json_t *request, char act[static SHA256_HEX_LEN])
{
    static const char *const not_of_it[] = {"as", "confirm", "follow"};
    _cleanup_json_ json_t *o = json_copy((json_t *)(uintptr_t)request);
    const char *key;
    json_t *v;
    void *next;
    for (size_t i = 0; i < sizeof not_of_it / sizeof not_of_it[0]; i++)
        (void)json_object_del(o, not_of_it[i]);
    json_object_foreach_safe(o, next, key, v) if (json_is_null(v) || json_is_false(v) ||
                                                  (json_is_array(v) && !json_array_size(v)))(void)
        json_object_del(o, key);
    _cleanup_free_ char *text = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
    CHECK(text); /* what was read as JSON, or packed by us, can be written */
    hex_sha256(text, strlen(text), act);
    explicit_bzero(text, strlen(text)); /* a key or a passphrase may be in it */
}

char *grant_door_beside(const char *control_socket)
{
    const char *slash = strrchr(control_socket, '/');
    return xasprintf(
        "%.*s/grant.sock", slash ? (int)(slash - control_socket) : 1, slash ? control_socket : ".");
}

int grant_send(const char *control_socket, const struct grant *g, struct err *e)
{
    _cleanup_free_ char *door = grant_door_beside(control_socket);
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (strlen(door) >= sizeof to.sun_path)
        return err_set(e, ENAMETOOLONG, "%s is too long for a socket", door);
    memcpy(to.sun_path, door, strlen(door));
    _cleanup_fd_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct timeval wait = {.tv_sec = 5}; /* it is read at once, unless the monitor hangs */
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) < 0 ||
        sendto(fd, g, sizeof *g, 0, (const struct sockaddr *)&to, sizeof to) != (ssize_t)sizeof *g)
        return err_sys(e, errno, "cannot tell elexgate-monitor at %s", door);
    return 0;
}

void grant_by_hand(const char *control_socket, const json_t *request)
{
    struct grant g = {.at_ms = clock_mono_ms(), .level = RIGHTS_MACHINE};
    struct right right;
    if (!rights_find(RIGHTS_KEEPER, request, &right) || !grant_needed(&right) ||
        getrandom(g.nonce, sizeof g.nonce, 0) != (ssize_t)sizeof g.nonce)
        return;
    grant_act(request, g.act);
    int r = grant_send(control_socket, &g, NULL);
    (void)r;
}
