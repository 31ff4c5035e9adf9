#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"

char *unit_make_dir(void)
{
    const char *tmp = getenv("TMPDIR");
    char *dir = xasprintf("%s/elexgate-unit-XXXXXX", tmp ? tmp : "/tmp");

    assert_non_null(mkdtemp(dir));
    return dir;
}

void unit_remove_dir(char *dir)
{
    struct err e = {0};
    char *slash = strrchr(dir, '/');

    *slash = '\0';
    int fd = open(dir, O_RDONLY | O_DIRECTORY);
    assert_true(fd >= 0);
    if (file_remove_tree(fd, slash + 1, &e) < 0)
        fail_msg("%s", e.text);
    close(fd);
    free(dir);
}

char *unit_write(const char *dir, const char *name, const char *text, size_t len, unsigned mode)
{
    char *path = xasprintf("%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), (ssize_t)len);
    assert_int_equal(fchmod(fd, (mode_t)mode), 0);
    close(fd);
    return path;
}
