#include "backup/server/dialect.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define COUNTERS_MAX 8
#define GREETING_MS  3000

bool dialect_version_is_mysql(const char *version)
{
    return !strstr(version, "MariaDB");
}

static int connect_unix(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof a.sun_path)
        return -1;
    strcpy(a.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) < 0)
        cleanup_fd(&fd);
    return fd;
}

static int connect_tcp(const char *host, unsigned port)
{
    char service[16];
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    const struct timeval limit = {.tv_sec = GREETING_MS / 1000};
    int fd = -1;
    snprintf(service, sizeof service, "%u", port);
    if (getaddrinfo(host, service, &hints, &list) != 0)
        return -1;
    for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) < 0 ||
                           connect(fd, a->ai_addr, a->ai_addrlen) < 0))
            cleanup_fd(&fd);
    }
    freeaddrinfo(list);
    return fd;
}

/* Its first packet: four bytes of head, 10 for the protocol, and the version with a NUL behind it.
 * Or an error, "Host '...' is not allowed to connect to this MySQL server", which names the product
 * only. */
char *dialect_greeting(const struct server_target *t)
{
    enum { HEAD = 5 };
    char text[200] = "";
    size_t have = 0;
    _cleanup_fd_ int fd = t->socket ? connect_unix(t->socket) : connect_tcp(t->host, t->port);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (fd >= 0 && have < sizeof text - 1 &&
           (have <= HEAD || !memchr(text + HEAD, '\0', have - HEAD)) &&
           poll(&p, 1, GREETING_MS) == 1) {
        ssize_t n = read(fd, text + have, sizeof text - 1 - have);
        if (n <= 0)
            break;
        have += (size_t)n;
    }
    if (have <= HEAD)
        return NULL;
    if (text[HEAD - 1] == 10)
        return xstrdup(text + HEAD);
    return memmem(text, have, "this MySQL server", 17) ? xstrdup("MySQL") : NULL;
}

int dialect_writes(struct server *s, uint64_t *out, struct err *e)
{
    /* The log position moves with every change in InnoDB, the handler counters with those in MyISAM
     * and Aria. */
    static const char *const mariadb[COUNTERS_MAX + 1] = {
        "Innodb_lsn_current", "Handler_write", "Handler_update", "Handler_delete"};
    /* Its Handler_write counts the rows of our own questions too: what inserts is counted instead.
     */
    static const char *const mysql[COUNTERS_MAX + 1] = {"Innodb_os_log_written", "Handler_update",
        "Handler_delete", "Com_insert", "Com_insert_select", "Com_replace", "Com_replace_select",
        "Com_load"};
    const char *const *names = server_is_mysql(s) ? mysql : mariadb;
    uint64_t values[COUNTERS_MAX] = {0}, sum = 0;
    struct server_counter counters[COUNTERS_MAX];
    size_t n = 0;
    for (; names[n]; n++)
        counters[n] = (struct server_counter){names[n], &values[n]};
    int r = server_counters(s, counters, n, e);
    for (size_t i = 0; i < n; i++)
        sum += values[i];
    if (r == 0)
        *out = sum;
    return r;
}

int dialect_hold_commits(struct server *s, unsigned seconds, struct err *e)
{
    static const char *const mariadb[] = {"BACKUP STAGE START", "BACKUP STAGE BLOCK_COMMIT", NULL};
    static const char *const mysql[] = {"FLUSH TABLES WITH READ LOCK", NULL};
    const char *const *statement = server_is_mysql(s) ? mysql : mariadb;
    int r = server_exec(s, e, "SET SESSION lock_wait_timeout=%u", seconds);
    if (r == 0)
        r = server_limit(s, seconds, e);
    for (; r == 0 && *statement; statement++)
        r = server_exec(s, e, "%s", *statement);
    return r;
}

int dialect_needs_mariadb(const struct server *s, const char *what, struct err *e)
{
    return server_is_mysql(s)
               ? err_set(e, ENOTSUP, "this is MySQL %s, where %s is not to be had: only of MariaDB",
                     server_version(s), what)
               : 0;
}
