#include "proxy/warnings.h"

#include "common/error_phrase.h"
#include "common/log.h"
#include "common/json_get.h"
#include "common/phrase.h"

#define DAY_S          86400
#define CLIENT_CA_DAYS 30
#define OLD_CA_DAYS    90 /* the last chance to hand out the new one */
#include "proxy/worker.h"

/* Takes the phrase over. */
static void append(json_t *array, const char *code, json_t *said)
{
    json_t *warning = json_pack("{s:s}", "code", code);
    phrase_put(warning, "text", said);
    (void)json_array_append_new(array, warning);
}

/* A date of the certificate's chain: the keeper's verdict has it too ("findings" of its status), in
 * the same steps; whoever shows both leaves this one out. */
static void append_date(json_t *array, const char *code, json_t *said)
{
    append(array, code, said);
    (void)json_object_set_new(
        json_array_get(array, json_array_size(array) - 1), "date", json_true());
}

/* What is known of the workstations' own certificates: a stale list, a CA at its end. */
static void append_client_auth(json_t *array, const struct settings *s, time_t now)
{
    char date[CERT_DATE_LEN];
    for (size_t i = 0; i < s->n_listeners; i++) {
        const struct listen_settings *l = &s->listeners[i];
        if (!l->client_auth)
            continue;
        time_t due = client_auth_list_due(l->client_auth), end = client_auth_ends(l->client_auth);
        if (due && now > due) {
            cert_date(due, date);
            json_t *said = phrase(
                "[listen %s] client_crl: a newer list was due on %s; what was revoked since then still comes in. Fetch it from the CA, or `elexgate cert crl`, then `elexgate reload`",
                l->name, date);
            append(array, "crl-stale", said);
        }
        if (now > end - CLIENT_CA_DAYS * DAY_S) {
            cert_date(end, date);
            json_t *said = phrase(
                "[listen %s] client_ca: the CA ends on %s, and then no workstation's certificate is taken",
                l->name, date);
            append(array, "client-ca-ends", said);
        }
    }
}

json_t *warnings_json(const struct settings *s)
{
    json_t *array = json_array();
    if (s->certificate && s->tls_profile == TLS_PROFILE_OLD)
        append(array, "tls-profile-old",
            phrase_of(N_(
                "[tls] tls_profile = old: TLS 1.0 and 1.1 and weak ciphers are offered; update the workstations that need them, then go back to intermediate")));
    append_client_auth(array, s, time(NULL));
    return array;
}

void warnings_server_blocked(json_t *array, const struct worker *workers, size_t n)
{
    uint64_t blocked = 0, good = 0;
    for (size_t i = 0; i < n; i++) {
        const struct totals *t = &workers[i].totals;
        uint64_t b = SLOT_GET(t->server_blocked_ms), g = SLOT_GET(t->login_ok_ms);
        blocked = b > blocked ? b : blocked;
        good = g > good ? g : good;
    }
    if (blocked > 0 && blocked >= good)
        append(array, "server-blocks-gate",
            phrase_of(N_(
                "the database server refuses every login that comes through the gate (error 1129): too many connections from here broke off (its max_connect_errors); run FLUSH HOSTS there")));
}

static void append_ca(json_t *array, const struct settings *s, time_t now);

void warnings_log(const struct settings *s)
{
    json_t *array = warnings_json(s), *w;
    size_t i;
    if (s->certificate && cert_pair_dates(s->certificate, "", time(NULL), NULL) == 0)
        append_ca(array, s, time(NULL));
    json_array_foreach (array, i, w)
        log_event(LOG_WARNING, json_get_str(w, "code"), LOG_S("warning", json_get_str(w, "text")));
    json_decref(array);
}

/* What to do about a certificate of the chain, after what it is. */
struct advice {
    const char *who, *what;
};
static struct advice advice_for(const struct settings *s, const struct cert_info *c)
{
    const struct cert_info *root = cert_pair_root(s->certificate);
    bool with_ca = root && root->not_after <= c->not_after;
    if (c == cert_pair_info(s->certificate) && !with_ca)
        return (struct advice){
            N_("the certificate"), N_("`elexgate cert renew` or install a new one")};
    if (c == cert_pair_info(s->certificate))
        return (struct advice){N_("the certificate, with its CA,"),
            N_("`elexgate cert renew --new-ca` makes the next CA, which every workstation is then given")};
    if (c->self_signed)
        return (struct advice){N_("the CA of the certificate"),
            N_("`elexgate cert renew --new-ca` makes the next one, which every workstation is then given")};
    return (struct advice){N_("an intermediate certificate of the chain"),
        N_("get the new chain from its issuer, then `elexgate cert install`")};
}

