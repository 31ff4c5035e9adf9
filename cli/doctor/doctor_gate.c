#include "cli/doctor/doctor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/timex.h>

#include "cli/output.h"
#include "common/container.h"
#include "common/json_get.h"
#include "link/control.h"

#define ASK_MS 3000

/* The gate's own warnings and those about its certificate: in words already. */
static void warnings(struct doctor *d, const json_t *of, const char *fix)
{
    size_t i;
    const json_t *w;
    json_array_foreach (json_object_get(of, "warnings"), i, w) {
        if (json_get_true(w, "date") && d->keeper) /* the keeper tells of it */
            continue;
        _cleanup_free_ char *text = output_words(d->cli->lang, w, "text");
        doctor_tell(d, DOCTOR_WARNING, "warning", text, fix);
    }
}

static void audit(struct doctor *d, const json_t *status)
{
    const json_t *a = json_object_get(status, "audit");
    if (!json_is_object(a))
        return;
    _cleanup_free_ char *file = output_member(a, "file");
    bool good = json_get_true(a, "good");
    _cleanup_free_ char *text = xasprintf(good ? tr(d->cli, "the audit log %s is written")
                                               : tr(d->cli, "the audit log %s cannot be written"),
        file);
    doctor_tell(d, good ? DOCTOR_GOOD : DOCTOR_WARNING, "audit", text,
        tr(d->cli, "make room, or see to the folder's rights; then: elexgate reload"));
}

static void proxy(struct doctor *d, const struct config *c)
{
    struct err e = {0};
    bool wanted = config_bool(c, "backup", NULL, "ask_proxy");
    d->proxy_told = true;
    d->proxy = control_status(config_str(c, "proxy", NULL, "control_socket"), ASK_MS, &e);
    if (!d->proxy) {
        doctor_tell_err(d, wanted ? DOCTOR_CRITICAL : DOCTOR_WARNING, "proxy", &e,
            tr(d->cli, "systemctl start elexgate-proxy; its log says why it does not run"));
        return;
    }
    _cleanup_free_ char *state = output_member(d->proxy, "state");
    bool open = strcmp(state, "open") == 0;
    _cleanup_free_ char *text = xasprintf(
        tr(d->cli, "the proxy runs, the gate is %s, %" PRId64 " clients"),
        open ? tr(d->cli, "open") : state, output_number(d->proxy, "sessions", 0));
    doctor_tell(d, open ? DOCTOR_GOOD : DOCTOR_WARNING, "proxy", text,
        tr(d->cli, "elexgate status says why; elexgate open lets clients in"));
    warnings(d, d->proxy, "elexgate.ini(5)");
    warnings(d, json_object_get(d->proxy, "certificate"), "elexgate cert renew");
    audit(d, d->proxy);
}

static void keeper(struct doctor *d, const struct config *c)
{
    struct err e = {0};
    bool wanted = config_str(c, "backup", NULL, "schedule") != NULL;
    d->keeper = control_status(config_str(c, "backup", NULL, "control_socket"), ASK_MS, &e);
    if (d->keeper) {
        doctor_tell(d, DOCTOR_GOOD, "keeper", tr(d->cli, "the keeper runs"), NULL);
        audit(d, d->keeper);
        if (json_is_false(json_object_get(d->keeper, "jobs_bound")))
            doctor_tell(d, DOCTOR_WARNING, "job-rights",
                tr(d->cli,
                    "jobs keep every right that the keeper was started with: it lacks CAP_SETPCAP"),
                tr(d->cli,
                    "add CAP_SETPCAP to CapabilityBoundingSet in the keeper's unit, or SETPCAP to cap_add in the compose file, and start it anew"));
    } else
        doctor_tell_err(d, wanted ? DOCTOR_CRITICAL : DOCTOR_WARNING, "keeper", &e,
            tr(d->cli, "systemctl start elexgate-keeper: without it there is no backup"));
}

/* Certificates and schedules go by the clock. */
static void clock_set(struct doctor *d)
{
    struct timex t = {0};
    bool good = adjtimex(&t) >= 0 && !(t.status & STA_UNSYNC);
    doctor_tell(d, good ? DOCTOR_GOOD : DOCTOR_WARNING, "clock",
        good ? tr(d->cli, "the clock is kept right over the network")
             : tr(d->cli, "nothing keeps the clock right: certificates and schedules go by it"),
        container_inside()
            ? tr(d->cli, "on the machine that runs the containers: timedatectl set-ntp yes")
            : "apt-get install systemd-timesyncd; timedatectl set-ntp yes");
}

void doctor_look_at_gate(struct doctor *d)
{
    const struct config *c = cli_config(d->cli);
    keeper(d, c); /* first: what it tells the proxy need not */
    proxy(d, c);
    clock_set(d);
}
