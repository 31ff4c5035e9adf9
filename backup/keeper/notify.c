#include "backup/keeper/notify.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "backup/rules/notice_rule.h"
#include "certs/life.h"
#include "certs/renew.h"
#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/file.h"
#include "common/log.h"
#include "common/notify_check.h"
#include "common/utf8.h"
#include "common/json_get.h"

#define LOOK_MS     5000
#define SEND_MAX_MS (15 * 60 * 1000) /* both channels' time limits, and some to spare */
#define LATE_MS     (INT64_C(3600) * 1000)
#define LOOK_BACK_S (INT64_C(40) * 86400)
#define DAY_S       86400
#define STATE_MAX   (1u << 20)
#define WORDS_MAX   400
#define FACTS       7

struct keeper_notify {
    struct keeper *k;
    char *path;
    json_t *state;
    int64_t born_ms; /* when it was first here: nothing from before is missed */
    int64_t looked_mono_ms, sent_mono_ms;
    struct keeper_job *sender;
    json_t *message, *result; /* being sent */
    bool stopping;
};

static void save(struct keeper_notify *n)
{
    struct err e = {0};
    _cleanup_free_ char *text = json_dumps(n->state, JSON_INDENT(1));
    if (file_publish(n->path, text, strlen(text), 0600, &e) < 0)
        log_err(LOG_ERROR, "state-not-saved", &e);
}

struct keeper_notify *keeper_notify_new(struct keeper *k)
{
    struct keeper_notify *n = xcalloc(1, sizeof *n);
    _cleanup_free_ char *text = NULL;
    size_t len = 0;
    n->k = k;
    n->path = xasprintf("%s/notify.json", k->settings.state_dir);
    if (file_read(n->path, STATE_MAX, &text, &len, NULL) == 0)
        n->state = json_loadb(text, len, 0, NULL);
    if (!json_is_object(n->state)) { /* a first start; a damaged one begins anew */
        json_decref(n->state);
        n->state = json_pack("{s:I}", "born", (json_int_t)clock_wall_ms());
    }
    n->born_ms = json_get_int(n->state, "born");
    return n;
}

/* A detail goes into JSON, a mail, a webhook: it is UTF-8 and ends with a whole character. */
static void PRINTF(2, 3) put_words(char words[WORDS_MAX], const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    utf8_format_v(words, WORDS_MAX, fmt, ap);
    va_end(ap);
}

/* --- what is wrong -----------------------------------------------------------------------------*/

static const json_t *newest(const struct keeper *k, const char *kind, bool good)
{
    size_t i;
    const json_t *run;
    json_array_foreach (k->state.runs, i, run) {
        const char *name = json_get_text(run, "kind");
        json_int_t code = json_get_int(run, "exit");
        if (strcmp(name, kind) == 0 && code != EXIT_CANCELLED && code != EXIT_BUSY &&
            (!good || code == EXIT_GOOD))
            return run;
    }
    return NULL;
}

static void failed(struct notice_fact *f, const json_t *run, bool wrong, char words[WORDS_MAX])
{
    const char *error = json_get_text(run, "error");
    put_words(words, "%s: %s", json_get_str(run, "ended"), error);
    f->is = wrong ? NOTICE_WRONG : NOTICE_WELL;
    f->detail = words;
}

/* A run that will be tried again by itself has not failed yet. */
static void look_at_backup(const struct keeper *k, struct notice_fact *f, char words[WORDS_MAX])
{
    const json_t *run = newest(k, "backup", false);
    json_int_t code = json_get_int(run, "exit");
    bool again = k->state.plan.pending.due_ms && !k->state.plan.pending.by_hand;
    *f = (struct notice_fact){.event = "backup-failed"};
    /* one that did not take place says nothing about whether the next one would succeed */
    if (run && code != EXIT_NOT_IDLE && !(again && code != EXIT_GOOD) && !k->current.job)
        failed(f, run, code != EXIT_GOOD, words);
}

/* The last time that was due and has had its time to wait, and an hour more, since when there was
 * no good backup. */
