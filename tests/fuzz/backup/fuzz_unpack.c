/*
 * Any bytes as an archive, extracted into an empty folder: nothing but files, folders and links
 * that stay beneath it may come to lie there, within the limits, and nothing beside it. An input
 * that does not begin as gzip is taken as a tar and compressed first, so that the search does not
 * have to find checksums of gzip.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "backup/archive/place.h"
#include "backup/archive/unpack.h"
#include "common/file.h"

#define MAX_BYTES 100000
#define MAX_FILES 50

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[] = "/tmp/fuzz-unpack-XXXXXX", archive[64], root[64];
static uint64_t bytes, files;
static dev_t device;
static int dir_fd;

static int look(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    char target[5000];
    (void)type;
    (void)ftw;
    if (S_ISREG(st->st_mode)) {
        CHECK(!(st->st_mode & 06000) && st->st_nlink == 1);
        bytes += (uint64_t)st->st_size;
        files++;
    } else if (S_ISLNK(st->st_mode)) {
        ssize_t n = readlink(path, target, sizeof target - 1);
        CHECK(n > 0);
        target[n] = 0;
        CHECK(place_symlink_safe(path + strlen(root) + 1, target));
    } else {
        CHECK(S_ISDIR(st->st_mode));
    }
    CHECK(st->st_dev == device);
    return 0;
}

static void prepare(void)
{
    struct stat st;
    if (*archive)
        return;
    CHECK(mkdtemp(dir));
    snprintf(archive, sizeof archive, "%s/a.tar.gz", dir);
    snprintf(root, sizeof root, "%s/root", dir);
    CHECK(stat(dir, &st) == 0);
    dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(dir_fd >= 0);
    device = st.st_dev;
}

static void write_archive(const uint8_t *data, size_t size)
{
    if (size > 1 && data[0] == 0x1f && data[1] == 0x8b) {
        int fd = open(archive, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
        close(fd);
        return;
    }
    gzFile gz = gzopen(archive, "wb1");
    CHECK(gz && (size == 0 || gzwrite(gz, data, (unsigned)size) == (int)size));
    CHECK(gzclose(gz) == Z_OK);
}

static unsigned entries_beside(void)
{
    unsigned n = 0;
    FILE *ls;
    char cmd[100];
    snprintf(cmd, sizeof cmd, "ls -A %s | wc -l", dir);
    ls = popen(cmd, "r");
    CHECK(ls && fscanf(ls, "%u", &n) == 1);
    pclose(ls);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static unsigned runs;
    struct err e = {0};
    struct unpack_result r;
    prepare();
    write_archive(data, size);
    CHECK(file_remove_tree(dir_fd, "root", NULL) == 0 && mkdir(root, 0700) == 0);
    int fd = open(root, O_RDONLY | O_DIRECTORY);
    struct unpack_options o = {.archive = archive,
        .into = fd,
        .symlinks = true,
        .max_bytes = MAX_BYTES,
        .max_files = MAX_FILES,
        .threads = 1};
    int x = unpack_run(&o, &r, &e);
    close(fd);
    CHECK(x == 0 || e.text[0]);
    bytes = files = 0;
    CHECK(nftw(root, look, 8, FTW_PHYS) == 0);
    CHECK(bytes <= MAX_BYTES + 1024 * 1024 && files <= MAX_FILES);
    /* Starting a shell for every input would be slow; nothing beside may appear at any time. */
    if (runs++ % 64 == 0)
        CHECK(entries_beside() == 2);
    CHECK(chmod(root, 0700) == 0);
    return 0;
}
