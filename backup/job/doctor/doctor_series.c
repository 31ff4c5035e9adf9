#include "backup/job/doctor/doctor_series.h"

#include "backup/archive/store.h"
#include "backup/job/trial/server_program.h"
#include "backup/rules/series.h"
#include "common/phrase.h"

/* Of a dump of MySQL only MySQL itself can prove anything. */
static void judge_mysql(const struct run *run, doctor_tell_fn *tell, void *ctx)
{
    _cleanup_free_ char *program = server_program_of_mysql(run->s.config);
    if (program)
        tell(ctx, DOCTOR_FOUND_GOOD, "series",
            phrase_of(N_("drills read the dump into a MySQL server of their own")), NULL);
    else
        tell(ctx, DOCTOR_FOUND_WARNING, "series",
            phrase_of(N_("no mysqld of MySQL is installed here: dumps are not drilled")),
            phrase_of(N_("install mysql-server, or name a mysqld in [drill] server_program")));
}

static void judge_program(
    const struct run *run, const struct server *server, doctor_tell_fn *tell, void *ctx)
{
    const char *program = config_str(run->s.config, "drill", NULL, "server_program");
    const char *live = server_version(server);
    _cleanup_free_ char *trial = server_program_version(run->s.config, program);
    enum series_fit fit = series_compare(live, trial);
    if (fit == SERIES_SAME || fit == SERIES_UNKNOWN)
        return; /* that it is there is another check's */
    /* of a dump only the drill is another server's; files go live as the trial has left them */
    bool files = run->s.physical;
    json_t *text =
        files
            ? phrase(
                  "%s is MariaDB %s, the server %s: drills say nothing of this server, and a restore refuses to begin",
                  program, trial, live)
            : phrase("%s is MariaDB %s, the server %s: drills say nothing of this server", program,
                  trial, live);
    tell(ctx, files ? DOCTOR_FOUND_BAD : DOCTOR_FOUND_WARNING, "series", text,
        phrase_of(N_("set [drill] server_program to a mariadbd of the server's series")));
}

/* The one that `restore latest` would take. */
static const struct store_item *newest(const struct store_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->items[i].complete && standing_ours(l->items[i].standing))
            return &l->items[i];
    return NULL;
}

static void judge_newest(
    struct run *run, const struct server *server, doctor_tell_fn *tell, void *ctx)
{
    struct store_list l = {0};
    const char *across = config_str(run->s.config, "restore", NULL, "across_series");
    const char *live = server_version(server);
    if (store_read(run->s.folder, run->s.physical_type, &run->trust, &l, NULL) < 0)
        return;
    const struct store_item *it = newest(&l);
    const char *version = it ? it->manifest.server.version : NULL;
    enum series_fit fit = series_compare(version, live);
    if (fit == SERIES_OLDER || fit == SERIES_NEWER) {
        tell(ctx, series_may(fit, across) ? DOCTOR_FOUND_WARNING : DOCTOR_FOUND_BAD, "series",
            series_phrase(fit, across, version, live),
            phrase_of(N_("make a backup with this server: elexgate backup --now")));
    } else if (version)
        tell(ctx, DOCTOR_FOUND_GOOD, "series",
            phrase_of(N_("the newest backup is of the server's own series")), NULL);
    store_list_clear(&l);
}

void doctor_series(struct run *run, struct server *server, doctor_tell_fn *tell, void *ctx)
{
    if (server_is_mysql(server)) {
        judge_mysql(run, tell, ctx);
        return;
    }
    judge_program(run, server, tell, ctx);
    if (run->s.physical)
        judge_newest(run, server, tell, ctx);
}
