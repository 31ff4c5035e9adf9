/*
 * The staged copy is tried out: for an archive of the old system first judged and brought up to
 * this server; then booted and looked at; and the accounts that the restore will need are put into
 * it.
 */
#include <string.h>
#include "backup/job/trial/copy_check.h"
#include "backup/job/restore/accounts.h"
#include "backup/job/restore/foreign_look.h"
#include "backup/job/restore/restore.h"
#include "backup/job/restore/stage_trial.h"
#include "backup/job/trial/server_program.h"
#include "backup/job/trial/throwaway.h"
#include "backup/job/trial/upgrade.h"
#include "backup/rules/series.h"
#include "common/exit_codes.h"
#include "common/json_get.h"
#include "common/lang.h"

struct trial {
    struct run *run;
    const struct site *site;
    bool foreign;
    char version[FOREIGN_VERSION_LEN]; /* of the server that a foreign archive comes from */
};

static int bring_up(void *ctx, struct throwaway *t, struct err *e)
{
    struct trial *trial = ctx;
    const struct config *c = trial->run->s.config;
    const char *live = trial->site->server == SITE_ANSWERS ? trial->site->layout.version : NULL;
    int code = server_program_fits(live, throwaway_server(t), e);
    if (code != 0 || !trial->foreign ||
        series_compare(trial->version, server_version(throwaway_server(t))) == SERIES_SAME)
        return code;
    return upgrade_run(
        trial->run, t, config_str(c, "drill", NULL, "server_program"), false, trial->version, e);
}

static int put_accounts(void *ctx, struct throwaway *t, struct err *e)
{
    struct trial *trial = ctx;
    return restore_accounts_put(trial->run, &trial->site->was, t, e);
}

/* By the server of its own series, once. */
static int recover(struct copy_check *c, const char *program, const char *version, struct err *e)
{
    c->program = program;
    int code = copy_check_recover(c, e);
    c->program = NULL;
    if (code == 0)
        run_note("%s has put the files of MariaDB %s in order", program,
            *version ? version : N_("an unknown series"));
    return code;
}

int restore_try_out(
    struct copy_check *c, const struct site *site, const char *recover_with, struct err *e)
{
    struct trial trial = {.run = c->run, .site = site};
    int code = 0;
    c->ctx = &trial;
    c->begun = bring_up;
    c->checked = put_accounts;
    if (!c->manifest) {
        trial.foreign = true;
        foreign_version(c->datadir, trial.version);
        code = foreign_fits(c->run, c->datadir, site, e);
        if (code == 0 && recover_with)
            code = recover(c, recover_with, trial.version, e);
    }
    if (code == 0)
        code = copy_check_boot(c, e);
    _cleanup_free_ char *log = xasprintf("%s/server.log", c->scratch);
    if (code == EXIT_INCONSISTENT && !c->manifest && !recover_with)
        (void)foreign_was_hot(log, c->datadir, e);
    return code;
}
