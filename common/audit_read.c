#include "common/audit_read.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/json_get.h"

#define LIMIT_DEFAULT 200
#define ANSWER_MAX    (600 * 1024) /* a line of the protocol has at most 1 MiB */

/* The end of a file, whole lines only; malloc'ed, NULL where there is none. */
static char *read_end(const char *path, size_t *len)
{
    struct stat st;
    _cleanup_fd_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
        return NULL;
    size_t size = st.st_size < AUDIT_READ_MAX ? (size_t)st.st_size : AUDIT_READ_MAX;
    char *text = xmalloc(size + 1);
    ssize_t n = pread(fd, text, size, st.st_size - (off_t)size);
    if (n <= 0) {
        free(text);
        return NULL;
    }
    text[n] = '\0';
    *len = (size_t)n;
    char *first = (size_t)n < (size_t)st.st_size ? memchr(text, '\n', (size_t)n) : NULL;
    if (first) { /* it began in the middle of a line */
        *len -= (size_t)(first + 1 - text);
        memmove(text, first + 1, *len + 1);
    }
    return text;
}

/* Lines from the last to the first, until there are limit; *bytes counts what the answer holds. */
static void take_lines(json_t *lines, char *text, size_t len, size_t limit, size_t *bytes)
{
    while (len > 0 && json_array_size(lines) < limit && *bytes < ANSWER_MAX) {
        if (text[len - 1] == '\n') {
            text[--len] = '\0';
            continue;
        }
        char *begin = memrchr(text, '\n', len);
        begin = begin ? begin + 1 : text;
        size_t n = (size_t)(text + len - begin);
        json_t *line = json_loadb(begin, n, JSON_REJECT_DUPLICATES, NULL);
        if (json_is_object(line)) {
            (void)json_array_append(lines, line);
            *bytes += n;
        }
        json_decref(line);
        len = (size_t)(begin - text);
    }
}

/* "audit.log-20261201": the newest of those, malloc'ed; NULL: none. */
static char *rotated(const char *path)
{
    _cleanup_free_ char *folder = xstrdup(path);
    char *slash = strrchr(folder, '/'), *found = NULL;
    if (!slash)
        return NULL;
    *slash = '\0';
    const char *base = path + (slash - folder) + 1;
    size_t n = strlen(base);
    const struct dirent *d;
    DIR *all = opendir(*folder ? folder : "/");
    while (all && (d = readdir(all))) {
        const char *name = d->d_name;
        if (strncmp(name, base, n) != 0 || name[n] != '-' ||
            strspn(name + n + 1, "0123456789") != 8 || name[n + 9] != '\0')
            continue;
        char *one = xasprintf("%s/%s", folder, name);
        if (found && strcmp(found, one) > 0) {
            free(one);
        } else {
            free(found);
            found = one;
        }
    }
    if (all)
        closedir(all);
    return found;
}

json_t *audit_read_answer(const char *path, const json_t *request)
{
    json_int_t asked = json_get_int(request, "limit");
    size_t limit = asked > 0 && asked <= AUDIT_READ_LINES ? (size_t)asked : LIMIT_DEFAULT;
    size_t bytes = 0, len = 0;
    json_t *lines = json_array();
    _cleanup_free_ char *older = path ? rotated(path) : NULL;
    const char *const files[] = {path, older};
    for (size_t i = 0; i < 2 && files[i]; i++) {
        char *text = json_array_size(lines) < limit ? read_end(files[i], &len) : NULL;
        if (text)
            take_lines(lines, text, len, limit, &bytes);
        free(text);
    }
    return json_pack("{s:b, s:s*, s:o}", "ok", 1, "file", path, "lines", lines);
}
