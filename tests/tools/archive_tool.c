/*
 * The archive engine alone, for tests and for scripts/bench-archive:
 *
 *   archive-tool pack [--backend B] [--level N] [--threads N] [--rate BYTES] [--no-publish]
 *                     [--state-dir DIR] FOLDER TYPE RUN SOURCE
 *   archive-tool reseal --state-dir DIR MANIFEST
 *   archive-tool reseal-binlog --state-dir DIR INDEX
 *   archive-tool unpack [--threads N] [--max BYTES] [--manifest FILE] [--links] ARCHIVE INTO
 *   archive-tool verify [--threads N] [--second-opinion] ARCHIVE MANIFEST
 *
 * --state-dir: sealed with the key of that installation and listed in its ledger, as a job does it;
 * else the archive is not sealed. reseal does that for a manifest whose head a test has edited: so
 * that it is the edit that is found, and not the broken seal.
 *
 * Prints one JSON line with times and the process's largest memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "backup/archive/parse.h"
#include "backup/archive/deflate.h"
#include "backup/archive/medium.h"
#include "backup/archive/pack.h"
#include "backup/archive/trust.h"
#include "backup/archive/unpack.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/units.h"
#include "common/hex.h"

struct settings {
    const char *backend, *manifest, *state_dir;
    int level;
    unsigned threads;
    int64_t rate, max;
    bool publish, links, second_opinion;
};

/* Not getrusage's ru_maxrss: that one survives exec, so it would be the test's own when that is
 * larger. */
static json_int_t peak_kib(void)
{
    char line[256];
    long long kib = -1;
    FILE *f = fopen("/proc/self/status", "re");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmHWM: %lld kB", &kib) == 1)
            break;
    if (f)
        fclose(f);
    return (json_int_t)kib;
}

static int report(int r, const struct err *e, const char *error_code, uint64_t copy_ms,
    uint64_t total_ms, uint64_t bytes_in, uint64_t bytes_out)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    json_t *o = json_pack("{s:i,s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:f}", "result", r, "outcome",
        error_code, "error", r ? e->text : "", "copy_ms", (json_int_t)copy_ms, "total_ms",
        (json_int_t)total_ms, "bytes_in", (json_int_t)bytes_in, "bytes_out", (json_int_t)bytes_out,
        "max_rss_kib", peak_kib(), "cpu_s",
        (double)u.ru_utime.tv_sec + (double)u.ru_utime.tv_usec / 1e6 + (double)u.ru_stime.tv_sec +
            (double)u.ru_stime.tv_usec / 1e6);
    CHECK(o);
    json_dumpf(o, stdout, 0);
    putchar('\n');
    json_decref(o);
    return r == 0 ? 0 : 1;
}

static int know_installation(const struct settings *s, const char *folder, struct trust *t,
    struct ledger_entry *n, struct err *e)
{
    bool made;
    int r = trust_open(s->state_dir, NULL, t, e);
    if (r == 0)
        r = trust_ready(t, &made, e);
    if (r == 0)
        r = medium_ready(t->folder, folder, n->medium, &made, e);
    n->sequence = ledger_sequence(&t->ledger) + 1;
    return r;
}

