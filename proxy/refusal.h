/*
 * Why a client was turned away. Each reason is counted for itself: `status.totals.refused_by`.
 */
#ifndef ELEXGATE_PROXY_REFUSAL_H
#define ELEXGATE_PROXY_REFUSAL_H

enum refusal {
    REFUSAL_BLOCKED,
    REFUSAL_DRAINING,
    REFUSAL_ADDRESS, /* allow and deny of the listener */
    REFUSAL_STALE,   /* must restart Elexis after a restore */
    REFUSAL_MAX_SESSIONS,
    REFUSAL_MAX_PER_ADDRESS,
    REFUSAL_MAX_LOGINS, /* gave way to a newer connection before it logged in */
    REFUSAL_NO_TLS,
    REFUSAL_COMPRESSION,
    REFUSAL_COUNT
};

/* A word for JSON and metrics, such as "max_sessions". */
const char *refusal_name(enum refusal r);

#endif
