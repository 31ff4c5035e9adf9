#include "backup/server/writers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "common/json_get.h"
#include "link/control.h"

#define ANSWER_MS   5000
#define OVERLAP     10     /* seconds: lines of two processes do not come in order */
#define WRITERS_ALL 400000 /* more than the gate keeps */
#define SAME_DAY    86400  /* numbers of connections begin anew with each start of the server */
#define NAMES_MAX   256    /* as many as the gate's board has */

struct interval {
    int64_t from, to;
    uint32_t thread;
    uint32_t name; /* in names */
};
struct writers {
    struct interval *list;
    size_t n;
    char *names[NAMES_MAX], *addresses[NAMES_MAX];
    uint32_t n_names;
    struct err problem;
};

static bool take_row(struct writers *w, const json_t *row)
{
    const char *address = json_string_value(json_array_get(row, 3));
    uint32_t name = 0;
    if (!address || w->n == WRITERS_ALL)
        return false;
    while (name < w->n_names && strcmp(w->addresses[name], address) != 0)
        name++;
    if (name == NAMES_MAX)
        return false;
    if (name == w->n_names) {
        w->addresses[name] = xstrdup(address);
        w->names[name] = xstrdup(address);
        w->n_names++;
    }
    if (w->n % 1024 == 0)
        w->list = xrealloc(w->list, (w->n + 1024) * sizeof *w->list);
    w->list[w->n++] = (struct interval){json_integer_value(json_array_get(row, 0)),
        json_integer_value(json_array_get(row, 1)),
        (uint32_t)json_integer_value(json_array_get(row, 2)), name};
    return true;
}

static int ask_page(
    struct writers *w, const char *socket, int64_t *from, int64_t to, bool *more, struct err *e)
{
    json_t *answer = NULL, *row,
           *request = json_pack("{s:s, s:I, s:I}", "cmd", "writers", "from", (json_int_t)*from,
               "to", (json_int_t)to);
    size_t i;
    int64_t last = *from;
    int r = control_call(socket, ANSWER_MS, request, &answer, e);
    json_decref(request);
    *more = r == 0 && json_get_true(answer, "more");
    json_array_foreach (json_object_get(answer, "writers"), i, row)
        if (!take_row(w, row))
            *more = false;
    if (w->n > 0)
        last = w->list[w->n - 1].to - OVERLAP;
    *from = last > *from ? last : *from + 1;
    json_decref(answer);
    return r;
}

static void take_names(struct writers *w, const char *socket)
{
    _cleanup_json_ json_t *answer = NULL, *request = json_pack("{s:s}", "cmd", "workstations");
    json_t *row;
    size_t i;
    (void)!control_call(socket, ANSWER_MS, request, &answer, NULL);
    json_array_foreach (json_object_get(answer, "workstations"), i, row) {
        const char *name = json_get_text(row, "name"), *address = json_get_text(row, "address");
        for (uint32_t k = 0; *name && k < w->n_names; k++)
            if (strcmp(w->addresses[k], address) == 0) {
                free(w->names[k]);
                w->names[k] = xasprintf("%s (%s)", address, name);
            }
    }
}

struct writers *writers_ask(const char *socket, int64_t from, int64_t to)
{
    struct writers *w = xcalloc(1, sizeof *w);
    struct err e = {0};
    bool more = socket != NULL;
    int r = 0;
    while (r == 0 && more && from <= to) /* whatever the gate says */
        r = ask_page(w, socket, &from, to, &more, &e);
    if (!socket)
        (void)err_set(&w->problem, ENOTCONN, "the gate is not asked ([backup] ask_proxy)");
    else if (r < 0)
        w->problem = e;
    else
        take_names(w, socket);
    return w;
}

const struct err *writers_problem(const struct writers *w)
{
    return w->problem.code ? &w->problem : NULL;
}

void writers_drop(struct writers *w)
{
    if (!w)
        return;
    for (uint32_t i = 0; i < w->n_names; i++) {
        free(w->names[i]);
        free(w->addresses[i]);
    }
    free(w->list);
    free(w);
}

static int64_t distance(const struct interval *i, int64_t when)
{
    return when < i->from ? i->from - when : when > i->to ? when - i->to : 0;
}

void writers_add(struct writers_found *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->names[i] == name)
            return;
    if (f->n == WRITERS_FOUND_MAX)
        f->more = true;
    else
        f->names[f->n++] = name;
}

struct writers_found writers_find(const struct writers *w, uint32_t thread, int64_t when)
{
    struct writers_found f = {.by_thread = thread != 0};
    const struct interval *best = NULL;
    for (size_t i = 0; i < w->n; i++) {
        const struct interval *it = &w->list[i];
        if (!thread && distance(it, when) == 0)
            writers_add(&f, w->names[it->name]);
        if (thread && it->thread == thread && distance(it, when) < SAME_DAY &&
            (!best || distance(it, when) < distance(best, when)))
            best = it;
    }
    if (best)
        writers_add(&f, w->names[best->name]);
    return f;
}

json_t *writers_found_json(const struct writers_found *f)
{
    json_t *list = json_array();
    for (size_t i = 0; i < f->n; i++)
        (void)json_array_append_new(list, json_text(f->names[i]));
    if (f->more)
        (void)json_array_append_new(list, json_string("…"));
    return list;
}
