/*
 * The control socket's commands about settings: shown, and those changed that a page may change.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "backup/keeper/errand.h"
#include "common/clock.h"
#include "common/json_lines.h"
#include "common/phrase.h"
#include "common/log.h"
#include "common/json_get.h"
#include "common/hex.h"

#define TEXT_MAX    (1024 * 1024)
#define EDITS_MAX   100
#define PREVIEW_MAX 100

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
    char sum[SHA256_HEX_LEN];
    bool whole;
    (void)c, (void)request;
    config_each(k->config, show, &s);
    int r = keeper_monitor_text(k->ports.monitor, MONITOR_CONFIG, &text, &len, &whole, &e);
    json_t *answer = json_pack("{s:b, s:s, s:o, s:o, s:o, s:o}", "ok", 1, "file",
        config_path(k->config), "values", s.values, "defaults", s.defaults, "settable", s.settable,
        "environment", s.environment);
    CHECK(answer);
    if (r == 0)
        json_object_set_new(answer, "sha256", json_string(hex_sha256(text, len, sum)));
    return answer;
}

/* --- config-set --- */

json_t *keeper_config_set_answer(struct keeper *k, void *ctx, json_t *event, json_t *last)
{
    json_t *said = json_object_get(event, "answer"), *answer = NULL;
    struct err e = {0};
    (void)ctx, (void)last;
    if (!json_get_true(said, "ok"))
        return json_incref(said);
    log_event(LOG_INFO, "config-set", LOG_S("file", config_path(k->config)),
        LOG_I("options", json_get_int(said, "options")));
    json_object_del(said, "options");
    int r = keeper_reload(k, true, &answer, &e);
    if (r < 0)
        return json_error_of(-r, &e);
    json_object_update_missing(answer, said); /* its sha256 */
    return answer;
}

/* --- schedule-preview --- */

json_t *keeper_schedule_preview(struct keeper *k, struct control_client *c, json_t *request)
{
    const json_t *count = json_object_get(request, "count");
    const char *text = json_get_str(request, "schedule");
    json_int_t n = count ? json_integer_value(count) : 5;
    struct cron cron;
    const char *field;
    struct err e = {0};
    (void)k, (void)c;
    if (!text || n < 1 || n > PREVIEW_MAX)
        return json_error(
            EINVAL, "\"schedule\" must be text, and \"count\" from 1 to %d", PREVIEW_MAX);
    if (cron_check(backup_schedule_text(text), &cron, &field, &e) < 0) {
        json_t *answer = json_error_of(EINVAL, &e);
        json_object_set_new(answer, "field", json_text(field));
        return answer;
    }
    json_t *next = json_array();
    int64_t at = clock_wall_ms() / 1000;
    while (n-- > 0 && cron_next(&cron, &cron_zone_local, at, &at) == 0) {
        char stamp[CLOCK_ISO_LEN];
        json_array_append_new(next, json_string(clock_iso(at * 1000, stamp)));
    }
    json_t *answer = json_pack("{s:b, s:o}", "ok", 1, "next", next);
    phrase_put(answer, "words", cron_phrase(&cron));
    return answer;
}
