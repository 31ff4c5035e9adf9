/*
 * What needs no sign-in: files, a sign of life, numbers for Prometheus.
 */
#ifndef ELEXGATE_CONSOLE_HTTP_STATIC_FILES_H
#define ELEXGATE_CONSOLE_HTTP_STATIC_FILES_H

#include "console/http/request.h"

void get_asset(struct request *rq);
void get_healthz(struct request *rq);
void get_metrics(struct request *rq);

#endif
