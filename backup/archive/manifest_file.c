/* Manifests on disk: read line by line, so that a million files need no more memory than one. */
#include "backup/archive/manifest_file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/archive/age.h"
#include "backup/archive/seal.h"
#include "common/hex.h"
#include "common/lang.h"

#define LINE_MAX_BYTES (64 * 1024 * 1024) /* the head, with its tables and notes */
#define READ_STEP      65536
#define LAST           "]}\n"
#define OLD_LAST_BEGIN "],\"manifest_sha256\":\"" /* of version 1 */
#define OLD_LAST_END   "\"}"

struct manifest_file {
    int fd;
    struct source *file, *plain; /* plain = file, or the decryption over it */
    bool own_sources, has_head, ended;
    struct manifest head;
    struct manifest_seal seal;
    char digest[SHA256_HEX_LEN]; /* of what a seal signs, the head's line; of version 1: of all
                                    lines but the last */
    char expect[SHA256_HEX_LEN]; /* "" = whatever comes */
    EVP_MD_CTX *hash;            /* of the entries' lines; in version 1 of all lines so far */
    char *buf;
    size_t start, end, cap;
};

static int damaged(struct err *e, const char *what)
{
    return err_set(e, EINVAL, "manifest: %s", what);
}

/* The next line with its "\n"; valid until the next call. 0, 1 = end of the file, or negative. */
static int read_line(struct manifest_file *f, const char **line, size_t *len, struct err *e)
{
    size_t seen = 0;
    for (;;) {
        char *nl = f->end - f->start > seen
                       ? memchr(f->buf + f->start + seen, '\n', f->end - f->start - seen)
                       : NULL;
        if (nl) {
            *line = f->buf + f->start;
            *len = (size_t)(nl + 1 - *line);
            f->start += *len;
            return 0;
        }
        seen = f->end - f->start;
        if (seen > LINE_MAX_BYTES)
            return damaged(e, N_("a line is too long"));
        if (f->start > 0)
            memmove(f->buf, f->buf + f->start, seen);
        f->start = 0;
        f->end = seen;
        if (f->cap - f->end < READ_STEP) {
            f->cap = f->cap ? 2 * f->cap : 2 * READ_STEP;
            f->buf = xrealloc(f->buf, f->cap);
        }
        ssize_t n = f->plain->read(f->plain, f->buf + f->end, READ_STEP, e);
        if (n < 0)
            return (int)n;
        if (n == 0)
            return seen == 0 ? 1 : damaged(e, N_("it is cut off in the middle of a line"));
        f->end += (size_t)n;
    }
}

static void hash_line(struct manifest_file *f, const char *line, size_t len)
{
    CHECK(EVP_DigestUpdate(f->hash, line, len));
}

static struct manifest_file *make(void)
{
    struct manifest_file *f = xcalloc(1, sizeof *f);
    f->fd = -1;
    f->hash = EVP_MD_CTX_new();
    CHECK(f->hash && EVP_DigestInit_ex(f->hash, EVP_sha256(), NULL));
    return f;
}

static int open_sources(struct manifest_file *f, const char *path, const char *identity_file,
    const char *passphrase, struct err *e)
{
    f->own_sources = true;
    /* not blocking: a FIFO of this name would hold whoever reads the folder for ever */
    struct stat st;
    f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (f->fd < 0)
        return err_sys(e, errno, "cannot open the manifest %s", path);
    if (fstat(f->fd, &st) < 0 || !S_ISREG(st.st_mode))
        return err_set(e, EINVAL, "the manifest %s is no plain file", path);
    f->file = source_file(f->fd, "the manifest");
    f->plain = f->file;
    size_t n = strlen(path);
    if (!age_begins(f->fd))
        return n > 4 && strcmp(path + n - 4, ".age") == 0
                   ? damaged(e, N_("it is not encrypted, though its name says so"))
                   : 0;
    int r = age_source(f->file, identity_file, passphrase, &f->plain, e);
    return r == -EBADMSG ? -EINVAL : r;
}

static int rotten(struct err *e)
{
    return damaged(e, N_("it was edited or has rotted (its own SHA-256 does not fit)"));
}

static int swapped(struct err *e)
{
    return damaged(e, N_("it is not the one that belongs to this archive: it was exchanged"));
}

/* The lines before the entries. */
static int read_head(struct manifest_file *f, struct err *e)
{
    const char *line;
    size_t len;
    int r = read_line(f, &line, &len, e);
    if (r == 1)
        r = damaged(e, N_("it is empty"));
    int old = r == 0 ? manifest_seal_parse(line, len, &f->seal, e) : 0;
    if (r == 0 && old < 0)
        r = old;
    if (r == 0 && !old) {
        r = read_line(f, &line, &len, e);
        if (r == 1)
            r = damaged(e, N_("it is cut off: the head is missing"));
    }
    if (r == 0)
        r = manifest_head_parse(line, len, &f->head, e);
    if (r < 0)
        return r;
    f->has_head = true;
    if (old)
        hash_line(f, line, len); /* its digest is known at the end */
    else
        hex_sha256(line, len, f->digest);
    if (!old && strcmp(f->digest, f->seal.digest) != 0)
        return rotten(e);
    return !old && *f->expect && strcmp(f->expect, f->digest) != 0 ? swapped(e) : 0;
}

int manifest_file_open(const char *path, const char *identity_file, const char *passphrase,
    const char *expect, struct manifest_file **out, struct err *e)
{
    struct manifest_file *f = make();
    snprintf(f->expect, sizeof f->expect, "%s", expect ? expect : "");
    int r = open_sources(f, path, identity_file, passphrase, e);
    if (r == 0)
        r = read_head(f, e);
    if (r != 0) {
        manifest_file_close(f);
        return r;
    }
    *out = f;
    return 0;
}

