/*
 * elexgate-console: starts, reloads, ends. See elexgate-console(8).
 *
 * The main thread only waits for signals and looks after what is due; each connection has a thread
 * of its own.
 */
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "common/clock.h"
#include "common/config_intent.h"
#include "common/exit_codes.h"
#include "common/file.h"
#include "common/log.h"
#include "common/program.h"
#include "common/systemd.h"
#include "console/console.h"
#include "console/http/events.h"
#include "console/http/server.h"
#include "console/who/sign_in.h"
#include "console/view/texts.h"
#include "console/http/tls.h"

#define TIDY_EVERY     60 /* ticks of a second */
#define LOOK_EVERY     5
#define UPLOAD_KEEP_MS (7 * INT64_C(24) * 3600 * 1000)

static const char usage[] =
    "usage: elexgate-console [--config FILE] [--assets DIR]\n\n"
    "The admin's page: HTTPS, by default https://localhost:8312/.\n\n"
    "  -c, --config FILE  configuration (default /etc/elexgate/elexgate.ini)\n"
    "      --assets DIR   read pages, texts and assets from this folder at each request,\n"
    "                     e.g. console/ of the sources; for those who work on them\n"
    "  -h, --help         this text\n"
    "  -V, --version      the version\n\n"
    "Signals: SIGHUP reads configuration and certificate again, SIGTERM ends it.\n"
    "See elexgate-console(8).\n";

/* --- settings --------------------------------------------------------------------------------- */

struct settings *console_settings(struct console *c)
{
    pthread_mutex_lock(&c->lock);
    struct settings *s = c->settings;
    s->references++;
    pthread_mutex_unlock(&c->lock);
    return s;
}

void console_settings_drop(struct console *c, struct settings *s)
{
    pthread_mutex_lock(&c->lock);
    bool last = --s->references == 0;
    pthread_mutex_unlock(&c->lock);
    if (last)
        settings_free(s);
}

static void note_change(void *ctx, const struct option *o, const char *name, const char *old_value,
    const char *new_value)
{
    char what[200];
    (void)ctx;
    (void)name;
    if (strcmp(o->section, "console") != 0 && strcmp(o->section, "tls") != 0)
        return;
    snprintf(what, sizeof what, "[%s] %s", o->section, o->key);
    log_event(o->reloadable ? LOG_INFO : LOG_WARNING, o->reloadable ? "changed" : "restart-needed",
        LOG_S("option", what), LOG_S("old", old_value), LOG_S("new", new_value));
}

/* The page is where an admin looks for help with just that, so it comes up all the same. */
static void warn_of_certificate(const struct settings *s)
{
    struct err e = {0};
    if (tls_fits(s->certificate, &e) < 0)
        log_err(LOG_WARNING, "certificate-unfit", &e,
            LOG_S("meaning", "the page is served, and browsers warn of it"));
}

static int console_reload(struct console *c, struct err *e)
{
    struct settings *next;
    int r = settings_load(c->config_path, &next, e);
    if (r < 0)
        return r;
    r = config_intent_check(c->settings->config, next->config, e);
    if (r == 0)
        r = tls_load(next->certificate, next->key, e);
    if (r < 0) {
        settings_free(next);
        return r;
    }
    config_diff(c->settings->config, next->config, note_change, NULL);
    warn_of_certificate(next);
    program_log_level(next->config);
    pthread_mutex_lock(&c->lock);
    struct settings *old = c->settings;
    c->settings = next;
    pthread_mutex_unlock(&c->lock);
    console_settings_drop(c, old);
    return 0;
}

static void reload(struct console *c)
{
    struct err e = {0};
    systemd_tell("RELOADING=1");
    if (console_reload(c, &e) < 0)
        log_err(LOG_ERROR, "reload-failed", &e, LOG_S("meaning", "the old settings serve on"));
    else
        log_event(LOG_INFO, "reloaded");
    systemd_tell("READY=1");
}

/* A renewed certificate serves without anybody's doing. */
static void look_at_certificate(struct console *c)
{
    struct err e = {0};
    const struct settings *s = c->settings;
    if (!tls_changed(s->certificate, s->key))
        return;
    if (tls_load(s->certificate, s->key, &e) < 0)
        log_err(LOG_ERROR, "certificate-not-taken", &e,
            LOG_S("meaning", "the old certificate serves on"));
    else
        log_event(LOG_INFO, "certificate-taken", LOG_S("file", s->certificate));
}

