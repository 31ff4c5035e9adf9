#include "cli/init/init.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_addr.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "certs/names.h"
#include "common/config_edit.h"
#include "common/config_intent.h"
#include "common/file.h"
#include "common/hex.h"
#include "common/utf8.h"

#define CONFIG_MAX (1u << 20)

static const char *const template = N_(
    "# Elexgate's configuration, made by elexgate init. Every option with its default stands in\n"
    "# elexgate.ini(5); `elexgate config check` looks the file over, `elexgate reload` puts it in force.\n"
    "\n"
    "# Where the MariaDB server is that holds the Elexis database.\n"
    "[database]\n"
    "\n"
    "# What the workstations connect to, with TLS.\n"
    "[listen elexis]\n"
    "\n"
    "# The keeper's own account on the server.\n"
    "[admin]\n"
    "\n"
    "# When a backup is due (minute hour day month weekday); it then waits until nobody writes.\n"
    "[backup]\n"
    "\n"
    "# Where the archives go. A copy elsewhere, too: see scripts/hooks.\n"
    "[archive]\n"
    "\n"
    "# Once a week the newest backup is brought back on trial.\n"
    "[drill]\n"
    "schedule = weekly\n");

static void set(char out[static INIT_TEXT], const char *value)
{
    snprintf(out, INIT_TEXT, "%s", value ? value : "");
}

/* Only what a certificate takes is proposed. */
static void propose(char out[static INIT_TEXT], const char *name)
{
    struct cert_names n = {0};
    size_t used = strlen(out);
    if (cert_names_add_host(&n, name, NULL) == 0)
        utf8_format(out + used, INIT_TEXT - used, "%s%s", used ? " " : "", name);
    cert_names_clear(&n);
}

/* Privacy addresses change every day, and deprecated ones go: the flags of /proc/net/if_inet6. */
static bool lasts(const struct in6_addr *a)
{
    char hex[33], line[128];
    unsigned flags;
    bool found = false, good = true;
    hex_text(a->s6_addr, 16, hex);
    FILE *f = fopen("/proc/net/if_inet6", "re");
    while (f && !found && fgets(line, sizeof line, f))
        if (strncmp(line, hex, 32) == 0 && sscanf(line + 32, "%*x %*x %*x %x", &flags) == 1) {
            found = true;
            good = (flags & (IFA_F_TEMPORARY | IFA_F_DEPRECATED)) == 0;
        }
    if (f)
        fclose(f);
    return good;
}

static void propose_addresses(char out[static INIT_TEXT], const struct ifaddrs *all, int family)
{
    for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
        char text[INET6_ADDRSTRLEN];
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        if (!i->ifa_addr || i->ifa_addr->sa_family != family || (i->ifa_flags & IFF_LOOPBACK))
            continue;
        memcpy(&in, i->ifa_addr, sizeof in);
        if (family == AF_INET6)
            memcpy(&in6, i->ifa_addr, sizeof in6);
        if (family == AF_INET6 && (IN6_IS_ADDR_LINKLOCAL(&in6.sin6_addr) || !lasts(&in6.sin6_addr)))
            continue;
        const void *bytes = family == AF_INET6 ? (void *)&in6.sin6_addr : (void *)&in.sin_addr;
        if (inet_ntop(family, bytes, text, sizeof text))
            propose(out, text);
    }
}

/* The names that a workstation may use for this machine: the host's name and its addresses; those
 * of IPv6 where there are no others. */
static void default_names(char out[static INIT_TEXT])
{
    char host[256] = "";
    struct ifaddrs *all = NULL;
    (void)gethostname(host, sizeof host - 1);
    set(out, "");
    struct addrinfo hints = {.ai_flags = AI_CANONNAME}, *found = NULL;
    if (*host && getaddrinfo(host, NULL, &hints, &found) == 0 && found->ai_canonname &&
        strchr(found->ai_canonname, '.') && strcmp(found->ai_canonname, host) != 0)
        propose(out, found->ai_canonname);
    if (found)
        freeaddrinfo(found);
    propose(out, host);
    if (getifaddrs(&all) < 0)
        return;
    size_t before = strlen(out);
    propose_addresses(out, all, AF_INET);
    if (strlen(out) == before)
        propose_addresses(out, all, AF_INET6);
    freeifaddrs(all);
}

