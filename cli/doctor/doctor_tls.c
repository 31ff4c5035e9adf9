/*
 * A listener as a client sees it: the greeting, the request for TLS, the handshake, the chain.
 */
#include "cli/doctor/doctor.h"

#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "certs/chain.h"
#include "certs/info.h"
#include "certs/life.h"
#include "certs/pem.h"
#include "certs/renew.h"
#include "cli/output.h"
#include "common/utf8.h"
#include "common/json_get.h"
#include "common/lang.h"

#define WAIT_S      5
#define REQUEST_LEN 36
#define CLIENT_CAPS (0x200u | 0x800u | 0x8000u | 0x80000u) /* 4.1, SSL, secure, plugin auth */

/* What was found out about a listener. */
struct seen {
    char where[300];
    char version[16];
    struct cert_info *info;
    long verify; /* X509_V_OK or why it does not verify */
    int days;
    enum renew_alarm alarm; /* the same steps as the keeper and the proxy have */
};

static int connect_to(const char *host, int port, struct err *e)
{
    char service[16];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    struct timeval wait = {.tv_sec = WAIT_S};
    snprintf(service, sizeof service, "%d", port);
    int r = getaddrinfo(host, service, &hints, &list);
    if (r != 0)
        return err_set(e, EINVAL, "%s", gai_strerror(r));
    int fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    }
    r = fd < 0 || connect(fd, list->ai_addr, list->ai_addrlen) < 0
            ? err_sys(e, errno, "cannot connect")
            : 0;
    freeaddrinfo(list);
    if (r < 0 && fd >= 0)
        close(fd);
    return r < 0 ? r : fd;
}

static int read_whole(int fd, unsigned char *p, size_t n, struct err *e)
{
    while (n > 0) {
        ssize_t got = recv(fd, p, n, 0);
        if (got <= 0)
            return err_set(
                e, EIO, "%s", got == 0 ? N_("the connection was closed") : strerror(errno));
        p += got;
        n -= (size_t)got;
    }
    return 0;
}

/* The greeting, or the words of the error that came instead: blocked, address not allowed. */
static int read_greeting(int fd, struct err *e)
{
    unsigned char head[4], body[2048];
    int r = read_whole(fd, head, sizeof head, e);
    size_t n = (size_t)(head[0] | head[1] << 8 | head[2] << 16);
    if (r == 0 && (n == 0 || n >= sizeof body))
        r = err_set(e, EPROTO, "what came is no greeting of a database");
    if (r == 0)
        r = read_whole(fd, body, n, e);
    if (r < 0)
        return r;
    if (body[0] == 0xff && n > 3)
        return err_set(e, EACCES, "%.*s", (int)(n - 3), (const char *)body + 3);
    return body[0] == 10 ? 0 : err_set(e, EPROTO, "what came is no greeting of a database");
}

static int ask_for_tls(int fd, struct err *e)
{
    unsigned char p[REQUEST_LEN] = {REQUEST_LEN - 4, 0, 0, 1};
    for (int i = 0; i < 4; i++)
        p[4 + i] = (unsigned char)(CLIENT_CAPS >> (8 * i));
    p[11] = 1;  /* packets up to 16 MiB */
    p[12] = 45; /* utf8mb4 */
    return send(fd, p, sizeof p, MSG_NOSIGNAL) == (ssize_t)sizeof p
               ? 0
               : err_sys(e, errno, "cannot send");
}

/* Trusted: the system's roots and the practice's own CA, beside the certificate. */
static long verify_chain(SSL *ssl, const char *ca_file)
{
    X509_STORE *trust = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    CHECK(trust && ctx);
    (void)X509_STORE_set_default_paths(trust);
    if (access(ca_file, R_OK) == 0)
        (void)X509_STORE_load_file(trust, ca_file);
    X509 *leaf = SSL_get0_peer_certificate(ssl);
    long result = X509_V_ERR_UNSPECIFIED;
    if (X509_STORE_CTX_init(ctx, trust, leaf, SSL_get_peer_cert_chain(ssl)) == 1)
        result = X509_verify_cert(ctx) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(ctx);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(trust);
    ERR_clear_error();
    return result;
}

/* As the workstations see it: their CA may end first as well. */
static int first_end(SSL *ssl, const char *ca_file, struct seen *out, struct err *e)
{
    _cleanup_x509s_ STACK_OF(X509) *known = life_known(ca_file);
    _cleanup_cert_info_ struct cert_info *end = NULL;
    int r = cert_info_new(life_of(SSL_get_peer_cert_chain(ssl), known).ends, &end, e);
    if (r == 0) {
        out->days = cert_info_days_left(end, time(NULL));
        out->alarm = renew_alarm_at(end->not_before, end->not_after, time(NULL));
    }
    return r;
}

