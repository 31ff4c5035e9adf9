#include "certs/cert_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "certs/pem.h"
#include "common/clock.h"
#include "common/config.h"
#include "common/file.h"

#define GENERATIONS_KEPT 3
#define GENERATION_LEN   sizeof("20261122T220102Z-00000000")

char *cert_store_path(const struct cert_store *s, const char *name)
{
    return xasprintf("%s/%s", s->dir, name);
}

/* Root and the owner only; see the header. */
static int check_folder(const char *dir, struct err *e)
{
    struct stat st;
    if (stat(dir, &st) < 0)
        return err_sys(e, errno, "cannot stat %s", dir);
    if (geteuid() == 0 && st.st_uid != 0) {
        return err_set(e, EPERM,
            "%s belongs to another user (uid %u) and is not written as root: run this as that user, or `chown root %s` and name the proxy's user with --owner",
            dir, (unsigned)st.st_uid, dir);
    }
    return 0;
}

static int open_for_writing(struct cert_store *s, struct err *e)
{
    int r = file_mkdirs(s->dir, 0755, e);
    if (r == 0)
        r = check_folder(s->dir, e);
    if (r < 0)
        return r;
    _cleanup_free_ char *lock = cert_store_path(s, ".lock");
    pid_t holder = 0;
    r = file_lock(lock, &s->lock_fd, &holder, e);
    if (r == 1) {
        return err_set(e, EBUSY,
            "another elexgate cert (pid %d) works in %s: try again when it is done", (int)holder,
            s->dir);
    }
    return r;
}

int cert_store_open(const char *dir, const char *cert_name, const char *key_name,
    enum cert_store_access access, struct cert_store *out, struct err *e)
{
    struct stat st;
    struct cert_store s = {
        .dir = xstrdup(dir),
        .cert_name = xstrdup(cert_name != NULL ? cert_name : "server.pem"),
        .key_name = xstrdup(key_name != NULL ? key_name : "server.key"),
        .lock_fd = -1,
        .owner = (uid_t)-1,
        .group = (gid_t)-1,
        .key_mode = 0600,
    };
    int r = access == CERT_STORE_WRITE ? open_for_writing(&s, e) : 0;
    if (r < 0) {
        cert_store_close(&s);
        return r;
    }
    _cleanup_free_ char *key = cert_store_path(&s, s.key_name);
    if (geteuid() == 0 && stat(key, &st) == 0) {
        s.owner = st.st_uid;
        s.group = st.st_gid;
        s.key_mode = cert_key_shared_by_group(&st) ? 0640 : 0600;
    }
    *out = s;
    return 0;
}

void cert_store_close(struct cert_store *s)
{
    if (s->dir != NULL && s->lock_fd >= 0)
        close(s->lock_fd);
    free(s->dir);
    free(s->cert_name);
    free(s->key_name);
    *s = (struct cert_store){.lock_fd = -1};
}

/* The parents are root's or the caller's own (check_folder), so nobody can exchange path. */
static int write_owned(const char *folder, const char *name, const char *data, size_t len,
    mode_t mode, const struct cert_store *s, struct err *e)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", folder, name);
    bool other = s->owner != (uid_t)-1;
    return file_publish_for(path, data, len, mode, s->owner, other ? s->group : (gid_t)-1, e);
}

/* A folder of its own for one generation, under generations/; its name relative to DIR. */
static int new_generation(const struct cert_store *s, time_t now, char **out, struct err *e)
{
    char stamp[GENERATION_LEN];
    unsigned char salt[2];
    _cleanup_free_ char *parent = cert_store_path(s, "generations");
    int r = file_mkdirs(parent, 0755, e);
    if (r < 0)
        return r;
    clock_utc((int64_t)now * 1000, "%Y%m%dT%H%M%SZ", stamp, sizeof stamp);
    CHECK(RAND_bytes(salt, sizeof salt) == 1);
    char *name = xasprintf("generations/%s-%02x%02x", stamp, salt[0], salt[1]);
    _cleanup_free_ char *path = cert_store_path(s, name);
    if (mkdir(path, 0755) < 0) {
        r = err_sys(e, errno, "cannot make the folder %s", path);
        free(name);
        return r;
    }
    *out = name;
    return 0;
}