int init_names_check(struct init *in)
{
    struct cert_names names = {0};
    struct err e = {0};
    int r = 0;
    char *save = NULL;
    _cleanup_free_ char *text = xstrdup(in->names);
    for (char *p = strtok_r(text, " ,", &save); r == 0 && p; p = strtok_r(NULL, " ,", &save))
        r = cert_names_add_host(&names, p, &e);
    if (r == 0 && names.dns.n + names.ip.n == 0)
        r = err_set(&e, EINVAL, "%s",
            tr(in->cli,
                "no name was given under which workstations reach this machine: --host NAME"));
    cert_names_clear(&names);
    return r < 0 ? cli_fail(in->cli, EXIT_REFUSED, &e) : EXIT_GOOD;
}

static const char *find_socket(void)
{
    static const char *const places[] = {
        "/run/mysqld/mysqld.sock", "/var/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock"};
    struct stat st;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (stat(places[i], &st) == 0 && S_ISSOCK(st.st_mode))
            return places[i];
    return NULL;
}

static void take_present(struct init *in, const struct config *c)
{
    char number[16];
    const char *listener = config_section(c, "listen", 0);
    const char *secret = config_str(c, "admin", NULL, "password_file");
    set(in->socket, config_str(c, "database", NULL, "socket"));
    if (!*in->socket && !config_is_set(c, "database", NULL, "host"))
        set(in->socket, find_socket());
    set(in->db_host, config_str(c, "database", NULL, "host"));
    snprintf(number, sizeof number, "%lld", (long long)config_int(c, "database", NULL, "port"));
    set(in->db_port, number);
    set(in->database, config_str(c, "database", NULL, "name"));
    snprintf(number, sizeof number, "%lld", (long long)config_int(c, "listen", listener, "port"));
    set(in->port, number);
    set(in->folder, config_str(c, "archive", NULL, "folder"));
    set(in->schedule, config_str(c, "backup", NULL, "schedule") ?: "15 3 * * *");
    set(in->user, config_str(c, "admin", NULL, "user"));
    in->binlog |= config_bool(c, "binlog", NULL, "archive");
    if (secret) {
        in->secret_path = xstrdup(secret);
        return;
    }
    const char *slash = strrchr(in->path, '/');
    in->secret_path = xasprintf(
        "%.*s/admin.password", slash ? (int)(slash - in->path) : 1, slash ? in->path : ".");
}

int init_config_begin(struct init *in)
{
    struct err e = {0};
    struct config *c = NULL;
    int r = file_read(in->path, CONFIG_MAX, &in->old_text, &in->old_len, &e);
    if (r == -ENOENT)
        r = 0;
    const char *text = in->old_text ? in->old_text : tr(in->cli, template);
    if (r == 0)
        r = config_parse(text, strlen(text), in->path, &c, &e);
    if (r < 0)
        return cli_fail(in->cli, EXIT_FAILED, &e);
    take_present(in, c);
    default_names(in->names);
    config_free(c);
    return EXIT_GOOD;
}

/* Options that stand in the file with another value than the answers say. */
static char *overwritten(const struct init *in, const struct config_edit *edits, size_t n)
{
    struct config *c = NULL;
    char *text = xstrdup("");
    if (!in->old_text || config_parse(in->old_text, in->old_len, in->path, &c, NULL) < 0)
        return text;
    for (size_t i = 0; i < n; i++) {
        const struct config_edit *d = &edits[i];
        if (!config_is_set(c, d->section, d->name, d->key))
            continue;
        char number[32];
        const char *now = number;
        if (strcmp(d->key, "port") == 0)
            snprintf(number, sizeof number, "%lld",
                (long long)config_int(c, d->section, d->name, d->key));
        else if (strcmp(d->key, "archive") == 0)
            now = config_bool(c, d->section, d->name, d->key) ? "yes" : "no";
        else
            now = config_str(c, d->section, d->name, d->key);
        if (now && d->value && strcmp(now, d->value) == 0)
            continue;
        char *longer = xasprintf("%s%s[%s] %s", text, *text ? ", " : "", d->section, d->key);
        free(text);
        text = longer;
    }
    config_free(c);
    return text;
}

