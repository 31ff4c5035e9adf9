/*
 * The archive engine from end to end: packed, published, opened by the stock tools, verified,
 * extracted, damaged in every way, and each damage named.
 */
#include "tests/unit/common/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/archive/parse.h"
#include "backup/archive/deflate.h"
#include "backup/archive/manifest_file.h"
#include "backup/archive/pack.h"
#include "backup/archive/unpack.h"
#include "common/clock.h"
#include "common/file.h"

#define RUN "2026-11-22-0315"

struct fixture {
    char *dir, *src, *folder, *out;
};

static char *path_in(const char *dir, const char *name)
{
    return xasprintf("%s/%s", dir, name);
}

static void write_file(const char *dir, const char *name, const void *data, size_t n)
{
    _cleanup_free_ char *path = path_in(dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0640);
    assert_true(fd >= 0);
    assert_int_equal(fd_write_all(fd, data, n, NULL), 0);
    close(fd);
}

/* Text that deflates a little, the same for the same seed. */
static uint8_t *content(size_t n, unsigned seed)
{
    uint8_t *p = xmalloc(n);
    uint32_t x = seed * 2654435761u + 1;
    for (size_t i = 0; i < n; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        p[i] = (uint8_t)("elexis patient befund 0123456789\n"[x % 33]);
    }
    return p;
}

