/*
 * The console's configuration, checked and ready to use. Immutable and counted: a reload makes a
 * new one, requests that run keep theirs.
 */
#ifndef ELEXGATE_CONSOLE_SETTINGS_H
#define ELEXGATE_CONSOLE_SETTINGS_H

#include <stdint.h>
#include "common/config.h"
#include "common/error.h"

struct settings {
    struct config *config;
    const char *proxy_socket, *keeper_socket;
    const char *certificate, *key; /* [console]'s, or else [tls]'s */
    const char *state_dir, *upload_dir;
    const char *const *addresses;
    uint16_t port;
    int64_t upload_max;
    int64_t session_idle_ms, session_max_ms;
    unsigned max_connections;
    char *metrics_token; /* NULL: /metrics for this machine only */
    int references;      /* under the console's lock */
};

/* path NULL = default path. */
int settings_load(const char *path, struct settings **out, struct err *e) MUSTCHECK;
void settings_free(struct settings *s); /* NULL allowed */

#endif
