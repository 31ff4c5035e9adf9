#include "proxy/refusal.h"

#include "common/error.h"

const char *refusal_name(enum refusal r)
{
    static const char *const names[REFUSAL_COUNT] = {"blocked", "draining", "address_not_allowed",
        "stale_after_restore", "max_sessions", "max_sessions_per_address", "max_logins_pending",
        "no_tls", "compression"};
    /* An enum of our own; no peer names it. */
    CHECK(r < REFUSAL_COUNT);
    return names[r];
}
