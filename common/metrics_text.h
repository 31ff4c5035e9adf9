/*
 * The metrics of a gate and its keeper in Prometheus' text format (version 0.0.4), made from their
 * answers to "status". `elexgate metrics` prints it, the console serves it; monitoring/ has a
 * dashboard and alert rules, docs/metrics.md says what each one means.
 */
#ifndef ELEXGATE_COMMON_METRICS_TEXT_H
#define ELEXGATE_COMMON_METRICS_TEXT_H

#include <jansson.h>
#include <stdint.h>
#include "common/error.h"

/* For the Content-Type of an HTTP answer. */
#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Either answer may be NULL, JSON null or an error: that program then counts as down
 * (elexgate_up 0) and its metrics are left out, as is whatever an answer does not carry.
 * malloc'ed. */
char *metrics_text(const json_t *proxy_status, const json_t *keeper_status) MUSTCHECK;
/* The same as of now_ms (UTC), which ages are counted from. */
char *metrics_text_at(
    const json_t *proxy_status, const json_t *keeper_status, int64_t now_ms) MUSTCHECK;

#endif
