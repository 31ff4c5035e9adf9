/*
 * When somebody is told that something is wrong: once when it begins, once when it gets worse, at
 * times while it lasts, once when it is over; and what could not be sent is tried again, later and
 * later. Pure: facts and a clock in, messages out. The state is a JSON object that is kept as it
 * is:
 *
 *   {"active":{EVENT:{"since":MS,"told":MS,"grade":N,"detail":WORDS,"detail_phrase":PHRASE}},
 *    "outbox":[{"event","state","since","detail","detail_phrase","channels":[..],"tries":N,"next":MS,"born":MS}]}
 */
#ifndef ELEXGATE_BACKUP_RULES_NOTICE_RULE_H
#define ELEXGATE_BACKUP_RULES_NOTICE_RULE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct notice_fact {
    const char *event;                                     /* "backup-failed" */
    enum { NOTICE_UNKNOWN, NOTICE_WELL, NOTICE_WRONG } is; /* unknown: as it was */
    int grade;                                             /* higher is graver */
    json_t *detail; /* a phrase (common/phrase.h), borrowed; NULL: nothing is known to be said */
};

#define NOTICE_OUTBOX_MAX 50
/* What could not be sent for so long is given up. */
#define NOTICE_GIVE_UP_MS (INT64_C(3) * 24 * 3600 * 1000)

/* Puts the messages that follow into the outbox, for these channels (NULL-terminated; none: nobody
 * is told, and nothing is remembered as told). repeat_ms 0: no reminders. true: the state changed.
 */
bool notice_rule_update(json_t *state, const struct notice_fact *facts, size_t n,
    const char *const *channels, int64_t repeat_ms, int64_t now_ms);
/* The message to be sent now (borrowed; NULL: none). */
json_t *notice_rule_due(const json_t *state, int64_t now_ms);
/* What became of it: {"mail":"sent"|WORDS|null,"webhook":..}; NULL: nothing is known, it failed.
 * It leaves the outbox when every channel has it, or when it is given up. */
void notice_rule_result(json_t *state, json_t *message, const json_t *result, int64_t now_ms);

#endif
