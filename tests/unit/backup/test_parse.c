/* A process that parses and was taken over by what it read: what it may say to the job, and that
 * nothing comes of it. It is this program, started anew as parse.h has it. */
#include "tests/unit/common/unit.h"

#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/archive/parse_internal.h"
#include "backup/archive/parse_member.h"
#include "backup/archive/unpack.h"
#include "common/file.h"

#define PART "ELEXGATE_TEST_PART" /* which part it plays */

/* --- the one that was taken over --- */

static void say(uint32_t kind, uint32_t n, uint64_t at, const void *data, size_t len)
{
    struct parse_head head = {kind, n, at};
    if (write(1, &head, sizeof head) != (ssize_t)sizeof head || (len && write(1, data, len) < 0))
        _exit(9);
}

static void say_member(const char *path, unsigned type, int64_t size, unsigned perm, const char *to)
{
    struct buffer b;
    struct archive_entry *ae = archive_entry_new();
    buffer_init(&b, 1 << 16);
    archive_entry_set_pathname(ae, path);
    archive_entry_set_filetype(ae, type);
    archive_entry_set_perm(ae, perm);
    archive_entry_set_size(ae, size);
    if (to)
        archive_entry_set_symlink(ae, to);
    CHECK(parse_member_put(&b, ae));
    say(PARSE_MEMBER, (uint32_t)buffer_len(&b), 0, buffer_ptr(&b), buffer_len(&b));
}

static int play(const char *part)
{
    static const char many[200000];
    if (!strcmp(part, "unknown kind"))
        say(99, 0, 0, NULL, 0);
    else if (!strcmp(part, "no kind"))
        say(0, 0, 0, NULL, 0);
    else if (!strcmp(part, "too long"))
        say(PARSE_DATA, UINT32_MAX, 0, many, sizeof many);
    else if (!strcmp(part, "cut"))
        say(PARSE_DATA, 100000, 0, many, 10);
    else if (!strcmp(part, "half a head"))
        return write(1, many, 7) == 7 ? 0 : 9;
    else if (!strcmp(part, "silent"))
        return 0;
    else if (!strcmp(part, "crashes"))
        raise(SIGSEGV);
    else if (!strcmp(part, "killed"))
        raise(SIGKILL);
    else if (!strcmp(part, "no member"))
        say(PARSE_MEMBER, 1000, 0, many, 1000);
    else if (!strcmp(part, "short member"))
        say(PARSE_MEMBER, 3, 0, many, 3);
    else if (!strcmp(part, "data first"))
        say(PARSE_DATA, 5, 0, "12345", 5);
    else if (!strcmp(part, "out of the folder"))
        say_member("../beside", AE_IFREG, 5, 0600, NULL);
    else if (!strcmp(part, "absolute"))
        say_member("/tmp/beside", AE_IFREG, 5, 0600, NULL);
    else if (!strcmp(part, "through a link")) {
        say_member("l", AE_IFLNK, 0, 0777, "..");
        say_member("l/beside", AE_IFREG, 0, 0600, NULL);
        say(PARSE_DONE, 0, 0, NULL, 0);
        say(PARSE_END, 0, 0, NULL, 0);
    } else if (!strcmp(part, "setuid"))
        say_member("s", AE_IFREG, 5, 04755, NULL);
    else if (!strcmp(part, "device"))
        say_member("d", AE_IFBLK, 0, 0600, NULL);
    else if (!strcmp(part, "too many bytes"))
        say_member("f", AE_IFREG, INT64_MAX, 0600, NULL);
    else if (!strcmp(part, "outside its size") || !strcmp(part, "backwards")) {
        bool back = !strcmp(part, "backwards");
        say_member("f", AE_IFREG, 5, 0600, NULL);
        say(PARSE_DATA, 5, 0, "12345", 5);
        say(PARSE_DATA, 5, back ? 0 : UINT64_MAX - 2, "12345", 5);
    } else if (!strcmp(part, "words")) {
        static const char words[] = "a\x1b[31mb\nlevel=error \xff";
        say(PARSE_DAMAGED, sizeof words - 1, 0, words, sizeof words - 1);
    } else if (!strcmp(part, "never ends")) {
        say(PARSE_DAMAGED, 1, 0, "x", 1);
        for (;;)
            pause();
    }
    return 0;
}

/* --- the job --- */

static char dir[] = "/tmp/test-parse-XXXXXX";

static int unpack_what(const char *part, struct err *e)
{
    struct unpack_result r;
    _cleanup_free_ char *archive = xasprintf("%s/a.tar.gz", dir), *into = xasprintf("%s/into", dir);
    assert_int_equal(setenv(PART, part, 1), 0);
    assert_int_equal(mkdir(into, 0700), 0);
    int fd = open(into, O_RDONLY | O_DIRECTORY);
    struct unpack_options o = {.archive = archive,
        .into = fd,
        .symlinks = true,
        .links_out = true,
        .max_bytes = 1000,
        .max_files = 10};
    int x = unpack_run(&o, &r, e);
    close(fd);
    return x;
}

static void nothing_comes_of_what_it_says(void **state)
{
    static const struct {
        const char *part;
        int outcome;
    } parts[] = {{"unknown kind", UNPACK_DAMAGED}, {"no kind", UNPACK_DAMAGED},
        {"too long", UNPACK_DAMAGED}, {"cut", UNPACK_DAMAGED}, {"half a head", UNPACK_DAMAGED},
        {"silent", UNPACK_DAMAGED}, {"crashes", UNPACK_DAMAGED}, {"killed", -EIO},
        {"no member", UNPACK_DAMAGED}, {"short member", UNPACK_DAMAGED},
        {"data first", UNPACK_DAMAGED}, {"out of the folder", UNPACK_UNSAFE},
        {"absolute", UNPACK_UNSAFE}, {"through a link", UNPACK_UNSAFE}, {"setuid", UNPACK_UNSAFE},
        {"device", UNPACK_UNSAFE}, {"too many bytes", UNPACK_UNSAFE},
        {"outside its size", UNPACK_DAMAGED}, {"backwards", UNPACK_DAMAGED},
        {"words", UNPACK_DAMAGED}, {"never ends", UNPACK_DAMAGED}};
    (void)state;
    int fd = open(dir, O_RDONLY | O_DIRECTORY);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        struct err e = {0};
        int x = unpack_what(parts[i].part, &e);
        if (x != parts[i].outcome || !e.text[0])
            fail_msg("%s: %d, %s", parts[i].part, x, e.text);
        for (const char *c = e.text; *c; c++)
            assert_true((unsigned char)*c >= ' ' && *c != 0x7f);
        assert_int_equal(faccessat(fd, "beside", F_OK, 0), -1);
        assert_int_equal(file_remove_tree(fd, "into", NULL), 0);
    }
    close(fd);
}

static int setup(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(dir));
    _cleanup_free_ char *archive = xasprintf("%s/a.tar.gz", dir);
    return file_publish(archive, "\x1f\x8b", 2, 0600, NULL);
}

static int teardown(void **state)
{
    (void)state;
    int fd = open("/tmp", O_RDONLY | O_DIRECTORY), r = file_remove_tree(fd, dir + 5, NULL);
    close(fd);
    return r;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], PARSE_CHILD) == 0)
        _exit(play(getenv(PART)));
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_comes_of_what_it_says)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
