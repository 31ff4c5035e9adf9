#include "console/http/tls_trial.h"

#include <errno.h>
#include <string.h>

#include "certs/trial.h"
#include "console/http/tls.h"

#define ROUNDS_MAX 20
#define FLIGHT_MAX (256 * 1024) /* a chain of ten, and room */
#define GROUPS     ":-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:+GROUP-SECP521R1"

/* What one side has sent and the other one has not read. */
struct flight {
    unsigned char *data;
    size_t at, len;
};

struct side {
    gnutls_session_t session;
    struct flight *in, *out;
};

static ssize_t push(gnutls_transport_ptr_t ctx, const void *data, size_t n)
{
    struct side *s = ctx;
    if (n > FLIGHT_MAX - s->out->len) {
        gnutls_transport_set_errno(s->session, ENOBUFS);
        return -1;
    }
    memcpy(s->out->data + s->out->len, data, n);
    s->out->len += n;
    return (ssize_t)n;
}

static ssize_t pull(gnutls_transport_ptr_t ctx, void *data, size_t n)
{
    struct side *s = ctx;
    size_t left = s->in->len - s->in->at;
    if (left == 0) {
        gnutls_transport_set_errno(s->session, EAGAIN);
        return -1;
    }
    n = n < left ? n : left;
    memcpy(data, s->in->data + s->in->at, n);
    s->in->at += n;
    return (ssize_t)n;
}

static int pull_ready(gnutls_transport_ptr_t ctx, unsigned ms)
{
    const struct side *s = ctx;
    (void)ms;
    return s->in->len > s->in->at;
}

static int open_side(struct side *s, unsigned end, const char *priorities,
    gnutls_certificate_credentials_t credentials)
{
    int r = gnutls_init(&s->session, end | GNUTLS_NONBLOCK);
    if (r < 0)
        return r;
    gnutls_transport_set_ptr(s->session, s);
    gnutls_transport_set_push_function(s->session, push);
    gnutls_transport_set_pull_function(s->session, pull);
    gnutls_transport_set_pull_timeout_function(s->session, pull_ready);
    r = gnutls_priority_set_direct(s->session, priorities, NULL);
    return r < 0 ? r : gnutls_credentials_set(s->session, GNUTLS_CRD_CERTIFICATE, credentials);
}

/* Both sides in turn. The first to give up has the reason. */
static int shake(struct side *server, struct side *client)
{
    int s = GNUTLS_E_AGAIN, c = GNUTLS_E_AGAIN;
    for (int i = 0; i < ROUNDS_MAX && (s != 0 || c != 0); i++) {
        c = c == 0 ? 0 : gnutls_handshake(client->session);
        if (gnutls_error_is_fatal(c))
            return c;
        s = s == 0 ? 0 : gnutls_handshake(server->session);
        if (gnutls_error_is_fatal(s))
            return s;
    }
    return s < 0 ? s : c;
}

static int failed(
    const struct side *client, int r, const char *version, const char *name, struct err *e)
{
    gnutls_datum_t words = {0};
    unsigned status = client->session ? gnutls_session_get_verify_cert_status(client->session) : 0;
    bool judged = r == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR &&
                  gnutls_certificate_verification_status_print(
                      status, GNUTLS_CRT_X509, &words, 0) == 0;
    r = trial_failed(name, version, judged ? (const char *)words.data : gnutls_strerror(r), e);
    gnutls_free(words.data);
    return r;
}

struct trial {
    gnutls_certificate_credentials_t server, client;
    void *served;
    const char *name;
};

static int one_version(
    const struct trial *t, const char *priorities, const char *version, struct err *e)
{
    _cleanup_free_ unsigned char *to_server = xmalloc(FLIGHT_MAX), *to_client = xmalloc(FLIGHT_MAX);
    struct flight a = {.data = to_server}, b = {.data = to_client};
    struct side server = {.in = &a, .out = &b}, client = {.in = &b, .out = &a};
    int r = open_side(&server, GNUTLS_SERVER, TLS_PRIORITIES, t->server);
    if (r == 0)
        r = open_side(&client, GNUTLS_CLIENT, priorities, t->client);
    if (r == 0) {
        gnutls_session_set_ptr(server.session, t->served);
        gnutls_session_set_verify_cert(client.session, NULL,
            GNUTLS_VERIFY_DISABLE_TIME_CHECKS | GNUTLS_VERIFY_DISABLE_TRUSTED_TIME_CHECKS);
        r = shake(&server, &client);
    }
    if (r < 0)
        r = failed(&client, r, version, t->name, e);
    if (server.session)
        gnutls_deinit(server.session);
    if (client.session)
        gnutls_deinit(client.session);
    return r;
}

int tls_trial(gnutls_certificate_retrieve_function3 *retrieve, void *served,
    const gnutls_datum_t *top, const char *name, struct err *e)
{
    struct trial t = {.served = served, .name = name};
    CHECK(gnutls_certificate_allocate_credentials(&t.server) == 0 &&
          gnutls_certificate_allocate_credentials(&t.client) == 0); /* fails without memory only */
    gnutls_certificate_set_retrieve_function3(t.server, retrieve);
    int r = gnutls_certificate_set_x509_trust_mem(t.client, top, GNUTLS_X509_FMT_DER);
    if (r < 0)
        r = trial_failed(name, "GnuTLS", gnutls_strerror(r), e);
    else
        r = one_version(&t, "NORMAL:-VERS-ALL:+VERS-TLS1.2" GROUPS, "TLS 1.2", e);
    if (r == 0)
        r = one_version(&t, "NORMAL:-VERS-ALL:+VERS-TLS1.3" GROUPS, "TLS 1.3", e);
    gnutls_certificate_free_credentials(t.server);
    gnutls_certificate_free_credentials(t.client);
    return r;
}
