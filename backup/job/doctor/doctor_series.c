#include "backup/job/doctor/doctor_series.h"

#include "backup/archive/store.h"
#include "backup/job/trial/server_program.h"
#include "backup/rules/series.h"

/* Of a dump of MySQL only MySQL itself can prove anything. */
static void judge_mysql(const struct run *run, doctor_tell_fn *tell, void *ctx)
{
    _cleanup_free_ char *program = server_program_of_mysql(run->s.config);
    if (program)
        tell(ctx, DOCTOR_FOUND_GOOD, "series",
            "drills read the dump into a MySQL server of their own",
            "Proben lesen den Dump in einen eigenen MySQL-Server ein", NULL, NULL);
    else
        tell(ctx, DOCTOR_FOUND_WARNING, "series",
            "no mysqld of MySQL is installed here: dumps are not drilled",
            "hier ist kein mysqld von MySQL installiert: Dumps werden nicht geprobt",
            "install mysql-server, or name a mysqld in [drill] server_program",
            "mysql-server installieren, oder einen mysqld in [drill] server_program nennen");
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
    _cleanup_free_ char *text = xasprintf(
        "%s is MariaDB %s, the server %s: drills say nothing of this server%s", program, trial,
        live, files ? ", and a restore refuses to begin" : "");
    _cleanup_free_ char *text_de = xasprintf(
        "%s ist MariaDB %s, der Server %s: Proben sagen nichts über diesen Server%s", program,
        trial, live, files ? ", und eine Wiederherstellung wird verweigert" : "");
    tell(ctx, files ? DOCTOR_FOUND_BAD : DOCTOR_FOUND_WARNING, "series", text, text_de,
        "set [drill] server_program to a mariadbd of the server's series",
        "[drill] server_program auf einen mariadbd der Reihe des Servers setzen");
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
    char en[SERIES_WORDS_LEN], de[SERIES_WORDS_LEN];
    const char *across = config_str(run->s.config, "restore", NULL, "across_series");
    const char *live = server_version(server);
    if (store_read(run->s.folder, run->s.physical_type, &run->trust, &l, NULL) < 0)
        return;
    const struct store_item *it = newest(&l);
    const char *version = it ? it->manifest.server.version : NULL;
    enum series_fit fit = series_compare(version, live);
    if (fit == SERIES_OLDER || fit == SERIES_NEWER) {
        series_words(fit, across, version, live, false, en);
        series_words(fit, across, version, live, true, de);
        tell(ctx, series_may(fit, across) ? DOCTOR_FOUND_WARNING : DOCTOR_FOUND_BAD, "series", en,
            de, "make a backup with this server: elexgate backup --now",
            "eine Sicherung mit diesem Server machen: elexgate backup --now");
    } else if (version)
        tell(ctx, DOCTOR_FOUND_GOOD, "series", "the newest backup is of the server's own series",
            "die neueste Sicherung ist von der Reihe des Servers", NULL, NULL);
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