int init_config_make(struct init *in)
{
    const char *text = in->old_text ? in->old_text : tr(in->cli, template);
    struct config_edit edits[14];
    size_t n = 0;
    if (*in->socket)
        edits[n++] = (struct config_edit){"database", NULL, "socket", in->socket};
    else {
        edits[n++] = (struct config_edit){"database", NULL, "host", in->db_host};
        edits[n++] = (struct config_edit){"database", NULL, "port", in->db_port};
    }
    edits[n++] = (struct config_edit){"database", NULL, "name", in->database};
    struct config *c = NULL;
    struct err e = {0};
    int r = config_parse(text, strlen(text), in->path, &c, &e);
    const char *listener = r == 0 ? config_section(c, "listen", 0) : "elexis";
    edits[n++] = (struct config_edit){"listen", listener, "port", in->port};
    edits[n++] = (struct config_edit){"admin", NULL, "user", in->user};
    edits[n++] = (struct config_edit){"admin", NULL, "password_file", in->secret_path};
    edits[n++] = (struct config_edit){"backup", NULL, "schedule", in->schedule};
    edits[n++] = (struct config_edit){"archive", NULL, "folder", in->folder};
    if (r == 0 && in->binlog && !config_bool(c, "binlog", NULL, "archive"))
        edits[n++] = (struct config_edit){"binlog", NULL, "archive", "yes"};
    if (r == 0 && in->mysql && strcmp(config_str(c, "backup", NULL, "method"), "dump") != 0)
        edits[n++] = (struct config_edit){"backup", NULL, "method", "dump"};
    if (r == 0 && in->mysql && !config_is_set(c, "drill", NULL, "server_program"))
        edits[n++] = (struct config_edit){"drill", NULL, "server_program", "mysqld"};
    _cleanup_free_ char *changed = overwritten(in, edits, n);
    if (r == 0 && *changed && !in->force)
        r = err_set(&e, EEXIST,
            tr(in->cli, "%s says otherwise for %s; with --force it is changed (and kept as %s~)"),
            in->path, changed, in->path);
    if (r == 0)
        r = config_edit(text, strlen(text), edits, n, &in->new_text, &in->new_len, &e);
    config_free(c);
    c = NULL;
    if (r == 0)
        r = config_parse(in->new_text, in->new_len, in->path, &c, &e);
    config_free(c);
    return r < 0 ? cli_fail(in->cli, r == -EEXIST ? EXIT_REFUSED : EXIT_FAILED, &e) : EXIT_GOOD;
}

int init_config_write(struct init *in)
{
    struct err e = {0};
    struct stat st;
    int r = 0;
    mode_t mode = stat(in->path, &st) == 0 ? st.st_mode & 0777 : 0644;
    if (in->old_text && strcmp(in->old_text, in->new_text) == 0)
        return EXIT_GOOD;
    if (in->old_text) {
        _cleanup_free_ char *kept = xasprintf("%s~", in->path);
        r = file_publish(kept, in->old_text, in->old_len, mode, &e);
    } else {
        _cleanup_free_ char *folder = xstrdup(in->path);
        char *slash = strrchr(folder, '/');
        if (slash && slash != folder) {
            *slash = '\0';
            r = file_mkdirs(folder, 0755, &e);
        }
    }
    if (r == 0)
        r = config_intent_vouch(in->path, in->new_text, in->new_len, mode, &e);
    if (r == 0)
        r = file_publish(in->path, in->new_text, in->new_len, mode, &e);
    return r < 0 ? cli_fail(in->cli, EXIT_FAILED, &e) : EXIT_GOOD;
}

void init_config_undo(const struct init *in)
{
    struct stat st;
    struct err e = {0};
    _cleanup_free_ char *voucher = xasprintf("%s.whole", in->path);
    mode_t mode = stat(in->path, &st) == 0 ? st.st_mode & 0777 : 0644;
    unlink(voucher);
    if (!in->old_text)
        unlink(in->path);
    else if (file_publish(in->path, in->old_text, in->old_len, mode, &e) < 0)
        cli_warn(in->cli, &e);
}
