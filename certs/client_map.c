#include "certs/client_map.h"

#include <errno.h>
#include <string.h>
#include "common/file.h"
#include "common/utf8.h"

#define MAP_FILE_MAX    (1024 * 1024)
#define MAP_ENTRIES_MAX 10000

struct entry {
    char *name;
    char **users; /* NULL-terminated */
    size_t users_n;
    bool any_user;
};

struct client_map {
    struct entry *v;
    size_t n;
};

static void trim(const char **s, size_t *n)
{
    while (*n > 0 && strchr(" \t\r", (*s)[0]) != NULL) {
        (*s)++;
        (*n)--;
    }
    while (*n > 0 && strchr(" \t\r", (*s)[*n - 1]) != NULL)
        (*n)--;
}

static struct entry *find_certificate(const struct client_map *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->v[i].name, name) == 0)
            return &m->v[i];
    return NULL;
}

static char *slice(const char *s, size_t n)
{
    char *out = xmalloc(n + 1);
    memcpy(out, s, n);
    out[n] = '\0';
    return out;
}

static void add_user(struct entry *en, const char *s, size_t n)
{
    if (n == 1 && s[0] == '*') {
        en->any_user = true;
        return;
    }
    en->users = xrealloc(en->users, (en->users_n + 2) * sizeof *en->users);
    en->users[en->users_n++] = slice(s, n);
    en->users[en->users_n] = NULL;
}

static int parse_users(
    struct entry *en, const char *s, size_t n, const char *file, unsigned line, struct err *e)
{
    while (n > 0) {
        const char *comma = memchr(s, ',', n), *word = s;
        size_t len = comma != NULL ? (size_t)(comma - s) : n, used = len + (comma != NULL);
        trim(&word, &len);
        if (len == 0) {
            return err_set(
                e, EINVAL, "%s, line %u: a user's name is missing beside a comma", file, line);
        }
        if (memchr(word, ' ', len) != NULL) {
            return err_set(e, EINVAL,
                "%s, line %u: \"%.*s\" is not one user: users are separated by commas", file, line,
                (int)len, word);
        }
        add_user(en, word, len);
        s += used;
        n -= used;
        if (comma != NULL && n == 0) {
            return err_set(
                e, EINVAL, "%s, line %u: a user's name is missing beside a comma", file, line);
        }
    }
    return 0;
}

static int parse_line(
    struct client_map *m, const char *s, size_t n, const char *file, unsigned line, struct err *e)
{
    if (utf8_check(s, n) != n || memchr(s, '\0', n) != NULL)
        return err_set(e, EINVAL, "%s, line %u: not UTF-8 text", file, line);
    trim(&s, &n);
    if (n == 0 || s[0] == '#')
        return 0;
    const char *eq = memchr(s, '=', n), *users = eq != NULL ? eq + 1 : s;
    size_t name_len = eq != NULL ? (size_t)(eq - s) : 0, users_len = n - (size_t)(users - s);
    if (eq == NULL) {
        return err_set(
            e, EINVAL, "%s, line %u: \"=\" is missing: CERTIFICATE NAME = USER, USER", file, line);
    }
    trim(&s, &name_len);
    trim(&users, &users_len);
    if (name_len == 0 || users_len == 0) {
        return err_set(e, EINVAL, "%s, line %u: the %s is missing: CERTIFICATE NAME = USER, USER",
            file, line, name_len == 0 ? "certificate's name" : "user");
    }
    _cleanup_free_ char *name = slice(s, name_len);
    if (find_certificate(m, name) != NULL) {
        return err_set(e, EINVAL, "%s, line %u: \"%s\" stands twice: put all its users in one line",
            file, line, name);
    }
    if (m->n == MAP_ENTRIES_MAX)
        return err_set(e, EFBIG, "%s has more than %d entries", file, MAP_ENTRIES_MAX);
    m->v = xrealloc(m->v, (m->n + 1) * sizeof *m->v);
    struct entry *en = &m->v[m->n++];
    *en = (struct entry){.name = xstrdup(name)};
    return parse_users(en, users, users_len, file, line, e);
}

int client_map_parse(
    const char *text, size_t len, const char *name, struct client_map **out, struct err *e)
{
    struct client_map *m = xcalloc(1, sizeof *m);
    unsigned line = 0;
    while (len > 0) {
        const char *nl = memchr(text, '\n', len);
        size_t n = nl != NULL ? (size_t)(nl - text) : len;
        int r = parse_line(m, text, n, name, ++line, e);
        if (r < 0) {
            client_map_free(m);
            return r;
        }
        n += nl != NULL;
        text += n;
        len -= n;
    }
    *out = m;
    return 0;
}

int client_map_load(const char *path, struct client_map **out, struct err *e)
{
    size_t len;
    _cleanup_free_ char *text = NULL;
    int r = file_read(path, MAP_FILE_MAX, &text, &len, e);
    return r < 0 ? r : client_map_parse(text, len, path, out, e);
}

void client_map_free(struct client_map *m)
{
    for (size_t i = 0; m != NULL && i < m->n; i++) {
        for (size_t k = 0; k < m->v[i].users_n; k++)
            free(m->v[i].users[k]);
        free(m->v[i].users);
        free(m->v[i].name);
    }
    if (m != NULL)
        free(m->v);
    free(m);
}

size_t client_map_size(const struct client_map *m)
{
    return m->n;
}

enum client_map_answer client_map_check(
    const struct client_map *m, const char *certificate, const char *user)
{
    const struct entry *en = find_certificate(m, certificate);
    if (en == NULL)
        en = find_certificate(m, "*");
    if (en == NULL)
        return CLIENT_MAP_UNKNOWN;
    for (size_t i = 0; i < en->users_n; i++)
        if (strcmp(en->users[i], user) == 0)
            return CLIENT_MAP_ALLOWED;
    return en->any_user ? CLIENT_MAP_ALLOWED : CLIENT_MAP_OTHER_USER;
}
