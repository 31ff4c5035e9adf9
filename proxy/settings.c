#include "proxy/settings.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "proxy/tls.h"

static int cidrs_make(
    const struct config *c, const char *name, const char *key, struct cidr_list *out, struct err *e)
{
    const char *const *texts = config_list(c, "listen", name, key);
    size_t n = 0;
    while (texts[n])
        n++;
    out->items = xcalloc(n ? n : 1, sizeof *out->items);
    out->n = n;
    for (size_t i = 0; i < n; i++) {
        int r = cidr_parse(texts[i], &out->items[i], e);
        if (r < 0)
            return err_prefix(e, r, "%s: [listen %s] %s", config_path(c), name, key);
    }
    return 0;
}

static enum tls_mode tls_mode_of(const char *text)
{
    if (!strcasecmp(text, "off"))
        return TLS_OFF;
    return !strcasecmp(text, "preferred") ? TLS_PREFERRED : TLS_REQUIRED;
}

/* A client without TLS has no certificate to show, so "require" must not leave it a way in. */
static int client_auth_fits(const struct listen_settings *l, const struct client_auth_options *o,
    const char *word, struct err *e)
{
    if (o->mode == CLIENT_AUTH_REQUIRE && l->tls != TLS_REQUIRED)
        return err_set(e, EINVAL,
            "client_auth = %s needs tls = required: clients without TLS have no certificate", word);
    if (l->tls == TLS_OFF)
        return err_set(e, EINVAL, "client_auth = %s needs TLS, but tls = off", word);
    if (!o->ca)
        return err_set(e, EINVAL,
            "client_auth = %s needs client_ca, the CA whose certificates are taken", word);
    return 0;
}

static int client_auth_make(const struct config *c, struct listen_settings *l, struct err *e)
{
    const char *word = config_str(c, "listen", l->name, "client_auth");
    if (!strcasecmp(word, "off"))
        return 0;
    struct client_auth_options o = {
        .mode = strcasecmp(word, "require") ? CLIENT_AUTH_REQUEST : CLIENT_AUTH_REQUIRE,
        .ca = config_str(c, "listen", l->name, "client_ca"),
        .crl = config_str(c, "listen", l->name, "client_crl"),
        .map = config_str(c, "listen", l->name, "client_map"),
    };
    int r = client_auth_fits(l, &o, word, e);
    if (r == 0)
        r = client_auth_load(&o, &l->client_auth, e);
    return r < 0 ? err_prefix(e, r, "%s: [listen %s]", config_path(c), l->name) : 0;
}

static int listener_make(struct settings *s, const char *name, struct tickets *tickets,
    struct listen_settings *l, struct err *e)
{
    const struct config *c = s->config;
    l->name = name;
    l->failures = log_limit_new(FAILURE_LINES_MAX);
    l->proof_trouble = log_limit_new(PROOF_LINES_MAX);
    l->addresses = config_list(c, "listen", name, "address");
    l->port = (uint16_t)config_int(c, "listen", name, "port");
    l->tls = tls_mode_of(config_str(c, "listen", name, "tls"));
    l->announce = config_str(c, "listen", name, "announce");
    int r = cidrs_make(c, name, "allow", &l->allow, e);
    if (r == 0)
        r = cidrs_make(c, name, "deny", &l->deny, e);
    if (r == 0)
        r = client_auth_make(c, l, e);
    l->deny_users = config_list(c, "listen", name, "deny_users");
    l->zero_config_proof = config_bool(c, "listen", name, "zero_config_proof");
    if (r == 0 && l->zero_config_proof && l->tls == TLS_OFF)
        r = err_set(e, EINVAL, "%s: [listen %s] zero_config_proof needs TLS, but tls = off",
            config_path(c), name);
    if (r < 0 || l->tls == TLS_OFF)
        return r;
    if (!s->certificate) {
        r = cert_pair_load(config_str(c, "tls", NULL, "certificate"),
            config_str(c, "tls", NULL, "key"), &s->certificate, e);
        if (r < 0)
            return r;
    }
    r = tls_context(s->certificate, tickets, s->tls_profile, name, &l->tls_ctx, e);
    /* After it: the session id context of the client CAs replaces that of the listener. */
    return r == 0 && l->client_auth ? client_auth_apply(l->client_auth, l->tls_ctx, e) : r;
}

