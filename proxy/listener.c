#include "proxy/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif
#include "common/clock.h"
#include "common/lang.h"
#include "common/log.h"
#include "common/phrase.h"
#include "common/utf8.h"
#include "proxy/audit_trail.h"
#include "proxy/roster.h"
#include "proxy/wire/packet.h"

#define BACKLOG       1024
#define ACCEPT_BURST  64   /* then the loop gets its turn */
#define STARVED_PAUSE 100u /* ms without accepting after "too many open files" */

struct listen_socket {
    struct listeners *all;
    size_t index;  /* of the settings' listener */
    char *address; /* as in the configuration; "" = systemd's */
    int fd;
    uv_poll_t poll;
    uv_timer_t pause;
};

struct listeners {
    struct proxy *proxy;
    struct listen_socket *sockets;
    size_t n;
    unsigned handles; /* not closed yet */
};

static void add(struct listeners *l, size_t index, const char *address, int fd)
{
    l->sockets = xrealloc(l->sockets, (l->n + 1) * sizeof *l->sockets);
    l->sockets[l->n++] = (struct listen_socket){
        .all = l, .index = index, .address = xstrdup(address), .fd = fd};
}

static void sockets_free(struct listeners *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->sockets[i].address);
    free(l->sockets);
    free(l);
}

/* both: an IPv6 wildcard takes IPv4 as well. */
static int bind_one(const struct addrinfo *a, bool both, struct err *e, const char *what)
{
    int on = 1, off = 0;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_sys(e, errno, "cannot make a socket for %s", what);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (a->ai_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, a->ai_addr, sizeof in6);
        bool any = both && IN6_IS_ADDR_UNSPECIFIED(&in6.sin6_addr);
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, any ? &off : &on, sizeof on);
    }
    if (bind(fd, a->ai_addr, a->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
        int r =
            errno == EADDRINUSE
                ? err_set(e, EADDRINUSE,
                      "cannot listen on %s: the address is in use, by another program (ss -ltnp shows it) or by another address of [listen]; \"*\" is all addresses",
                      what)
                : err_sys(e, errno, "cannot listen on %s", what);
        close(fd);
        return r;
    }
    return fd;
}

static int bind_address(const char *address, bool both, uint16_t port, struct err *e)
{
    char service[8], what[128];
    bool any = !strcmp(address, "*");
    snprintf(service, sizeof service, "%u", (unsigned)port);
    utf8_format(what, sizeof what, "%s port %s", address, service);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_PASSIVE};
    struct addrinfo *list;
    int r = getaddrinfo(any ? "::" : address, service, &hints, &list);
    if (r != 0)
        return err_set(
            e, EINVAL, "cannot listen on %s: not an address (%s)", what, gai_strerror(r));
    int fd = bind_one(list, both, e, what);
    freeaddrinfo(list);
    if (fd == -EAFNOSUPPORT && any) /* a machine without IPv6 */
        return bind_address("0.0.0.0", both, port, e);
    return fd;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage sa = {0};
    socklen_t n = sizeof sa;
    struct sockaddr_in in;
    if (getsockname(fd, (struct sockaddr *)&sa, &n) < 0 ||
        (sa.ss_family != AF_INET && sa.ss_family != AF_INET6))
        return 0;
    memcpy(&in, &sa, sizeof in);
    return ntohs(in.sin_port);
}

#ifdef HAVE_SYSTEMD
/* A socket unit's FileDescriptorName= is the listener's name; without one the port decides. */
static int take_handed(struct listeners *l, bool *handed, struct err *e)
{
    const struct settings *s = l->proxy->settings;
    char **names = NULL;
    int n = sd_listen_fds_with_names(1, &names), r = 0;
    for (int i = 0; i < n && r == 0; i++) {
        int fd = SD_LISTEN_FDS_START + i;
        size_t k = 0;
        while (k < s->n_listeners && strcmp(names[i], s->listeners[k].name))
            k++;
        for (size_t j = 0; k == s->n_listeners && j < s->n_listeners; j++)
            if (s->listeners[j].port == port_of(fd))
                k = j;
        if (k == s->n_listeners || sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0)
            r = err_set(e, EINVAL,
                "systemd handed over socket \"%s\", which is no listener of %s; name it after a [listen ...] section with FileDescriptorName=",
                names[i], config_path(s->config));
        else {
            handed[k] = true;
            add(l, k, "", fd);
        }
    }
    for (int i = 0; i < n; i++)
        free(names[i]);
    free(names);
    return r;
}
#else
static int take_handed(struct listeners *l, bool *handed, struct err *e)
{
    (void)l, (void)handed, (void)e;
    return 0;
}
#endif

/* A predecessor's socket for this address. What systemd made carries the listener's name only. */
static int take_from(
    struct listener_socket *handed, size_t n, const char *name, const char *address, uint16_t port)
{
    for (size_t i = 0; i < n; i++) {
        struct listener_socket *h = &handed[i];
        if (h->fd >= 0 && h->port == port && !strcmp(h->address, address) &&
            (*address || !strcmp(h->name, name))) {
            int fd = h->fd;
            h->fd = -1;
            return fd;
        }
    }
    return -1;
}