/* Makes or replaces the symlink DIR/name in one step. */
static int switch_link(
    const struct cert_store *s, const char *target, const char *name, struct err *e)
{
    _cleanup_free_ char *path = cert_store_path(s, name);
    _cleanup_free_ char *tmp = xasprintf("%s/.%s.tmp-%d", s->dir, name, (int)getpid());
    unlink(tmp); /* a leftover of a process with our pid; we hold the lock */
    if (symlink(target, tmp) < 0)
        return err_sys(e, errno, "cannot make the link %s", tmp);
    int r = file_rename_durable(tmp, path, e);
    if (r < 0)
        unlink(tmp);
    return r;
}

/* true if DIR/name is the symlink that leads through `current`. */
static bool is_our_link(const struct cert_store *s, const char *name)
{
    char target[256];
    _cleanup_free_ char *path = cert_store_path(s, name);
    _cleanup_free_ char *want = xasprintf("current/%s", name);
    ssize_t n = readlink(path, target, sizeof target - 1);
    if (n < 0)
        return false;
    target[n] = '\0';
    return strcmp(target, want) == 0;
}

static int copy_in(const struct cert_store *s, const char *generation, const char *name,
    mode_t mode, struct err *e)
{
    size_t len = 0;
    char *data = NULL;
    _cleanup_free_ char *from = cert_store_path(s, name);
    _cleanup_free_ char *folder = cert_store_path(s, generation);
    if (access(from, F_OK) < 0)
        return 0;
    int r = pem_read_file(from, &data, &len, e);
    if (r == 0)
        r = write_owned(folder, name, data, len, mode, s, e);
    pem_wipe(data, len);
    return r;
}

/* Makes DIR/server.pem and DIR/server.key the links that lead through `current`. */
static int link_names(const struct cert_store *s, struct err *e)
{
    const char *const names[] = {s->key_name, s->cert_name};
    int r = 0;
    for (size_t i = 0; r == 0 && i < 2; i++) {
        if (!is_our_link(s, names[i])) {
            _cleanup_free_ char *target = xasprintf("current/%s", names[i]);
            r = switch_link(s, target, names[i], e);
        }
    }
    return r;
}

static bool is_plain(const struct cert_store *s, const char *name)
{
    _cleanup_free_ char *path = cert_store_path(s, name);
    return access(path, F_OK) == 0 && !is_our_link(s, name);
}

/* What was begun and is in use by nobody: a full disk leaves nothing behind. */
static void remove_generation(const struct cert_store *s, const char *generation)
{
    _cleanup_free_ char *parent = cert_store_path(s, "generations");
    _cleanup_fd_ int dirfd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dirfd >= 0)
        (void)!file_remove_tree(dirfd, strrchr(generation, '/') + 1, NULL);
}

/* Plain files that somebody put there become the first generation, so that the switch that follows
 * is one step for them as well, and nothing is lost. */
static int adopt_plain_files(const struct cert_store *s, time_t now, struct err *e)
{
    if (!is_plain(s, s->cert_name) && !is_plain(s, s->key_name))
        return 0;
    _cleanup_free_ char *generation = NULL;
    int r = new_generation(s, now, &generation, e);
    if (r == 0)
        r = copy_in(s, generation, s->cert_name, 0644, e);
    if (r == 0)
        r = copy_in(s, generation, s->key_name, s->key_mode, e);
    if (r == 0)
        r = switch_link(s, generation, "current", e);
    if (r < 0 && generation != NULL)
        remove_generation(s, generation);
    return r < 0 ? r : link_names(s, e);
}

/* How many were made after that one. By the folders' times: two of the same second are in no order
 * by name, which decides only where the times are the same. */
