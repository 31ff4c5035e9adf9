/*
 * Pieces of models that several pages share, made from the programs' answers.
 */
#ifndef ELEXGATE_CONSOLE_VIEW_PARTS_H
#define ELEXGATE_CONSOLE_VIEW_PARTS_H

#include <jansson.h>
#include "console/http/request.h"
#include "common/json_get.h"

/* The text of texts/LANG.json with the key PREFIX + value, or the value itself. Borrowed. */
const char *label(struct request *rq, const char *prefix, const char *value);
/* [{"value","label","selected"}] for a list of choices. values: NULL-terminated. */
json_t *options(struct request *rq, const char *prefix, const char *const *values,
    const char *selected) MUSTCHECK;

/* Milliseconds since 1970 of a member that is an ISO time; 0 if missing. */
int64_t time_in(const json_t *object, const char *key);

/* The answers to "status", or NULL and the words in model.proxy_error or model.keeper_error. New
 * references. */
json_t *proxy_status_into(struct request *rq, json_t *model) MUSTCHECK;
json_t *keeper_status_into(struct request *rq, json_t *model) MUSTCHECK;

/* A dot for each service: [{"name","label","good","bad","words"}]; neither good nor bad is unknown.
 */
json_t *services(struct request *rq) MUSTCHECK;
/* The database is known not to run: {"since","words"}; NULL. New reference. */
json_t *database_down(const json_t *keeper) MUSTCHECK;

/* model.gate, from the proxy's status (may be NULL). */
void add_gate(struct request *rq, json_t *model, const json_t *proxy);
/* model.job, model.pending and model.way (making_way.h), from the keeper's status (may be NULL). */
void add_job(struct request *rq, json_t *model, const json_t *keeper);
/* model.disk */
void add_disk(json_t *model, const json_t *keeper);
/* What is shown of a certificate's last day: not_after_date, days, warn. */
void add_certificate_dates(struct request *rq, json_t *certificate);

/* The archives grouped into runs, newest first: [{"run","started",...,"types":[...]}]. archives:
 * the keeper's answer. */
json_t *runs_of(struct request *rq, const json_t *archives) MUSTCHECK;

/* run.strands: the seconds that only this archive is the beginning of, in words; archive may be
 * run. */
void add_strands(struct request *rq, json_t *run, const json_t *archive);

/* Log lines by their "time", then their "seq": the newest max of them. Takes rows over. */
json_t *newest_first(json_t *rows, size_t max) MUSTCHECK;

/* 0 to 100; 0 where nothing is known. */
int percent_of(const json_t *part, const json_t *whole);

#endif
