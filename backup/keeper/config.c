/*
 * The control socket's commands about settings: shown, and those changed that a page may change.
 */
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "backup/keeper/keeper.h"
#include "common/clock.h"
#include "common/config_edit.h"
#include "common/config_intent.h"
#include "common/file.h"
#include "common/json_lines.h"
#include "common/log.h"
#include "common/utf8.h"
#include "common/json_get.h"

#define TEXT_MAX    (1024 * 1024)
#define EDITS_MAX   100
#define PREVIEW_MAX 100
#define SHA256_HEX  65

static char *sha256_hex(const char *text, size_t len, char out[static SHA256_HEX])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    CHECK(EVP_Digest(text, len, digest, NULL, EVP_sha256(), NULL) == 1);
    for (size_t i = 0; i < 32; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
    return out;
}

/* A default path that does not exist is an empty file. */
static int read_text(const struct keeper *k, char **text, size_t *len, struct err *e)
{
    int r = file_read(config_path(k->config), TEXT_MAX, text, len, e);
    if (r != -ENOENT || k->config_path)
        return r;
    *text = xstrdup("");
    *len = 0;
    return 0;
}

/* --- config-get --- */

/* "backup.schedule", "data.documents.path" */
static char *dotted(const struct option *o, const char *name)
{
    return xasprintf("%s%s%s.%s", o->section, name ? "." : "", name ? name : "", o->key);
}

struct shown {
    json_t *values, *defaults, *settable, *environment;
};

static void show(void *ctx, const struct option *o, const char *name, const char *value,
    enum config_source source, int line)
{
    struct shown *s = ctx;
    _cleanup_free_ char *key = dotted(o, name);
    (void)line;
    json_object_set_new(s->values, key, value ? json_string(value) : json_null());
    json_object_set_new(s->defaults, key, o->def ? json_string(o->def) : json_null());
    if (o->page)
        json_array_append_new(s->settable, json_string(key));
    if (source == CONFIG_ENVIRONMENT)
        json_array_append_new(s->environment, json_string(key));
}

json_t *keeper_config_get(struct keeper *k, struct control_client *c, json_t *request)
{
    struct shown s = {json_object(), json_object(), json_array(), json_array()};
    _cleanup_free_ char *text = NULL;
    size_t len = 0;
    struct err e = {0};
    char sum[SHA256_HEX];
    (void)c, (void)request;
    config_each(k->config, show, &s);
    int r = read_text(k, &text, &len, &e);
    json_t *answer = json_pack("{s:b, s:s, s:o, s:o, s:o, s:o}", "ok", 1, "file",
        config_path(k->config), "values", s.values, "defaults", s.defaults, "settable", s.settable,
        "environment", s.environment);
    CHECK(answer);
    if (r == 0)
        json_object_set_new(answer, "sha256", json_string(sha256_hex(text, len, sum)));
    return answer;
}

/* --- config-set --- */

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
    char words[300];
    va_list ap;
    va_start(ap, fmt);
    utf8_format_v(words, sizeof words, fmt, ap);
    va_end(ap);
    json_t *answer = json_error(code, "%s", words);
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
            return refuse(EINVAL, NULL, NULL, "there is no option \"%s\"", UTF8_SHORT(name, 80));
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

static json_t *refuse_edit(const struct change *ch, size_t i, const struct err *e)
{
    return refuse(e->code, ch->edits[i].section, ch->edits[i].key, "%s", e->text);
}

