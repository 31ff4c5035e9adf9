#include "backup/keeper/tell.h"

#include "common/json_lines.h"
#include "common/phrase.h"
#include "common/log.h"

void keeper_save(struct keeper *k)
{
    struct err e = {0};
    if (keeper_state_save(&k->state, &e) < 0)
        log_err(LOG_ERROR, "state-not-saved", &e);
}

void keeper_publish(struct keeper *k, json_t *event)
{
    if (k->ports.control)
        keeper_control_publish(k->ports.control, event);
    json_decref(event);
}

void keeper_tell_decision(const struct keeper *k, json_t *o)
{
    if (!k->plan.decided)
        return;
    json_object_set_new(o, "reason", json_text(k->plan.decision.reason));
    phrase_put(o, "words", phrase_of(k->plan.decision.words));
}

json_t *keeper_state_event(const struct keeper *k)
{
    json_t *event = json_pack(
        "{ssss}", "event", "state", "state", plan_state_name(&k->plan, k->current.job != NULL));
    if (k->state.plan.pending.due_ms)
        keeper_tell_decision(k, event);
    return event;
}
