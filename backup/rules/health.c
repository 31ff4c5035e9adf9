#include "backup/rules/health.h"

#include "common/exit_codes.h"
#include "common/phrase.h"

#define MINUTE_MS (INT64_C(60) * 1000)
#define HOUR_MS   (60 * MINUTE_MS)
#define DAY_MS    (24 * HOUR_MS)

/* A run has begun, or waits; this long after its time and its deadline it is late. */
#define LATE_MS HOUR_MS
/* A drill waits for backups, and is tried once a schedule. */
#define DRILL_LATE_MS (2 * DAY_MS)
/* Without a schedule of drills, what was proven so long ago is none any more. */
#define PROOF_MS (35 * DAY_MS)
/* A restart is no message. */
#define AWAY_MS (5 * MINUTE_MS)
/* The backup that a new timeline needs is made within minutes where nobody writes. */
#define BASE_MS (30 * MINUTE_MS)

static struct health_finding *add(
    struct health *h, enum health_code code, enum health_level level, bool tell)
{
    static struct health_finding spare;
    if (h->n == HEALTH_MAX)
        return &spare;
    h->found[h->n] = (struct health_finding){.code = code, .level = level, .tell = tell};
    return &h->found[h->n++];
}

static void add_failed(
    struct health *h, enum health_code code, enum health_level level, const struct health_run *run)
{
    struct health_finding *f = add(h, code, level, true);
    f->at_ms = run->started_ms;
    f->said = run->error;
}