static void look_at_missed(
    const struct keeper_notify *n, struct notice_fact *f, char words[WORDS_MAX])
{
    const struct keeper *k = n->k;
    int64_t before = (clock_wall_ms() - k->rules.deadline_ms - LATE_MS) / 1000;
    int64_t at = before - LOOK_BACK_S, due = 0, good_ms = 0;
    char stamp[CLOCK_ISO_LEN];
    const json_t *last = newest(k, "backup", false), *good = newest(k, "backup", true);
    *f = (struct notice_fact){.event = "backup-missed", .is = NOTICE_WELL, .detail = words};
    const char *started = json_get_str(good, "started");
    if (started && clock_parse(started, &good_ms) < 0)
        good_ms = 0;
    if (at < n->born_ms / 1000)
        at = n->born_ms / 1000;
    if (at < good_ms / 1000) /* what was due before it is made up for */
        at = good_ms / 1000;
    while (k->rules.has_backup && cron_next(&k->rules.backup, &cron_zone_local, at, &at) == 0 &&
           at <= before)
        due = at * 1000;
    if (json_get_int(last, "exit") == EXIT_NOT_IDLE) {
        failed(f, last, true, words);
        return;
    }
    if (k->current.job || !due || good_ms >= due)
        return;
    f->is = NOTICE_WRONG;
    put_words(
        words, "due %s; last good backup: %s", clock_iso(due, stamp), started ? started : "none");
}

static void look_at_drill(const struct keeper *k, struct notice_fact *f, char words[WORDS_MAX])
{
    const json_t *run = newest(k, "drill", false);
    *f = (struct notice_fact){.event = "drill-failed"};
    if (run)
        failed(f, run, json_get_int(run, "exit") != EXIT_GOOD, words);
}

/* Of the file that the proxy serves, with its chain. Graver 14 and 3 days before, and when it has
 * ended or is not valid yet. */
static void look_at_certificate(
    const struct keeper *k, struct notice_fact *f, char words[WORDS_MAX])
{
    const char *path = config_str(k->config, "tls", NULL, "certificate");
    struct cert_info *ends = NULL, *begins = NULL;
    char date[CERT_DATE_LEN];
    time_t now = clock_wall_ms() / 1000;
    *f = (struct notice_fact){.event = "certificate-expires", .detail = words};
    if (life_of_file(path, &ends, &begins, NULL) < 0)
        return; /* not ours to say: the proxy would not start with it */
    int days = cert_info_days_left(ends, now);
    bool early = now < begins->not_before;
    f->is = days < 30 || early ? NOTICE_WRONG : NOTICE_WELL;
    f->grade = days < 0 || early ? 3 : days < 3 ? 2 : days < 14 ? 1 : 0;
    if (early)
        put_words(words, "%s: %s is not valid before %s", path, begins->subject,
            cert_date(begins->not_before, date));
    else
        put_words(words, "%s: %d days (%s, until %s)", path, days, ends->subject,
            cert_date(ends->not_after, date));
    cert_info_free(ends);
    cert_info_free(begins);
}

/* A year ahead: the next CA has to reach every workstation. Graver 90 and 30 days before. */
static void look_at_ca(const struct keeper *k, struct notice_fact *f, char words[WORDS_MAX])
{
    const char *path = config_str(k->config, "tls", NULL, "certificate");
    struct cert_info *root = NULL;
    char date[CERT_DATE_LEN];
    time_t old = 0, now = clock_wall_ms() / 1000;
    *f = (struct notice_fact){.event = "ca-ends", .detail = words};
    if (life_ca_of_file(path, &root, &old, NULL) < 0)
        return;
    bool due = root && now >= renew_ca_due(root->not_before, root->not_after);
    bool changes = !due && old && now >= old - 90 * DAY_S && now <= old;
    time_t end = due ? root->not_after : old;
    time_t left = (end - now) / DAY_S;
    f->is = due || changes ? NOTICE_WRONG : NOTICE_WELL;
    f->grade = left < 30 ? 2 : left < 90 ? 1 : 0;
    if (f->is == NOTICE_WRONG)
        put_words(words, "%s: %s", root ? root->subject : path, cert_date(end, date));
    cert_info_free(root);
}

