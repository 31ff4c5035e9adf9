/*
 * Authentication plugins, as far as a server counts what it is answered against the address that it
 * comes from (max_connect_errors): an answer of a wrong length, and one that is missing. Which
 * counts was tried on MariaDB 10.11 and 11.8 (performance_schema.host_cache), for
 * caching_sha2_password it is from MySQL's source; docs/wire.md.
 */
#ifndef ELEXGATE_PROXY_WIRE_LOGIN_PLUGIN_H
#define ELEXGATE_PROXY_WIRE_LOGIN_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>

enum login_plugin {
    LOGIN_PLUGIN_OTHER,
    LOGIN_PLUGIN_NATIVE,
    LOGIN_PLUGIN_SHA2, /* caching_sha2_password */
    LOGIN_PLUGIN_ED25519,
    LOGIN_PLUGIN_PARSEC,
};
#define LOGIN_FAREWELL_MAX 64u

/* name: n bytes, as a packet has it. */
enum login_plugin login_plugin_of(const char *name, size_t n);
/* May n bytes be a client's answer? */
bool login_plugin_fits(enum login_plugin p, size_t n);
/* So many bytes of 0, at most LOGIN_FAREWELL_MAX, end an authentication so that it is refused
 * without being counted. */
size_t login_plugin_farewell(enum login_plugin p);

#endif
