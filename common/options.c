/*
 * The table of all options. A test compares it with docs/elexgate.ini and the manual page.
 */
#include "common/config.h"

#define SEC  INT64_C(1000)
#define MIN  (60 * SEC)
#define HOUR (60 * MIN)
#define DAY  (24 * HOUR)
#define KIB  INT64_C(1024)
#define MIB  (1024 * KIB)

static const char *const auto_word[] = {"auto", NULL};
static const char *const log_levels[] = {"error", "warning", "info", "debug", NULL};
static const char *const log_formats[] = {"logfmt", "json", NULL};
static const char *const tls_modes[] = {"required", "preferred", "off", NULL};

const struct option config_options[] = {
    /* log: all programs */
    {"log", "level", OPT_ENUM, "info", 0, 0, log_levels, .reloadable = true,
        .help = "how much is logged: error, warning, info or debug"},
    {"log", "format", OPT_ENUM, "logfmt", 0, 0, log_formats,
        .help = "logfmt for people, json for machines; always to standard error"},

    /* database: where the server is */
    {"database", "host", OPT_STRING, "127.0.0.1", .env = "DBHOST", .reloadable = true,
        .help = "name or address of the MariaDB server; all addresses of a name are tried in turn"},
    {"database", "port", OPT_INT, "3306", 1, 65535, .env = "DBPORT", .reloadable = true,
        .help = "port of the MariaDB server"},
    {"database", "socket", OPT_PATH, NULL, .reloadable = true,
        .help =
            "unix socket of the MariaDB server; used instead of host and port when set (faster)"},
    {"database", "name", OPT_STRING, "elexis", .env = "DBNAME", .reloadable = true,
        .help = "name of the Elexis database"},
    {"database", "proxy_protocol", OPT_BOOL, "no", .reloadable = true,
        .help =
            "send the client's address to the server (PROXY protocol v2); the server must allow "
            "it in proxy_protocol_networks"},
    {"database", "connect_timeout", OPT_DURATION, "5s", 100, 60 * SEC, .reloadable = true,
        .help = "time for one attempt to connect to the server"},
    {"database", "connect_retry", OPT_DURATION, "5s", 0, 10 * MIN, .reloadable = true,
        .help = "how long to try again while the server restarts, before the client gets an error"},

    /* proxy */
    {"proxy", "workers", OPT_INT, "auto", 1, 256, auto_word,
        .help = "threads that relay, one loop each; auto = one for each processor"},
    {"proxy", "control_socket", OPT_PATH, "/run/elexgate/proxy.sock",
        .help = "unix socket for elexgate(1), the keeper and the console"},
    {"proxy", "control_users", OPT_LIST, "root", .reloadable = true,
        .help = "users that may use the control socket, besides the one the proxy runs as"},
    {"proxy", "state_dir", OPT_PATH, "/var/lib/elexgate/proxy",
        .help = "folder for what must survive a restart: a block, the ticket keys"},
    {"proxy", "max_sessions", OPT_INT, "2000", 1, 1000000, .reloadable = true,
        .help = "sessions in all; a further client gets an error"},
    {"proxy", "max_sessions_per_address", OPT_INT, "200", 1, 1000000, .reloadable = true,
        .help = "sessions from one address"},
    {"proxy", "max_logins_pending", OPT_INT, "200", 1, 1000000, .reloadable = true,
        .help = "connections that have not logged in yet; the oldest gives way to a new one"},
    {"proxy", "handshake_timeout", OPT_DURATION, "10s", 100, 10 * MIN, .reloadable = true,
        .help = "time from connecting to the end of the TLS handshake"},
    {"proxy", "login_timeout", OPT_DURATION, "15s", 100, 10 * MIN, .reloadable = true,
        .help = "time from the TLS handshake to the end of the login"},
    {"proxy", "grace", OPT_DURATION, "5s", 0, 10 * MIN, .reloadable = true,
        .help =
            "time that a block leaves to running statements and transactions before it ends them"},
    {"proxy", "drain_timeout", OPT_DURATION, "30s", 0, DAY, .reloadable = true,
        .help =
            "time that a drain (also the first SIGTERM) waits for sessions to end by themselves"},
    {"proxy", "keepalive", OPT_DURATION, "60s", SEC, DAY, .reloadable = true,
        .help = "TCP keepalive: silence after which a peer is asked whether it is still there"},
    {"proxy", "user_timeout", OPT_DURATION, "60s", SEC, DAY, .reloadable = true,
        .help =
            "TCP user timeout: how long sent data may stay unacknowledged before the session ends"},

    /* listen NAME */
    {"listen", "address", OPT_LIST, "*", .named = true,
        .help = "addresses to listen on: IPv4, IPv6, or * for all of both"},
    {"listen", "port", OPT_INT, "3312", 1, 65535, .named = true, .env = "PUBLIC_DBPORT",
        .help = "port to listen on (the environment variable is for the first listener)"},
    {"listen", "tls", OPT_ENUM, "required", 0, 0, tls_modes, .named = true, .reloadable = true,
        .help = "required: a client without TLS is refused; preferred: TLS offered; off: plaintext "
                "only, for an internal network"},
    {"listen", "announce", OPT_STRING, "elexis", .named = true, .reloadable = true,
        .help = "version that clients see: server = the server's own; elexis = one that all Elexis "
                "versions accept (5.6.51-...); or any text"},
    {"listen", "allow", OPT_LIST, NULL, .named = true, .reloadable = true,
        .help = "networks (CIDR) that may connect; empty = all"},
    {"listen", "deny", OPT_LIST, NULL, .named = true, .reloadable = true,
        .help = "networks (CIDR) that may not connect; checked before allow"},

    /* tls */
    {"tls", "certificate", OPT_PATH, "/etc/elexgate/tls/server.pem", .reloadable = true,
        .help = "the server's certificate and its chain, PEM"},
    {"tls", "key", OPT_PATH, "/etc/elexgate/tls/server.key", .reloadable = true,
        .help = "its private key, PEM, readable only by its owner"},
};

const size_t config_options_count = sizeof config_options / sizeof config_options[0];
