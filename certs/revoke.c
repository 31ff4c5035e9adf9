#include "certs/revoke.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "certs/pem.h"
#include "common/file.h"

#define REVOKED_MAX (16 * 1024 * 1024)

static int parse_line(const char *line, size_t len, const char *name, unsigned number,
    struct revoke_list *l, struct err *e)
{
    size_t n = 0;
    while (n < len && isxdigit((unsigned char)line[n]))
        n++;
    struct make_revoked entry = {0};
    char *end = NULL;
    _cleanup_free_ char *rest = xmalloc(len - n + 1);
    memcpy(rest, line + n, len - n);
    rest[len - n] = '\0';
    long long at = strtoll(rest, &end, 10);
    if (n == 0 || n >= sizeof entry.serial || rest[0] != ' ' || end == rest || at <= 0 ||
        (*end != ' ' && *end != '\0')) {
        return err_set(e, EBADMSG,
            "%s, line %u: expected \"SERIAL TIME NAME\"; put the file back from a backup, or remove the line and revoke that certificate again",
            name, number);
    }
    memcpy(entry.serial, line, n);
    entry.at = (time_t)at;
    l->v = xrealloc(l->v, (l->n + 1) * sizeof *l->v);
    l->v[l->n++] = entry;
    return 0;
}

int revoke_parse(
    const char *text, size_t len, const char *name, struct revoke_list *out, struct err *e)
{
    struct revoke_list l = {0};
    unsigned number = 0;
    while (len > 0) {
        const char *nl = memchr(text, '\n', len);
        size_t n = nl != NULL ? (size_t)(nl - text) : len;
        number++;
        int r = n == 0 ? 0 : parse_line(text, n, name, number, &l, e);
        if (r < 0) {
            revoke_clear(&l);
            return r;
        }
        n += nl != NULL;
        text += n;
        len -= n;
    }
    *out = l;
    return 0;
}

void revoke_clear(struct revoke_list *l)
{
    free(l->v);
    *l = (struct revoke_list){0};
}

int revoke_read(const struct cert_store *s, struct revoke_list *out, struct err *e)
{
    size_t len;
    _cleanup_free_ char *path = cert_store_path(s, "revoked");
    _cleanup_free_ char *text = NULL;
    if (access(path, F_OK) < 0) {
        *out = (struct revoke_list){0};
        return 0;
    }
    int r = file_read(path, REVOKED_MAX, &text, &len, e);
    return r < 0 ? r : revoke_parse(text, len, path, out, e);
}

static bool listed(const struct revoke_list *l, const char *serial)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcasecmp(l->v[i].serial, serial) == 0)
            return true;
    return false;
}

static int read_issued(const char *path, struct cert_info **out, struct err *e)
{
    size_t len;
    _cleanup_free_ char *data = NULL;
    _cleanup_x509s_ STACK_OF(X509) *certs = NULL;
    int r = pem_read_file(path, &data, &len, e);
    if (r == 0)
        r = pem_parse_chain(data, len, path, &certs, e);
    return r < 0 ? r : cert_info_new(sk_X509_value(certs, 0), out, e);
}

/* Appends to text a line for each match in issued/ that is not in l. */
static int match_issued(const struct cert_store *s, const char *wanted, const struct revoke_list *l,
    time_t now, char **text, size_t *found, size_t *added, struct err *e)
{
    _cleanup_free_ char *folder = cert_store_path(s, "issued");
    DIR *d = opendir(folder);
    int r = 0;
    for (struct dirent *f; r == 0 && d != NULL && (f = readdir(d)) != NULL;) {
        size_t n = strlen(f->d_name);
        _cleanup_cert_info_ struct cert_info *i = NULL;
        if (f->d_name[0] == '.' || n < 5 || strcmp(f->d_name + n - 4, ".pem") != 0)
            continue;
        _cleanup_free_ char *path = xasprintf("%s/%s", folder, f->d_name);
        r = read_issued(path, &i, e);
        if (r == 0 && (strcmp(i->common_name, wanted) == 0 || strcasecmp(i->serial, wanted) == 0)) {
            ++*found;
            if (!listed(l, i->serial)) {
                char *longer = xasprintf(
                    "%s%s %lld %s\n", *text, i->serial, (long long)now, i->common_name);
                free(*text);
                *text = longer;
                ++*added;
            }
        }
    }
    if (d != NULL)
        closedir(d);
    return r;
}

/* The present text of `revoked`, ended by a newline. malloc'ed. */
static int read_text(const struct cert_store *s, char **out, struct err *e)
{
    size_t len;
    _cleanup_free_ char *path = cert_store_path(s, "revoked");
    if (access(path, F_OK) < 0) {
        *out = xstrdup("");
        return 0;
    }
    int r = file_read(path, REVOKED_MAX, out, &len, e);
    if (r == 0 && len > 0 && (*out)[len - 1] != '\n') {
        char *longer = xasprintf("%s\n", *out);
        free(*out);
        *out = longer;
    }
    return r;
}

int revoke_add(const struct cert_store *s, const char *name_or_serial, time_t now, size_t *added,
    struct err *e)
{
    struct revoke_list l = {0};
    size_t found = 0, fresh = 0;
    _cleanup_free_ char *text = NULL;
    int r = revoke_read(s, &l, e);
    if (r == 0)
        r = read_text(s, &text, e);
    if (r == 0)
        r = match_issued(s, name_or_serial, &l, now, &text, &found, &fresh, e);
    revoke_clear(&l);
    if (r == 0 && found == 0) {
        r = err_set(e, ENOENT,
            "the CA in %s has issued nothing with the name or serial number \"%s\"", s->dir,
            name_or_serial);
    }
    if (r == 0 && fresh > 0)
        r = cert_store_write(s, "revoked", text, strlen(text), 0644, true, e);
    if (r == 0)
        *added = fresh;
    return r;
}

int revoke_publish(
    const struct cert_store *s, const struct make_signer *signer, time_t now, struct err *e)
{
    struct revoke_list l = {0};
    X509_CRL *crl = NULL;
    size_t len;
    int r = revoke_read(s, &l, e);
    if (r == 0)
        r = make_crl(signer, l.v, l.n, now, &crl, e);
    revoke_clear(&l);
    if (r < 0)
        return r;
    _cleanup_free_ char *pem = pem_write_crl(crl, &len);
    X509_CRL_free(crl);
    return cert_store_write(s, "crl.pem", pem, len, 0644, true, e);
}