static int run_pack(const struct settings *s, char **argv)
{
    struct err e = {0};
    struct trust trust = {0};
    struct ledger_entry listed = {.what = LEDGER_MADE};
    struct pack *p = NULL;
    struct manifest m = {.method = MANIFEST_FILES, .started_ms = clock_wall_ms()};
    struct pack_options o = {.folder = argv[0],
        .type = argv[1],
        .run = argv[2],
        .strict = true,
        .backend = strcmp(s->backend, "zlib") == 0 ? deflate_zlib() : NULL,
        .level = s->level,
        .threads = s->threads,
        .rate = (uint64_t)s->rate};
    uint64_t start = clock_mono_ms(), copied = 0;
    int r = s->state_dir ? know_installation(s, argv[0], &trust, &listed, &e) : 0;
    if (s->state_dir) {
        o.key = &trust.key;
        o.sequence = listed.sequence;
    }
    if (r == 0)
        r = pack_open(&o, &p, &e);
    if (r == 0)
        r = pack_tree(p, argv[3], "", NULL, NULL, &e);
    if (r == 0)
        r = pack_recheck(p, &e);
    if (r == 0)
        r = pack_close(p, &e);
    copied = clock_mono_ms() - start;
    m.finished_ms = clock_wall_ms();
    struct pack_progress t = p ? pack_totals(p) : (struct pack_progress){0};
    if (r == 0 && s->publish)
        r = pack_publish(p, &m, &e);
    if (r == 0 && s->publish && s->state_dir) {
        snprintf(listed.type, sizeof listed.type, "%s", argv[1]);
        snprintf(listed.run, sizeof listed.run, "%s", argv[2]);
        snprintf(listed.digest, sizeof listed.digest, "%s", pack_digest(p));
        r = ledger_append(&trust.ledger, &listed, &e);
    }
    trust_close(&trust);
    uint64_t total = clock_mono_ms() - start;
    pack_drop(p);
    manifest_clear(&m);
    return report(r, &e,
        r == PACK_CHANGED ? "changed"
        : r               ? "failed"
                          : "good",
        copied, total, t.bytes_in, t.bytes_out);
}

/* The first line anew, for the second one as it is. */
static int write_sealed(const struct trust *t, const char *purpose, const char *path,
    const char *head, size_t head_len, const char *rest, char digest[static SHA256_HEX_LEN],
    struct err *e)
{
    struct manifest_seal seal = {0};
    hex_sha256(head, head_len, digest);
    memcpy(seal.digest, digest, sizeof seal.digest);
    memcpy(seal.key, t->key.public, sizeof seal.key);
    seal_sign(&t->key, purpose, digest, seal.signature);
    char *first = manifest_seal_text(&seal);
    _cleanup_free_ char *all = xasprintf("%s%.*s%s", first, (int)head_len, head, rest);
    free(first);
    return file_publish(path, all, strlen(all), 0600, e);
}

static int run_reseal(const struct settings *s, const char *path)
{
    struct err e = {0};
    struct trust trust = {0};
    struct manifest m = {0};
    struct ledger_entry listed = {.what = LEDGER_MADE};
    _cleanup_free_ char *text = NULL,
                        *folder = xasprintf("%.*s", (int)(strrchr(path, '/') - path), path);
    size_t len;
    int r = know_installation(s, folder, &trust, &listed, &e);
    if (r == 0)
        r = file_read(path, 1 << 30, &text, &len, &e);
    const char *head = r == 0 ? strchr(text, '\n') + 1 : NULL;
    const char *rest = head ? strchr(head, '\n') + 1 : NULL;
    if (r == 0)
        r = manifest_head_parse(head, (size_t)(rest - head), &m, &e);
    if (r == 0)
        r = write_sealed(
            &trust, SEAL_MANIFEST, path, head, (size_t)(rest - head), rest, listed.digest, &e);
    if (r == 0) {
        listed.sequence = m.sequence;
        memcpy(listed.type, m.type, sizeof listed.type);
        memcpy(listed.run, m.run, sizeof listed.run);
        r = ledger_append(&trust.ledger, &listed, &e);
    }
    manifest_clear(&m);
    trust_close(&trust);
    return report(r, &e, r ? "failed" : "good", 0, 0, 0, 0);
}

static int run_unpack(const struct settings *s, const char *archive, const char *manifest, int into)
{
    static const char *const outcomes[] = {"good", "stopped", "damaged", "unsafe", "locked"};
    struct err e = {0};
    struct unpack_result result = {0};
    struct unpack_options o = {.archive = archive,
        .manifest = manifest,
        .into = into,
        .symlinks = s->links,
        .threads = s->threads,
        .second_opinion = s->second_opinion,
        .max_bytes = (uint64_t)s->max,
        .max_files = manifest ? 0 : 1000000};
    uint64_t start = clock_mono_ms();
    int r = unpack_run(&o, &result, &e);
    uint64_t total = clock_mono_ms() - start;
    return report(
        r, &e, r < 0 ? "failed" : outcomes[r], total, total, result.tar_bytes, result.bytes);
}

