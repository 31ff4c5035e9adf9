#include "proxy/roster.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/json_get.h"
#include "common/log.h"
#include "common/utf8.h"

#define FILE_MAX (256 * 1024)

struct row {
    struct address from;
    char name[ROSTER_TEXT_MAX], listener[ROSTER_TEXT_MAX], user[ROSTER_TEXT_MAX],
        program[ROSTER_TEXT_MAX];
    bool tls_off;
    enum roster_how how; /* the last one */
    int64_t at[ROSTER_HOWS];
};

static const char *const hows[ROSTER_HOWS] = {
    "certificate", "tls", "plain", "no_tls", "distrust", "refused"};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct row rows[ROSTER_MAX];
static size_t n_rows;
static bool changed;
static char *path;

static int64_t seen(const struct row *r)
{
    return r->at[r->how];
}

static bool logged_in(const struct row *r)
{
    return r->at[ROSTER_CERTIFICATE] || r->at[ROSTER_TLS] || r->at[ROSTER_PLAIN];
}

static struct row *find_row(const struct address *a)
{
    for (size_t i = 0; i < n_rows; i++)
        if (memcmp(&rows[i].from, a, sizeof *a) == 0)
            return &rows[i];
    return NULL;
}

/* Strangers first, then those without a name, then the oldest. */
static bool gives_way_before(const struct row *a, const struct row *b)
{
    int la = logged_in(a) + 2 * (a->name[0] != '\0'), lb = logged_in(b) + 2 * (b->name[0] != '\0');
    return la != lb ? la < lb : seen(a) < seen(b);
}

static struct row *place(const struct address *from)
{
    struct row *r = find_row(from);
    if (r)
        return r;
    if (n_rows < ROSTER_MAX) {
        r = &rows[n_rows++];
    } else {
        r = &rows[0];
        for (size_t i = 1; i < n_rows; i++)
            if (gives_way_before(&rows[i], r))
                r = &rows[i];
    }
    *r = (struct row){.from = *from};
    return r;
}

/* Names come from clients: bytes that are no UTF-8 are replaced before they reach a file. */
static void take_text(char to[static ROSTER_TEXT_MAX], const char *from)
{
    if (from && *from)
        utf8_copy(to, ROSTER_TEXT_MAX, from);
}

void roster_note(const struct address *from, const struct roster_visit *v, int64_t now_ms)
{
    pthread_mutex_lock(&lock);
    struct row *r = place(from);
    take_text(r->listener, v->listener);
    take_text(r->user, v->user);
    take_text(r->program, v->program);
    r->tls_off = v->tls_off;
    r->how = v->how;
    r->at[v->how] = now_ms;
    changed = true;
    pthread_mutex_unlock(&lock);
}

/* --- as JSON ---------------------------------------------------------------------------------- */

static json_t *row_json(const struct row *r)
{
    char text[ADDRESS_TEXT_MAX], stamp[CLOCK_ISO_LEN];
    json_t *o = json_pack("{ss so so so so sb ss ss}", "address", address_text(&r->from, text),
        "name", json_text(r->name), "listener", json_text(r->listener), "user", json_text(r->user),
        "program", json_text(r->program), "tls_off", r->tls_off, "how", hows[r->how], "seen",
        clock_iso(seen(r), stamp));
    CHECK(o); /* json_text makes UTF-8 of what clients called themselves */
    for (size_t i = 0; i < ROSTER_HOWS; i++)
        if (r->at[i])
            (void)json_object_set_new(o, hows[i], json_string(clock_iso(r->at[i], stamp)));
    return o;
}

static int later_first(const void *va, const void *vb)
{
    int64_t a = seen(va), b = seen(vb);
    return (a < b) - (a > b);
}

json_t *roster_json(void)
{
    json_t *list = json_array();
    pthread_mutex_lock(&lock);
    qsort(rows, n_rows, sizeof rows[0], later_first);
    for (size_t i = 0; i < n_rows; i++)
        (void)json_array_append_new(list, row_json(&rows[i]));
    pthread_mutex_unlock(&lock);
    return list;
}

static int64_t time_of(const json_t *o, const char *key)
{
    int64_t ms;
    return clock_parse(json_get_text(o, key), &ms) == 0 ? ms : 0;
}

/* A row of the file; one that is odd is left out. */
static void take_row(const json_t *o)
{
    struct cidr c;
    const char *how = json_get_text(o, "how");
    struct row r = {.how = ROSTER_HOWS, .tls_off = json_get_true(o, "tls_off")};
    for (size_t i = 0; i < ROSTER_HOWS; i++) {
        r.at[i] = time_of(o, hows[i]);
        if (strcmp(how, hows[i]) == 0)
            r.how = (enum roster_how)i;
    }
    if (r.how == ROSTER_HOWS || !seen(&r) || n_rows == ROSTER_MAX ||
        cidr_parse(json_get_text(o, "address"), &c, NULL) < 0 || c.bits != 128 || find_row(&c.net))
        return;
    r.from = c.net;
    take_text(r.name, json_get_text(o, "name"));
    take_text(r.listener, json_get_text(o, "listener"));
    take_text(r.user, json_get_text(o, "user"));
    take_text(r.program, json_get_text(o, "program"));
    rows[n_rows++] = r;
}

void roster_open(const char *state_dir)
{
    struct err e = {0};
    _cleanup_free_ char *data = NULL;
    size_t len = 0, i;
    path = xasprintf("%s/workstations.json", state_dir);
    int r = file_read(path, FILE_MAX, &data, &len, &e);
    json_t *list = r == 0 ? json_loadb(data, len, 0, NULL) : NULL, *row;
    if (r == -ENOENT)
        return;
    if (r == 0 && !json_is_array(list))
        r = err_set(
            &e, EBADMSG, "%s is no list of workstations: what it held is shown no more", path);
    if (r < 0)
        log_err(LOG_WARNING, "workstations-unreadable", &e);
    json_array_foreach (list, i, row)
        take_row(row);
    json_decref(list);
}

void roster_save(void)
{
    struct err e = {0};
    pthread_mutex_lock(&lock);
    bool due = changed && path;
    changed = false;
    pthread_mutex_unlock(&lock);
    if (!due)
        return;
    _cleanup_json_ json_t *list = roster_json();
    _cleanup_free_ char *text = json_dumps(list, JSON_COMPACT);
    CHECK(text); /* of row_json's */
    if (file_publish(path, text, strlen(text), 0600, &e) < 0)
        log_err(LOG_WARNING, "workstations-not-kept", &e);
}

/* --- what an admin says of it ----------------------------------------------------------------- */

static int unknown(struct err *e)
{
    return err_set(e, ENOENT, "nobody has come from that address");
}

int roster_name(const struct address *a, const char *name, struct err *e)
{
    if (strlen(name) >= ROSTER_TEXT_MAX || utf8_check(name, strlen(name)) != strlen(name) ||
        strpbrk(name, "\r\n\t"))
        return err_set(e, EINVAL, "a name has one line and at most %d bytes", ROSTER_TEXT_MAX - 1);
    pthread_mutex_lock(&lock);
    struct row *r = find_row(a);
    if (r) {
        r->name[0] = '\0';
        take_text(r->name, name);
        changed = true;
    }
    pthread_mutex_unlock(&lock);
    return r ? 0 : unknown(e);
}

int roster_forget(const struct address *a, struct err *e)
{
    pthread_mutex_lock(&lock);
    struct row *r = find_row(a);
    if (r) {
        *r = rows[--n_rows];
        changed = true;
    }
    pthread_mutex_unlock(&lock);
    return r ? 0 : unknown(e);
}