/* The option that the new text fails with: the first edit that does so by itself. */
static json_t *find_culprit(
    const struct keeper *k, const char *text, size_t len, const struct change *ch, struct err *all)
{
    for (size_t i = 0; i < ch->n; i++) {
        _cleanup_free_ char *out = NULL;
        size_t n = 0;
        struct config *c = NULL;
        struct err e = {0};
        if (config_edit(text, len, &ch->edits[i], 1, &out, &n, &e) < 0)
            return refuse_edit(ch, i, &e);
        int r = config_parse(out, n, config_path(k->config), &c, &e);
        if (r == 0)
            r = keeper_check_config(c, &e);
        config_free(c);
        if (r < 0)
            return refuse(EINVAL, ch->edits[i].section, ch->edits[i].key, "%s", e.text);
    }
    return refuse(EINVAL, NULL, NULL, "%s", all->text);
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

static json_t *apply(struct keeper *k, const char *text, size_t len, const struct change *ch)
{
    _cleanup_free_ char *out = NULL, *path = xstrdup(config_path(k->config));
    size_t n = 0;
    struct config *c = NULL;
    struct err e = {0};
    json_t *answer = NULL;
    char sum[SHA256_HEX];
    int r = config_edit(text, len, ch->edits, ch->n, &out, &n, &e);
    if (r == 0)
        r = config_parse(out, n, path, &c, &e);
    if (r == 0)
        r = keeper_check_config(c, &e);
    config_free(c);
    if (r < 0)
        return find_culprit(k, text, len, ch, &e);
    r = replace(path, text, len, out, n, &e);
    if (r == 0)
        r = keeper_reload(k, true, &answer, &e);
    if (r < 0)
        return json_error(-r, "%s", e.text);
    log_event(LOG_INFO, "config-set", LOG_S("file", path), LOG_U("options", ch->n));
    json_object_set_new(answer, "sha256", json_string(sha256_hex(out, n, sum)));
    return answer;
}

json_t *keeper_config_set(struct keeper *k, struct control_client *c, json_t *request)
{
    struct change ch = {.n = 0};
    _cleanup_free_ char *text = NULL;
    size_t len = 0;
    struct err e = {0};
    char sum[SHA256_HEX];
    (void)c;
    json_t *answer = take_change(json_object_get(request, "values"), &ch);
    int r = answer ? 0 : read_text(k, &text, &len, &e);
    if (r < 0)
        answer = json_error(-r, "%s", e.text);
    const json_t *expected = json_object_get(request, "sha256");
    if (!answer && expected && !json_is_null(expected) &&
        (!json_is_string(expected) ||
            strcmp(json_string_value(expected), sha256_hex(text, len, sum)) != 0))
        answer = json_error(
            ESTALE, "%s was changed meanwhile; look at it again", config_path(k->config));
    if (!answer)
        answer = apply(k, text, len, &ch);
    change_clear(&ch);
    return answer;
}

/* --- schedule-preview --- */

json_t *keeper_schedule_preview(struct keeper *k, struct control_client *c, json_t *request)
{
    const json_t *count = json_object_get(request, "count");
    const char *text = json_get_str(request, "schedule");
    json_int_t n = count ? json_integer_value(count) : 5;
    struct cron cron;
    struct cron_fault fault;
    char words[300], words_de[300];
    (void)k, (void)c;
    if (!text || n < 1 || n > PREVIEW_MAX)
        return json_error(
            EINVAL, "\"schedule\" must be text, and \"count\" from 1 to %d", PREVIEW_MAX);
    if (cron_check(backup_schedule_text(text), &cron, &fault) < 0) {
        json_t *answer = json_error(EINVAL, "%s", fault.text);
        json_object_set_new(answer, "error_de", json_text(fault.text_de));
        json_object_set_new(answer, "field", json_text(fault.field));
        return answer;
    }
    json_t *next = json_array();
    int64_t at = clock_wall_ms() / 1000;
    while (n-- > 0 && cron_next(&cron, &cron_zone_local, at, &at) == 0) {
        char stamp[CLOCK_ISO_LEN];
        json_array_append_new(next, json_string(clock_iso(at * 1000, stamp)));
    }
    return json_pack("{s:b, s:s, s:s, s:o}", "ok", 1, "words",
        cron_describe(&cron, CRON_ENGLISH, words, sizeof words), "words_de",
        cron_describe(&cron, CRON_GERMAN, words_de, sizeof words_de), "next", next);
}
