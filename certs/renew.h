/*
 * When a certificate is due: a pure function over dates, for `elexgate cert renew --if-needed`, the
 * log's warnings, doctor and the console.
 */
#ifndef ELEXGATE_CERTS_RENEW_H
#define ELEXGATE_CERTS_RENEW_H

#include <stdbool.h>
#include <time.h>

struct renew_facts {
    time_t now;
    time_t not_before, not_after; /* of the certificate in use */
    time_t ca_not_after;          /* of our CA; meaningless without have_ca */
    bool have_ca;                 /* ca.pem is there */
    bool have_ca_key;             /* and its key as well */
    bool ours;                    /* our CA issued the certificate in use */
};

enum renew_advice {
    RENEW_LATER,      /* enough time left */
    RENEW_NOW,        /* due, and we can do it */
    RENEW_NOT_OURS,   /* due, but somebody else issued it */
    RENEW_NO_CA_KEY,  /* due, but the CA's key is kept elsewhere */
    RENEW_CA_EXPIRED, /* due, but the CA itself is at its end */
};
/* Due: fewer than 30 days left, or less than a third of a life that is shorter than 90 days. */
enum renew_advice renew_decide(const struct renew_facts *f);
/* The moment from which on it is due. */
time_t renew_due(time_t not_before, time_t not_after);

/* From when on a CA is announced as ending: a year before, or the last third of a shorter life. */
time_t renew_ca_due(time_t not_before, time_t not_after);

/* The step of alarm that a certificate has reached. Whoever warns does so when the step grows. */
enum renew_alarm {
    RENEW_ALARM_NONE,
    RENEW_ALARM_30, /* fewer than 30 days, or due */
    RENEW_ALARM_14,
    RENEW_ALARM_3,
    RENEW_ALARM_EXPIRED,
};
enum renew_alarm renew_alarm_at(time_t not_before, time_t not_after, time_t now);

#endif