/* "0.0.0.0, ::" means each family its own socket; "::" alone is both, as "*" always is. */
static bool is_both(const char *address, const char *const *all)
{
    for (; strcmp(address, "*") && *all; all++)
        if (!strcmp(*all, "0.0.0.0"))
            return false;
    return true;
}

static int open_one(
    struct listeners *l, size_t index, struct listener_socket *handed, size_t n, struct err *e)
{
    const struct listen_settings *set = &l->proxy->settings->listeners[index];
    int fd = take_from(handed, n, set->name, "", set->port);
    if (fd >= 0) {
        do
            add(l, index, "", fd);
        while ((fd = take_from(handed, n, set->name, "", set->port)) >= 0);
        return 0;
    }
    for (const char *const *a = set->addresses; *a; a++) {
        fd = take_from(handed, n, set->name, *a, set->port);
        if (fd < 0)
            fd = bind_address(*a, is_both(*a, set->addresses), set->port, e);
        if (fd < 0)
            return err_prefix(e, fd, "[listen %s]", set->name);
        add(l, index, *a, fd);
    }
    return 0;
}

int listeners_open(struct proxy *p, struct listener_socket *handed, size_t n_handed,
    struct listeners **out, struct err *e)
{
    struct listeners *l = xcalloc(1, sizeof *l);
    l->proxy = p;
    _cleanup_free_ bool *activated = xcalloc(p->settings->n_listeners, sizeof *activated);
    int r = take_handed(l, activated, e);
    for (size_t i = 0; i < p->settings->n_listeners && r == 0; i++)
        if (!activated[i])
            r = open_one(l, i, handed, n_handed, e);
    if (r == 0 && l->n > LISTENER_SOCKETS_MAX)
        r = err_set(
            e, ENOSPC, "%zu addresses to listen on; at most %u", l->n, LISTENER_SOCKETS_MAX);
    if (r < 0) {
        for (size_t i = 0; i < l->n; i++)
            close(l->sockets[i].fd);
        sockets_free(l);
        return r;
    }
    *out = l;
    return 0;
}

size_t listeners_export(
    const struct listeners *l, json_t **described, int fds[static LISTENER_SOCKETS_MAX])
{
    *described = json_array();
    for (size_t i = 0; i < l->n; i++) {
        const struct listen_socket *s = &l->sockets[i];
        fds[i] = s->fd;
        (void)json_array_append_new(*described,
            json_pack("{s:s, s:s, s:i}", "name", l->proxy->settings->listeners[s->index].name,
                "address", s->address, "port", (int)port_of(s->fd)));
    }
    return l->n;
}

/* A client that is not let in hears why, at once: its driver has no time limit of its own. */
static void turn_away(struct proxy *p, int fd, const struct address *peer, const char *listener,
    uint16_t code, const char *ascii, enum refusal reason)
{
    char addr[ADDRESS_TEXT_MAX];
    uint8_t packet[ERROR_PACKET_MAX];
    size_t n = error_packet(packet, 0, code, NULL, ascii);
    p->refused[reason]++;
    log_event(LOG_INFO, "refused", LOG_S("listener", listener),
        LOG_S("peer", address_text(peer, addr)), LOG_S("reason", refusal_name(reason)));
    audit_trail_refused(peer, listener, reason);
    if (reason == REFUSAL_ADDRESS)
        roster_note(peer, &(struct roster_visit){.how = ROSTER_REFUSED, .listener = listener},
            clock_wall_ms());
    (void)send(fd, packet, n, MSG_NOSIGNAL);
    (void)shutdown(fd, SHUT_WR);
    close(fd);
}

/* Takes the phrase over. */
static void turn_away_in_words(struct proxy *p, int fd, const struct address *peer,
    const char *listener, uint16_t code, json_t *phrase, enum refusal reason)
{
    struct notice *n = notice_make(&p->settings->tongues, phrase);
    turn_away(p, fd, peer, listener, code, n->ascii, reason);
    notice_unref(n);
}

static struct worker *least_loaded(struct proxy *p)
{
    struct worker *best = &p->workers[0];
    for (unsigned i = 1; i < p->n_workers; i++)
        if (atomic_load(&p->workers[i].assigned) < atomic_load(&best->assigned))
            best = &p->workers[i];
    return best;
}

/* The rest, so that nobody tries for minutes what comes true in one. */
static void turn_away_stale(
    struct proxy *p, int fd, const struct address *peer, const char *listener, uint64_t left_ms)
{
    unsigned long long s = (left_ms + 999) / 1000;
    turn_away_in_words(p, fd, peer, listener, 1053,
        phrase(
            "The database was restored: please close Elexis and start it again (%llu s left).", s),
        REFUSAL_STALE);
}

