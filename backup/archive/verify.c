/* Verification of published archives. */
#include "backup/archive/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "backup/archive/stream.h"
#include "common/clock.h"
#include "common/hex.h"
#include "common/lang.h"

/* Encrypted and no key here: the file's own size and hash are what can be compared. */
static int whole_file(const char *path, const struct store_item *it, const struct verify_options *o,
    struct verify_result *r, struct err *e)
{
    uint8_t sum[32];
    char text[SHA256_HEX_LEN];
    uint64_t done = 0;
    ssize_t n;
    _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(e, errno, "cannot open %s", path);
    uint8_t *buf = xmalloc(1 << 20);
    struct source *s = source_file(fd, path);
    while ((n = s->read(s, buf, 1 << 20, e)) > 0) {
        done += (uint64_t)n;
        if (o->go_on && !o->go_on(o->ctx))
            break;
        if (o->progress)
            o->progress(o->ctx, done, it->size, "");
    }
    source_file_totals(s, sum);
    s->drop(s);
    free(buf);
    if (n != 0)
        return n < 0 ? (int)n : UNPACK_STOPPED;
    hex_text(sum, 32, text);
    r->whole_file_only = true;
    r->bytes = done;
    if (strcmp(text, it->manifest.archive.sha256) == 0)
        return 0;
    err_set(e, EBADMSG, "the archive is not what was written (SHA-256 differs)");
    return UNPACK_DAMAGED;
}

static int check(const char *folder, const struct store_item *it, const struct verify_options *o,
    struct verify_result *r, struct err *e)
{
    struct unpack_result u = {0};
    _cleanup_free_ char *archive = store_path(folder, it, ARCHIVE_NAME_ARCHIVE);
    _cleanup_free_ char *manifest = store_path(folder, it, ARCHIVE_NAME_MANIFEST);
    struct unpack_options uo = {.archive = archive,
        .manifest = manifest,
        .expect = store_expect(it),
        .into = -1,
        .threads = o->threads,
        .identity_file = o->identity_file,
        .passphrase = o->passphrase,
        .go_on = o->go_on,
        .progress = o->progress,
        .ctx = o->ctx};
    /* Incomplete, but all of it there: reading it says more exactly what is wrong. */
    if (!it->complete && (it->size == 0 || !*it->manifest.type)) {
        err_copy(e, EBADMSG, &it->problem);
        return UNPACK_DAMAGED;
    }
    int x = UNPACK_LOCKED;
    if (!it->encrypted || o->identity_file || o->passphrase)
        x = unpack_run(&uo, &u, e);
    if (x == UNPACK_LOCKED)
        return whole_file(archive, it, o, r, e);
    r->files = u.files;
    r->bytes = u.bytes;
    if (x == 0 && !it->complete) {
        err_copy(e, EBADMSG, &it->problem);
        x = UNPACK_DAMAGED;
    }
    return x;
}

int verify_item(const char *folder, const struct store_item *it, const struct verify_options *o,
    struct verify_result *r, struct err *e)
{
    struct verify_result v = {0};
    struct err why = {0};
    uint64_t start = clock_mono_ms();
    int x = check(folder, it, o, &v, &why);
    if (x < 0 || x == UNPACK_STOPPED) {
        if (e)
            *e = why;
        return x;
    }
    v.good = x == 0;
    v.elapsed_ms = clock_mono_ms() - start;
    if (v.good)
        (void)err_set(&v.words, EIO, "%s",
            v.whole_file_only
                ? N_("the file is as it was written; its content is encrypted and was not looked at")
                : N_("every file is as it was backed up"));
    else
        v.words = why;
    if (o->record && !it->gone && *it->digest) {
        struct store_status s = it->status;
        s.verified_ms = clock_wall_ms();
        s.verified_good = v.good;
        s.verified_words = v.good ? (struct err){0} : v.words;
        x = store_status_write(folder, it->type, it->run, it->digest, o->record, &s, e);
        if (x < 0)
            return x;
    }
    *r = v;
    return 0;
}