static int sh(const char *fmt, ...) PRINTF(1, 2);
static int sh(const char *fmt, ...)
{
    char cmd[4096];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(cmd, sizeof cmd, fmt, ap);
    va_end(ap);
    return system(cmd);
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    f->dir = unit_make_dir();
    f->src = path_in(f->dir, "src");
    f->folder = path_in(f->dir, "backups");
    f->out = path_in(f->dir, "out");
    assert_int_equal(
        sh("mkdir -p '%s/mysql/sub' '%s/leer' '%s' '%s'", f->src, f->src, f->folder, f->out), 0);
    uint8_t *data = content(5 * 1024 * 1024 + 12345, 1);
    write_file(f->src, "ibdata1", data, 5 * 1024 * 1024 + 12345);
    write_file(f->src, "ib_logfile0", data, 1024);
    write_file(f->src, "aria_log_control", data, 52);
    write_file(f->src, "mysql/befund_ärzte.ibd", data, 1024 * 1024);
    write_file(f->src, "mysql/sub/null", data, 0);
    write_file(f->src, "mysql/sub/one", data, 1);
    write_file(f->src, "\xff\xfelatin", data, 10);
    free(data);
    /* sparse: data at both ends of a hole, one that is all hole, one that ends in a hole */
    _cleanup_free_ char *sparse = path_in(f->src, "sparse.ibd");
    int fd = open(sparse, O_RDWR | O_CREAT, 0600);
    assert_int_equal(pwrite(fd, "begin", 5, 0), 5);
    assert_int_equal(pwrite(fd, "end", 3, 6 * 1024 * 1024), 3);
    close(fd);
    assert_int_equal(
        sh("truncate -s 8M '%s/hole'; cp '%s/ib_logfile0' '%s/tail'; truncate -s 3M '%s/tail'",
            f->src, f->src, f->src, f->src),
        0);
    assert_int_equal(
        sh("chmod 2750 '%s/leer'; touch -d '2020-02-03 04:05:06.789' '%s/ibdata1'", f->src, f->src),
        0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    unit_remove_dir(f->dir);
    free(f->src);
    free(f->folder);
    free(f->out);
    free(f);
    return 0;
}

static enum pack_select select_physical(void *ctx, const char *path, const struct stat *st)
{
    (void)ctx;
    (void)st;
    return strcmp(path, "aria_log_control") == 0 ? PACK_FIRST
           : strcmp(path, "ib_logfile0") == 0    ? PACK_LAST
                                                 : PACK_TAKE;
}

static struct pack_options options(const struct fixture *f)
{
    return (struct pack_options){
        .folder = f->folder, .type = "elexisdb", .run = RUN, .strict = true};
}

static struct manifest new_manifest(void)
{
    struct manifest m = {.method = MANIFEST_PHYSICAL, .has_server = true};
    m.started_ms = clock_wall_ms();
    m.finished_ms = m.started_ms + 5000;
    m.server.version = xstrdup("10.11.19-MariaDB");
    m.server.page_size = 16384;
    m.server.lsn = 123456789;
    m.server.state = xstrdup("clean");
    manifest_add_table(&m, "elexis", "kontakt", "InnoDB", 42, "123");
    return m;
}

/* Packs src and publishes it. Returns the archive's path. */
static char *make_archive(const struct fixture *f, const struct pack_options *o)
{
    struct err e = {0};
    struct pack *p;
    struct manifest m = new_manifest();
    int r = pack_open(o, &p, &e);
    if (r == 0)
        r = pack_tree(p, f->src, "", select_physical, NULL, &e);
    if (r == 0)
        r = pack_recheck(p, &e);
    if (r == 0)
        r = pack_close(p, &e);
    if (r == 0)
        r = pack_publish(p, &m, &e);
    if (r != 0)
        fail_msg("%d: %s", r, e.text);
    char *path = path_in(f->folder, pack_file_name(p));
    pack_drop(p);
    manifest_clear(&m);
    return path;
}

static char *manifest_of(const struct fixture *f)
{
    return path_in(f->folder, "elexisdb_" RUN ".manifest.json");
}

static int verify(const struct fixture *f, const char *archive, const char *manifest,
    struct unpack_result *r, struct err *e)
{
    (void)f;
    struct unpack_options o = {.archive = archive, .manifest = manifest, .into = -1};
    return unpack_run(&o, r, e);
}

static int extract(const struct fixture *f, const struct unpack_options *in, struct err *e)
{
    struct unpack_options o = *in;
    struct unpack_result r;
    o.into = open(f->out, O_RDONLY | O_DIRECTORY);
    assert_true(o.into >= 0);
    int x = unpack_run(&o, &r, e);
    close(o.into);
    return x;
}

static void assert_same_trees(const char *a, const char *b)
{
    assert_int_equal(sh("diff -r '%s' '%s'", a, b), 0);
    assert_int_equal(
        sh("for d in '%s' '%s'; do (cd \"$d\" && LC_ALL=C find . -mindepth 1 -printf '%%P %%m %%s\\n' | grep -av '^leer' | sed 's/ [0-9]*$/ &/' | LC_ALL=C sort | sha256sum); done | uniq | wc -l | grep -qx 1",
            a, b),
        0);
}

static void test_round_trip(void **state, const char *backend, int level, unsigned threads)
{
    struct fixture *f = *state;
    struct err e = {0};
    struct unpack_result r;
    struct pack_options o = options(f);
    o.backend = strcmp(backend, "zlib") == 0 ? deflate_zlib() : NULL;
    o.level = level;
    o.threads = threads;
    _cleanup_free_ char *archive = make_archive(f, &o), *manifest = manifest_of(f);

    assert_int_equal(verify(f, archive, manifest, &r, &e), 0);
    assert_int_equal(r.files, 10);
    assert_int_equal(r.directories, 3);
    assert_int_equal(sh("gzip -t '%s' && pigz -t '%s'", archive, archive), 0);
    /* nothing but the archive and its manifest */
    assert_int_equal(sh("ls -A '%s' | wc -l | grep -qx 2", f->folder), 0);

    _cleanup_free_ char *stock = path_in(f->dir, "stock");
    assert_int_equal(sh("mkdir '%s' && tar xzf '%s' -C '%s'", stock, archive, stock), 0);
    assert_int_equal(sh("diff -r '%s' '%s'", f->src, stock), 0);
    assert_int_equal(sh("tar tzf '%s' | head -1 | grep -qx aria_log_control", archive), 0);
    assert_int_equal(sh("tar tzf '%s' | tail -1 | grep -qx ib_logfile0", archive), 0);

    struct unpack_options u = {.archive = archive, .manifest = manifest, .sync = true};
    assert_int_equal(extract(f, &u, &e), 0);
    assert_same_trees(f->src, f->out);
    struct stat a, b;
    _cleanup_free_ char *from = path_in(f->src, "sparse.ibd"), *to = path_in(f->out, "sparse.ibd");
    assert_int_equal(stat(from, &a) | stat(to, &b), 0);
    assert_int_equal(a.st_size, b.st_size);
    assert_true(b.st_blocks * 512 < 1024 * 1024); /* the hole is still one */
    _cleanup_free_ char *ib = path_in(f->out, "ibdata1");
    assert_int_equal(stat(ib, &b), 0);
    assert_int_equal(b.st_mtim.tv_nsec, 789000000);
}

static void test_isal_or_default(void **state)
{
    test_round_trip(state, "auto", 0, 0);
}
static void test_zlib(void **state)
{
    test_round_trip(state, "zlib", 6, 2);
}
static void test_zlib_one_thread(void **state)
{
    test_round_trip(state, "zlib", 9, 1);
}
static void test_many_threads(void **state)
{
    test_round_trip(state, "auto", 3, 32);
}

static void test_manifest_says_all(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    struct pack_options o = options(f);
    struct manifest m;
    struct manifest_seal seal;
    char digest[SHA256_HEX_LEN];
    _cleanup_free_ char *archive = make_archive(f, &o), *manifest = manifest_of(f);
    assert_int_equal(manifest_file_head_read(manifest, &m, &seal, digest, &e), 0);
    assert_string_equal(m.type, "elexisdb");
    assert_string_equal(m.run, RUN);
    assert_string_equal(m.server.version, "10.11.19-MariaDB");
    assert_int_equal(m.table_count, 1);
    assert_int_equal(m.content.files, 10);
    struct stat st;
    assert_int_equal(stat(archive, &st), 0);
    assert_int_equal(m.archive.size, st.st_size);
    manifest_clear(&m);
    /* one valid JSON document for any other tool */
    assert_int_equal(sh("jq -e '.entries | length == 13' '%s' >/dev/null", manifest), 0);
}

static void test_stream(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    struct unpack_result r;
    struct pack *p;
    struct pack_options o = options(f);
    struct manifest m = new_manifest();
    m.method = MANIFEST_DUMP;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    size_t n = 3 * 1024 * 1024 + 77;
    uint8_t *data = content(n, 9);
    write_file(f->dir, "dump", data, n);
    assert_int_equal(fork() ? 0 : (sh("cat '%s/dump' >&%d", f->dir, fds[1]), _exit(0), 0), 0);
    close(fds[1]);
    assert_int_equal(pack_open(&o, &p, &e), 0);
    assert_int_equal(pack_stream(p, "elexis.sql", fds[0], &e), 0);
    assert_int_equal(pack_bytes(p, "LIESMICH.txt", "hallo\n", 6, &e), 0);
    assert_int_equal(pack_close(p, &e), 0);
    assert_int_equal(pack_publish(p, &m, &e), 0);
    _cleanup_free_ char *archive = path_in(f->folder, pack_file_name(p)),
                        *manifest = manifest_of(f);
    pack_drop(p);
    close(fds[0]);
    manifest_clear(&m);
    free(data);
    assert_int_equal(verify(f, archive, manifest, &r, &e), 0);
    assert_int_equal(
        sh("gzip -t '%s' && tar xzOf '%s' elexis.sql | cmp - '%s/dump'", archive, archive, f->dir),
        0);
}

/* A file that is written to between being read and the recheck. */
static void test_changed_after_reading(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    struct pack *p;
    struct pack_options o = options(f);
    assert_int_equal(pack_open(&o, &p, &e), 0);
    assert_int_equal(pack_tree(p, f->src, "", NULL, NULL, &e), 0);
    assert_int_equal(pack_recheck(p, &e), 0);
    assert_int_equal(sh("printf x >> '%s/mysql/sub/one'", f->src), 0);
    assert_int_equal(pack_recheck(p, &e), PACK_CHANGED);
    assert_says(&e, "mysql/sub/one");
    pack_drop(p);
    assert_int_equal(sh("ls -A '%s' | wc -l | grep -qx 0", f->folder), 0);
}

struct changer {
    const char *path;
    int left;
};

static bool change_it(void *ctx)
{
    struct changer *c = ctx;
    if (c->left > 0) {
        c->left--;
        int fd = open(c->path, O_WRONLY);
        assert_int_equal(pwrite(fd, "XX", 2, 100), 2);
        close(fd);
    }
    return true;
}

static void test_changed_while_reading(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    struct pack *p;
    _cleanup_free_ char *path = path_in(f->src, "ibdata1");
    struct changer c = {path, 1000000};
    struct pack_options o = options(f);
    o.go_on = change_it;
    o.ctx = &c;
    assert_int_equal(pack_open(&o, &p, &e), 0);
    assert_int_equal(pack_tree(p, f->src, "", NULL, NULL, &e), PACK_CHANGED);
    assert_says(&e, "ibdata1 changed");
    pack_drop(p);
    assert_int_equal(sh("ls -A '%s' | wc -l | grep -qx 0", f->folder), 0);
}

/* Plain data: a large file that changes at every attempt is in the archive three times, the last
 * one noted; one that changes once is right. */
static void changing_documents(struct fixture *f, int changes, const char *jq)
{
    struct err e = {0};
    struct pack *p;
    struct unpack_result r;
    struct manifest m = new_manifest();
    assert_int_equal(
        sh("truncate -s 0 '%s/ibdata1'; head -c 20M /dev/urandom > '%s/ibdata1'", f->src, f->src),
        0);
    _cleanup_free_ char *path = path_in(f->src, "ibdata1");
    struct changer c = {path, 0};
    struct pack_options o = options(f);
    o.strict = false;
    o.go_on = change_it;
    o.ctx = &c;
    assert_int_equal(pack_open(&o, &p, &e), 0);
    assert_int_equal(sh("mkdir '%s/only'; mv '%s/ibdata1' '%s/only/'", f->src, f->src, f->src), 0);
    free(path);
    path = xasprintf("%s/only/ibdata1", f->src);
    _cleanup_free_ char *only = path_in(f->src, "only");
    c.path = path;
    c.left = changes;
    if (pack_tree(p, only, "", NULL, NULL, &e) != 0)
        fail_msg("%s", e.text);
    c.left = 0;
    assert_int_equal(pack_close(p, &e), 0);
    if (pack_publish(p, &m, &e) != 0)
        fail_msg("%s", e.text);
    pack_drop(p);
    manifest_clear(&m);
    _cleanup_free_ char *archive = path_in(f->folder, "elexisdb_" RUN ".tar.gz"),
                        *manifest = manifest_of(f);
    assert_int_equal(verify(f, archive, manifest, &r, &e), 0);
    assert_int_equal(
        sh("jq -e '%s' '%s' >/dev/null || { cat '%s'; false; }", jq, manifest, manifest), 0);
    struct unpack_options u = {.archive = archive, .manifest = manifest};
    assert_int_equal(extract(f, &u, &e), 0);
    if (changes < 100)
        assert_int_equal(sh("cmp '%s' '%s/ibdata1'", path, f->out), 0);
}

static void test_document_changes_once(void **state)
{
    changing_documents(*state, 3, ".entries|length==2 and .[0].replaced and (.[1].unstable|not)");
}
static void test_document_never_rests(void **state)
{
    changing_documents(*state, 1000000,
        "(.entries|length==3 and .[0].replaced and .[1].replaced and .[2].unstable) and (.notes|length==1)");
}

static bool stop_at_once(void *ctx)
{
    int *left = ctx;
    return (*left)-- > 0;
}

static void test_stopped(void **state)
{
    struct fixture *f = *state;
    for (int at = 0; at < 40; at++) {
        struct err e = {0};
        struct pack *p;
        struct manifest m = new_manifest();
        int left = at;
        struct pack_options o = options(f);
        o.go_on = stop_at_once;
        o.ctx = &left;
        assert_int_equal(pack_open(&o, &p, &e), 0);
        int r = pack_tree(p, f->src, "", NULL, NULL, &e);
        if (r == 0)
            r = pack_close(p, &e);
        if (r == 0)
            r = pack_publish(p, &m, &e);
        if (r == 0)
            left = -1000;
        else
            assert_int_equal(r, PACK_STOPPED);
        pack_drop(p);
        manifest_clear(&m);
        if (left == -1000)
            break;
        assert_int_equal(sh("ls -A '%s' | wc -l | grep -qx 0", f->folder), 0);
    }
}

static void test_suffix_used_once(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    struct pack *p = NULL;
    struct pack_options o = options(f);
    _cleanup_free_ char *archive = make_archive(f, &o);
    assert_int_equal(pack_open(&o, &p, &e), -EEXIST);
    assert_null(p);
    assert_int_equal(access(archive, F_OK), 0);
}

/* Between looking and publishing somebody else took the name: his file stays as it is. */
static void test_a_name_that_is_taken_meanwhile(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    struct pack *p;
    struct manifest m = new_manifest();
    struct pack_options o = options(f);
    assert_int_equal(pack_open(&o, &p, &e), 0);
    assert_int_equal(pack_tree(p, f->src, "", select_physical, NULL, &e), 0);
    assert_int_equal(pack_recheck(p, &e), 0);
    assert_int_equal(pack_close(p, &e), 0);
    _cleanup_free_ char *path = path_in(f->folder, pack_file_name(p));
    assert_int_equal(sh("echo stranger > '%s'", path), 0);
    assert_int_equal(pack_publish(p, &m, &e), -EEXIST);
    assert_int_equal(sh("grep -qx stranger '%s'", path), 0);
    pack_drop(p);
    manifest_clear(&m);
}

/* ---- damage ---- */

static void expect_damage(
    struct fixture *f, const char *archive, const char *what, const char *words)
{
    struct err e = {0};
    struct unpack_result r;
    _cleanup_free_ char *manifest = manifest_of(f);
    int x = verify(f, archive, manifest, &r, &e);
    if (x != UNPACK_DAMAGED)
        fail_msg("%s: %d, not damaged: %s", what, x, e.text);
    if (words && !strstr(e.text, words))
        fail_msg("%s: \"%s\" does not say \"%s\"", what, e.text, words);
}

static void test_cut_anywhere(void **state)
{
    struct fixture *f = *state;
    struct pack_options o = options(f);
    _cleanup_free_ char *archive = make_archive(f, &o), *copy = path_in(f->dir, "copy.tar.gz");
    struct stat st;
    assert_int_equal(stat(archive, &st), 0);
    assert_int_equal(sh("cp '%s' '%s'", archive, copy), 0);
    /* at every member's end and around it, and at many other places */
    uint8_t *data;
    size_t len;
    assert_int_equal(file_read(archive, (size_t)st.st_size, (char **)&data, &len, NULL), 0);
    size_t ends[64], n = 0;
    for (size_t at = 0; at < len && n < 64; ends[n++] = at)
        at += (size_t)data[at + 16] | (size_t)data[at + 17] << 8 | (size_t)data[at + 18] << 16;
    assert_true(n >= 5);
    assert_int_equal(ends[n - 1], len);
    for (size_t i = n; i-- > 0;) {
        for (int d = 3; d >= -3; d -= 3) {
            size_t cut = ends[i] + (size_t)(long)d;
            if (cut >= len)
                continue;
            assert_int_equal(truncate(copy, (off_t)cut), 0);
            expect_damage(f, copy, "cut", NULL);
        }
        assert_int_equal(sh("cp '%s' '%s'", archive, copy), 0);
    }
    assert_int_equal(truncate(copy, (off_t)ends[n - 2]), 0);
    expect_damage(f, copy, "last member gone", "was cut: its content ends at byte 6291456");
    assert_int_equal(truncate(copy, (off_t)ends[1] + 7), 0);
    expect_damage(f, copy, "in a header", "cut off in its header");
    assert_int_equal(truncate(copy, 0), 0);
    expect_damage(f, copy, "empty", "empty");
    free(data);
}

static void test_bits_flipped(void **state)
{
    struct fixture *f = *state;
    struct pack_options o = options(f);
    _cleanup_free_ char *archive = make_archive(f, &o);
    struct stat st;
    assert_int_equal(stat(archive, &st), 0);
    int fd = open(archive, O_RDWR);
    for (int i = 0; i < 60; i++) {
        off_t at = i < 40 ? i : st.st_size * i / 61;
        uint8_t byte, flipped;
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        flipped = byte ^ (uint8_t)(1 << i % 8);
        assert_int_equal(pwrite(fd, &flipped, 1, at), 1);
        expect_damage(f, archive, "flipped", NULL);
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    close(fd);
    struct err e = {0};
    struct unpack_result r;
    _cleanup_free_ char *manifest = manifest_of(f);
    assert_int_equal(verify(f, archive, manifest, &r, &e), 0);
}

static void test_appended_and_swapped(void **state)
{
    struct fixture *f = *state;
    struct pack_options o = options(f);
    _cleanup_free_ char *archive = make_archive(f, &o), *copy = path_in(f->dir, "copy.tar.gz");
    assert_int_equal(sh("cp '%s' '%s'; printf x >> '%s'", archive, copy, copy), 0);
    expect_damage(f, copy, "appended", "cut off in its header");
    assert_int_equal(sh("cp '%s' '%s'; printf x | gzip >> '%s'", archive, copy, copy), 0);
    expect_damage(f, copy, "a member appended", "broken header");
    /* the same content, packed by something else */
    assert_int_equal(sh("gzip -dc '%s' | gzip -1 > '%s'", archive, copy), 0);
    expect_damage(f, copy, "packed anew", "bytes, the manifest says");
    /* another archive under this name */
    assert_int_equal(sh("printf 'anders' > '%s/mysql/sub/one'", f->src), 0);
    o.run = "2026-11-22-0316";
    _cleanup_free_ char *other = make_archive(f, &o);
    expect_damage(
        f, other, "swapped", "mysql/sub/one has 6 bytes in the archive and 1 in the manifest");
}

static void test_manifest_damage(void **state)
{
    struct fixture *f = *state;
    struct pack_options o = options(f);
    _cleanup_free_ char *archive = make_archive(f, &o), *manifest = manifest_of(f);
    assert_int_equal(sh("cp '%s' '%s/m'", manifest, f->dir), 0);
    static const struct {
        const char *edit, *words;
    } cases[] = {
        {"sed -i 's/\"lsn\":123456789/\"lsn\":123456788/'", "edited or has rotted"},
        {"sed -i '/ibdata1/d'", "ibdata1"},
        {"sed -i 's/\"lsn\"/\"lsm\"/'", "lsn is missing"},
        {"sed -i '$d'", "last line is missing"},
        {"truncate -s -3", "cut off"},
        {"truncate -s 100", "cut"},
        {"truncate -s 0", "empty"},
        {"sh -c 'jq . \"$0\" > \"$0\".x; mv \"$0\".x \"$0\"'", "reformatted"},
        {"sed -i 's/\"version\":2,/\"version\":3,/'", "another version"},
        {"rm", "cannot open the manifest"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(
            sh("cp '%s/m' '%s' && %s '%s'", f->dir, manifest, cases[i].edit, manifest), 0);
        expect_damage(f, archive, cases[i].edit, cases[i].words);
    }
}

/* ---- encryption ---- */

static void test_age_recipient(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    struct unpack_result r;
    if (sh("command -v age-keygen >/dev/null") != 0)
        skip();
    assert_int_equal(
        sh("age-keygen -o '%s/key' 2>/dev/null && age-keygen -y '%s/key' > '%s/pub' && age-keygen -o '%s/other' 2>/dev/null",
            f->dir, f->dir, f->dir, f->dir),
        0);
    char *pub;
    size_t len;
    _cleanup_free_ char *pub_path = path_in(f->dir, "pub"), *key = path_in(f->dir, "key"),
                        *other = path_in(f->dir, "other");
    assert_int_equal(file_read(pub_path, 1000, &pub, &len, &e), 0);
    pub[strcspn(pub, "\n")] = 0;
    const char *recipients[] = {pub, NULL};
    struct pack_options o = options(f);
    o.recipients = recipients;
    _cleanup_free_ char *archive = make_archive(f, &o), *sealed = manifest_of(f);
    _cleanup_free_ char *manifest = xasprintf("%s.age", sealed);
    assert_non_null(strstr(archive, ".tar.gz.age"));

    /* the stock tool opens it */
    _cleanup_free_ char *stock = path_in(f->dir, "stock");
    assert_int_equal(sh("mkdir '%s' && age -d -i '%s' '%s' | tar xz -C '%s' && diff -r '%s' '%s'",
                         stock, key, archive, stock, f->src, stock),
        0);
    assert_int_equal(
        sh("age -d -i '%s' '%s' | jq -e '.tables[0].name==\"kontakt\"' >/dev/null", key, manifest),
        0);
    /* what lies there in clear names no file and no table */
    assert_int_equal(
        sh("grep -rlE 'kontakt|ibdata|befund' '%s' | wc -l | grep -qx 0", f->folder), 0);

    struct unpack_options u = {
        .archive = archive, .manifest = manifest, .into = -1, .identity_file = key};
    if (unpack_run(&u, &r, &e) != 0)
        fail_msg("%s", e.text);
    u.identity_file = other;
    assert_int_equal(unpack_run(&u, &r, &e), UNPACK_LOCKED);
    u.identity_file = NULL;
    assert_int_equal(unpack_run(&u, &r, &e), UNPACK_LOCKED);
    /* cut, flipped, appended */
    u.identity_file = key;
    struct stat st;
    assert_int_equal(stat(archive, &st), 0);
    assert_int_equal(sh("cp '%s' '%s/safe'; printf x >> '%s'", archive, f->dir, archive), 0);
    assert_int_equal(unpack_run(&u, &r, &e), UNPACK_DAMAGED);
    for (int i = 1; i < 10; i++) {
        assert_int_equal(sh("cp '%s/safe' '%s'", f->dir, archive), 0);
        assert_int_equal(truncate(archive, st.st_size * i / 10), 0);
        assert_int_equal(unpack_run(&u, &r, &e), UNPACK_DAMAGED);
    }
    free(pub);
}

static void test_age_passphrase(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    struct unpack_result r;
    struct pack_options o = options(f);
    o.passphrase = "ein langer Satz, den niemand errät";
    _cleanup_free_ char *archive = make_archive(f, &o), *sealed = manifest_of(f);
    _cleanup_free_ char *manifest = xasprintf("%s.age", sealed);
    struct unpack_options u = {
        .archive = archive, .manifest = manifest, .into = -1, .passphrase = o.passphrase};
    if (unpack_run(&u, &r, &e) != 0)
        fail_msg("%s", e.text);
    u.passphrase = "falsch";
    assert_int_equal(unpack_run(&u, &r, &e), UNPACK_LOCKED);
}

/* A stream's header is written last, into the first encrypted block; also where that is the only
 * one. */
static void test_age_stream(void **state)
{
    struct fixture *f = *state;
    static const size_t sizes[] = {0, 10, 64000, 65536, 3000000};
    if (sh("command -v age-keygen >/dev/null") != 0)
        skip();
    assert_int_equal(sh("age-keygen -o '%s/key' 2>/dev/null && age-keygen -y '%s/key' > '%s/pub'",
                         f->dir, f->dir, f->dir),
        0);
    char *pub;
    size_t len;
    _cleanup_free_ char *pub_path = path_in(f->dir, "pub"), *dump = path_in(f->dir, "dump");
    assert_int_equal(file_read(pub_path, 1000, &pub, &len, NULL), 0);
    pub[strcspn(pub, "\n")] = 0;
    const char *recipients[] = {pub, NULL};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char run[RUN_SUFFIX_LEN];
        struct err e = {0};
        struct pack *p;
        struct manifest m = new_manifest();
        struct pack_options o = options(f);
        snprintf(run, sizeof run, "2026-11-22-000%zu", i);
        o.run = run;
        o.recipients = recipients;
        uint8_t *data = content(sizes[i], 5);
        write_file(f->dir, "dump", data, sizes[i]);
        free(data);
        int fd = open(dump, O_RDONLY);
        int r = pack_open(&o, &p, &e);
        if (r == 0)
            r = pack_stream(p, "elexis.sql", fd, &e);
        if (r == 0)
            r = pack_close(p, &e);
        if (r == 0)
            r = pack_publish(p, &m, &e);
        if (r != 0)
            fail_msg("%zu bytes: %s", sizes[i], e.text);
        assert_int_equal(sh("age -d -i '%s/key' '%s/%s' | tar xzO elexis.sql | cmp - '%s'", f->dir,
                             f->folder, pack_file_name(p), dump),
            0);
        pack_drop(p);
        manifest_clear(&m);
        close(fd);
    }
    free(pub);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], PARSE_CHILD) == 0) /* unpacking starts us anew for that */
        _exit(parse_child(argc - 1, argv + 1));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_isal_or_default, setup, teardown),
        cmocka_unit_test_setup_teardown(test_zlib, setup, teardown),
        cmocka_unit_test_setup_teardown(test_zlib_one_thread, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_threads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_manifest_says_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stream, setup, teardown),
        cmocka_unit_test_setup_teardown(test_changed_after_reading, setup, teardown),
        cmocka_unit_test_setup_teardown(test_changed_while_reading, setup, teardown),
        cmocka_unit_test_setup_teardown(test_document_changes_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_document_never_rests, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stopped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_name_that_is_taken_meanwhile, setup, teardown),
        cmocka_unit_test_setup_teardown(test_suffix_used_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cut_anywhere, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bits_flipped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_appended_and_swapped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_manifest_damage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_age_recipient, setup, teardown),
        cmocka_unit_test_setup_teardown(test_age_passphrase, setup, teardown),
        cmocka_unit_test_setup_teardown(test_age_stream, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