static void admit(struct listen_socket *s, int fd, const struct sockaddr_storage *sa)
{
    struct proxy *p = s->all->proxy;
    struct settings *set = p->settings;
    const struct listen_settings *l = &set->listeners[s->index];
    struct address peer = address_from((const struct sockaddr *)sa);
    const struct notice *closed = gate_notice(&p->gate);
    uint64_t left;

    if (closed)
        turn_away(p, fd, &peer, l->name, 1053, closed->ascii,
            p->gate.state == GATE_DRAINING ? REFUSAL_DRAINING : REFUSAL_BLOCKED);
    else if (!settings_allows(l, &peer))
        turn_away_in_words(p, fd, &peer, l->name, 1130,
            phrase_of(N_("This address is not allowed.")), REFUSAL_ADDRESS);
    else if (p->stale.n > 0 && (left = stale_left(&p->stale, &peer, clock_mono_ms())) > 0)
        turn_away_stale(p, fd, &peer, l->name, left);
    else if (worker_sessions(p->workers, p->n_workers) >= set->max_sessions)
        turn_away_in_words(p, fd, &peer, l->name, 1040, phrase_of(N_("Too many connections.")),
            REFUSAL_MAX_SESSIONS);
    else if (peers_count(p->peers, &peer) >= set->max_sessions_per_address)
        turn_away_in_words(p, fd, &peer, l->name, 1040,
            phrase_of(N_("Too many connections from this address.")), REFUSAL_MAX_PER_ADDRESS);
    else {
        p->accepted++;
        peers_add(p->peers, &peer);
        worker_accept(least_loaded(p), fd, ++p->next_id, set, s->index, sa);
    }
}

static void on_connection(uv_poll_t *poll, int status, int events);

static void on_pause_over(uv_timer_t *t)
{
    struct listen_socket *s = t->data;
    CHECK(uv_poll_start(&s->poll, UV_READABLE, on_connection) == 0);
}

/* One client a turn: the socket stays readable while more wait, and the call that would only say
 * that nobody is left is spared. */
static void on_connection(uv_poll_t *poll, int status, int events)
{
    struct listen_socket *s = poll->data;
    struct sockaddr_storage sa;
    socklen_t n = sizeof sa;
    (void)status, (void)events;
    int fd = accept4(s->fd, (struct sockaddr *)&sa, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
        admit(s, fd, &sa);
    else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        log_event(LOG_ERROR, "accept-failed", LOG_S("error", strerror(errno)),
            LOG_S("hint", "raise the limit of open files (LimitNOFILE=)"));
        uv_poll_stop(poll);
        CHECK(uv_timer_start(&s->pause, on_pause_over, STARVED_PAUSE, 0) == 0);
    }
    /* Others, such as ECONNABORTED, concern one client only. */
}

/* What the accepted sockets inherit. */
void listeners_update(struct listeners *l)
{
    for (size_t i = 0; i < l->n; i++)
        backend_set_options(l->sockets[i].fd, l->proxy->settings);
}

void listeners_pause(struct listeners *l)
{
    for (size_t i = 0; i < l->n; i++) {
        uv_poll_stop(&l->sockets[i].poll);
        uv_timer_stop(&l->sockets[i].pause);
    }
}

void listeners_resume(struct listeners *l)
{
    for (size_t i = 0; i < l->n; i++)
        CHECK(uv_poll_start(&l->sockets[i].poll, UV_READABLE, on_connection) == 0);
}

void listeners_start(struct listeners *l)
{
    listeners_update(l);
    for (size_t i = 0; i < l->n; i++) {
        struct listen_socket *s = &l->sockets[i];
        const struct listen_settings *set = &l->proxy->settings->listeners[s->index];
        CHECK(uv_poll_init(&l->proxy->loop, &s->poll, s->fd) == 0);
        CHECK(uv_timer_init(&l->proxy->loop, &s->pause) == 0);
        s->poll.data = s->pause.data = s;
        l->handles += 2;
        CHECK(uv_poll_start(&s->poll, UV_READABLE, on_connection) == 0);
        log_event(LOG_INFO, "listening", LOG_S("listener", set->name),
            LOG_U("port", port_of(s->fd)),
            LOG_S("tls", set->tls == TLS_OFF        ? "off"
                         : set->tls == TLS_REQUIRED ? "required"
                                                    : "preferred"),
            LOG_S("announce", set->announce));
    }
}

static void on_closed(uv_handle_t *h)
{
    struct listen_socket *s = h->data;
    struct listeners *l = s->all;
    if (--l->handles == 0)
        sockets_free(l);
}

void listeners_close(struct listeners *l)
{
    for (size_t i = 0; i < l->n; i++) {
        struct listen_socket *s = &l->sockets[i];
        uv_close((uv_handle_t *)&s->poll, on_closed);
        uv_close((uv_handle_t *)&s->pause, on_closed);
        close(s->fd);
    }
}
