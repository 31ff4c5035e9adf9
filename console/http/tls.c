#include "console/http/tls.h"

#include <errno.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include "certs/pair.h"
#include "certs/trial.h"
#include "console/http/tls_trial.h"

/* GnuTLS's callback has no room for a context: the process has one page, and so one pair. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct served {
    gnutls_datum_t certificates[CERT_CHAIN_MAX + 1]; /* DER, leaf first */
    unsigned n;
    gnutls_datum_t key; /* DER, PKCS #8 */
    char *host;
    struct cert_pair *checked; /* what it was made from; NULL: none yet */
    struct err unfit;          /* why nobody can connect with it; no code: the trial went well */
} pair;
/* The files as they were when they were read last. */
static struct stat seen_certificate, seen_key;

static void wipe(gnutls_datum_t *d)
{
    if (d->data)
        OPENSSL_cleanse(d->data, d->size);
    OPENSSL_free(d->data);
    d->data = NULL;
    d->size = 0;
}

static void drop(struct served *s)
{
    for (unsigned i = 0; i < s->n; i++)
        wipe(&s->certificates[i]);
    wipe(&s->key);
    free(s->host);
    cert_pair_unref(s->checked);
    memset(s, 0, sizeof *s);
}

static void add_certificate(struct served *s, X509 *x)
{
    gnutls_datum_t d = {0};
    int n = i2d_X509(x, &d.data);
    CHECK(n > 0); /* parsed before, so it encodes again; cert_pair has checked the key, too */
    d.size = (unsigned)n;
    s->certificates[s->n++] = d;
}

static struct served prepare(struct cert_pair *p)
{
    struct served s = {0};
    const struct cert_info *info = cert_pair_info(p);
    add_certificate(&s, cert_pair_leaf(p));
    for (int i = 0; i < sk_X509_num(cert_pair_chain(p)) && s.n <= CERT_CHAIN_MAX; i++)
        add_certificate(&s, sk_X509_value(cert_pair_chain(p), i));
    PKCS8_PRIV_KEY_INFO *p8 = EVP_PKEY2PKCS8(cert_pair_key(p));
    CHECK(p8);
    int n = i2d_PKCS8_PRIV_KEY_INFO(p8, &s.key.data);
    PKCS8_PRIV_KEY_INFO_free(p8);
    CHECK(n > 0);
    s.key.size = (unsigned)n;
    const char *host = info->dns[0] && info->dns[0][0] != '*' ? info->dns[0] : "localhost";
    s.host = xstrdup(host);
    s.checked = cert_pair_ref(p);
    return s;
}

/* GnuTLS frees what it is given (GNUTLS_CERT_RETR_DEINIT_ALL): each handshake gets its own, and a
 * reload needs to wait for nobody. */
static int hand_out(
    const struct served *s, gnutls_pcert_st **certificates, unsigned *n, gnutls_privkey_t *key)
{
    gnutls_pcert_st *list = gnutls_calloc(s->n, sizeof *list);
    unsigned made = 0;
    int r = list && s->n > 0 ? 0 : GNUTLS_E_MEMORY_ERROR;
    for (; r == 0 && made < s->n; made++) {
        r = gnutls_pcert_import_x509_raw(
            &list[made], &s->certificates[made], GNUTLS_X509_FMT_DER, 0);
        if (r < 0)
            break;
    }
    if (r == 0)
        r = gnutls_privkey_init(key);
    if (r == 0) {
        r = gnutls_privkey_import_x509_raw(*key, &s->key, GNUTLS_X509_FMT_DER, NULL, 0);
        if (r < 0)
            gnutls_privkey_deinit(*key);
    }
    if (r < 0) {
        for (unsigned i = 0; i < made; i++)
            gnutls_pcert_deinit(&list[i]);
        gnutls_free(list);
        return r;
    }
    *certificates = list;
    *n = made;
    return 0;
}

static int hand_out_whole(const struct served *s, gnutls_pcert_st **certificates, unsigned *n,
    gnutls_ocsp_data_st **ocsp, unsigned *n_ocsp, gnutls_privkey_t *key, unsigned *flags)
{
    *ocsp = NULL;
    *n_ocsp = 0;
    *flags = GNUTLS_CERT_RETR_DEINIT_ALL;
    return hand_out(s, certificates, n, key);
}

