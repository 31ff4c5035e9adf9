#include "proxy/warnings.h"

#include "common/log.h"

static void append(json_t *array, const char *code, const char *text, const char *text_de)
{
    (void)json_array_append_new(
        array, json_pack("{s:s, s:s, s:s}", "code", code, "text", text, "text_de", text_de));
}

json_t *warnings_json(const struct settings *s)
{
    json_t *array = json_array();
    if (s->certificate && s->tls_profile == TLS_PROFILE_OLD)
        append(array, "tls-profile-old",
            "[tls] tls_profile = old: TLS 1.0 and 1.1 and weak ciphers are offered; update the "
            "workstations that need them, then go back to intermediate",
            "[tls] tls_profile = old: TLS 1.0 und 1.1 und schwache Verfahren sind erlaubt; die "
            "Arbeitsplätze, die sie brauchen, erneuern, dann zurück zu intermediate");
    return array;
}

void warnings_log(const struct settings *s)
{
    json_t *array = warnings_json(s), *w;
    size_t i;
    json_array_foreach (array, i, w)
        log_event(LOG_WARNING, json_string_value(json_object_get(w, "code")),
            LOG_S("warning", json_string_value(json_object_get(w, "text"))));
    json_decref(array);
}

static void append_end(json_t *array, const struct cert_info *c, time_t now)
{
    char date[CERT_DATE_LEN];
    cert_date(c->not_after, date);
    int days = cert_info_days_left(c, now);
    _cleanup_free_ char *text = NULL, *text_de = NULL;
    switch (renew_alarm_at(c->not_before, c->not_after, now)) {
    case RENEW_ALARM_NONE:
        return;
    case RENEW_ALARM_EXPIRED:
        text = xasprintf("the certificate expired on %s: clients that check it are cut off; "
                         "`elexgate cert renew` or install a new one",
            date);
        text_de = xasprintf("Das Zertifikat ist am %s abgelaufen: Programme, die es prüfen, kommen "
                            "nicht mehr herein; `elexgate cert renew` oder ein neues einspielen",
            date);
        append(array, "certificate-expired", text, text_de);
        return;
    default:
        text = xasprintf("the certificate expires on %s, in %d days: `elexgate cert renew` or "
                         "install a new one",
            date, days);
        text_de = xasprintf("Das Zertifikat läuft am %s ab, in %d Tagen: `elexgate cert renew` "
                            "oder ein neues einspielen",
            date, days);
        append(array, "certificate-expires", text, text_de);
    }
}

json_t *warnings_certificate_json(const struct settings *s, time_t now)
{
    json_t *array = json_array();
    if (!s->certificate)
        return array;
    append_end(array, cert_pair_info(s->certificate), now);
    /* Its end has been told above, with the date. That its issuer is not in the file is a mere
     * hint, and so with every certificate that a root has signed itself. */
    unsigned bits = cert_pair_warnings(s->certificate, now) &
                    ~(unsigned)(CERT_WARN_EXPIRES_SOON | CERT_WARN_EXPIRED |
                                CERT_WARN_ISSUER_MISSING);
    for (unsigned one = 1; one <= CERT_WARN_LAST; one <<= 1)
        if (bits & one)
            append(array, "certificate", cert_warning_text((enum cert_warning)one),
                cert_warning_text_de((enum cert_warning)one));
    return array;
}

void warnings_log_certificate(const struct settings *s, time_t now, enum renew_alarm *told)
{
    if (!s->certificate)
        return;
    const struct cert_info *c = cert_pair_info(s->certificate);
    enum renew_alarm alarm = renew_alarm_at(c->not_before, c->not_after, now);
    if (alarm > *told) {
        char date[CERT_DATE_LEN];
        log_event(LOG_WARNING,
            alarm == RENEW_ALARM_EXPIRED ? "certificate-expired" : "certificate-expires",
            LOG_S("subject", c->subject), LOG_S("not_after", cert_date(c->not_after, date)),
            LOG_I("days_left", cert_info_days_left(c, now)),
            LOG_S("advice", "elexgate cert renew, or install a new one"));
    }
    *told = alarm;
}

void warnings_log_kept_back(const struct listen_settings *l, uint64_t now_ms)
{
    unsigned n = log_limit_kept_back(l->failures, now_ms);
    if (n > 0)
        log_event(LOG_WARNING, "lines-kept-back", LOG_S("listener", l->name), LOG_U("count", n),
            LOG_S("meaning", "so many more clients failed before their login; log-level debug "
                             "shows each"));
}
