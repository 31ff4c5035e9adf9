#include "console/view/making_way.h"

#include <string.h>

#include "common/exit_codes.h"
#include "common/json_get.h"
#include "console/ask.h"

#define RECENT_MS (5 * 60 * 1000) /* who wrote in that time is who it made way for */

/* One that gave up, asked for by a person and not made good by a later one; 0: none. */
static json_int_t gave_up(const json_t *keeper)
{
    const json_t *last = json_object_get(keeper, "last_backup");
    return json_get_int(last, "exit") == EXIT_NOT_IDLE;
}

static json_t *find_row(json_t *who, const json_t *session)
{
    size_t i;
    json_t *row;
    json_array_foreach (who, i, row)
        if (strcmp(json_get_text(row, "user"), json_get_text(session, "user")) == 0 &&
            strcmp(json_get_text(row, "address"), json_get_text(session, "peer")) == 0)
            return row;
    return NULL;
}

static json_t *writers(struct request *rq)
{
    json_t *answer = NULL, *who = json_array(), *session;
    struct err e = {0};
    size_t i;
    if (ask_proxy(rq, json_pack("{ss}", "cmd", "sessions"), &answer, &e) < 0)
        return who;
    json_array_foreach (json_object_get(answer, "sessions"), i, session) {
        bool writes = strcmp(json_get_text(session, "last_kind"), "write") == 0 ||
                      json_get_true(session, "in_transaction");
        json_int_t quiet = json_get_int(session, "last_activity_ms");
        if (writes && quiet < RECENT_MS && !find_row(who, session))
            (void)json_array_append_new(who,
                json_pack("{ssssss}", "user", json_get_text(session, "user"), "address",
                    json_get_text(session, "peer"), "program", json_get_text(session, "program")));
    }
    json_decref(answer);
    return who;
}

void add_making_way(struct request *rq, json_t *model, const json_t *keeper)
{
    const json_t *pending = json_object_get(keeper, "pending");
    json_int_t tries = json_get_int(pending, "yielded");
    bool waits = tries > 0;
    if (!waits && !json_is_object(pending) && !json_is_object(json_object_get(keeper, "job")))
        tries = gave_up(keeper);
    if (tries == 0)
        return;
    json_t *who = writers(rq);
    (void)json_object_set_new(model, "way",
        json_pack("{sIsbsIso}", "tries", tries, "waits", waits, "who_count",
            (json_int_t)json_array_size(who), "who", who));
}