static int made_after(int dirfd, struct dirent **list, int n, const char *name)
{
    struct stat one, other;
    int later = 0;
    if (fstatat(dirfd, name, &one, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    for (int i = 0; i < n; i++)
        later += fstatat(dirfd, list[i]->d_name, &other, AT_SYMLINK_NOFOLLOW) == 0 &&
                 (cert_store_is_later(&other.st_mtim, &one.st_mtim) ||
                     (!cert_store_is_later(&one.st_mtim, &other.st_mtim) &&
                         strcmp(list[i]->d_name, name) > 0));
    return later;
}

static int is_generation(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

/* Failure leaves more than needed, which hurts nobody. */
static void remove_old(const struct cert_store *s, const char *keep)
{
    struct dirent **list = NULL;
    _cleanup_free_ char *parent = cert_store_path(s, "generations");
    int n = scandir(parent, &list, is_generation, NULL);
    _cleanup_fd_ int dirfd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_free_ bool *old = xcalloc(n > 0 ? (size_t)n : 1, sizeof *old);
    for (int i = 0; i < n; i++)
        old[i] = dirfd >= 0 && strcmp(list[i]->d_name, strrchr(keep, '/') + 1) != 0 &&
                 made_after(dirfd, list, n, list[i]->d_name) >= GENERATIONS_KEPT;
    for (int i = 0; i < n; i++) {
        if (old[i])
            (void)!file_remove_tree(dirfd, list[i]->d_name, NULL);
        free(list[i]);
    }
    free(list);
}

static int write_generation(
    const struct cert_store *s, const char *generation, const struct cert_pair *pair, struct err *e)
{
    size_t cert_len, key_len;
    STACK_OF(X509) *all = sk_X509_dup(cert_pair_chain(pair));
    CHECK(all != NULL && sk_X509_unshift(all, cert_pair_leaf(pair)) > 0);
    _cleanup_free_ char *folder = cert_store_path(s, generation);
    _cleanup_free_ char *cert = pem_write_certs(all, &cert_len);
    char *key = pem_write_key(cert_pair_key(pair), NULL, &key_len);
    sk_X509_free(all);
    int r = write_owned(folder, s->key_name, key, key_len, s->key_mode, s, e);
    if (r == 0)
        r = write_owned(folder, s->cert_name, cert, cert_len, 0644, s, e);
    pem_wipe(key, key_len);
    return r < 0 ? r : file_sync_parent(folder, e);
}

int cert_store_publish(
    const struct cert_store *s, const struct cert_pair *pair, time_t now, struct err *e)
{
    _cleanup_free_ char *generation = NULL;
    int r = adopt_plain_files(s, now, e);
    if (r == 0)
        r = new_generation(s, now, &generation, e);
    if (r == 0)
        r = write_generation(s, generation, pair, e);
    if (r == 0)
        r = switch_link(s, generation, "current", e);
    if (r < 0) {
        if (generation != NULL)
            remove_generation(s, generation);
        return r;
    }
    r = link_names(s, e);
    if (r == 0)
        remove_old(s, generation);
    return r;
}

int cert_store_current(const struct cert_store *s, struct cert_pair **out, struct err *e)
{
    _cleanup_free_ char *cert_path = cert_store_path(s, s->cert_name);
    _cleanup_free_ char *key_path = cert_store_path(s, s->key_name);
    return cert_pair_load(cert_path, key_path, out, e);
}

int cert_store_has_ca(const struct cert_store *s)
{
    _cleanup_free_ char *path = cert_store_path(s, "ca.pem");
    return access(path, F_OK) == 0;
}

/* Publishes a file that must not be there yet: link(2) fails where rename(2) would replace. */
static int write_exclusive(const struct cert_store *s, const char *name, const char *data,
    size_t len, mode_t mode, struct err *e)
{
    _cleanup_free_ char *path = cert_store_path(s, name);
    _cleanup_free_ char *tmp = xasprintf("%s/.%s.new-%d", s->dir, name, (int)getpid());
    int r = file_publish(tmp, data, len, mode, e);
    if (r == 0 && link(tmp, path) < 0) {
        r = errno == EEXIST ? err_set(e, EEXIST, "%s is there already and is not overwritten", path)
                            : err_sys(e, errno, "cannot make %s", path);
    }
    unlink(tmp);
    return r < 0 ? r : file_sync_parent(path, e);
}

int cert_store_write(const struct cert_store *s, const char *name, const char *data, size_t len,
    mode_t mode, bool replace, struct err *e)
{
    _cleanup_free_ char *path = cert_store_path(s, name);
    return replace ? file_publish(path, data, len, mode, e)
                   : write_exclusive(s, name, data, len, mode, e);
}

int cert_store_note_issued(const struct cert_store *s, X509 *x, struct err *e)
{
    size_t len;
    _cleanup_cert_info_ struct cert_info *i = NULL;
    _cleanup_free_ char *folder = cert_store_path(s, "issued");
    int r = file_mkdirs(folder, 0755, e);
    if (r == 0)
        r = cert_info_new(x, &i, e);
    if (r < 0)
        return r;
    STACK_OF(X509) *one = sk_X509_new_null();
    CHECK(one != NULL && sk_X509_push(one, x) > 0);
    _cleanup_free_ char *pem = pem_write_certs(one, &len);
    _cleanup_free_ char *name = xasprintf("issued/%s.pem", i->serial);
    sk_X509_free(one);
    return cert_store_write(s, name, pem, len, 0644, true, e);
}

static int put_aside(const struct cert_store *s, const char *name, time_t now, struct err *e)
{
    _cleanup_free_ char *from = cert_store_path(s, name);
    _cleanup_free_ char *to = xasprintf("%s.replaced-%lld", from, (long long)now);
    return access(from, F_OK) < 0 ? 0 : file_rename_durable(from, to, e);
}

int cert_store_write_ca(const struct cert_store *s, X509 *ca, EVP_PKEY *key, const char *passphrase,
    bool replace, time_t now, struct err *e)
{
    /* The revocation list speaks about the old CA's serial numbers. */
    static const char *const old[] = {"ca.pem", "ca.key", "crl.pem", "revoked", "issued"};
    int r = 0;
    for (size_t i = 0; replace && r == 0 && i < sizeof old / sizeof old[0]; i++)
        r = put_aside(s, old[i], now, e);
    if (r < 0)
        return r;
    size_t cert_len, key_len;
    STACK_OF(X509) *one = sk_X509_new_null();
    CHECK(one != NULL && sk_X509_push(one, ca) > 0);
    _cleanup_free_ char *cert = pem_write_certs(one, &cert_len);
    sk_X509_free(one);
    char *pem = pem_write_key(key, passphrase, &key_len);
    r = write_exclusive(s, "ca.key", pem, key_len, 0600, e);
    pem_wipe(pem, key_len);
    return r < 0 ? r : write_exclusive(s, "ca.pem", cert, cert_len, 0644, e);
}

int cert_store_read_cas(const struct cert_store *s, STACK_OF(X509) * *out, struct err *e)
{
    size_t len;
    _cleanup_free_ char *path = cert_store_path(s, "ca.pem");
    _cleanup_free_ char *data = NULL;
    if (access(path, F_OK) < 0) {
        return err_set(
            e, ENOENT, "there is no CA in %s: make one with `elexgate cert init`", s->dir);
    }
    int r = pem_read_file(path, &data, &len, e);
    return r < 0 ? r : pem_parse_chain(data, len, path, out, e);
}

int cert_store_read_ca_cert(const struct cert_store *s, X509 **out, struct err *e)
{
    _cleanup_x509s_ STACK_OF(X509) *certs = NULL;
    int r = cert_store_read_cas(s, &certs, e);
    if (r < 0)
        return r;
    X509 *ca = sk_X509_value(certs, 0);
    if (X509_check_ca(ca) != 1)
        return err_set(e, EINVAL, "%s/ca.pem is not the certificate of a CA", s->dir);
    CHECK(X509_up_ref(ca) == 1);
    *out = ca;
    return 0;
}

static int open_ca_key(
    const char *path, cert_store_ask_fn *ask, void *ctx, EVP_PKEY **out, struct err *e)
{
    size_t len = 0;
    char *data = NULL;
    int r = pem_read_file(path, &data, &len, e);
    if (r == 0)
        r = file_check_private(path, e);
    if (r < 0) {
        pem_wipe(data, len);
        return r;
    }
    char *passphrase = NULL;
    if (strstr(data, "-----BEGIN ENCRYPTED PRIVATE KEY") != NULL ||
        strstr(data, "Proc-Type: 4,ENCRYPTED") != NULL) {
        passphrase = ask != NULL ? ask(ctx, path, e) : NULL;
        r = passphrase == NULL ? -EACCES : 0;
    }
    if (r == 0)
        r = pem_parse_key(data, len, path, passphrase, out, e);
    secret_free(passphrase);
    pem_wipe(data, len);
    return r;
}

int cert_store_read_ca(const struct cert_store *s, const char *key_path, cert_store_ask_fn *ask,
    void *ctx, X509 **ca, EVP_PKEY **key, struct err *e)
{
    _cleanup_x509_ X509 *cert = NULL;
    _cleanup_free_ char *path = key_path != NULL ? xstrdup(key_path) : cert_store_path(s, "ca.key");
    EVP_PKEY *k = NULL;
    int r = cert_store_read_ca_cert(s, &cert, e);
    if (r < 0)
        return r;
    if (access(path, F_OK) < 0) {
        return err_set(e, ENOENT,
            "the CA's key %s is not here: bring the medium that it is kept on and name it with --ca-key, or make a request with `elexgate cert csr` and sign it where the key is",
            path);
    }
    r = open_ca_key(path, ask, ctx, &k, e);
    if (r < 0)
        return r;
    if (EVP_PKEY_eq(X509_get0_pubkey(cert), k) != 1) {
        EVP_PKEY_free(k);
        return err_set(e, EINVAL, "the key %s does not belong to the CA in %s", path, s->dir);
    }
    *ca = cert;
    cert = NULL;
    *key = k;
    return 0;
}
