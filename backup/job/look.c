#include "backup/job/look.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include "backup/job/page.h"
#include "backup/job/run.h"
#include "backup/rules/settings.h"
#include "backup/server/dialect.h"
#include "backup/server/server.h"
#include "certs/life.h"
#include "certs/renew.h"
#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/file.h"
#include "common/json_get.h"
#include "common/log.h"
#include "common/notify_check.h"
#include "common/error_phrase.h"
#include "link/control.h"

#define PROXY_MS       2000
#define WORDS_FILE_MAX 4096
#define OLD_CA_S       (90 * 86400) /* the last chance to hand out the new one */

struct look {
    const struct config *config;
    struct backup_settings settings;
    char *setup_failed;
    struct server *server; /* kept open between questions */
};

/* --- does anybody work? ----------------------------------------------------------------------- */

static json_t *unknown(json_t *words)
{
    json_t *o = json_pack("{s:b}", "known", 0);
    phrase_put(o, "words", words);
    return o;
}

static json_t *ask_proxy(const char *socket)
{
    struct err e = {0};
    _cleanup_json_ json_t *answer = control_status(socket, PROXY_MS, &e);
    json_t *idle = json_object_get(answer, "idle");
    if (!json_is_object(idle))
        return unknown(answer ? phrase_of(N_("the proxy's answer says nothing about being idle"))
                              : error_phrase_json(&e));
    json_object_set_new(idle, "known", json_true());
    return json_incref(idle);
}

static int ask_counters(struct look *l, json_t **out, struct err *e)
{
    uint64_t writes = 0, open = 0, sessions = 0;
    int r = dialect_writes(l->server, &writes, e);
    if (r == 0)
        r = server_u64(l->server, &open, e, "SELECT COUNT(*) FROM information_schema.INNODB_TRX");
    if (r == 0 && !l->settings.proxy_socket)
        r = server_u64(l->server, &sessions, e,
            "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID<>CONNECTION_ID() AND COMMAND NOT IN ('Daemon','Binlog Dump') AND USER NOT IN ('system user','event_scheduler')");
    if (r < 0)
        return r;
    *out = json_pack("{s:b, s:I, s:I, s:I}", "known", 1, "write_counters", (json_int_t)writes,
        "transactions", (json_int_t)open, "sessions", (json_int_t)sessions);
    return 0;
}

static json_t *ask_server(struct look *l)
{
    struct err e = {0};
    json_t *said = NULL;
    int r = 0;
    for (int try = 0; try < 2; try++) { /* a connection of before the server's restart is no sign */
        bool kept = l->server != NULL;
        r = kept ? 0 : server_connect(&l->settings.target, "elexgate-keeper", &l->server, &e);
        if (r == 0)
            r = ask_counters(l, &said, &e);
        if (r == 0)
            return said;
        server_close(l->server);
        l->server = NULL;
        if (!kept)
            break;
    }
    /* Where the set-up of a container has not made the account, that is the cause. */
    _cleanup_free_ char *cause = NULL;
    size_t len = 0;
    bool known = file_read(l->setup_failed, WORDS_FILE_MAX, &cause, &len, NULL) == 0 && *cause;
    if (known)
        cause[strcspn(cause, "\n")] = '\0';
    said = unknown(known ? phrase("%s", cause) : error_phrase_json(&e));
    json_object_set_new(said, "cause_known", json_boolean(known));
    json_object_set_new(said, "down", json_boolean(r == -EPIPE || r == -ETIMEDOUT));
    return said;
}

/* --- certificates ----------------------------------------------------------------------------- */

/* Of the file that the proxy serves, with its chain; without one it is not ours to say, as the
 * proxy would not start with it. */
static json_t *look_at_certificate(const char *path, time_t now)
{
    struct cert_info *ends = NULL, *begins = NULL;
    if (life_of_file(path, &ends, &begins, NULL) < 0)
        return json_null();
    bool early = now < begins->not_before;
    const struct cert_info *c = early ? begins : ends;
    json_t *said = json_pack("{s:b, s:i, s:i, s:I, s:o}", "early", early, "alarm",
        (int)renew_alarm_at(ends->not_before, ends->not_after, now), "days",
        cert_info_days_left(ends, now), "date_ms",
        (json_int_t)(early ? c->not_before : c->not_after) * 1000, "subject",
        json_text(c->subject));
    cert_info_free(ends);
    cert_info_free(begins);
    return said;
}

/* A year ahead: the next CA has to reach every workstation. */
static json_t *look_at_ca(const char *path, time_t now)
{
    struct cert_info *root = NULL;
    time_t old = 0;
    if (life_ca_of_file(path, &root, &old, NULL) < 0)
        return json_null();
    bool due = root && now >= renew_ca_due(root->not_before, root->not_after);
    bool changes = !due && old && now >= old - OLD_CA_S && now <= old;
    json_t *said = json_pack("{s:b, s:I, s:o}", "ends", due || changes, "date_ms",
        (json_int_t)(due ? root->not_after : old) * 1000, "subject",
        json_text(root ? root->subject : path));
    cert_info_free(root);
    return said;
}

/* --- all of it -------------------------------------------------------------------------------- */

static json_t *look_at_notify(const struct config *c)
{
    struct notify_trouble t = {0};
    bool good = notify_check(c, &t);
    json_t *said = json_pack("{s:b, s:b}", "good", good, "nobody", t.nobody);
    error_phrase_put_as(said, "text", &t.why);
    return said;
}

static json_t *look_at_room(const char *folder)
{
    uint64_t bytes = 0;
    return file_space(folder, &bytes, NULL) < 0 ? json_null() : json_integer((json_int_t)bytes);
}

static void look(struct look *l)
{
    const char *certificate = config_str(l->config, "tls", NULL, "certificate");
    const char *proxy = l->settings.proxy_socket;
    time_t now = clock_wall_ms() / 1000;
    run_event(json_pack("{s:s, s:o, s:o, s:o, s:b, s:o, s:o, s:o}", "event", "look", "proxy",
        proxy ? ask_proxy(proxy) : json_null(), "server", ask_server(l), "free",
        look_at_room(l->settings.folder), "has_certificate", access(certificate, F_OK) == 0,
        "certificate", look_at_certificate(certificate, now), "ca", look_at_ca(certificate, now),
        "notify", look_at_notify(l->config)));
}

int look_run(const struct config *c)
{
    struct look l = {.config = c};
    struct err e = {0};
    char byte;
    if (backup_settings_load(c, &l.settings, &e) < 0) {
        log_err(LOG_ERROR, "not-looking", &e);
        return EXIT_FAILED;
    }
    signal(SIGTERM, SIG_DFL); /* there is nothing to be put in order */
    page_cert_clean(l.settings.state_dir);
    l.setup_failed = xasprintf("%s/setup-failed", l.settings.state_dir);
    while (read(STDIN_FILENO, &byte, 1) == 1)
        look(&l);
    server_close(l.server);
    free(l.setup_failed);
    backup_settings_clear(&l.settings);
    return EXIT_GOOD;
}