/* As tls_retrieve, with the pair that the session is about. */
static int retrieve_on_trial(gnutls_session_t session, const struct gnutls_cert_retr_st *info,
    gnutls_pcert_st **certificates, unsigned *n_certificates, gnutls_ocsp_data_st **ocsp,
    unsigned *n_ocsp, gnutls_privkey_t *key, unsigned *flags)
{
    (void)info;
    return hand_out_whole(gnutls_session_get_ptr(session), certificates, n_certificates, ocsp,
               n_ocsp, key, flags) < 0
               ? -1
               : 0;
}

/* Whether GnuTLS can serve with it, and a browser would come in. */
static int try_out(struct served *s, const char *name, struct err *e)
{
    gnutls_pcert_st *certificates = NULL;
    gnutls_privkey_t key = NULL;
    unsigned n = 0;
    int r = hand_out(s, &certificates, &n, &key); /* has the better words */
    if (r < 0)
        return trial_failed(name, "GnuTLS", gnutls_strerror(r), e);
    for (unsigned i = 0; i < n; i++)
        gnutls_pcert_deinit(&certificates[i]);
    gnutls_free(certificates);
    gnutls_privkey_deinit(key);
    return tls_trial(retrieve_on_trial, s, &s->certificates[s->n - 1], name, e);
}

/* What browsers refuse may not take the place of what serves them well, by GnuTLS's own judgement
 * as by OpenSSL's (cert_pair_replaces). */
static int replaces(const struct served *next, const char *name, struct err *e)
{
    time_t now = time(NULL);
    int r = cert_pair_replaces(pair.checked, next->checked, name, now, e);
    if (r < 0 || !next->unfit.code || !pair.checked || pair.unfit.code ||
        X509_cmp(cert_pair_leaf(pair.checked), cert_pair_leaf(next->checked)) == 0 ||
        cert_pair_fits(pair.checked, name, now, NULL) < 0)
        return r;
    return err_copy(e, EINVAL, &next->unfit);
}

static void look(const char *path, struct stat *st)
{
    if (stat(path, st) < 0)
        memset(st, 0, sizeof *st);
}

int tls_load(const char *certificate, const char *key, struct err *e)
{
    struct cert_pair *p = NULL;
    struct stat a, b;
    look(certificate, &a);
    look(key, &b);
    int r = cert_pair_load(certificate, key, &p, e);
    struct served next = {0};
    struct err why = {0};
    if (r == 0) {
        next = prepare(p);
        if (try_out(&next, certificate, &why) < 0)
            next.unfit = why;
    }
    pthread_mutex_lock(&lock);
    seen_certificate = a;
    seen_key = b;
    if (r == 0)
        r = replaces(&next, certificate, e);
    if (r == 0) {
        struct served old = pair;
        pair = next;
        next = old;
    }
    pthread_mutex_unlock(&lock);
    drop(&next);
    cert_pair_unref(p);
    return r;
}

int tls_fits(const char *certificate, struct err *e)
{
    pthread_mutex_lock(&lock);
    int r = pair.checked ? cert_pair_fits(pair.checked, certificate, time(NULL), e) : 0;
    if (r == 0 && pair.unfit.code)
        r = err_copy(e, EINVAL, &pair.unfit);
    pthread_mutex_unlock(&lock);
    return r;
}

static bool same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_mode == b->st_mode;
}

bool tls_changed(const char *certificate, const char *key)
{
    struct stat a, b;
    look(certificate, &a);
    look(key, &b);
    pthread_mutex_lock(&lock);
    bool changed = !same(&a, &seen_certificate) || !same(&b, &seen_key);
    pthread_mutex_unlock(&lock);
    return changed;
}

char *tls_host_name(void)
{
    pthread_mutex_lock(&lock);
    char *host = xstrdup(pair.host ? pair.host : "localhost");
    pthread_mutex_unlock(&lock);
    return host;
}

void tls_unload(void)
{
    pthread_mutex_lock(&lock);
    drop(&pair);
    pthread_mutex_unlock(&lock);
}

int tls_retrieve(gnutls_session_t session, const struct gnutls_cert_retr_st *info,
    gnutls_pcert_st **certificates, unsigned *n_certificates, gnutls_ocsp_data_st **ocsp,
    unsigned *n_ocsp, gnutls_privkey_t *key, unsigned *flags)
{
    (void)session;
    (void)info;
    pthread_mutex_lock(&lock);
    int r = hand_out_whole(&pair, certificates, n_certificates, ocsp, n_ocsp, key, flags);
    pthread_mutex_unlock(&lock);
    return r < 0 ? -1 : 0;
}
