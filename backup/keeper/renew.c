#include "backup/keeper/renew.h"

#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/log.h"
#include "common/json_get.h"

#define LOOK_MS (INT64_C(60) * 60 * 1000)
#define DAY_MS  (24 * LOOK_MS)

static void on_renew_line(void *ctx, json_t *line)
{
    struct keeper *k = ctx;
    if (json_get_true(line, "renewed"))
        log_event(LOG_INFO, "certificate-renewed",
            LOG_S("file", config_str(k->config, "tls", NULL, "certificate")));
    json_keep(&k->ports.renewal.said, line);
}

/* A certificate that cannot be renewed is told once a day; people hear of it from keeper_notify. */
static void on_end(void *ctx, int exit_code, int signal)
{
    struct keeper *k = ctx;
    int64_t now = (int64_t)clock_mono_ms();
    bool told = k->ports.renewal.told_ms && now - k->ports.renewal.told_ms < DAY_MS;
    k->ports.renewal.job = NULL;
    if ((exit_code != EXIT_GOOD || signal) && !told) {
        k->ports.renewal.told_ms = now;
        log_event(LOG_WARNING, "certificate-not-renewed",
            LOG_S("error", json_get_str(k->ports.renewal.said, "error")));
    }
    if (exit_code == EXIT_GOOD && !json_get_true(k->ports.renewal.said, "renewed"))
        log_event(LOG_DEBUG, "certificate-not-due");
    json_keep(&k->ports.renewal.said, NULL);
}

/* Whether there is one says the look: its folder may be shut for the keeper's user. */
void keeper_renew_tick(struct keeper *k)
{
    struct monitor_request q = keeper_job_of(MONITOR_CERT_RENEW);
    int64_t now = (int64_t)clock_mono_ms();
    struct err e = {0};
    if (k->ports.renewal.job ||
        (k->ports.renewal.looked_ms && now - k->ports.renewal.looked_ms < LOOK_MS) ||
        !json_is_true(keeper_gate_seen(k->ports.gate, "has_certificate")))
        return;
    k->ports.renewal.looked_ms = now;
    struct keeper_job_events events = {.line = on_renew_line, .end = on_end, .ctx = k};
    if (keeper_job_start(&k->ports.jobs, &q, -1, &events, &k->ports.renewal.job, &e) < 0)
        log_err(LOG_ERROR, "certificate-not-renewed", &e);
}

void keeper_renew_stop(struct keeper *k)
{
    if (!k->ports.renewal.job)
        return;
    keeper_job_stop(k->ports.renewal.job);
    keeper_job_leave(k->ports.renewal.job);
    k->ports.renewal.job = NULL;
    json_keep(&k->ports.renewal.said, NULL);
}
