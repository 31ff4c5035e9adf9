#include "backup/keeper/health.h"

#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include "backup/keeper/notify.h"
#include "certs/life.h"
#include "certs/renew.h"
#include "common/clock.h"
#include "common/json_get.h"
#include "common/utf8.h"

#define DAY_S       86400
#define OLD_CA_S    (90 * DAY_S) /* the last chance to hand out the new one */
#define LOOK_MS     5000         /* files are not read for every question */
#define SUBJECT_MAX 300

/* What is read from files, and texts that outlive the call. */
static struct kept {
    int64_t looked_mono_ms;
    char path[512], subject[SUBJECT_MAX], ca_subject[SUBJECT_MAX];
    struct health_facts facts; /* certificate and ca only */
    struct notify_trouble trouble;
} kept;

static struct health_run run_of(const json_t *run)
{
    int64_t started = 0;
    const char *iso = json_get_str(run, "started");
    if (iso && clock_parse(iso, &started) < 0)
        started = 0;
    return (struct health_run){.is = run != NULL,
        .exit_code = (int)json_get_int(run, "exit"),
        .started_ms = started,
        .error = json_get_str(run, "error"),
        .error_de = json_get_str(run, "error_de")};
}

static void look_at_backups(const struct keeper *k, struct health_facts *f)
{
    const struct plan_pending *p = &k->state.plan.pending;
    const json_t *last = keeper_state_newest(&k->state, "backup", false);
    const json_t *good = keeper_state_newest(&k->state, "backup", true), *a;
    size_t i;
    f->backup = (struct health_schedule){k->rules.has_backup, k->rules.backup, k->rules.zone};
    f->drill = (struct health_schedule){k->rules.has_drill, k->rules.drill, k->rules.zone};
    f->deadline_ms = k->rules.deadline_ms;
    f->again = p->due_ms && !p->by_hand;
    f->last = run_of(last);
    f->good = run_of(good);
    f->proof = run_of(keeper_state_drill(&k->state));
    f->warnings = json_object_get(last, "warnings");
    /* what the next backup will about need is what the last one took */
    json_array_foreach (json_object_get(good, "archives"), i, a)
        f->needed += (uint64_t)json_get_int(a, "size");
}

static void look_at_disk(const struct keeper *k, struct health_facts *f)
{
    struct statvfs fs;
    f->min_free = (uint64_t)config_int(k->config, "notify", NULL, "min_free");
    f->disk_known = statvfs(k->settings.folder, &fs) == 0;
    if (f->disk_known)
        f->free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
}

/* Of the file that the proxy serves, with its chain; without one it is not ours to say, as the
 * proxy would not start with it. */
static void look_at_certificate(struct kept *m, time_t now)
{
    struct cert_info *ends = NULL, *begins = NULL;
    if (life_of_file(m->path, &ends, &begins, NULL) < 0)
        return;
    bool early = now < begins->not_before;
    const struct cert_info *c = early ? begins : ends;
    utf8_copy(m->subject, sizeof m->subject, c->subject);
    m->facts.certificate.known = true;
    m->facts.certificate.early = early;
    m->facts.certificate.alarm = (int)renew_alarm_at(ends->not_before, ends->not_after, now);
    m->facts.certificate.days = cert_info_days_left(ends, now);
    m->facts.certificate.date_ms = (int64_t)(early ? c->not_before : c->not_after) * 1000;
    m->facts.certificate.file = m->path;
    m->facts.certificate.subject = m->subject;
    cert_info_free(ends);
    cert_info_free(begins);
}

/* A year ahead: the next CA has to reach every workstation. */
static void look_at_ca(struct kept *m, time_t now)
{
    struct cert_info *root = NULL;
    time_t old = 0;
    if (life_ca_of_file(m->path, &root, &old, NULL) < 0)
        return;
    bool due = root && now >= renew_ca_due(root->not_before, root->not_after);
    bool changes = !due && old && now >= old - OLD_CA_S && now <= old;
    utf8_copy(m->ca_subject, sizeof m->ca_subject, root ? root->subject : m->path);
    m->facts.ca.known = true;
    m->facts.ca.ends = due || changes;
    m->facts.ca.date_ms = (int64_t)(due ? root->not_after : old) * 1000;
    m->facts.ca.subject = m->ca_subject;
    cert_info_free(root);
}

static void look_at_certificates(const struct keeper *k, struct health_facts *f)
{
    const char *path = config_str(k->config, "tls", NULL, "certificate");
    int64_t now = (int64_t)clock_mono_ms();
    if (!kept.looked_mono_ms || now - kept.looked_mono_ms >= LOOK_MS ||
        strcmp(kept.path, path ? path : "") != 0) {
        kept.looked_mono_ms = now;
        kept.facts = (struct health_facts){0};
        snprintf(kept.path, sizeof kept.path, "%s", path ? path : "");
        look_at_certificate(&kept, f->now_ms / 1000);
        look_at_ca(&kept, f->now_ms / 1000);
    }
    f->certificate = kept.facts.certificate;
    f->ca = kept.facts.ca;
}

static void look_at_notify(const struct keeper *k, struct health_facts *f)
{
    f->born_ms = keeper_notify_born(k->ports.notify);
    if (keeper_notify_good(k->ports.notify, &kept.trouble))
        return;
    f->nobody = kept.trouble.nobody;
    f->trouble = kept.trouble.text;
    f->trouble_de = kept.trouble.text_de;
    f->other_way = keeper_notify_other_way(k->ports.notify);
}

static void look_at_witnesses(const struct keeper *k, struct health_facts *f)
{
    const struct keeper_heard *h = &k->ports.heard;
    f->database = !h->database_since_ms       ? DATABASE_UNKNOWN
                  : h->witnesses.server.known ? DATABASE_UP
                  : h->witnesses.server_down  ? DATABASE_DOWN
                                              : DATABASE_REFUSING;
    f->database_since_ms = h->database_since_ms;
    f->cause = h->witnesses.cause_known ? h->witnesses.server_words : NULL;
    f->proxy_down = h->proxy_since_ms && !h->witnesses.proxy.known;
    f->proxy_since_ms = h->proxy_since_ms;
    f->proxy_words = h->witnesses.proxy_words;
}

static void look_at_binlog(const struct keeper *k, struct health_facts *f)
{
    const json_t *said = k->ports.stream.said;
    const char *saved = json_get_str(said, "saved");
    f->binlog_stopped = strcmp(json_get_text(said, "state"), "waiting") == 0;
    if (saved && clock_parse(saved, &f->binlog_saved_ms) < 0)
        f->binlog_saved_ms = 0;
    f->binlog_error = json_get_str(said, "error");
}

void keeper_health(struct keeper *k, struct health *out)
{
    struct health_facts f = {.now_ms = clock_wall_ms(),
        .busy = k->current.job != NULL,
        .restoring = k->current.job && keeper_kind_lasts(k->current.kind)};
    look_at_backups(k, &f);
    look_at_binlog(k, &f);
    look_at_disk(k, &f);
    look_at_certificates(k, &f);
    look_at_notify(k, &f);
    look_at_witnesses(k, &f);
    health_find(&f, out);
}