/* What the next backup will about need is what the last one took. */
static void look_at_disk(const struct keeper *k, struct notice_fact *f, char words[WORDS_MAX])
{
    struct statvfs fs;
    size_t i;
    const json_t *a;
    uint64_t need = 0, least = (uint64_t)config_int(k->config, "notify", NULL, "min_free");
    *f = (struct notice_fact){.event = "disk-low", .detail = words};
    if (statvfs(k->settings.folder, &fs) < 0 || k->current.job)
        return; /* while a backup is written, room comes and goes */
    json_array_foreach (json_object_get(newest(k, "backup", true), "archives"), i, a)
        need += (uint64_t)json_get_int(a, "size");
    uint64_t have = (uint64_t)fs.f_bavail * fs.f_frsize;
    f->is = have < least || have < need + need / 10 ? NOTICE_WRONG : NOTICE_WELL;
    put_words(words, "%s: %llu MB", k->settings.folder, (unsigned long long)have >> 20);
}

/* A failed alarm is an alarm: told over the way that still works, where there is one. */
static void look_at_channels(const struct keeper_notify *n, const char *const *channels,
    struct notice_fact *f, char words[WORDS_MAX])
{
    const json_t *failing = json_object_get(n->state, "failing");
    *f = (struct notice_fact){.event = "notify-failed", .detail = words, .is = NOTICE_WELL};
    for (size_t i = 0; channels[0] && channels[1] && i < 2; i++) {
        const json_t *a = json_object_get(failing, channels[i]);
        if (!a || json_object_get(failing, channels[1 - i]))
            continue;
        f->is = NOTICE_WRONG;
        put_words(words, "%s: %s", channels[i], json_get_str(a, "error"));
    }
}

/* --- sending ---------------------------------------------------------------------------------- */

static void on_line(void *ctx, json_t *line)
{
    struct keeper_notify *n = ctx;
    if (json_get_true(line, "done")) {
        json_decref(n->result);
        n->result = json_incref(line);
    }
}

/* What became of each channel, until it works again. */
static void note_channels(struct keeper_notify *n)
{
    static const char *const channels[] = {"mail", "webhook"};
    json_t *failing = json_object_get(n->state, "failing");
    char now[CLOCK_ISO_LEN];
    if (!failing)
        (void)json_object_set_new(n->state, "failing", failing = json_object());
    const char *whole = json_get_str(n->result, "error");
    const char *warning = json_get_str(n->result, "warning");
    for (size_t i = 0; i < 2; i++) {
        const char *words = json_get_str(n->result, channels[i]);
        bool sent = words && strcmp(words, "sent") == 0;
        if (i == 0 && sent && warning) /* but not to all */
            words = warning;
        else if (sent)
            (void)json_object_del(failing, channels[i]);
        if (words && (!sent || words == warning) && !json_object_get(failing, channels[i]))
            (void)json_object_set_new(failing, channels[i],
                json_pack("{s:s, s:o}", "since", clock_iso(clock_wall_ms(), now), "error",
                    json_string(words)));
    }
    (void)json_object_del(failing, "program");
    if (!n->result || whole)
        (void)json_object_set_new(failing, "program",
            json_pack("{s:s, s:s}", "since", clock_iso(clock_wall_ms(), now), "error",
                whole ? whole : "elexgate-notify could not be run"));
}

static void on_end(void *ctx, int exit_code, int signal)
{
    struct keeper_notify *n = ctx;
    bool good = exit_code == EXIT_GOOD && !signal;
    n->sender = NULL;
    log_event(good ? LOG_INFO : LOG_WARNING, good ? "notified" : "notify-failed",
        LOG_S("about", json_get_str(n->message, "event")),
        LOG_S("state", json_get_str(n->message, "state")),
        LOG_S("mail", json_get_str(n->result, "mail")),
        LOG_S("webhook", json_get_str(n->result, "webhook")),
        LOG_S("error", json_get_str(n->result, "error")),
        LOG_S("warning", json_get_str(n->result, "warning")));
    if (!n->stopping) {
        note_channels(n);
        notice_rule_result(n->state, n->message, n->result, clock_wall_ms());
        save(n);
    }
    json_decref(n->message);
    json_decref(n->result);
    n->message = n->result = NULL;
}

