#include "backup/job/doctor/doctor.h"

#include <stdio.h>
#include <string.h>

#include "link/control.h"
#include "common/container.h"
#include "common/utf8.h"
#include "common/json_get.h"
#include "common/error_phrase.h"

#define WHO_MAX 8 /* so many are named */

/* bind_address may hold several, separated by commas. */
static bool all_loopback(const char *list)
{
    _cleanup_free_ char *copy = xstrdup(list);
    char *save = NULL;
    bool any = false;
    for (char *p = strtok_r(copy, ", ", &save); p; p = strtok_r(NULL, ", ", &save)) {
        any = true;
        if (!doctor_is_loopback(p))
            return false;
    }
    return any;
}

static void check_port(struct doctor *d)
{
    _cleanup_free_ char *skip = NULL, *bind = NULL, *port = NULL;
    static const char *const fix = N_(
        "bind_address = 127.0.0.1 in the server's configuration, or close the port in the firewall");
    if (server_variable(d->server, "skip_networking", &skip, NULL) < 0 ||
        server_variable(d->server, "bind_address", &bind, NULL) < 0 ||
        server_variable(d->server, "port", &port, NULL) < 0)
        doctor_found(d, DOCTOR_FOUND_WARNING, "port",
            phrase_of(N_("the server does not say where it listens")), phrase_of(fix));
    else if ((skip && strcmp(skip, "ON") == 0) || (bind && all_loopback(bind)))
        doctor_found(d, DOCTOR_FOUND_GOOD, "port",
            phrase_of(N_("the server's own port can be reached from this machine only")), NULL);
    else
        doctor_found(d, DOCTOR_FOUND_WARNING, "port",
            phrase(
                "the server's own port %s is open to the network (bind_address %s): whoever uses it goes past the gate, unencrypted",
                port, bind ? bind : "*"),
            phrase_of(fix));
}

struct strangers {
    const json_t *sessions; /* of the proxy */
    const char *admin;
    unsigned n;
    char who[600];
};

/* Is this the server's end of a session that came through the proxy? */
static bool came_through(const json_t *sessions, json_int_t thread)
{
    size_t i;
    const json_t *one;
    json_array_foreach (sessions, i, one)
        if (json_get_int(one, "thread_id") == thread)
            return true;
    return false;
}

static int on_row(void *ctx, const struct server_row *row, struct err *e)
{
    struct strangers *s = ctx;
    (void)e;
    if (row->n < 3 || !row->text[0] || !row->text[1] || !row->text[2] ||
        strcmp(row->text[1], s->admin) == 0 ||
        came_through(s->sessions, strtoll(row->text[0], NULL, 10)))
        return 0;
    char name[160], user[64], host[64];
    snprintf(name, sizeof name, "%s@%s", utf8_copy(user, sizeof user, row->text[1]),
        utf8_copy(host, sizeof host, row->text[2]));
    name[strcspn(name, ":")] = '\0'; /* the port says nothing */
    if (!strstr(s->who, name) && s->n < WHO_MAX) {
        s->n++;
        utf8_format(s->who + strlen(s->who), sizeof s->who - strlen(s->who), "%s%s",
            *s->who ? ", " : "", name);
    }
    return 0;
}

/* Every client of the server came through the proxy; the keeper's account does not count. */
static void check_clients(struct doctor *d)
{
    const struct backup_settings *s = &d->run->s;
    _cleanup_json_ json_t *request = json_pack("{ss}", "cmd", "sessions"), *answer = NULL;
    struct strangers found = {.admin = s->target.user};
    if (control_call(s->proxy_socket, 3000, request, &answer, NULL) == 0)
        found.sessions = json_object_get(answer, "sessions");
    struct err e = {0};
    int r = server_rows(d->server, on_row, &found, &e,
        "SELECT ID, USER, HOST FROM information_schema.PROCESSLIST WHERE COMMAND NOT IN ('Daemon', 'Binlog Dump', 'Slave_IO', 'Slave_SQL') AND USER NOT IN ('system user', 'event_scheduler', 'unauthenticated user') AND ID <> CONNECTION_ID()");
    bool good = r == 0 && found.n == 0;
    doctor_found(d, good ? DOCTOR_FOUND_GOOD : DOCTOR_FOUND_WARNING, "bypass",
        r < 0 ? error_phrase_json(&e)
        : good
            ? phrase_of(N_("every client of the server came through the gate"))
            : phrase("these are connected to the server, and not through the gate: %s", found.who),
        phrase_of(N_("let them connect to the gate; a restore does not keep them out")));
}

void doctor_bypass(struct doctor *d)
{
    if (!container_inside()) /* whose addresses are all of the networks that it was put into */
        check_port(d);
    if (d->run->s.proxy_socket)
        check_clients(d);
}
