#include "backup/job/page.h"

#include <errno.h>
#include <string.h>
#include "backup/archive/archive_settings.h"
#include "backup/archive/store.h"
#include "backup/job/binlog/catalog.h"
#include "backup/job/binlog/kept.h"
#include "common/clock.h"

#define KEEP_MAX 100000

struct preview {
    struct store_list list;
    struct store_list left; /* what of it is there when those before are gone; nothing of its own */
    struct binlog_catalog log;
    struct store_retention o;
    json_t *goes;
    json_int_t bytes, stays;
};

/* The number that was typed, else that of the configuration. */
static int take_number(const json_t *request, const char *name, unsigned *number, struct err *e)
{
    const json_t *v = json_object_get(request, name);
    if (!v)
        return 0;
    json_int_t n = json_is_integer(v) ? json_integer_value(v) : -1;
    if (n < 0 || n > KEEP_MAX)
        return err_set(e, EINVAL, "%s must be a number from 0 to %d", name, KEEP_MAX);
    *number = (unsigned)n;
    return 0;
}

static int take_policy(const json_t *request, struct retention_policy *p, struct err *e)
{
    int r = take_number(request, "keep", &p->keep, e);
    if (r == 0)
        r = take_number(request, "keep_daily", &p->daily, e);
    if (r == 0)
        r = take_number(request, "keep_weekly", &p->weekly, e);
    if (r == 0)
        r = take_number(request, "keep_monthly", &p->monthly, e);
    return r == 0 ? take_number(request, "keep_yearly", &p->yearly, e) : r;
}

/* Takes it out of what is left. Returns what goes with it (binlog_stranded). */
static json_t *let_go(struct preview *p, const struct store_item *it)
{
    struct store_list *l = &p->left;
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->items[i].type, it->type) == 0 && strcmp(l->items[i].run, it->run) == 0) {
            json_t *strands = binlog_stranded(&p->log, l, i);
            memmove(&l->items[i], &l->items[i + 1], (--l->count - i) * sizeof *l->items);
            return strands;
        }
    return json_null();
}

static void add_type(struct preview *p, const char *type)
{
    struct generation *g = NULL;
    struct err future = {0};
    size_t first = json_array_size(p->goes);
    int r = store_retention_plan(&p->list, type, &p->o, true, &g, &future);
    for (size_t i = p->list.count; r == 0 && i-- > 0;) { /* the oldest first, as they go */
        const struct store_item *it = &p->list.items[i];
        char started[CLOCK_ISO_LEN];
        if (strcmp(it->type, type) != 0 || g[i].kept_by) {
            p->stays += strcmp(it->type, type) == 0;
            continue;
        }
        json_array_insert_new(p->goes, first,
            json_pack("{s:s,s:s,s:s,s:I,s:o}", "run", it->run, "type", type, "started",
                clock_iso(it->manifest.started_ms, started), "size", (json_int_t)it->size,
                "strands", let_go(p, it)));
        p->bytes += (json_int_t)it->size;
    }
    free(g);
}

/* Each type once. */
static void add_types(struct preview *p)
{
    for (size_t i = 0; i < p->list.count; i++) {
        bool seen = false;
        for (size_t k = 0; k < i; k++)
            seen |= strcmp(p->list.items[k].type, p->list.items[i].type) == 0;
        if (!seen)
            add_type(p, p->list.items[i].type);
    }
}

int page_retention(const struct config *c, const char *config_file, const json_t *request,
    json_t **answer, struct err *e)
{
    CLEANUP(archive_settings_clear) struct archive_settings s = {0};
    CLEANUP(trust_close) struct trust trust = {0};
    struct preview p = {.goes = json_array()};
    (void)config_file;
    int r = archive_settings_load(c, &s, e);
    if (r == 0)
        r = trust_open(config_str(c, "backup", NULL, "state_dir"), s.trust, &trust, e);
    p.o = (struct store_retention){
        .policy = s.retention, .zone = &cron_zone_local, .now_ms = clock_wall_ms()};
    if (r == 0)
        r = take_policy(request, &p.o.policy, e);
    if (r == 0)
        r = store_read(s.pack.folder, NULL, &trust, &p.list, e);
    if (r == 0) {
        if (binlog_catalog_read(s.pack.folder, &trust, &p.log, NULL) < 0)
            p.log.n = 0; /* without a log that can be read nothing is stranded */
        p.left.count = p.list.count;
        p.left.items = xmalloc((p.list.count + 1) * sizeof *p.left.items);
        for (size_t i = 0; i < p.list.count; i++)
            p.left.items[i] = p.list.items[i];
        add_types(&p);
        free(p.left.items);
        binlog_catalog_clear(&p.log);
        *answer = json_pack(
            "{s:b,s:O,s:I,s:I}", "ok", 1, "goes", p.goes, "bytes", p.bytes, "stays", p.stays);
        store_list_clear(&p.list);
    }
    json_decref(p.goes);
    return r;
}
