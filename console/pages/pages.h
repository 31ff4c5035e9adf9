/*
 * What each page shows: one function that makes its model, and the actions that belong to it. The
 * models are described in docs/console.md, for those who write templates.
 */
#ifndef ELEXGATE_CONSOLE_PAGES_PAGES_H
#define ELEXGATE_CONSOLE_PAGES_PAGES_H

#include "console/http/request.h"

/* page_overview.c */
json_t *model_overview(struct request *rq);

/* page_clients.c */
json_t *model_clients(struct request *rq);
void action_clients_kill(struct request *rq);
void action_clients_block(struct request *rq);
void action_clients_open(struct request *rq);
void action_clients_admit(struct request *rq);

/* page_workstations.c: model.board, from the proxy's status (NULL: none) and model.sessions */
void add_board(struct request *rq, json_t *model, const json_t *proxy);
void action_workstation(struct request *rq);

/* page_schedule.c */
json_t *model_schedule(struct request *rq);
json_t *model_schedule_preview(struct request *rq);
json_t *model_retention_preview(struct request *rq);
void action_schedule(struct request *rq);

/* page_backups.c */
json_t *model_backups(struct request *rq);
void action_backup(struct request *rq);
void action_cancel(struct request *rq);
void action_verify(struct request *rq);
void action_drill(struct request *rq);
void action_delete(struct request *rq);

/* page_run.c: one backup */
json_t *model_run(struct request *rq);
void action_mark(struct request *rq);

/* page_opened.c: model.opened and opened_count; keeper NULL: unknown */
void add_opened(json_t *model, const json_t *keeper);
void action_open_backup(struct request *rq);
void action_close_backup(struct request *rq);

/* page_timeline.c */
json_t *model_timeline(struct request *rq);

/* page_restore.c */
json_t *model_restore(struct request *rq);
/* With the plan for a run or an upload; both NULL: none. */
void action_restore(struct request *rq);
void action_restore_undo(struct request *rq);
void action_restore_accept(struct request *rq);
void action_upload_remove(struct request *rq);

/* page_certificates.c */
json_t *model_certificates(struct request *rq);
void action_certificate_make(struct request *rq);

/* page_certificate_install.c */
void action_certificate_install(struct request *rq);
void action_certificate_renew(struct request *rq);
void action_certificate_back(struct request *rq);

/* page_guide.c */
json_t *model_guide(struct request *rq);
void get_certificate_file(struct request *rq);

/* page_protocol.c: what happened, in sentences */
json_t *model_protocol(struct request *rq);

/* page_log.c: that, or with view=raw the lines of the programs */
json_t *model_log(struct request *rq);
void get_log_download(struct request *rq);

/* page_account.c */
json_t *model_account(struct request *rq);
void action_account_password(struct request *rq);
void action_account_language(struct request *rq);
void action_account_add(struct request *rq);
void action_account_role(struct request *rq);
void action_account_remove(struct request *rq);

#endif