static void send_message(struct keeper_notify *n, json_t *message)
{
    static const char *const args[] = {"notify", "--send", NULL};
    struct err e = {0};
    _cleanup_free_ char *text = json_dumps(message, JSON_COMPACT);
    int in = memfd_create("message", MFD_CLOEXEC);
    int r = in < 0 ? err_sys(&e, errno, "memfd") : fd_write_all(in, text, strlen(text), &e);
    if (r == 0) {
        (void)lseek(in, 0, SEEK_SET);
        struct keeper_job_options o = {
            .args = args, .config_path = n->k->config_path, .cli = true, .in = in};
        struct keeper_job_events events = {.line = on_line, .end = on_end, .ctx = n};
        r = keeper_job_start(&n->k->loop, &o, &events, &n->sender, &e);
    }
    if (in >= 0)
        close(in);
    if (r < 0) {
        log_err(LOG_ERROR, "notify-failed", &e);
        notice_rule_result(n->state, message, NULL, clock_wall_ms());
        return;
    }
    n->message = json_incref(message);
    n->sent_mono_ms = (int64_t)clock_mono_ms();
}

void keeper_notify_tick(struct keeper_notify *n)
{
    struct keeper *k = n->k;
    int64_t now = (int64_t)clock_mono_ms();
    if (n->stopping || now - n->looked_mono_ms < LOOK_MS)
        return;
    n->looked_mono_ms = now;
    const char *channels[3] = {NULL};
    size_t c = 0;
    if (*config_list(k->config, "notify", NULL, "mail_to"))
        channels[c++] = "mail";
    if (config_str(k->config, "notify", NULL, "webhook"))
        channels[c++] = "webhook";
    char words[FACTS][WORDS_MAX] = {{0}};
    struct notice_fact facts[FACTS];
    look_at_backup(k, &facts[0], words[0]);
    look_at_missed(n, &facts[1], words[1]);
    look_at_drill(k, &facts[2], words[2]);
    look_at_certificate(k, &facts[3], words[3]);
    look_at_disk(k, &facts[4], words[4]);
    look_at_ca(k, &facts[5], words[5]);
    look_at_channels(n, channels, &facts[6], words[6]);
    if (notice_rule_update(n->state, facts, FACTS, channels,
            config_int(k->config, "notify", NULL, "repeat"), clock_wall_ms()))
        save(n);
    if (n->sender && now - n->sent_mono_ms > SEND_MAX_MS)
        keeper_job_stop(n->sender);
    json_t *due = n->sender ? NULL : notice_rule_due(n->state, clock_wall_ms());
    if (due)
        send_message(n, due);
}

/* The first way that failed last time, in words; false: none. */
static bool failed_last(const struct keeper_notify *n, struct notify_trouble *t)
{
    const char *channel;
    json_t *a;
    json_object_foreach (json_object_get(n->state, "failing"), channel, a) {
        const char *since = json_get_str(a, "since");
        const char *error = json_get_str(a, "error");
        _cleanup_free_ char *en = xasprintf(
            "a notification could not be sent (%s, %s: %s): elexgate notify --test", channel,
            since ? since : "?", error ? error : "?");
        _cleanup_free_ char *de = xasprintf(
            "eine Benachrichtigung kam nicht an (%s, %s: %s): elexgate notify --test", channel,
            since ? since : "?", error ? error : "?");
        utf8_copy(t->text, sizeof t->text, en);
        utf8_copy(t->text_de, sizeof t->text_de, de);
        return true;
    }
    return false;
}

json_t *keeper_notify_status(const struct keeper_notify *n)
{
    struct notify_trouble t = {0};
    bool good = notify_check(n->k->config, &t) && !failed_last(n, &t);
    return json_pack("{s:b, s:b, s:s, s:s, s:i}", "good", good, "nobody", t.nobody, "text", t.text,
        "text_de", t.text_de, "waiting", (int)json_array_size(json_object_get(n->state, "outbox")));
}

void keeper_notify_again(struct keeper_notify *n)
{
    size_t i;
    json_t *m;
    json_array_foreach (json_object_get(n->state, "outbox"), i, m)
        (void)json_object_set_new(m, "next", json_integer(clock_wall_ms()));
    if (i == 0) /* nothing will show whether the ways work now */
        (void)json_object_del(n->state, "failing");
    save(n);
}

void keeper_notify_stop(struct keeper_notify *n)
{
    n->stopping = true;
    if (n->sender)
        keeper_job_stop(n->sender);
}

void keeper_notify_free(struct keeper_notify *n)
{
    if (!n)
        return;
    json_decref(n->state);
    json_decref(n->message);
    json_decref(n->result);
    free(n->path);
    free(n);
}