struct manifest_file *manifest_file_entries(struct source *lines)
{
    struct manifest_file *f = make();
    f->plain = lines;
    return f;
}

const struct manifest *manifest_file_head(const struct manifest_file *f)
{
    return f->has_head ? &f->head : NULL;
}

static int check_old_last(
    struct manifest_file *f, const char *line, size_t len, const char *sum, struct err *e)
{
    static const size_t begin = sizeof OLD_LAST_BEGIN - 1, hex_len = 64,
                        end = sizeof OLD_LAST_END - 1;
    if (len != begin + hex_len + end + 1 || memcmp(line, OLD_LAST_BEGIN, begin) != 0 ||
        memcmp(line + begin + hex_len, OLD_LAST_END, end) != 0)
        return damaged(e, N_("its last line is not as Elexgate writes it"));
    if (memcmp(line + begin, sum, hex_len) != 0)
        return rotten(e);
    memcpy(f->digest, sum, sizeof f->digest);
    return *f->expect && strcmp(f->expect, f->digest) != 0 ? swapped(e) : 0;
}

/* The hash of all lines before is the right one, and nothing follows. */
static int check_last(struct manifest_file *f, const char *line, size_t len, struct err *e)
{
    uint8_t sum[32];
    char got[SHA256_HEX_LEN];
    int r = 0;
    CHECK(EVP_DigestFinal_ex(f->hash, sum, NULL));
    hex_text(sum, sizeof sum, got);
    if (f->head.version == 1)
        r = check_old_last(f, line, len, got, e);
    else if (len != sizeof LAST - 1 || memcmp(line, LAST, len) != 0)
        r = damaged(e, N_("its last line is not as Elexgate writes it"));
    else if (strcmp(got, f->head.entries_sha256) != 0)
        r = rotten(e);
    if (r < 0)
        return r;
    r = read_line(f, &line, &len, e);
    if (r == 0)
        return damaged(e, N_("something follows its last line"));
    f->ended = true;
    return r < 0 ? r : 1;
}

int manifest_file_next(struct manifest_file *f, struct manifest_entry *en, struct err *e)
{
    const char *line;
    size_t len;
    if (f->ended)
        return 1;
    int r = read_line(f, &line, &len, e);
    if (r < 0)
        return r;
    if (r == 1) {
        f->ended = true;
        return f->has_head ? damaged(e, N_("it is cut off: the last line is missing")) : 1;
    }
    if (line[0] == ']' && f->has_head)
        return check_last(f, line, len, e);
    hash_line(f, line, len);
    return manifest_entry_parse(line, len, en, e);
}

void manifest_file_close(struct manifest_file *f)
{
    if (!f)
        return;
    if (f->own_sources) {
        if (f->plain && f->plain != f->file)
            f->plain->drop(f->plain);
        if (f->file)
            f->file->drop(f->file);
    }
    if (f->fd >= 0)
        close(f->fd);
    manifest_clear(&f->head);
    EVP_MD_CTX_free(f->hash);
    free(f->buf);
    free(f);
}

int manifest_file_digest_lines(struct source *lines, char out[static SHA256_HEX_LEN], struct err *e)
{
    uint8_t sum[32];
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    CHECK(hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL));
    _cleanup_free_ char *buf = xmalloc(READ_STEP);
    ssize_t got = 0;
    while (lines && (got = lines->read(lines, buf, READ_STEP, e)) > 0)
        CHECK(EVP_DigestUpdate(hash, buf, (size_t)got));
    CHECK(EVP_DigestFinal_ex(hash, sum, NULL));
    hex_text(sum, sizeof sum, out);
    EVP_MD_CTX_free(hash);
    return (int)got;
}

int manifest_file_write(struct sink *to, const struct manifest *m, struct source *lines,
    const struct seal_key *key, char digest[static SHA256_HEX_LEN], struct err *e)
{
    struct manifest_seal seal = {0};
    _cleanup_free_ char *head = manifest_head_text(m), *buf = xmalloc(READ_STEP);
    hex_sha256(head, strlen(head), digest);
    memcpy(seal.digest, digest, sizeof seal.digest);
    if (key) {
        memcpy(seal.key, key->public, sizeof seal.key);
        seal_sign(key, SEAL_MANIFEST, digest, seal.signature);
    }
    _cleanup_free_ char *first = manifest_seal_text(&seal);
    int r = to->write(to, first, strlen(first), e);
    if (r == 0)
        r = to->write(to, head, strlen(head), e);
    while (lines && r == 0) {
        ssize_t got = lines->read(lines, buf, READ_STEP, e);
        if (got <= 0) {
            r = (int)got;
            break;
        }
        r = to->write(to, buf, (size_t)got, e);
    }
    return r == 0 ? to->write(to, LAST, sizeof LAST - 1, e) : r;
}

int manifest_file_head_read(const char *path, struct manifest *m, struct manifest_seal *seal,
    char digest[static SHA256_HEX_LEN], struct err *e)
{
    struct manifest_file *f;
    struct manifest_entry entry = {0};
    int r = manifest_file_open(path, NULL, NULL, NULL, &f, e);
    if (r < 0)
        return r;
    /* the digest of version 1 is that of the whole file */
    while (r == 0 && f->head.version == 1) {
        r = manifest_file_next(f, &entry, e);
        manifest_entry_clear(&entry);
    }
    if (r >= 0) {
        *m = f->head;
        memset(&f->head, 0, sizeof f->head);
        *seal = f->seal;
        memcpy(digest, f->digest, SHA256_HEX_LEN);
    }
    manifest_file_close(f);
    return r < 0 ? r : 0;
}
