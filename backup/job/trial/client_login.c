#include "backup/job/trial/client_login.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/file.h"

/* In an option file's double quotes only the backslash and the quote are special. */
static void append_quoted(char **text, const char *key, const char *value)
{
    char *quoted = xmalloc(2 * strlen(value) + 1), *p = quoted;
    for (; *value; value++) {
        if (*value == '\\' || *value == '"')
            *p++ = '\\';
        *p++ = *value;
    }
    *p = '\0';
    char *longer = xasprintf("%s%s=\"%s\"\n", *text, key, quoted);
    free(quoted);
    free(*text);
    *text = longer;
}

int client_login(const struct server_target *t, int *fd, struct err *e)
{
    _cleanup_free_ char *text = xstrdup("[client]\n");
    append_quoted(&text, "user", t->user);
    if (t->password)
        append_quoted(&text, "password", t->password);
    if (t->socket) {
        append_quoted(&text, "socket", t->socket);
    } else {
        char port[16];
        snprintf(port, sizeof port, "%u", t->port);
        append_quoted(&text, "host", t->host);
        append_quoted(&text, "port", port);
        append_quoted(&text, "protocol", "tcp");
    }
    int file = memfd_create("login", MFD_CLOEXEC);
    if (file < 0 || fchmod(file, 0600) < 0) {
        cleanup_fd(&file);
        return err_sys(e, errno, "cannot make a file in memory");
    }
    int r = fd_write_all(file, text, strlen(text), e);
    if (r < 0)
        close(file);
    else
        *fd = file;
    return r;
}
