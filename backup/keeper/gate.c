#include "backup/keeper/gate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "backup/server/server.h"
#include "common/file.h"
#include "link/control.h"
#include "common/utf8.h"
#include "common/json_get.h"

#define PROXY_MS       2000
#define WORDS_FILE_MAX 4096

struct keeper_gate {
    uv_work_t work;
    uv_loop_t *loop;
    keeper_gate_fn *fn;
    void *ctx;
    bool asking, dropped;
    /* used by the thread while asking */
    struct server *server; /* kept open between questions */
    struct server_target target;
    char *host, *socket, *user, *password, *proxy_socket, *setup_failed;
    struct keeper_witnesses answer;
};

struct keeper_gate *keeper_gate_new(uv_loop_t *loop, keeper_gate_fn *fn, void *ctx)
{
    struct keeper_gate *g = xcalloc(1, sizeof *g);
    g->loop = loop;
    g->fn = fn;
    g->ctx = ctx;
    g->work.data = g;
    return g;
}

static void forget_settings(struct keeper_gate *g)
{
    free(g->host);
    free(g->socket);
    free(g->user);
    secret_free(g->password);
    free(g->proxy_socket);
    free(g->setup_failed);
}

/* Without a proxy in front the server is asked for everything. */
static void ask_proxy(struct keeper_gate *g)
{
    struct idle_proxy *p = &g->answer.proxy;
    if (!g->proxy_socket) {
        *p = (struct idle_proxy){.known = true, .write_ms = INT64_MAX, .statement_ms = INT64_MAX};
        return;
    }
    struct err e = {0};
    json_t *request = json_pack("{ss}", "cmd", "status"), *answer = NULL;
    int r = control_call(g->proxy_socket, PROXY_MS, request, &answer, &e);
    json_decref(request);
    const json_t *idle = json_object_get(answer, "idle");
    if (r < 0 || !json_is_object(idle)) {
        utf8_copy(g->answer.proxy_words, sizeof g->answer.proxy_words,
            r < 0 ? e.text : "the proxy's answer says nothing about being idle");
    } else {
        *p = (struct idle_proxy){.known = true,
            .write_ms = json_get_int(idle, "write_ms"),
            .statement_ms = json_get_int(idle, "statement_ms"),
            .in_flight = json_get_int(idle, "in_flight"),
            .write_in_flight = json_get_int(idle, "write_in_flight"),
            .transactions = json_get_int(idle, "transactions"),
            .sessions = json_get_int(idle, "sessions")};
    }
    json_decref(answer);
}

/* The log position moves with every change in InnoDB, the handler counters with those in MyISAM and
 * Aria. Being asked moves none of them. */
static int ask_counters(struct keeper_gate *g, struct err *e)
{
    uint64_t lsn = 0, inserted = 0, updated = 0, deleted = 0, open = 0, sessions = 0;
    struct server_counter counters[] = {{"Innodb_lsn_current", &lsn}, {"Handler_write", &inserted},
        {"Handler_update", &updated}, {"Handler_delete", &deleted}};
    int r = server_counters(g->server, counters, sizeof counters / sizeof counters[0], e);
    if (r == 0)
        r = server_u64(g->server, &open, e, "SELECT COUNT(*) FROM information_schema.INNODB_TRX");
    if (r == 0 && !g->proxy_socket)
        r = server_u64(g->server, &sessions, e,
            "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID<>CONNECTION_ID() AND COMMAND NOT IN ('Daemon','Binlog Dump') AND USER NOT IN ('system user','event_scheduler')");
    if (r < 0)
        return r;
    g->answer.server = (struct idle_server){.known = true,
        .write_counters = lsn + inserted + updated + deleted,
        .transactions = (int64_t)open};
    if (!g->proxy_socket)
        g->answer.proxy.sessions = (int64_t)sessions;
    return 0;
}

static void ask_server(struct keeper_gate *g)
{
    struct err e = {0};
    int r = 0;
    for (int try = 0; try < 2; try++) { /* a connection of before the server's restart is no sign */
        bool kept = g->server != NULL;
        r = kept ? 0 : server_connect(&g->target, "elexgate-keeper", &g->server, &e);
        if (r == 0)
            r = ask_counters(g, &e);
        if (r == 0)
            return;
        server_close(g->server);
        g->server = NULL;
        if (!kept)
            break;
    }
    g->answer.server_down = r == -EPIPE || r == -ETIMEDOUT;
    /* Where the set-up of a container has not made the account, that is the cause. */
    _cleanup_free_ char *cause = NULL;
    size_t len = 0;
    bool known = file_read(g->setup_failed, WORDS_FILE_MAX, &cause, &len, NULL) == 0 && *cause;
    if (known)
        cause[strcspn(cause, "\n")] = '\0';
    g->answer.cause_known = known;
    utf8_copy(g->answer.server_words, sizeof g->answer.server_words, known ? cause : e.text);
}

static void work(uv_work_t *w)
{
    struct keeper_gate *g = w->data;
    memset(&g->answer, 0, sizeof g->answer);
    ask_proxy(g);
    ask_server(g);
}

static void gate_free(struct keeper_gate *g)
{
    server_close(g->server);
    forget_settings(g);
    free(g);
}

static void after_work(uv_work_t *w, int status)
{
    struct keeper_gate *g = w->data;
    (void)status;
    g->asking = false;
    if (g->dropped)
        gate_free(g);
    else
        g->fn(g->ctx, &g->answer);
}

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

void keeper_gate_ask(struct keeper_gate *g, const struct backup_settings *s)
{
    if (g->asking)
        return;
    const struct server_target *t = &s->target;
    bool unchanged = same(g->host, t->host) && same(g->socket, t->socket) &&
                     same(g->user, t->user) && same(g->password, t->password) &&
                     g->target.port == t->port && same(g->proxy_socket, s->proxy_socket);
    if (!unchanged) {
        server_close(g->server);
        g->server = NULL;
        forget_settings(g);
        g->host = xstrdup(t->host);
        g->socket = xstrdup(t->socket);
        g->user = xstrdup(t->user);
        g->password = xstrdup(t->password);
        g->proxy_socket = xstrdup(s->proxy_socket);
        g->setup_failed = xasprintf("%s/setup-failed", s->state_dir);
        g->target = *t;
        g->target.host = g->host;
        g->target.socket = g->socket;
        g->target.user = g->user;
        g->target.password = g->password;
    }
    g->asking = true;
    CHECK(uv_queue_work(g->loop, &g->work, work, after_work) == 0);
}

void keeper_gate_drop(struct keeper_gate *g)
{
    g->dropped = true;
    if (!g->asking)
        gate_free(g);
}
