/*
 * Secrets from files: read once, kept to their owner, wiped when let go.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/config.h"
#include "common/file.h"

#define SECRET_MAX 1024

/* systemd's credentials folder is private to the unit, whatever the modes of the files say. */
static bool is_credential(const char *path)
{
    const char *dir = getenv("CREDENTIALS_DIRECTORY");
    size_t n = dir ? strlen(dir) : 0;

    return n > 1 && strncmp(path, dir, n) == 0 && path[n] == '/' && !strstr(path + n, "/../");
}

int secret_read(const char *path, char **out, struct err *e)
{
    _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    char buf[SECRET_MAX + 3]; /* room for CR, LF and for noticing that it is too long */
    size_t len = 0;
    int r;

    if (fd < 0)
        return err_sys(e, errno, "cannot open the secret file %s", path);
    /* Checked on the open file, so that it cannot be exchanged in between. */
    if (!is_credential(path) && (r = fd_check_private(fd, path, e)) < 0)
        return r;
    while (len < sizeof buf) {
        ssize_t n = read(fd, buf + len, sizeof buf - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            r = err_sys(e, errno, "cannot read the secret file %s", path);
            goto out;
        }
        if (n == 0)
            break;
        len += (size_t)n;
    }
    /* Windows' editor puts a byte order mark in front, which belongs to no password. */
    if (len >= 3 && memcmp(buf, "\xEF\xBB\xBF", 3) == 0)
        memmove(buf, buf + 3, len -= 3);
    if (len > 0 && buf[len - 1] == '\n')
        len--;
    if (len > 0 && buf[len - 1] == '\r')
        len--;
    if (len > SECRET_MAX)
        r = err_set(e, EFBIG, "the secret file %s is longer than %d bytes", path, SECRET_MAX);
    else if (len == 0)
        r = err_set(e, EINVAL, "the secret file %s is empty", path);
    else if (len > 1 && (memcmp(buf, "\xFF\xFE", 2) == 0 || memcmp(buf, "\xFE\xFF", 2) == 0))
        r = err_set(e, EINVAL, "the secret file %s is text in UTF-16: save it as UTF-8", path);
    else if (memchr(buf, '\n', len) || memchr(buf, '\0', len))
        r = err_set(e, EINVAL, "the secret file %s must hold one line of text", path);
    else {
        char *s = xmalloc(len + 1);
        memcpy(s, buf, len);
        s[len] = '\0';
        *out = s;
        r = 0;
    }
out:
    explicit_bzero(buf, sizeof buf);
    return r;
}

void secret_free(char *s)
{
    if (s)
        explicit_bzero(s, strlen(s));
    free(s);
}
