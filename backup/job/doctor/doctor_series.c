#include "backup/job/doctor/doctor.h"

#include "backup/archive/store.h"
#include "backup/job/trial/server_program.h"
#include "backup/rules/series.h"
#include "common/phrase.h"

/* Of a dump of MySQL only MySQL itself can prove anything. */
static void judge_mysql(struct doctor *d)
{
    _cleanup_free_ char *program = server_program_of_mysql(d->run->s.config);
    if (program)
        doctor_found(d, DOCTOR_FOUND_GOOD, "series",
            phrase_of(N_("drills read the dump into a MySQL server of their own")), NULL);
    else
        doctor_found(d, DOCTOR_FOUND_WARNING, "series",
            phrase_of(N_("no mysqld of MySQL is installed here: dumps are not drilled")),
            phrase_of(N_("install mysql-server, or name a mysqld in [drill] server_program")));
}

static void judge_program(struct doctor *d)
{
    const struct run *run = d->run;
    const char *program = config_str(run->s.config, "drill", NULL, "server_program");
    const char *live = server_version(d->server);
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
    doctor_found(d, files ? DOCTOR_FOUND_BAD : DOCTOR_FOUND_WARNING, "series", text,
        phrase_of(N_("set [drill] server_program to a mariadbd of the server's series")));
}

static void judge_newest(struct doctor *d)
{
    CLEANUP(store_list_clear) struct store_list l = {0};
    const struct run *run = d->run;
    const char *across = config_str(run->s.config, "restore", NULL, "across_series");
    const char *live = server_version(d->server);
    if (store_read(run->s.folder, run->s.physical_type, &run->trust, &l, NULL) < 0)
        return;
    const struct store_item *it = doctor_newest(&l);
    const char *version = it ? it->manifest.server.version : NULL;
    enum series_fit fit = series_compare(version, live);
    if (fit == SERIES_OLDER || fit == SERIES_NEWER) {
        doctor_found(d, series_may(fit, across) ? DOCTOR_FOUND_WARNING : DOCTOR_FOUND_BAD, "series",
            series_phrase(fit, across, version, live),
            phrase_of(N_("make a backup with this server: elexgate backup --now")));
    } else if (version)
        doctor_found(d, DOCTOR_FOUND_GOOD, "series",
            phrase_of(N_("the newest backup is of the server's own series")), NULL);
}

void doctor_series(struct doctor *d)
{
    if (server_is_mysql(d->server)) {
        judge_mysql(d);
        return;
    }
    judge_program(d);
    if (d->run->s.physical)
        judge_newest(d);
}
