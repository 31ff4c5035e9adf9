/*
 * What the page may have done that only root can do, and that is neither a backup nor a restore:
 * one request, as JSON on standard input, from the keeper.
 */
#ifndef ELEXGATE_BACKUP_JOB_PAGE_H
#define ELEXGATE_BACKUP_JOB_PAGE_H

#include <jansson.h>
#include <stdbool.h>
#include "common/config.h"

/* "page-cert", "page-config", "page-audit" (common/audit_read.h), "page-password",
 * "page-account", "page-retention" */
bool page_command_known(const char *name);
/* config_file: as given on the command line, NULL = the default. Prints {"event":"answer",...}.
 * -errno, or the exit code; then *told: what else is to be said of the failure ("error_phrase",
 * "field"), the caller's, or NULL. */
int page_command_run(const struct config *c, const char *config_file, const char *name,
    json_t **told, struct err *e) MUSTCHECK;

/* page_cert.c: {"action":...,"options":{...}}; *answer: what the keeper answers. A positive result
 * is the exit code of elexgate(1), with its words; *answer as *told above. */
int page_cert(const struct config *c, const char *config_file, const json_t *request,
    json_t **answer, struct err *e) MUSTCHECK;
/* What killed ones left. */
void page_cert_clean(const char *state_dir);
/* page_config.c: {"values":{...},"sha256":...} */
int page_config(const struct config *c, const char *config_file, const json_t *request,
    json_t **answer, struct err *e) MUSTCHECK;

/* page_people.c: {"account":...,"sealed":...}; *answer: {"ok":true,"fits":BOOL}. Where it fits the
 * monitor knows what was confirmed. */
int page_password(const struct config *c, const char *config_file, const json_t *request,
    json_t **answer, struct err *e) MUSTCHECK;
/* The command "account", as it came: {"action":...,"name":...,"role":...,"password":...} */
int page_account(const struct config *c, const char *config_file, const json_t *request,
    json_t **answer, struct err *e) MUSTCHECK;

/* page_retention.c: {"keep":N,"keep_daily":N,...}, what is missing as in the configuration;
 * *answer:
 * {"goes":[{"run","type","started","size","strands"}..],"bytes":N,"stays":N}: what the next good
 * run of each type would remove; strands: what goes with it when the older ones have gone
 * (binlog/kept.h). */
int page_retention(const struct config *c, const char *config_file, const json_t *request,
    json_t **answer, struct err *e) MUSTCHECK;

#endif
