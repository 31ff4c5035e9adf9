/*
 * What the configuration says, checked and made ready to use: addresses resolved into structs, one
 * TLS context a listener. Immutable and reference counted, since every session keeps the one that
 * it was accepted under; a reload makes a new one whole or not at all.
 */
#ifndef ELEXGATE_PROXY_SETTINGS_H
#define ELEXGATE_PROXY_SETTINGS_H

#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "certs/client_auth.h"
#include "certs/pair.h"
#include "common/config.h"
#include "common/lang.h"
#include "proxy/backend/backend_pool.h"
#include "common/log_limit.h"
#include "proxy/tickets.h"
#include "proxy/tls.h"
#include "proxy/wire/cidr.h"

enum tls_mode { TLS_REQUIRED, TLS_PREFERRED, TLS_OFF };

/* Lines a minute and listener about clients that failed before they said who they are. */
#define FAILURE_LINES_MAX 20u
/* The same about logins whose proof could not be replaced. */
#define PROOF_LINES_MAX 5u

/* [proxy] max_logins_pending = auto: a worker makes about so many handshakes in half a second. */
#define LOGINS_PENDING_PER_WORKER 500u

struct cidr_list {
    struct cidr *items;
    size_t n;
};

struct listen_settings {
    const char *name;
    const char *const *addresses; /* as in the config; "*" = all */
    uint16_t port;
    enum tls_mode tls;
    const char *announce;
    struct cidr_list allow, deny;
    const char *const *deny_users;
    SSL_CTX *tls_ctx;                /* NULL with TLS_OFF */
    struct client_auth *client_auth; /* NULL: no certificate is asked for */
    struct log_limit *failures;      /* lines about clients that never got as far as a login */
    bool zero_config_proof;
    struct log_limit *proof_trouble; /* lines about logins without such a proof */
};

struct settings {
    _Atomic unsigned refs;
    struct config *config;
    struct listen_settings *listeners;
    size_t n_listeners;
    enum tls_profile tls_profile;
    struct cert_pair *certificate; /* NULL when no listener speaks TLS */

    struct tongues tongues;

    struct backend_target database;
    struct backend_pool *backends; /* NULL: database is the only one */
    uint64_t probe_interval_ms, probe_timeout_ms;
    unsigned probe_fall;
    const char *probe_user; /* NULL: probes end with the greeting */
    char *probe_password;
    bool proxy_protocol;
    uint64_t connect_timeout_ms, connect_retry_ms;

    unsigned workers;
    const char *control_socket, *state_dir;
    const char *proof_socket; /* of elexgate-proof */
    char *own_user;           /* whose logins are refused over a unix socket; NULL: nobody's */
    const char *const *control_users;
    const char *page_user; /* whom the page's program runs as */
    uint32_t max_sessions, max_sessions_per_address, max_logins_pending;
    uint64_t handshake_timeout_ms, login_timeout_ms, grace_ms, drain_timeout_ms,
        handover_timeout_ms;
    unsigned keepalive_s, user_timeout_ms;
};

/* Takes over config, also on failure. tickets outlives the settings. */
int settings_make(
    struct config *config, struct tickets *tickets, struct settings **out, struct err *e) MUSTCHECK;
struct settings *settings_ref(struct settings *s);
void settings_unref(struct settings *s); /* any thread; NULL allowed */
/* May this address use the listener? */
bool settings_allows(const struct listen_settings *l, const struct address *a);

#endif