static void append_end(json_t *array, const struct settings *s, time_t now)
{
    char date[CERT_DATE_LEN];
    const struct cert_info *c = cert_pair_ends(s->certificate);
    struct advice a = advice_for(s, c);
    cert_date(c->not_after, date);
    enum renew_alarm alarm = renew_alarm_at(c->not_before, c->not_after, now);
    if (alarm == RENEW_ALARM_NONE)
        return;
    bool over = alarm == RENEW_ALARM_EXPIRED;
    json_t *said = over ? phrase("%s (%s) expired on %s: clients that check it are cut off; %s",
                              a.who, c->subject, date, a.what)
                        : phrase("%s (%s) expires on %s, in %d days: %s", a.who, c->subject, date,
                              cert_info_days_left(c, now), a.what);
    phrase_set(said, 0, phrase_of(a.who));
    phrase_set(said, over ? 3 : 4, phrase_of(a.what));
    append_date(array, over ? "certificate-expired" : "certificate-expires", said);
}

static void append_begin(json_t *array, const struct settings *s, time_t now)
{
    char date[CERT_DATE_LEN], today[CERT_DATE_LEN];
    const struct cert_info *c = cert_pair_begins(s->certificate);
    if (now >= c->not_before)
        return;
    cert_date(c->not_before, date);
    cert_date(now, today);
    json_t *said = phrase(
        "the certificate (%s) is not valid before %s, and the clock of this machine says %s: clients that check it are cut off; put the clock right, or install another one",
        c->subject, date, today);
    append_date(array, "certificate-not-yet-valid", said);
}

/* In good time: a new CA has to reach every workstation. */
static void append_ca(json_t *array, const struct settings *s, time_t now)
{
    char date[CERT_DATE_LEN];
    const struct cert_info *root = cert_pair_root(s->certificate);
    time_t old = cert_pair_old_ca_until(s->certificate);
    if (root && now >= renew_ca_due(root->not_before, root->not_after)) {
        cert_date(root->not_after, date);
        append_date(array, "ca-ends",
            phrase(
                "the CA that workstations know (%s) ends on %s, in %d days: `elexgate cert renew --new-ca` makes the next one; until then workstations are given both",
                root->subject, date, cert_info_days_left(root, now)));
    } else if (old && now >= old - OLD_CA_DAYS * DAY_S && now <= old) {
        cert_date(old, date);
        append_date(array, "ca-changes",
            phrase(
                "the old CA ends on %s: workstations that were not given the new one yet (elexgate cert export) are cut off then",
                date));
    }
}

json_t *warnings_certificate_json(const struct settings *s, time_t now)
{
    json_t *array = json_array();
    if (!s->certificate)
        return array;
    append_end(array, s, now);
    if (json_array_size(array) == 0)
        append_ca(array, s, now);
    append_begin(array, s, now);
    const struct err *unfit = cert_pair_unfit(s->certificate);
    if (unfit)
        append(array, "certificate-unfit", error_phrase_json(unfit));
    /* Dates have been told above. That its issuer is not in the file is a mere hint, and so with
     * every certificate that a root has signed itself. */
    unsigned bits = cert_pair_warnings(s->certificate, now) &
                    ~(unsigned)(CERT_WARN_EXPIRES_SOON | CERT_WARN_EXPIRED | CERT_WARN_NOT_YET |
                                CERT_WARN_CHAIN_ENDS_FIRST | CERT_WARN_CA_ENDS |
                                CERT_WARN_ISSUER_MISSING);
    for (unsigned one = 1; one <= CERT_WARN_LAST; one <<= 1)
        if (bits & one)
            append(array, "certificate", phrase_of(cert_warning_text((enum cert_warning)one)));
    return array;
}

void warnings_log_certificate(const struct settings *s, time_t now, enum renew_alarm *told)
{
    if (!s->certificate)
        return;
    const struct cert_info *c = cert_pair_ends(s->certificate);
    const struct err *unfit = cert_pair_unfit(s->certificate);
    if (unfit && *told == RENEW_ALARM_NONE)
        log_event(LOG_WARNING, "certificate-unfit", LOG_S("reason", unfit->text));
    const struct cert_info *first = cert_pair_begins(s->certificate);
    enum renew_alarm alarm = renew_alarm_at(c->not_before, c->not_after, now);
    char date[CERT_DATE_LEN];
    if (alarm > *told) {
        log_event(LOG_WARNING,
            alarm == RENEW_ALARM_EXPIRED ? "certificate-expired" : "certificate-expires",
            LOG_S("subject", c->subject), LOG_S("not_after", cert_date(c->not_after, date)),
            LOG_I("days_left", cert_info_days_left(c, now)),
            LOG_S("advice", advice_for(s, c).what));
    } else if (now < first->not_before) {
        alarm = RENEW_ALARM_30; /* told once, not every hour */
        if (*told == RENEW_ALARM_NONE)
            log_event(LOG_WARNING, "certificate-not-yet-valid", LOG_S("subject", first->subject),
                LOG_S("not_before", cert_date(first->not_before, date)),
                LOG_S("advice", "put the clock of this machine right, or install another one"));
    }
    *told = alarm;
}

void warnings_log_kept_back(const struct listen_settings *l, uint64_t now_ms)
{
    unsigned n = log_limit_kept_back(l->failures, now_ms);
    if (n > 0)
        log_event(LOG_WARNING, "lines-kept-back", LOG_S("listener", l->name), LOG_U("count", n),
            LOG_S("meaning",
                "so many more clients failed before their login; log-level debug shows each"));
}