static void settings_read_plain(struct settings *s)
{
    const struct config *c = s->config;
    s->tls_profile = tls_profile_of(config_str(c, "tls", NULL, "tls_profile"));
    s->database = (struct backend_target){.host = config_str(c, "database", NULL, "host"),
        .socket = config_str(c, "database", NULL, "socket"),
        .port = (uint16_t)config_int(c, "database", NULL, "port")};
    s->probe_interval_ms = (uint64_t)config_int(c, "database", NULL, "probe_interval");
    s->probe_timeout_ms = (uint64_t)config_int(c, "database", NULL, "probe_timeout");
    s->probe_fall = (unsigned)config_int(c, "database", NULL, "probe_fall");
    s->probe_user = config_str(c, "database", NULL, "probe_user");
    s->proxy_protocol = config_bool(c, "database", NULL, "proxy_protocol");
    s->connect_timeout_ms = (uint64_t)config_int(c, "database", NULL, "connect_timeout");
    s->connect_retry_ms = (uint64_t)config_int(c, "database", NULL, "connect_retry");

    const char *word = config_str(c, "proxy", NULL, "workers");
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    s->workers = word && !strcasecmp(word, "auto")
                     ? (unsigned)(cpus < 1     ? 1
                                  : cpus > 256 ? 256
                                               : cpus)
                     : (unsigned)config_int(c, "proxy", NULL, "workers");
    s->control_socket = config_str(c, "proxy", NULL, "control_socket");
    s->control_users = config_list(c, "proxy", NULL, "control_users");
    s->page_user = config_str(c, "console", NULL, "user");
    s->state_dir = config_str(c, "proxy", NULL, "state_dir");
    s->proof_socket = config_str(c, "proof", NULL, "socket");
    s->max_sessions = (uint32_t)config_int(c, "proxy", NULL, "max_sessions");
    s->max_sessions_per_address = (uint32_t)config_int(
        c, "proxy", NULL, "max_sessions_per_address");
    word = config_str(c, "proxy", NULL, "max_logins_pending");
    s->max_logins_pending = word && !strcasecmp(word, "auto")
                                ? LOGINS_PENDING_PER_WORKER * s->workers
                                : (uint32_t)config_int(c, "proxy", NULL, "max_logins_pending");
    s->handshake_timeout_ms = (uint64_t)config_int(c, "proxy", NULL, "handshake_timeout");
    s->login_timeout_ms = (uint64_t)config_int(c, "proxy", NULL, "login_timeout");
    s->grace_ms = (uint64_t)config_int(c, "proxy", NULL, "grace");
    s->tongues.n = lang_list(config_list(c, "proxy", NULL, "languages"), s->tongues.of);
    s->drain_timeout_ms = (uint64_t)config_int(c, "proxy", NULL, "drain_timeout");
    s->handover_timeout_ms = (uint64_t)config_int(c, "proxy", NULL, "handover_timeout");
    s->keepalive_s = (unsigned)(config_int(c, "proxy", NULL, "keepalive") / 1000);
    s->user_timeout_ms = KEEPALIVE_OWES_MS(s->keepalive_s);
}

/* Several servers, and the account by which they are asked whether one may write. */
static int backends_make(struct settings *s, struct err *e)
{
    const struct config *c = s->config;
    const char *file = config_str(c, "database", NULL, "probe_password_file");
    int r = backend_pool_make(c, &s->backends, e);
    if (r < 0 || !s->backends || !s->probe_user)
        return r;
    if (!file)
        return err_set(
            e, EINVAL, "%s: [database] probe_user needs probe_password_file", config_path(c));
    return secret_read(file, &s->probe_password, e);
}

/* The name that we run under. */
static char *own_user(const struct config *c)
{
    const struct passwd *pw = getpwuid(geteuid());
    return pw && !config_bool(c, "proxy", NULL, "allow_own_user") ? xstrdup(pw->pw_name) : NULL;
}

int settings_make(
    struct config *config, struct tickets *tickets, struct settings **out, struct err *e)
{
    struct settings *s = xcalloc(1, sizeof *s);
    s->refs = 1;
    s->config = config;
    settings_read_plain(s);
    s->own_user = own_user(config);
    while (config_section(config, "listen", s->n_listeners))
        s->n_listeners++;
    s->listeners = xcalloc(s->n_listeners, sizeof *s->listeners);
    int r = backends_make(s, e);
    for (size_t i = 0; i < s->n_listeners && r == 0; i++)
        r = listener_make(s, config_section(config, "listen", i), tickets, &s->listeners[i], e);
    if (r < 0) {
        settings_unref(s);
        return r;
    }
    *out = s;
    return 0;
}

struct settings *settings_ref(struct settings *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void settings_unref(struct settings *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < s->n_listeners; i++) {
        free(s->listeners[i].allow.items);
        free(s->listeners[i].deny.items);
        SSL_CTX_free(s->listeners[i].tls_ctx);
        client_auth_free(s->listeners[i].client_auth);
        log_limit_free(s->listeners[i].failures);
        log_limit_free(s->listeners[i].proof_trouble);
    }
    free(s->listeners);
    free(s->own_user);
    backend_pool_unref(s->backends);
    secret_free(s->probe_password);
    cert_pair_unref(s->certificate);
    config_free(s->config);
    free(s);
}

static bool any_contains(const struct cidr_list *list, const struct address *a)
{
    for (size_t i = 0; i < list->n; i++)
        if (cidr_contains(&list->items[i], a))
            return true;
    return false;
}

bool settings_allows(const struct listen_settings *l, const struct address *a)
{
    return !any_contains(&l->deny, a) && (l->allow.n == 0 || any_contains(&l->allow, a));
}
