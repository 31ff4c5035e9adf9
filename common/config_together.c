/*
 * Options that are good each and contradict each other: refused for every program alike, with the
 * place of the one that would have to change.
 */
#include <errno.h>
#include <inttypes.h>
#include "common/config_internal.h"

static int contradiction(const struct config *c, const struct config_value *v, const char *words,
    int64_t number, struct err *e)
{
    if (v->line > 0)
        return err_set(e, EINVAL, "%s:%d: [%s] %s: %s %" PRId64 "s", c->path, v->line,
            v->option->section, v->option->key, words, number);
    return err_set(e, EINVAL, "%s: [%s] %s: %s %" PRId64 "s", c->path, v->option->section,
        v->option->key, words, number);
}

/* A peer that keeps silent is asked until keepalive gives it up; one that owes an answer to data
 * must not be given up sooner than that. */
static int timers(const struct config *c, struct err *e)
{
    const struct config_value *user = config_find(c, "proxy", NULL, "user_timeout");
    const struct config_value *keepalive = config_find(c, "proxy", NULL, "keepalive");
    int64_t idle = keepalive->number / 1000;
    int64_t gone = idle + KEEPALIVE_PROBES * KEEPALIVE_GAP(idle);
    if (user->number > gone * 1000)
        return 0;
    return contradiction(c, user->source == CONFIG_DEFAULT ? keepalive : user,
        user->source == CONFIG_DEFAULT
            ? "with it user_timeout, which is not set, would have to exceed"
            : "must exceed the time in which keepalive gives a silent peer up:",
        gone, e);
}

int config_check_together(const struct config *c, struct err *e)
{
    return timers(c, e);
}