/* The first time of a schedule after a moment that has passed for so long; 0 = none. */
static int64_t passed(
    const struct health_schedule *s, int64_t after_ms, int64_t now_ms, int64_t grace_ms)
{
    int64_t due = 0;
    if (!s->is || cron_next(&s->cron, s->zone, after_ms / 1000, &due) < 0 ||
        due * 1000 > now_ms - grace_ms)
        return 0;
    return due * 1000;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void look_at_database(const struct health_facts *f, struct health *h)
{
    bool tell = f->now_ms - f->database_since_ms >= AWAY_MS;
    for (enum health_code c = HEALTH_DATABASE_DOWN; c <= HEALTH_SETUP_FAILED; c++)
        h->open[c] = f->restoring || f->database == DATABASE_UNKNOWN || !tell;
    if (f->restoring)
        return;
    if (f->database == DATABASE_DOWN)
        add(h, HEALTH_DATABASE_DOWN, HEALTH_BAD, tell)->at_ms = f->database_since_ms;
    else if (f->database == DATABASE_REFUSING)
        add(h, HEALTH_DATABASE_REFUSING, HEALTH_BAD, tell)->at_ms = f->database_since_ms;
    if (f->cause)
        add(h, HEALTH_SETUP_FAILED, HEALTH_BAD, tell)->said = f->cause;
}

static void look_at_proxy(const struct health_facts *f, struct health *h)
{
    bool tell = f->now_ms - f->proxy_since_ms >= AWAY_MS;
    h->open[HEALTH_PROXY_DOWN] = f->restoring || !tell;
    if (!f->proxy_down || f->restoring)
        return;
    struct health_finding *w = add(h, HEALTH_PROXY_DOWN, HEALTH_BAD, tell);
    w->at_ms = f->proxy_since_ms;
    w->said = f->proxy_words;
}

/* By its own measure: a monthly schedule is well until a month's run is late. */
static void look_at_backups(const struct health_facts *f, struct health *h)
{
    bool skipped = f->last.is && f->last.exit_code == EXIT_NOT_IDLE;
    bool bad = f->last.is && f->last.exit_code != EXIT_GOOD;
    int64_t from = later(f->born_ms, f->good.is ? f->good.started_ms : 0);
    int64_t due = passed(&f->backup, from, f->now_ms, f->deadline_ms + LATE_MS);
    if (!f->good.is)
        add(h, HEALTH_NO_BACKUP, HEALTH_BAD, false);
    /* one that did not take place says nothing about whether the next one would succeed, and one
     * that is tried again has not failed yet */
    h->open[HEALTH_BACKUP_FAILED] = f->busy || (bad && (skipped || f->again));
    h->open[HEALTH_BACKUP_MISSED] = f->busy;
    if (bad && !skipped && !f->again)
        add_failed(h, HEALTH_BACKUP_FAILED, HEALTH_BAD, &f->last);
    if (skipped || (due && !f->busy)) {
        struct health_finding *w = add(h, HEALTH_BACKUP_MISSED, HEALTH_BAD, true);
        w->at_ms = skipped ? f->last.started_ms : due;
        w->number = f->good.is ? f->good.started_ms : 0;
        w->said = skipped ? f->last.error : NULL;
    }
    if (!f->backup.is)
        add(h, HEALTH_NO_SCHEDULE, HEALTH_WARN, false);
    size_t i;
    const json_t *warning;
    json_array_foreach (f->warnings, i, warning)
        add(h, HEALTH_BACKUP_WARNING, HEALTH_WARN, false)->said = phrase_got(warning, "text");
}

static void look_at_binlog(const struct health_facts *f, struct health *h)
{
    bool tell = f->now_ms - f->binlog_saved_ms >= AWAY_MS;
    h->open[HEALTH_BINLOG_STOPPED] = f->restoring || (f->binlog_stopped && !tell);
    if (!f->binlog_stopped || f->restoring)
        return;
    struct health_finding *w = add(h, HEALTH_BINLOG_STOPPED, HEALTH_BAD, tell);
    w->at_ms = f->binlog_saved_ms;
    w->said = f->binlog_error;
}

/* A backup is on its way as soon as it is found: worth a message when that one does not come. */
static void look_at_base(const struct health_facts *f, struct health *h)
{
    bool tell = f->now_ms - f->base_ms >= BASE_MS;
    h->open[HEALTH_BASE_MISSING] = f->restoring || (f->base_missing && !tell);
    if (!f->base_missing || f->restoring)
        return;
    struct health_finding *w = add(h, HEALTH_BASE_MISSING, HEALTH_BAD, tell);
    w->at_ms = f->base_ms;
    w->name = f->base_stop;
}

static void look_at_chain(const struct health_facts *f, struct health *h)
{
    if (f->chain.is && f->chain.exit_code == EXIT_INCONSISTENT)
        add_failed(h, HEALTH_CHAIN_BROKEN, HEALTH_BAD, &f->chain);
    else if (f->chain.is && f->chain.exit_code != EXIT_GOOD)
        add_failed(h, HEALTH_CHAIN_UNTRIED, HEALTH_WARN, &f->chain);
}

static void look_at_drills(const struct health_facts *f, struct health *h)
{
    int64_t proven = f->proof.is ? f->proof.started_ms : 0;
    bool late = f->drill.is ? passed(&f->drill, later(f->born_ms, proven), f->now_ms, DRILL_LATE_MS)
                            : f->now_ms - proven > PROOF_MS;
    if (f->proof.is && f->proof.exit_code != EXIT_GOOD)
        add_failed(h, HEALTH_DRILL_FAILED, HEALTH_BAD, &f->proof);
    else if (f->good.is && !f->proof.is)
        add(h, HEALTH_NOT_PROVEN, HEALTH_WARN, false);
    else if (f->good.is && late && !f->busy)
        add(h, HEALTH_DRILL_LATE, HEALTH_WARN, true)->at_ms = proven;
}

static void look_at_disk(const struct health_facts *f, struct health *h)
{
    uint64_t least = f->needed + f->needed / 10;
    if (least < f->min_free)
        least = f->min_free;
    h->open[HEALTH_DISK_LOW] = !f->disk_known || f->busy;
    if (f->disk_known && !f->busy && f->free_bytes < least)
        add(h, HEALTH_DISK_LOW, HEALTH_BAD, true)->number = (int64_t)f->free_bytes;
}

static void look_at_certificates(const struct health_facts *f, struct health *h)
{
    h->open[HEALTH_CERTIFICATE] = !f->certificate.known;
    h->open[HEALTH_CA_ENDS] = !f->ca.known;
    int alarm = f->certificate.early ? 4 : f->certificate.alarm;
    if (f->certificate.known && alarm > 0) {
        struct health_finding *w = add(
            h, HEALTH_CERTIFICATE, alarm >= 3 ? HEALTH_BAD : HEALTH_WARN, true);
        w->grade = alarm;
        w->at_ms = f->certificate.date_ms;
        w->number = f->certificate.early ? INT64_MAX : f->certificate.days;
        w->name = f->certificate.subject;
        w->of = f->certificate.file;
    }
    if (!f->ca.ends)
        return;
    int64_t left = f->ca.date_ms - f->now_ms;
    struct health_finding *w = add(h, HEALTH_CA_ENDS, HEALTH_WARN, true);
    w->grade = left < 30 * DAY_MS ? 2 : left < 90 * DAY_MS ? 1 : 0;
    w->at_ms = f->ca.date_ms;
    w->name = f->ca.subject;
}

/* A failed alarm is an alarm; that none was asked for is a hint. It is told over the way that
 * still works, where there is one. */
static void look_at_notify(const struct health_facts *f, struct health *h)
{
    if (!f->trouble)
        return;
    struct health_finding *w = add(h, f->nobody ? HEALTH_NOBODY_TOLD : HEALTH_NOTIFY_FAILED,
        f->nobody ? HEALTH_HINT : HEALTH_BAD, f->other_way);
    w->said = f->trouble;
}

void health_find(const struct health_facts *f, struct health *out)
{
    *out = (struct health){.n = 0};
    look_at_database(f, out);
    look_at_proxy(f, out);
    look_at_backups(f, out);
    look_at_binlog(f, out);
    look_at_base(f, out);
    look_at_chain(f, out);
    look_at_drills(f, out);
    look_at_disk(f, out);
    look_at_certificates(f, out);
    look_at_notify(f, out);
    if (f->accounts)
        add(out, HEALTH_ACCOUNTS_DAMAGED, HEALTH_WARN, true)->said = f->accounts;
}