/* --- start and end ---------------------------------------------------------------------------- */

/* Everything that can fail is tried before the first browser is let in. */
static int open_parts(struct console *c, struct err *e)
{
    const struct settings *s = c->settings;
    int r = texts_load(c->assets_dir, "messages", LANG_EN, &c->messages, e);
    if (r == 0)
        r = tls_load(s->certificate, s->key, e);
    if (r == 0)
        r = file_mkdirs(s->state_dir, 0700, e);
    if (r == 0)
        warn_of_certificate(s);
    if (r == 0)
        r = accounts_open(s->state_dir, &c->accounts, e);
    if (r == 0)
        r = sessions_open(s->state_dir, &c->sessions, e);
    if (r == 0)
        r = upload_store_open(s->upload_dir, s->upload_max, &c->uploads, e);
    if (r < 0)
        return r;
    c->throttle = throttle_create();
    c->live = live_create();
    return sign_in_offer_setup(c, e);
}

static void close_parts(struct console *c)
{
    live_free(c->live);
    throttle_free(c->throttle);
    upload_store_close(c->uploads);
    sessions_close(c->sessions);
    accounts_close(c->accounts);
    json_decref(c->messages);
    free(c->setup_link);
    settings_free(c->settings);
    tls_unload();
}

static void tick(struct console *c, struct server *server, unsigned n)
{
    const struct session_times times = {c->settings->session_idle_ms, c->settings->session_max_ms};
    server_tick(server);
    systemd_tell("WATCHDOG=1");
    if (n % LOOK_EVERY == 0)
        look_at_certificate(c);
    if (n % TIDY_EVERY == 0) {
        sessions_tidy(c->sessions, times);
        (void)upload_store_expire(c->uploads, UPLOAD_KEEP_MS);
        sign_in_tick(c);
    }
}

static void serve(struct console *c, struct server *server, const sigset_t *signals)
{
    const struct timespec second = {.tv_sec = 1};
    uint64_t due = clock_mono_ms();
    for (unsigned n = 1;;) {
        int number = sigtimedwait(signals, NULL, &second);
        if (number == SIGTERM || number == SIGINT)
            return;
        if (number == SIGHUP)
            reload(c);
        if (clock_mono_ms() >= due) {
            tick(c, server, n++);
            due = clock_mono_ms() + 1000;
        }
    }
}

static int run(struct console *c)
{
    struct err e = {0};
    struct server *server = NULL;
    sigset_t signals;
    /* Before any thread is started: they inherit the mask, so that signals come to serve() alone.
     */
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    if (settings_load(c->config_path, &c->settings, &e) < 0) {
        fprintf(stderr, "elexgate-console: %s\n", e.text);
        return EXIT_FAILED;
    }
    program_log("elexgate-console", c->settings->config);
    program_raise_open_files(); /* a thread and a socket a connection */
    int r = open_parts(c, &e);
    if (r == 0)
        r = server_start(c, &server, &e);
    if (r < 0) {
        log_err(LOG_ERROR, "not-started", &e);
    } else {
        log_event(LOG_INFO, "ready", LOG_S("version", ELEXGATE_VERSION),
            LOG_S("address", c->settings->addresses[0]), LOG_U("port", c->settings->port));
        program_shut(false);
        systemd_tell("READY=1");
        serve(c, server, &signals);
        systemd_tell("STOPPING=1");
        server_stop(server);
        log_event(LOG_INFO, "stopped");
    }
    close_parts(c);
    return r < 0 ? EXIT_FAILED : EXIT_GOOD;
}

int main(int argc, char **argv)
{
    static struct console console = {
        .lock = PTHREAD_MUTEX_INITIALIZER, .setup_lock = PTHREAD_MUTEX_INITIALIZER};
    const struct program_option options[] = {{"--assets", .value = &console.assets_dir}, {0}};
    const struct program program = {
        "elexgate-console", usage, &console.config_path, .options = options};
    int code = program_begin(&program, argc, argv);
    if (code >= 0)
        return code;
    umask(0077);
    if (sodium_init() < 0) {
        fputs("elexgate-console: libsodium does not start\n", stderr);
        return EXIT_FAILED;
    }
    return run(&console);
}