static int shake_hands(int fd, const char *ca_file, struct seen *out, struct err *e)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = ctx ? SSL_new(ctx) : NULL;
    int r = 0;
    if (!ssl || SSL_set_fd(ssl, fd) != 1 || SSL_connect(ssl) != 1) {
        const char *why = ERR_reason_error_string(ERR_peek_last_error());
        r = err_set(e, EPROTO, "the TLS handshake failed: %s", why ? why : N_("no answer in time"));
        ERR_clear_error();
    } else if (!SSL_get0_peer_certificate(ssl))
        r = err_set(e, EPROTO, "no certificate was shown");
    else {
        snprintf(out->version, sizeof out->version, "%s", SSL_get_version(ssl));
        out->verify = verify_chain(ssl, ca_file);
        r = cert_info_new(SSL_get0_peer_certificate(ssl), &out->info, e);
        if (r == 0)
            r = first_end(ssl, ca_file, out, e);
        (void)SSL_shutdown(ssl);
    }
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    return r;
}

static char *names_of(const struct cert_info *i)
{
    char *text = xstrdup("");
    char **const lists[] = {i->dns, i->ip};
    for (size_t k = 0; k < 2; k++)
        for (char **p = lists[k]; *p; p++) {
            char *longer = xasprintf("%s%s%s", text, *text ? ", " : "", *p);
            free(text);
            text = longer;
        }
    return text;
}

static void judge(struct doctor *d, const struct seen *s)
{
    struct cli *cli = d->cli;
    _cleanup_free_ char *raw = names_of(s->info);
    _cleanup_free_ char *names = output_safe(raw);
    _cleanup_free_ char *text = xasprintf(
        tr(cli, "%s speaks %s; its certificate is for %s and good for %d days"), s->where,
        s->version, *names ? names : tr(cli, "no name"), s->days);
    doctor_tell(d,
        s->alarm >= RENEW_ALARM_3                 ? DOCTOR_CRITICAL
        : s->alarm != RENEW_ALARM_NONE || !*names ? DOCTOR_WARNING
                                                  : DOCTOR_GOOD,
        "tls", text, tr(cli, "elexgate cert renew --host NAME, or elexgate cert install"));
    if (s->verify == X509_V_OK)
        return;
    _cleanup_free_ char *why = xasprintf(
        tr(cli, "%s: neither this machine's roots nor the practice's own CA vouch for it: %s"),
        s->where, X509_verify_cert_error_string(s->verify));
    doctor_tell(d, DOCTOR_WARNING, "chain", why,
        tr(cli, "elexgate cert show names what is missing in the chain"));
}

static void one_listener(struct doctor *d, const json_t *l, const char *ca_file)
{
    struct err e = {0};
    struct seen s = {0};
    _cleanup_free_ char *name = output_member(l, "name");
    _cleanup_free_ char *address = output_member(l, "address");
    int port = (int)output_number(l, "port", 0);
    address[strcspn(address, ", ")] = '\0';
    const struct config *c = cli_config(d->cli);
    const char *elsewhere = config_has_section(c, "listen", name)
                                ? config_str(c, "listen", name, "doctor_host")
                                : NULL;
    const char *host = elsewhere && *elsewhere                                        ? elsewhere
                       : strcmp(address, "*") == 0 || strcmp(address, "0.0.0.0") == 0 ? "127.0.0.1"
                       : strcmp(address, "::") == 0                                   ? "::1"
                                                                                      : address;
    utf8_format(s.where, sizeof s.where, "%s (%s port %d)", name, host, port);
    int fd = connect_to(host, port, &e);
    int r = fd < 0 ? fd : read_greeting(fd, &e);
    if (r == 0)
        r = ask_for_tls(fd, &e);
    if (r == 0)
        r = shake_hands(fd, ca_file, &s, &e);
    if (fd >= 0)
        close(fd);
    if (r == 0) {
        judge(d, &s);
        cert_info_free(s.info);
        return;
    }
    (void)err_prefix(&e, r, "%s", s.where);
    doctor_tell_err(d, r == -EACCES ? DOCTOR_WARNING : DOCTOR_CRITICAL, "tls", &e,
        tr(d->cli, "workstations see the same; the proxy's log says more"));
}

static int read_chain(const char *path, STACK_OF(X509) * *out, struct err *e)
{
    _cleanup_free_ char *data = NULL;
    size_t len;
    int r = pem_read_file(path, &data, &len, e);
    return r == 0 ? pem_parse_chain(data, len, path, out, e) : r;
}

