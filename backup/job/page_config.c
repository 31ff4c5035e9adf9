/*
 * Settings changed from the page: only those that it may change, and only what the keeper would
 * take over.
 */
#include "backup/job/page.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "backup/rules/settings.h"
#include "common/config_edit.h"
#include "common/config_intent.h"
#include "common/file.h"
#include "common/json_lines.h"
#include "common/hex.h"
#include "common/lang.h"
#include "common/utf8.h"

#define TEXT_MAX  (1024 * 1024)
#define EDITS_MAX 100

struct change {
    struct config_edit edits[EDITS_MAX];
    char *values[EDITS_MAX]; /* owned */
    size_t n;
};

static void change_clear(struct change *ch)
{
    for (size_t i = 0; i < ch->n; i++)
        free(ch->values[i]);
}

static json_t *PRINTF(4, 5)
    refuse(int code, const char *section, const char *key, const char *fmt, ...)
{
    struct err e = {0};
    va_list ap;
    va_start(ap, fmt);
    (void)err_set_v(&e, code, fmt, ap);
    va_end(ap);
    json_t *answer = json_error_of(code, &e);
    json_object_set_new(answer, "section", section ? json_string(section) : json_null());
    json_object_set_new(answer, "key", key ? json_string(key) : json_null());
    return answer;
}

static const struct option *find_option(const char *name)
{
    for (size_t i = 0; i < config_options_count; i++) {
        const struct option *o = &config_options[i];
        size_t n = strlen(o->section);
        if (!o->named && strncmp(name, o->section, n) == 0 && name[n] == '.' &&
            strcmp(name + n + 1, o->key) == 0)
            return o;
    }
    return NULL;
}

/* A page's form has strings; a script's JSON may have numbers and truth values. */
static bool as_text(const json_t *value, char **out)
{
    if (json_is_string(value))
        *out = xstrdup(json_string_value(value));
    else if (json_is_integer(value))
        *out = xasprintf("%lld", (long long)json_integer_value(value));
    else if (json_is_boolean(value))
        *out = xstrdup(json_is_true(value) ? "yes" : "no");
    else
        *out = NULL;
    return *out || json_is_null(value);
}

/* NULL, or what is wrong with the request. */
static json_t *take_change(json_t *values, struct change *ch)
{
    const char *name;
    json_t *value;
    if (!json_is_object(values) || json_object_size(values) == 0 ||
        json_object_size(values) > EDITS_MAX)
        return refuse(EINVAL, NULL, NULL, "\"values\" must be an object: {\"section.key\":VALUE}");
    json_object_foreach (values, name, value) {
        const struct option *o = find_option(name);
        if (!o)
            return refuse(
                EINVAL, NULL, NULL, N_("there is no option \"%s\""), UTF8_SHORT(name, 80));
        if (!o->page)
            return refuse(EPERM, o->section, o->key,
                "[%s] %s is not changed from here, only in the file", o->section, o->key);
        if (!as_text(value, &ch->values[ch->n]))
            return refuse(EINVAL, o->section, o->key,
                "[%s] %s: the value must be text, a number, true, false or null", o->section,
                o->key);
        ch->edits[ch->n] = (struct config_edit){
            .section = o->section, .key = o->key, .value = ch->values[ch->n]};
        ch->n++;
    }
    return NULL;
}

/* The option that the new text fails with: the first edit that does so by itself. */
static json_t *find_culprit(
    const char *path, const char *text, size_t len, const struct change *ch, struct err *all)
{
    for (size_t i = 0; i < ch->n; i++) {
        _cleanup_free_ char *out = NULL;
        size_t n = 0;
        struct config *c = NULL;
        struct err e = {0};
        if (config_edit(text, len, &ch->edits[i], 1, &out, &n, &e) < 0)
            return refuse(e.code, ch->edits[i].section, ch->edits[i].key, "%s", err_words(&e));
        int r = config_parse(out, n, path, &c, &e);
        if (r == 0)
            r = backup_settings_check(c, &e);
        config_free(c);
        if (r < 0)
            return refuse(EINVAL, ch->edits[i].section, ch->edits[i].key, "%s", err_words(&e));
    }
    return refuse(EINVAL, NULL, NULL, "%s", err_words(all));
}

/* The old file stays as FILE~; mode and owner stay as they are. */
static int replace(
    const char *path, const char *old, size_t old_len, const char *text, size_t len, struct err *e)
{
    struct stat st;
    _cleanup_free_ char *before = xasprintf("%s~", path);
    bool there = stat(path, &st) == 0, root = there && geteuid() == 0;
    mode_t mode = there ? st.st_mode & 07777 : 0644;
    uid_t uid = root ? st.st_uid : (uid_t)-1;
    gid_t gid = root ? st.st_gid : (gid_t)-1;
    int r = there ? file_publish_for(before, old, old_len, mode, uid, gid, e) : 0;
    if (r == 0)
        r = config_intent_vouch(path, text, len, mode, e);
    return r == 0 ? file_publish_for(path, text, len, mode, uid, gid, e) : r;
}

static json_t *apply(const char *path, const char *text, size_t len, const struct change *ch)
{
    _cleanup_free_ char *out = NULL;
    size_t n = 0;
    struct config *c = NULL;
    struct err e = {0};
    char sum[SHA256_HEX_LEN];
    int r = config_edit(text, len, ch->edits, ch->n, &out, &n, &e);
    if (r == 0)
        r = config_parse(out, n, path, &c, &e);
    if (r == 0)
        r = backup_settings_check(c, &e);
    config_free(c);
    if (r < 0)
        return find_culprit(path, text, len, ch, &e);
    r = replace(path, text, len, out, n, &e);
    if (r < 0)
        return json_error_of(-r, &e);
    return json_pack(
        "{sb ss si}", "ok", 1, "sha256", hex_sha256(out, n, sum), "options", (int)ch->n);
}

/* Two that change it at the same time: neither one's change is lost. */
static int lock_folder(const char *path, int *fd, struct err *e)
{
    const char *slash = strrchr(path, '/');
    _cleanup_free_ char *folder = slash ? xasprintf("%.*s/", (int)(slash - path), path)
                                        : xstrdup(".");
    *fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *fd < 0 || flock(*fd, LOCK_EX) < 0 ? err_sys(e, errno, "cannot lock %s", folder) : 0;
}

int page_config(const struct config *settings, const char *config_file, const json_t *request,
    json_t **answer, struct err *e)
{
    CLEANUP(change_clear) struct change ch = {.n = 0};
    _cleanup_free_ char *text = NULL;
    const char *path = config_path(settings);
    size_t len = 0;
    char sum[SHA256_HEX_LEN];
    _cleanup_fd_ int lock = -1;
    *answer = take_change(json_object_get(request, "values"), &ch);
    int r = lock_folder(path, &lock, e);
    if (r == 0 && !*answer)
        r = file_read(path, TEXT_MAX, &text, &len, e);
    if (r == -ENOENT && !config_file) { /* a default path that does not exist is an empty file */
        text = xstrdup("");
        r = 0;
    }
    const json_t *expected = json_object_get(request, "sha256");
    if (r == 0 && !*answer && expected && !json_is_null(expected) &&
        (!json_is_string(expected) ||
            strcmp(json_string_value(expected), hex_sha256(text, len, sum)) != 0))
        *answer = json_error(ESTALE, "%s was changed meanwhile; look at it again", path);
    if (r == 0 && !*answer)
        *answer = apply(path, text, len, &ch);
    return r;
}