/* The index of a segment of a binary log. */
static int run_reseal_binlog(const struct settings *s, const char *path)
{
    struct err e = {0};
    struct trust trust = {0};
    _cleanup_free_ char *text = NULL;
    char digest[SHA256_HEX_LEN];
    size_t len;
    int r = trust_open(s->state_dir, NULL, &trust, &e);
    if (r == 0)
        r = trust_load_key(&trust, &e);
    if (r == 0)
        r = file_read(path, 1 << 20, &text, &len, &e);
    const char *head = r == 0 ? strchr(text, '\n') + 1 : NULL;
    if (r == 0)
        r = write_sealed(&trust, SEAL_BINLOG, path, head, strlen(head), "", digest, &e);
    trust_close(&trust);
    return report(r, &e, r ? "failed" : "good", 0, 0, 0, 0);
}

static int usage(void)
{
    fputs("usage: archive-tool pack|reseal|unpack|verify ..., see tests/tools/archive_tool.c\n",
        stderr);
    return 2;
}

static bool parse(struct settings *s, int argc, char **argv)
{
    static const struct option options[] = {{"backend", 1, NULL, 'b'}, {"level", 1, NULL, 'l'},
        {"threads", 1, NULL, 't'}, {"rate", 1, NULL, 'r'}, {"max", 1, NULL, 'm'},
        {"manifest", 1, NULL, 'f'}, {"no-publish", 0, NULL, 'n'}, {"links", 0, NULL, 's'},
        {"second-opinion", 0, NULL, '2'}, {"state-dir", 1, NULL, 'i'}, {0}};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        int64_t n = 0;
        if ((c == 'l' || c == 't') && units_parse_int(optarg, &n) < 0)
            return false;
        if ((c == 'r' && units_parse_size(optarg, &s->rate) < 0) ||
            (c == 'm' && units_parse_size(optarg, &s->max) < 0) || c == '?')
            return false;
        s->backend = c == 'b' ? optarg : s->backend;
        s->manifest = c == 'f' ? optarg : s->manifest;
        s->level = c == 'l' ? (int)n : s->level;
        s->threads = c == 't' ? (unsigned)n : s->threads;
        s->state_dir = c == 'i' ? optarg : s->state_dir;
        s->publish = s->publish && c != 'n';
        s->links = s->links || c == 's';
        s->second_opinion = s->second_opinion || c == '2';
    }
    return true;
}

int main(int argc, char **argv)
{
    struct settings s = {.backend = "auto", .publish = true, .max = INT64_C(1) << 40};
    if (argc > 1 && strcmp(argv[1], PARSE_CHILD) == 0) /* unpacking starts us anew for that */
        _exit(parse_child(argc - 1, argv + 1));
    if (argc < 2 || !parse(&s, argc - 1, argv + 1))
        return usage();
    char **args = argv + 1 + optind;
    int n = argc - 1 - optind;
    if (strcmp(argv[1], "pack") == 0 && n == 4)
        return run_pack(&s, args);
    if (strcmp(argv[1], "reseal") == 0 && n == 1 && s.state_dir && strchr(args[0], '/'))
        return run_reseal(&s, args[0]);
    if (strcmp(argv[1], "reseal-binlog") == 0 && n == 1 && s.state_dir)
        return run_reseal_binlog(&s, args[0]);
    if (strcmp(argv[1], "verify") == 0 && n == 2) {
        s.max = 0;
        return run_unpack(&s, args[0], args[1], -1);
    }
    if (strcmp(argv[1], "unpack") != 0 || n != 2)
        return usage();
    int into = open(args[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (into < 0) {
        perror(args[1]);
        return 2;
    }
    int r = run_unpack(&s, args[0], s.manifest, into);
    close(into);
    return r;
}
