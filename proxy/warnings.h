/*
 * What works and is not well, for the log and the status: a TLS profile with weak ciphers, a
 * certificate near its end or made unwisely, log lines that were kept back.
 * Main thread unless it says otherwise.
 */
#ifndef ELEXGATE_PROXY_WARNINGS_H
#define ELEXGATE_PROXY_WARNINGS_H

#include <jansson.h>
#include <time.h>
#include "certs/renew.h"
#include "proxy/settings.h"

/* Arrays of {"code","text","text_phrase"}, empty when all is well: about the settings, and about
 * the certificate as of now. */
json_t *warnings_json(const struct settings *s) MUSTCHECK;
struct worker;
/* Appends that the server refuses us for max_connect_errors (1129), as long as nobody has got in
 * since. */
void warnings_server_blocked(json_t *array, const struct worker *workers, size_t n);
json_t *warnings_certificate_json(const struct settings *s, time_t now) MUSTCHECK;

/* A line for each of the settings' warnings; at start and after each reload. */
void warnings_log(const struct settings *s);
/* A line when the certificate's end has come a step nearer (30, 14, 3 days, expired) than *told,
 * which is brought up to date. */
void warnings_log_certificate(const struct settings *s, time_t now, enum renew_alarm *told);
/* A line with the number of lines that the listener's limit has kept back, if any. Any thread. */
void warnings_log_kept_back(const struct listen_settings *l, uint64_t now_ms);

#endif
