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
static const char *const off_word[] = {"off", NULL}; /* as 0 */
static const char *const sandboxes[] = {"auto", "namespaces", "landlock", NULL};
static const char *const languages[] = {"de", "en", "fr", "it", NULL};
static const char *const log_levels[] = {"error", "warning", "info", "debug", NULL};
static const char *const log_formats[] = {"logfmt", "json", NULL};
static const char *const tls_modes[] = {"required", "preferred", "off", NULL};
static const char *const tls_profiles[] = {"modern", "intermediate", "old", NULL};
static const char *const client_auth_modes[] = {"off", "request", "require", NULL};
static const char *const backup_methods[] = {"physical", "dump", "both", NULL};
static const char *const binlog_durability[] = {"async", "semi-sync", NULL};
static const char *const binlog_prove[] = {"backup", "hourly", "no", NULL};
static const char *const idle_modes[] = {"quiet", "no-clients", NULL};
static const char *const across_series[] = {"ask", "no", NULL};
static const char *const deadline_policies[] = {"skip", "dump", "lock", NULL};

/* A row an option; a long sentence would push the whole table to the right. */
/* clang-format off */
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
            "send the client's address to the server (PROXY protocol v2); the server must allow it in proxy_protocol_networks"},
    {"database", "connect_timeout", OPT_DURATION, "5s", 100, 60 * SEC, .reloadable = true,
        .help = "time for one attempt to connect to the server"},
    {"database", "connect_retry", OPT_DURATION, "5s", 0, 10 * MIN, .reloadable = true,
        .help = "how long to try again while the server restarts, before the client gets an error"},

    {"database", "probe_interval", OPT_DURATION, "2s", 100, MIN, .reloadable = true,
        .help = "with [backend ...] sections: how often each server is looked at"},
    {"database", "probe_timeout", OPT_DURATION, "2s", 100, MIN, .reloadable = true,
        .help = "time for one look at a server"},
    {"database", "probe_fall", OPT_INT, "3", 1, 100, .reloadable = true,
        .help = "looks in a row that must fail before a server is given up"},
    {"database", "probe_user", OPT_STRING, NULL, .reloadable = true,
        .help = "account that asks a server whether one may write to it; needs no rights (GRANT USAGE); not set: any that answers will do"},
    {"database", "probe_password_file", OPT_PATH, NULL, .reloadable = true,
        .help = "file with its password, readable only by its owner"},

    /* backend NAME */
    {"backend", "host", OPT_STRING, "127.0.0.1", .named = true, .reloadable = true,
        .help = "name or address of this server"},
    {"backend", "port", OPT_INT, "3306", 1, 65535, .named = true, .reloadable = true,
        .help = "port of this server"},
    {"backend", "socket", OPT_PATH, NULL, .named = true, .reloadable = true,
        .help = "unix socket of this server; used instead of host and port when set"},

    /* proxy */
    {"proxy", "workers", OPT_INT, "auto", 1, 256, auto_word,
        .help = "threads that relay, one loop each; auto = one for each processor"},
    {"proxy", "control_socket", OPT_PATH, "/run/elexgate/proxy/proxy.sock",
        .help = "unix socket for elexgate(1), the keeper and the console"},
    {"proxy", "control_users", OPT_LIST, "root", .reloadable = true,
        .help = "users that may use the control socket for everything, besides the one the proxy runs as and [console] user, who may what people may on the page"},
    {"proxy", "allow_own_user", OPT_BOOL, "no", .reloadable = true,
        .help = "yes: clients may log in under the name of the user that the proxy runs as, over a unix socket, too; an account IDENTIFIED VIA unix_socket would let in anybody"},
    {"proxy", "state_dir", OPT_PATH, "/var/lib/elexgate/proxy",
        .help = "folder for what must survive a restart: a block, the ticket keys"},
    {"proxy", "max_sessions", OPT_INT, "2000", 1, 1000000, .reloadable = true,
        .help = "sessions in all; a further client gets an error"},
    {"proxy", "max_sessions_per_address", OPT_INT, "200", 1, 1000000, .reloadable = true,
        .help = "sessions from one address"},
    {"proxy", "max_logins_pending", OPT_INT, "auto", 1, 1000000, auto_word, .reloadable = true,
        .help =
            "connections that have not logged in yet; above it those that have taken a second or more are told that there are too many. auto = 500 for each worker"},
    {"proxy", "handshake_timeout", OPT_DURATION, "8s", 100, 10 * MIN, .reloadable = true,
        .help =
            "time from the server's greeting to the client's name, TLS handshake included; less than the server's connect_timeout (10s), or the server counts an error against us"},
    {"proxy", "login_timeout", OPT_DURATION, "15s", 100, 10 * MIN, .reloadable = true,
        .help = "time from the client's name to the end of the login"},
    {"proxy", "languages", OPT_LIST, "de, en", 0, 0, languages, .only = true, .reloadable = true,
        .help = "what programs are told when they are turned away or ended, one language after the other; drivers show 511 bytes: what does not fit is left out from the end"},
    {"proxy", "grace", OPT_DURATION, "5s", 0, 10 * MIN, .reloadable = true,
        .help =
            "time that a block leaves to running statements and transactions before it ends them"},
    {"proxy", "drain_timeout", OPT_DURATION, "30s", 0, DAY, .reloadable = true,
        .help =
            "time that a drain (also the first SIGTERM) waits for sessions to end by themselves"},
    {"proxy", "handover_timeout", OPT_DURATION, "12h", 0, 30 * DAY, .reloadable = true,
        .help =
            "how long the old process keeps its sessions after `elexgate upgrade`; those that are left then are told to connect again"},
    {"proxy", "keepalive", OPT_DURATION, "60s", SEC, DAY, .reloadable = true,
        .help =
            "TCP keepalive: silence after which a peer is asked whether it is still there, four times, a quarter of this apart; a machine that sleeps for longer than both together loses its session"},

    /* listen NAME */
    {"listen", "address", OPT_LIST, "*", .named = true,
        .help = "addresses to listen on: IPv4, IPv6, or * for all of both"},
    {"listen", "port", OPT_INT, "3312", 1, 65535, .named = true, .env = "PUBLIC_DBPORT",
        .help = "port to listen on (the environment variable is for the first listener)"},
    {"listen", "public_port", OPT_INT, "auto", 1, 65535, auto_word, .named = true,
        .reloadable = true, .env = "ELEXGATE_PUBLIC_PORT",
        .help = "port that workstations connect to where that is another one (a container, a router that maps it); auto: port"},
    {"listen", "doctor_host", OPT_STRING, NULL, .named = true, .reloadable = true,
        .env = "ELEXGATE_GATE_HOST",
        .help = "name or address under which elexgate doctor finds the gate where it is not on this machine (containers); not set: what it listens on"},
    {"listen", "tls", OPT_ENUM, "required", 0, 0, tls_modes, .named = true, .reloadable = true,
        .help = "required: a client without TLS is refused; preferred: TLS offered; off: plaintext only, for an internal network"},
    {"listen", "announce", OPT_STRING, "elexis", .named = true, .reloadable = true,
        .help = "version that clients see: server = the server's own; elexis = one that all Elexis versions accept (5.6.51-... for a MariaDB, a MySQL's own); or any text"},
    {"listen", "allow", OPT_LIST, NULL, .named = true, .reloadable = true,
        .help = "networks (CIDR) that may connect; empty = all"},
    {"listen", "deny", OPT_LIST, NULL, .named = true, .reloadable = true,
        .help = "networks (CIDR) that may not connect; checked before allow"},
    {"listen", "deny_users", OPT_LIST, "root, elexgate", .named = true, .reloadable = true,
        .help =
            "accounts that cannot log in here, whatever their password: those that may do everything (SUPER) belong here, the keeper's own too; `elexgate doctor` names them. Empty = none"},
    {"listen", "client_auth", OPT_ENUM, "off", 0, 0, client_auth_modes, .named = true,
        .reloadable = true,
        .help = "certificates of the workstations: off: not asked for; request: one that is shown must be good; require: nobody comes in without one"},
    {"listen", "client_ca", OPT_PATH, NULL, .named = true, .reloadable = true,
        .help = "the CAs whose client certificates are taken, PEM; needed by client_auth"},
    {"listen", "client_crl", OPT_PATH, NULL, .named = true, .reloadable = true,
        .help = "their revocation lists, PEM; not set: no certificate is revoked"},
    {"listen", "client_map", OPT_PATH, NULL, .named = true, .reloadable = true,
        .help = "file that says which certificate may log in as which users, one certificate a line: name = user, user; not set: any as any"},
    {"listen", "zero_config_proof", OPT_BOOL, "no", .named = true, .reloadable = true,
        .help = "yes: clients since MariaDB 11.4 trust our certificate without knowing its CA; elexgate-proof must run, and announce = server"},

    /* proof: elexgate-proof, for zero_config_proof */
    {"proof", "socket", OPT_PATH, "/run/elexgate-proof/proof.sock", .reloadable = true,
        .help = "unix socket of elexgate-proof, for the proxy"},
    {"proof", "users", OPT_LIST, "elexgate",
        .help = "users that may ask it, besides root and the one it runs as: that of the proxy"},
    {"proof", "account", OPT_STRING, "elexgate-proof",
        .help = "its account on the MariaDB server; needs GRANT SELECT ON mysql.global_priv"},
    {"proof", "password_file", OPT_PATH, NULL,
        .help = "file with that account's password, readable only by its owner; not set: unix_socket login"},

    /* tls */
    {"tls", "certificate", OPT_PATH, "/etc/elexgate/tls/server.pem", .reloadable = true,
        .help = "the server's certificate and its chain, PEM"},
    {"tls", "key", OPT_PATH, "/etc/elexgate/tls/server.key", .reloadable = true,
        .help = "its private key, PEM, readable only by its owner"},
    {"tls", "tls_profile", OPT_ENUM, "intermediate", 0, 0, tls_profiles, .reloadable = true,
        .help = "modern: TLS 1.3 only; intermediate: 1.2 as well; old: also 1.0 and 1.1 with weak ciphers, for workstations that cannot do better, with a warning"},

    /* admin: the keeper's own account on the server */
    {"admin", "user", OPT_STRING, "elexgate", .reloadable = true,
        .help = "account of the keeper on the MariaDB server; `elexgate doctor` prints its grants"},
    {"admin", "password_file", OPT_PATH, NULL, .reloadable = true,
        .help = "file with its password, readable only by its owner; not set: unix_socket login"},
    {"admin", "socket", OPT_PATH, NULL, .reloadable = true,
        .help = "unix socket for this account; not set: as in [database]"},

    /* backup */
    {"backup", "schedule", OPT_STRING, NULL, .reloadable = true, .page = true,
        .help = "when a backup is due: minute hour day month weekday, or @daily and the like; not set: never by itself"},
    {"backup", "method", OPT_ENUM, "physical", 0, 0, backup_methods, .reloadable = true,
        .page = true,
        .help = "physical: the data directory; dump: SQL text; both: one archive of each"},
    {"backup", "type", OPT_STRING, "elexisdb", .reloadable = true,
        .help = "name of the data type of physical archives, the first part of their file names"},
    {"backup", "idle", OPT_ENUM, "quiet", 0, 0, idle_modes, .reloadable = true, .page = true,
        .help = "quiet: nobody writes and no transaction is open; no-clients: nobody is connected"},
    {"backup", "idle_for", OPT_DURATION, "5m", 15 * SEC, DAY, .reloadable = true, .page = true,
        .help = "how long that must have been so"},
    {"backup", "deadline", OPT_DURATION, "6h", 0, 30 * DAY, .reloadable = true, .page = true,
        .help = "how long a due backup waits for it"},
    {"backup", "after_deadline", OPT_ENUM, "skip", 0, 0, deadline_policies, .reloadable = true,
        .page = true,
        .help = "then: skip it and raise an alarm, dump without a lock, or lock out writers"},
    {"backup", "catch_up", OPT_BOOL, "yes", .reloadable = true, .page = true,
        .help = "a run that was missed while the machine was off is made up for once"},
    {"backup", "ask_proxy", OPT_BOOL, "yes", .reloadable = true,
        .help = "no: clients do not come through the proxy; only the server is asked whether it is idle"},
    {"backup", "datadir", OPT_PATH, NULL, .reloadable = true,
        .help = "the server's data directory as seen from here; not set: as the server says"},
    {"backup", "settle", OPT_DURATION, "12s", 0, 10 * MIN, .reloadable = true, .page = true,
        .help = "time from stopping the server's statistics thread to the lock; less than 10s lets it write into a copy, which is then discarded"},
    {"backup", "hold", OPT_DURATION, "5s", 100, MIN, .reloadable = true, .page = true,
        .help = "how long the proxy may wait for a moment between all transactions"},
    {"backup", "attempts", OPT_INT, "3", 1, 20, .reloadable = true,
        .help = "how often a physical copy is tried in one run before it counts as failed"},
    {"backup", "checksums", OPT_BOOL, "yes", .reloadable = true, .page = true,
        .help = "count the rows and take the checksum of every table, for the drill to compare"},
    {"backup", "dump_program", OPT_STRING, "mariadb-dump", .reloadable = true,
        .help = "program that writes a dump"},
    {"backup", "state_dir", OPT_PATH, "/var/lib/elexgate/keeper",
        .help = "folder for what the keeper remembers: runs, changed server settings"},
    {"backup", "control_socket", OPT_PATH, "/run/elexgate/keeper/keeper.sock",
        .help = "unix socket of the keeper for elexgate(1) and the console"},
    {"backup", "user", OPT_STRING, "elexgate-keeper",
        .help = "whom the keeper becomes when root starts it; a user of its own that owns nothing, never root"},
    {"backup", "control_users", OPT_LIST, "root", .reloadable = true,
        .help = "users that may use the keeper's control socket for everything, besides the one it runs as and [console] user, who may what people may on the page"},

    /* data NAME: further data types */
    {"data", "path", OPT_PATH, NULL, .named = true, .reloadable = true,
        .help = "folder that is archived in the same run, as type NAME"},
    {"data", "include", OPT_LIST, NULL, .named = true, .reloadable = true,
        .help = "patterns of file names (* ? [...]) to take; one with a / is compared with the whole path; empty = all"},
    {"data", "exclude", OPT_LIST, NULL, .named = true, .reloadable = true,
        .help = "patterns to leave out; a folder that matches is not entered"},
    {"data", "may_be_empty", OPT_BOOL, "no", .named = true, .reloadable = true,
        .help = "take the folder as it is, even if it is empty or lost most of its files since the last backup; otherwise such a backup fails, since a disk may not be mounted"},

    /* archive */
    {"archive", "folder", OPT_PATH, "/var/backups/elexgate", .reloadable = true,
        .help = "the backup folder: archives, their manifests, nothing else is touched in it"},
    {"archive", "level", OPT_INT, "0", 0, 9, .reloadable = true, .page = true,
        .help = "1 is fast, 9 is small (isal: 1 to 3); 0 = the backend's own default"},
    {"archive", "threads", OPT_INT, "0", 0, 32, .reloadable = true, .page = true,
        .help = "threads that deflate; 0 = one for each processor"},
    {"archive", "rate", OPT_SIZE, "0", .reloadable = true, .page = true,
        .help = "bytes a second that a backup reads at most, for example 50M; 0 = no limit"},
    {"archive", "recipients", OPT_LIST, NULL, .reloadable = true,
        .help = "public keys (age1...) to which archives are encrypted; empty = not encrypted"},
    {"archive", "passphrase_file", OPT_PATH, NULL, .reloadable = true,
        .help = "file with a passphrase that encrypts archives, instead of recipients"},
    {"archive", "identity_file", OPT_PATH, NULL, .reloadable = true,
        .help = "file with the secret keys (AGE-SECRET-KEY-1...) for verify, drill and restore; better kept elsewhere"},

    {"archive", "trust", OPT_LIST, NULL, .reloadable = true,
        .help = "public keys of other installations (elexgate backup-key) whose backups may be restored here without --foreign"},

    /* binlog: any second of the day, docs/pitr.md */
    {"binlog", "archive", OPT_BOOL, "no", .reloadable = true,
        .help = "follow the server's binary log and keep it in the backup folder, so that any second can be brought back; the server needs log_bin"},
    {"binlog", "durability", OPT_ENUM, "async", 0, 0, binlog_durability, .reloadable = true,
        .help = "async: nobody waits, the last fraction of a second may be lost; semi-sync: with rpl_semi_sync_master_enabled on the server, a commit returns once it is archived"},
    {"binlog", "prove", OPT_ENUM, "backup", 0, 0, binlog_prove, .reloadable = true,
        .help = "backup: after each physical backup the one before and the log are run on trial, and have to come to it; hourly: also to what the running server has, at a quiet moment; it needs as much scratch space and time as a drill"},
    {"binlog", "server_id", OPT_INT, "331200", 2, 4294967295, .reloadable = true,
        .help = "what the archive calls itself towards the server: a number that no server and no replica has; the one below is used as well"},

    /* retention: for each data type */
    {"retention", "keep", OPT_INT, "7", 1, 10000, .reloadable = true, .page = true,
        .help = "complete generations of each data type that are kept; the newest of each of as many days stays as well, so that many backups of one day push no other day's out"},
    {"retention", "keep_daily", OPT_INT, "0", 0, 10000, .reloadable = true, .page = true,
        .help = "beside those, the newest of each of the last N days that have one"},
    {"retention", "keep_weekly", OPT_INT, "0", 0, 10000, .reloadable = true, .page = true,
        .help = "the same for weeks"},
    {"retention", "keep_monthly", OPT_INT, "0", 0, 10000, .reloadable = true, .page = true,
        .help = "the same for months"},
    {"retention", "keep_yearly", OPT_INT, "0", 0, 10000, .reloadable = true, .page = true,
        .help = "the same for years; records must be kept for 20 years"},
    {"retention", "keep_binlog", OPT_DURATION, "0", 0, 36500 * DAY, .reloadable = true,
        .help = "age at which archived binary logs go, even if a backup that is kept needs them to bring back later seconds; 0 = with the last backup that needs them"},

    /* hooks */
    {"hooks", "before_backup", OPT_PATH, NULL, .reloadable = true,
        .help = "program that runs before a backup; when it fails the backup does not take place"},
    {"hooks", "after_backup", OPT_PATH, NULL, .reloadable = true,
        .help = "program that runs after a backup, whatever its result, and gets the result"},
    {"hooks", "before_restore", OPT_PATH, NULL, .reloadable = true,
        .help =
            "program that runs before a restore; when it fails the restore does not take place"},
    {"hooks", "after_restore", OPT_PATH, NULL, .reloadable = true,
        .help = "program that runs after a restore, whatever its result"},
    {"hooks", "timeout", OPT_DURATION, "10m", SEC, DAY, .reloadable = true,
        .help = "time after which a hook is ended; that counts as its failure"},

    /* drill */
    {"drill", "schedule", OPT_STRING, "weekly", .reloadable = true, .page = true,
        .help =
            "when the newest backup is proven by restoring it: like [backup] schedule, or daily, weekly, monthly, never"},
    {"drill", "scratch", OPT_PATH, NULL, .reloadable = true,
        .help = "folder to unpack into, and where SQL text to be restored waits: root's, on a disk of this server, nobody else may write to it or to one above; not set: [backup] state_dir with -scratch behind it"},
    {"drill", "user", OPT_STRING, "elexgate-trial", .reloadable = true,
        .help = "whom servers on restored data and imports run as where the keeper is root; a user of its own that owns nothing, never root"},
    {"drill", "sandbox", OPT_ENUM, "auto", 0, 0, sandboxes, .reloadable = true,
        .help = "what they run in: namespaces; landlock, where the kernel refuses those; auto: namespaces, else landlock; never nothing"},
    {"drill", "server_program", OPT_STRING, "mariadbd", .reloadable = true,
        .help = "the MariaDB server program, the same version as the real one or newer"},
    {"drill", "server_args", OPT_LIST, NULL, .reloadable = true,
        .help =
            "further options for it, e.g. for encryption keys; files and folders that they name with their whole path are shown to it, read-only"},

    /* notify */
    {"notify", "user", OPT_STRING, "nobody", .reloadable = true,
        .help =
            "as root: user that mails and webhooks are sent as; the files with password and token are read before"},
    {"notify", "mail_to", OPT_LIST, NULL, .reloadable = true, .page = true,
        .help = "addresses that are told when a backup fails or is missed, a drill fails, the certificate ends soon, the disk is low; empty: no mail"},
    {"notify", "mail_from", OPT_STRING, NULL, .reloadable = true, .page = true,
        .help = "sender of the mail; not set: elexgate@ and the host's name"},
    {"notify", "sendmail", OPT_PATH, "/usr/sbin/sendmail", .reloadable = true,
        .help = "program that takes mail when smtp is not set, as postfix, msmtp and nullmailer bring it"},
    {"notify", "smtp", OPT_STRING, NULL, .reloadable = true,
        .help = "mail server that takes the mail instead of sendmail: smtps://HOST[:PORT], or smtp://HOST[:PORT] with STARTTLS"},
    {"notify", "smtp_user", OPT_STRING, NULL, .reloadable = true,
        .help = "who logs in there; not set: nobody"},
    {"notify", "smtp_password_file", OPT_PATH, NULL, .reloadable = true,
        .help = "file with that user's password, readable only by its owner"},
    {"notify", "smtp_ca", OPT_PATH, NULL, .reloadable = true,
        .help = "file with the CA of the mail server's certificate; not set: the system's"},
    {"notify", "smtp_starttls", OPT_BOOL, "yes", .reloadable = true,
        .help = "no: smtp:// goes in the clear, and without a password"},
    {"notify", "webhook", OPT_STRING, NULL, .reloadable = true,
        .help = "URL that gets each message as a JSON object by POST; not set: none"},
    {"notify", "webhook_token_file", OPT_PATH, NULL, .reloadable = true,
        .help = "file with a token for it (Authorization: Bearer), readable only by its owner"},
    {"notify", "languages", OPT_LIST, "de, en", 0, 0, languages, .only = true, .reloadable = true,
        .page = true,
        .help = "what messages are written in; of several the subject has the first"},
    {"notify", "repeat", OPT_DURATION, "1d", 0, 30 * DAY, .reloadable = true, .page = true,
        .help = "how often one is reminded of what is still wrong; 0 = never"},
    {"notify", "min_free", OPT_SIZE, "1G", .reloadable = true, .page = true,
        .help =
            "free space in the backup folder below which one is told; also when the next backup would not fit"},
    {"notify", "timeout", OPT_DURATION, "30s", SEC, 10 * MIN, .reloadable = true,
        .help = "time for one attempt to send; a failed one is repeated, later and later"},

    /* audit */
    {"audit", "file", OPT_PATH, "/var/log/elexgate/audit.log", 0, 0, off_word, .reloadable = true,
        .help = "who did what on the console and the command line, written by the keeper; off: not recorded"},
    {"audit", "proxy_file", OPT_PATH, "/var/log/elexgate-proxy/audit.log", 0, 0, off_word,
        .reloadable = true,
        .help = "who connected from where as which user, written by the proxy, which cannot change the other file; off: not recorded"},
    {"audit", "keep", OPT_DURATION, "400d", 0, 36500 * DAY, .reloadable = true,
        .help = "age at which the keeper removes files that were rotated away (audit.log-...); 0 = never"},

    /* restore */
    {"restore", "stop_command", OPT_LIST, NULL, .reloadable = true,
        .help = "command that stops the database server; not set: SQL SHUTDOWN. Needed where something would start it again at once, such as a container's restart policy"},
    {"restore", "start_command", OPT_LIST, NULL, .reloadable = true,
        .help = "command that starts the database server again, such as: systemctl start mariadb"},
    {"restore", "stop_timeout", OPT_DURATION, "60s", SEC, HOUR, .reloadable = true,
        .help = "how long the server may take to stop; then the restore is called off"},
    {"restore", "start_timeout", OPT_DURATION, "120s", SEC, HOUR, .reloadable = true,
        .help = "how long the server may take to answer; then the old data come back"},
    {"restore", "stale_clients", OPT_DURATION, "90s", 0, DAY, off_word, .reloadable = true,
        .page = true,
        .help = "after a restore, addresses that were connected are refused with \"restart Elexis\" for so long; off: they come in at once"},
    {"restore", "across_series", OPT_ENUM, "ask", 0, 0, across_series, .reloadable = true,
        .help = "files of an older MariaDB series; ask: the plan says so, and they are brought up to this server in staging; no: they are refused"},
    {"restore", "keep_old", OPT_DURATION, "14d", 0, 3650 * DAY, .reloadable = true, .page = true,
        .help = "age at which the keeper lets go of the data from before a restore; 0 = never"},
    {"restore", "open_for", OPT_DURATION, "1h", SEC, DAY, .reloadable = true,
        .help = "how long a backup that the page opened for reading stays open: patients' records of then lie unpacked on the disk for so long"},

    /* console: the admin's page */
    {"console", "user", OPT_STRING, "elexgate-console", .reloadable = true,
        .help = "user that the page's program runs as: over the control sockets it may do what the person who is signed in may, and nothing else"},
    {"console", "address", OPT_LIST, "127.0.0.1",
        .help = "addresses that the page listens on; 0.0.0.0 and :: let the whole network in"},
    {"console", "port", OPT_INT, "8312", 1, 65535, .help = "port of the page, HTTPS only"},
    {"console", "certificate", OPT_PATH, NULL, .reloadable = true,
        .help = "PEM file: the page's certificate, then the chain; not set: that of [tls]"},
    {"console", "key", OPT_PATH, NULL, .reloadable = true,
        .help = "PEM file with its private key; not set: that of [tls]"},
    {"console", "state_dir", OPT_PATH, "/var/lib/elexgate/console",
        .help = "folder for accounts and sessions"},
    {"console", "upload_dir", OPT_PATH, "/var/lib/elexgate/uploads",
        .help = "folder for SQL files that come through the page; the keeper reads them there"},
    {"console", "upload_max", OPT_SIZE, "64G", MIB, 0x7fffffffffffffff,
        .help = "longest SQL file that the page takes"},
    {"console", "session_idle", OPT_DURATION, "30m", MIN, 7 * DAY, .reloadable = true,
        .help = "who does nothing for so long must sign in again"},
    {"console", "session_max", OPT_DURATION, "12h", MIN, 30 * DAY, .reloadable = true,
        .help = "after so long everybody must sign in again"},
    {"console", "support", OPT_STRING, NULL, .reloadable = true,
        .help =
            "whom the page says to call when a program does not run: name and telephone number"},
    {"console", "require_totp", OPT_BOOL, "no", .reloadable = true,
        .help =
            "yes: whoever signs in sets up a code of an authenticator app first, and gives one at each sign-in"},
    {"console", "max_connections", OPT_INT, "300", 16, 10000,
        .help = "connections at the same time, a thread each; one address gets three quarters"},
    {"console", "metrics_token_file", OPT_PATH, NULL, .reloadable = true,
        .help = "file with the token that /metrics wants from other machines; not set: only this machine may read it"},
};
/* clang-format on */

const size_t config_options_count = sizeof config_options / sizeof config_options[0];

/* Options of earlier versions: a file that sets one is good, with a warning that says why it counts
 * no more. */
const struct retired_option config_retired[] = {
    {"database", "probe_rise", "two good looks in a row bring a server back"},
    {"proxy", "user_timeout",
        "it follows from keepalive: half as long again as that takes to give a silent peer up"},
    {"backup", "dump_type",
        "dumps are of the type " DUMP_TYPE
        "; those of another name stay where they are and can be restored"},
    {"archive", "backend", "the fastest there is deflates: ISA-L where it is built in"},
};
const size_t config_retired_count = sizeof config_retired / sizeof config_retired[0];
