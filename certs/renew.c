#include "certs/renew.h"

#define DAY        ((time_t)86400)
#define DUE_DAYS   30
#define CA_DAYS    365
#define SHORT_LIFE (90 * DAY)

time_t renew_due(time_t not_before, time_t not_after)
{
    time_t life = not_after - not_before;
    /* Certificates of a week exist; for them "30 days before" is before they were made. */
    return not_after - (life < SHORT_LIFE ? life / 3 : DUE_DAYS * DAY);
}

time_t renew_ca_due(time_t not_before, time_t not_after)
{
    time_t third = (not_after - not_before) / 3;
    return not_after - (third < CA_DAYS * DAY ? third : CA_DAYS * DAY);
}

enum renew_advice renew_decide(const struct renew_facts *f)
{
    if (f->now < renew_due(f->not_before, f->not_after))
        return RENEW_LATER;
    if (!f->have_ca || !f->ours)
        return RENEW_NOT_OURS;
    /* A certificate never outlives its CA: when that ends no later, a new one gains nothing. */
    if (f->ca_not_after <= f->now || f->ca_not_after <= f->not_after)
        return RENEW_CA_EXPIRED;
    return f->have_ca_key ? RENEW_NOW : RENEW_NO_CA_KEY;
}

enum renew_alarm renew_alarm_at(time_t not_before, time_t not_after, time_t now)
{
    if (now > not_after)
        return RENEW_ALARM_EXPIRED;
    time_t left = not_after - now;
    /* A short-lived one is always within 14 days of its end; it alarms by what is left of its life.
     */
    if (not_after - not_before < SHORT_LIFE) {
        time_t due = renew_due(not_before, not_after), span = not_after - due;
        return now < due          ? RENEW_ALARM_NONE
               : left > span / 2  ? RENEW_ALARM_30
               : left > span / 10 ? RENEW_ALARM_14
                                  : RENEW_ALARM_3;
    }
    return left < 3 * DAY          ? RENEW_ALARM_3
           : left < 14 * DAY       ? RENEW_ALARM_14
           : left < DUE_DAYS * DAY ? RENEW_ALARM_30
                                   : RENEW_ALARM_NONE;
}
