#include "console/tls.h"

#include <errno.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include "certs/pair.h"

/* GnuTLS's callback has no room for a context: the process has one page, and so one pair. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    gnutls_datum_t certificates[CERT_CHAIN_MAX + 1]; /* DER, leaf first */
    unsigned n;
    gnutls_datum_t key; /* DER, PKCS #8 */
    char *host;
    struct cert_pair *checked; /* what it was made from; NULL: none yet */
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

static void drop_pair(void)
{
    for (unsigned i = 0; i < pair.n; i++)
        wipe(&pair.certificates[i]);
    wipe(&pair.key);
    free(pair.host);
    cert_pair_unref(pair.checked);
    memset(&pair, 0, sizeof pair);
}

static void add_certificate(X509 *x)
{
    gnutls_datum_t d = {0};
    int n = i2d_X509(x, &d.data);
    CHECK(n > 0);
    d.size = (unsigned)n;
    pair.certificates[pair.n++] = d;
}

static void adopt(struct cert_pair *p)
{
    const struct cert_info *info = cert_pair_info(p);
    drop_pair();
    add_certificate(cert_pair_leaf(p));
    for (int i = 0; i < sk_X509_num(cert_pair_chain(p)) && pair.n <= CERT_CHAIN_MAX; i++)
        add_certificate(sk_X509_value(cert_pair_chain(p), i));
    PKCS8_PRIV_KEY_INFO *p8 = EVP_PKEY2PKCS8(cert_pair_key(p));
    CHECK(p8);
    int n = i2d_PKCS8_PRIV_KEY_INFO(p8, &pair.key.data);
    PKCS8_PRIV_KEY_INFO_free(p8);
    CHECK(n > 0);
    pair.key.size = (unsigned)n;
    const char *host = info->dns[0] && info->dns[0][0] != '*' ? info->dns[0] : "localhost";
    pair.host = xstrdup(host);
    pair.checked = cert_pair_ref(p);
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
    pthread_mutex_lock(&lock);
    seen_certificate = a;
    seen_key = b;
    time_t now = time(NULL);
    if (r == 0)
        r = cert_pair_replaces(pair.checked, p, certificate, now, e);
    if (r == 0)
        adopt(p);
    pthread_mutex_unlock(&lock);
    cert_pair_unref(p);
    return r;
}

int tls_fits(const char *certificate, struct err *e)
{
    pthread_mutex_lock(&lock);
    int r = pair.checked ? cert_pair_fits(pair.checked, certificate, time(NULL), e) : 0;
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
    drop_pair();
    pthread_mutex_unlock(&lock);
}

/* GnuTLS frees what it is given (GNUTLS_CERT_RETR_DEINIT_ALL): each handshake gets its own, and a
 * reload needs to wait for nobody. */
static int hand_out(gnutls_pcert_st **certificates, unsigned *n, gnutls_privkey_t *key)
{
    gnutls_pcert_st *list = gnutls_calloc(pair.n, sizeof *list);
    unsigned made = 0;
    int r = list && pair.n > 0 ? 0 : GNUTLS_E_MEMORY_ERROR;
    for (; r == 0 && made < pair.n; made++) {
        r = gnutls_pcert_import_x509_raw(
            &list[made], &pair.certificates[made], GNUTLS_X509_FMT_DER, 0);
        if (r < 0)
            break;
    }
    if (r == 0)
        r = gnutls_privkey_init(key);
    if (r == 0) {
        r = gnutls_privkey_import_x509_raw(*key, &pair.key, GNUTLS_X509_FMT_DER, NULL, 0);
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

int tls_retrieve(gnutls_session_t session, const struct gnutls_cert_retr_st *info,
    gnutls_pcert_st **certificates, unsigned *n_certificates, gnutls_ocsp_data_st **ocsp,
    unsigned *n_ocsp, gnutls_privkey_t *key, unsigned *flags)
{
    (void)session;
    (void)info;
    *ocsp = NULL;
    *n_ocsp = 0;
    pthread_mutex_lock(&lock);
    int r = hand_out(certificates, n_certificates, key);
    pthread_mutex_unlock(&lock);
    if (r < 0)
        return -1;
    *flags = GNUTLS_CERT_RETR_DEINIT_ALL;
    return 0;
}