/* It is the gate's, or of a CA in ca.pem of the gate's folder, which workstations trust. */
static bool passes_for_gate(struct doctor *d, X509 *leaf, const char *ca_file)
{
    _cleanup_x509s_ STACK_OF(X509) *cas = NULL, *gate = NULL;
    bool found = read_chain(config_str(cli_config(d->cli), "tls", NULL, "certificate"), &gate,
                     NULL) == 0 &&
                 X509_cmp(sk_X509_value(gate, 0), leaf) == 0;
    if (read_chain(ca_file, &cas, NULL) < 0)
        return found;
    for (int i = 0; i < sk_X509_num(cas); i++)
        found = found || chain_issued(sk_X509_value(cas, i), leaf);
    return found;
}

/* The page's own, where it has one. */
static void page(struct doctor *d, const char *ca_file)
{
    struct cli *cli = d->cli;
    _cleanup_cert_info_ struct cert_info *i = NULL;
    _cleanup_x509s_ STACK_OF(X509) *chain = NULL;
    struct err e = {0};
    const char *path = config_str(cli_config(cli), "console", NULL, "certificate");
    if (!path)
        return;
    if (read_chain(path, &chain, &e) < 0 || cert_info_new(sk_X509_value(chain, 0), &i, &e) < 0) {
        doctor_tell_err(d, DOCTOR_CRITICAL, "page", &e, "elexgate cert page");
        return;
    }
    enum renew_alarm alarm = renew_alarm_at(i->not_before, i->not_after, time(NULL));
    _cleanup_free_ char *text = xasprintf(tr(cli, "the page's own certificate is good for %d days"),
        cert_info_days_left(i, time(NULL)));
    doctor_tell(d,
        alarm >= RENEW_ALARM_3      ? DOCTOR_CRITICAL
        : alarm != RENEW_ALARM_NONE ? DOCTOR_WARNING
                                    : DOCTOR_GOOD,
        "page", text, "elexgate cert page");
    if (passes_for_gate(d, sk_X509_value(chain, 0), ca_file)) {
        doctor_tell(d, DOCTOR_WARNING, "page",
            tr(cli,
                "the workstations would trust the page's certificate as they do the gate's: whoever takes the page over could pass for the gate"),
            tr(cli, "elexgate cert page; then the admins' browsers need the CA that it names"));
    }
}

static bool is_in_group(const char *user, gid_t wanted)
{
    gid_t groups[256];
    int n = sizeof groups / sizeof groups[0];
    const struct passwd *pw = getpwnam(user);
    if (!pw || getgrouplist(user, pw->pw_gid, groups, &n) < 0)
        return false;
    for (int i = 0; i < n; i++)
        if (groups[i] == wanted)
            return true;
    return false;
}

/* An installation from before its own key has the page's user in the group that may read the
 * gate's. */
static void keys_apart(struct doctor *d)
{
    struct cli *cli = d->cli;
    struct stat st;
    const struct config *c = cli_config(cli);
    const char *key = config_str(c, "tls", NULL, "key"),
               *own = config_str(c, "console", NULL, "key");
    const char *user = config_str(c, "console", NULL, "user");
    if (!key || !own || !user || strcmp(key, own) == 0 || stat(key, &st) < 0 ||
        !(st.st_mode & S_IRGRP) || !is_in_group(user, st.st_gid))
        return;
    const struct group *g = getgrgid(st.st_gid);
    _cleanup_free_ char *text = xasprintf(
        tr(cli, "the page has a key of its own, and its user %s can still read the gate's (%s)"),
        user, key);
    _cleanup_free_ char *fix = g ? xasprintf("gpasswd -d %s %s", user, g->gr_name) : NULL;
    doctor_tell(d, DOCTOR_WARNING, "page", text,
        fix ? fix : tr(cli, "take that user out of the key's group"));
}

void doctor_tls(struct doctor *d)
{
    size_t i;
    const json_t *l;
    const char *pem = config_str(cli_config(d->cli), "tls", NULL, "certificate");
    const char *slash = strrchr(pem, '/');
    _cleanup_free_ char *ca = xasprintf(
        "%.*s/ca.pem", slash ? (int)(slash - pem) : 1, slash ? pem : ".");
    json_array_foreach (json_object_get(d->proxy, "listeners"), i, l) {
        const char *mode = json_get_str(l, "tls");
        if (mode && strcmp(mode, "off") != 0)
            one_listener(d, l, ca);
    }
    page(d, ca);
    keys_apart(d);
}
