/*
 * elexgate-job doctor: everything that a backup needs, asked before it is needed. One line a check:
 *   {"event":"check","name":..,"good":BOOL,"level":..,"text":WORDS,"fix":WORDS}
 * "level":"warning" is to be looked at, but no backup fails for it; it does not count as bad.
 */
#include "backup/job/job.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "backup/archive/medium.h"
#include "backup/job/trial/broken_tables.h"
#include "backup/job/doctor/doctor_bypass.h"
#include "backup/job/doctor/doctor_gate.h"
#include "backup/job/doctor/doctor_binlog.h"
#include "backup/job/doctor/doctor_grants.h"
#include "backup/job/doctor/doctor_scratch.h"
#include "backup/job/doctor/doctor_series.h"
#include "backup/job/method/layout.h"
#include "backup/job/space.h"
#include "common/container.h"
#include "common/exit_codes.h"
#include "common/json_lines.h"
#include "common/process.h"
#include "common/sql_name.h"
#include "common/utf8.h"
#include "backup/server/dialect.h"
#include "link/control.h"

struct doctor {
    struct run *run;
    struct server *server; /* NULL: it lets nobody in */
    char *version;         /* of its greeting; NULL: it does not answer */
    unsigned bad;
};

/* What is the case and what to do, in both languages; German NULL: as the English. */
struct words {
    const char *text, *text_de, *fix, *fix_de;
};

static void tell_check(struct doctor *d, const char *name, bool good, struct words w)
{
    d->bad += !good;
    run_event(json_pack("{s:s, s:s, s:b, s:s, s:s*, s:s*, s:s*}", "event", "check", "name", name,
        "good", good, "text", w.text, "text_de", w.text_de, "fix", good ? NULL : w.fix, "fix_de",
        good ? NULL : w.fix_de));
}

static void warn(struct doctor *d, const char *name, bool good, const char *text,
    const char *text_de, const char *fix, const char *fix_de)
{
    (void)d;
    json_t *event = json_pack("{ss,ss,sb,ss,ss,ss}", "event", "check", "name", name, "good", good,
        "level", good ? "ok" : "warning", "text", text, "text_de", text_de);
    if (!good) {
        json_object_set_new(event, "fix", json_text(fix));
        json_object_set_new(event, "fix_de", json_text(fix_de));
    }
    run_event(event);
}

/* What doctor_gate found. */
static void found(void *ctx, enum doctor_finding how, const char *name, const char *text,
    const char *text_de, const char *fix, const char *fix_de)
{
    struct doctor *d = ctx;
    bool bad = how == DOCTOR_FOUND_BAD;
    d->bad += bad;
    run_event(json_pack("{s:s, s:s, s:b, s:s*, s:s, s:s*, s:s*, s:s*}", "event", "check", "name",
        name, "good", how == DOCTOR_FOUND_GOOD, "level",
        bad                        ? NULL
        : how == DOCTOR_FOUND_GOOD ? "ok"
                                   : "warning",
        "text", text, "text_de", text_de, "fix", fix, "fix_de", fix_de));
}

/* Who goes past the gate is not encrypted, not counted as idle or not, and not kept out during a
 * restore. */
static void check_bypass(struct doctor *d)
{
    if (!d->server)
        return;
    char *text, *text_de;
    bool good = doctor_port_closed(d->server, &text, &text_de);
    /* All addresses of a container are those of the networks that it was put into. */
    if (!container_inside())
        warn(d, "port", good, text, text_de,
            "bind_address = 127.0.0.1 in the server's configuration, or close the port in the firewall",
            "bind_address = 127.0.0.1 in der Konfiguration des Servers, oder den Port in der Firewall schliessen");
    free(text);
    free(text_de);
    if (!d->run->s.proxy_socket)
        return;
    good = doctor_nobody_past(
        d->server, d->run->s.proxy_socket, d->run->s.target.user, &text, &text_de);
    warn(d, "bypass", good, text, text_de,
        "let them connect to the gate; a restore does not keep them out",
        "auf Elexgate umstellen; eine Rücksicherung sperrt sie sonst nicht aus");
    free(text);
    free(text_de);
}

static char *grant_statement(const struct doctor *d)
{
    const struct backup_settings *s = &d->run->s;
    _cleanup_free_ char *list = doctor_grants_list(s->config, d->version);
    return xasprintf("GRANT %s ON *.* TO '%s'@'%s'", list, s->target.user, doctor_grants_host(s));
}

static void check_grants(struct doctor *d)
{
    struct err e = {0};
    _cleanup_free_ char *statement = grant_statement(d), *missing = NULL;
    int r = doctor_grants_missing(
        d->server, doctor_grants(d->run->s.config, d->version), &missing, &e);
    bool good = r == 0 && !*missing;
    _cleanup_free_ char *lacks = xasprintf("the admin account lacks %s", missing ? missing : "");
    _cleanup_free_ char *lacks_de = xasprintf(
        "dem Konto der Sicherung fehlt %s", missing ? missing : "");
    struct words w = {"the admin account has the privileges it needs",
        "das Konto der Sicherung hat die Rechte, die es braucht", statement, NULL};
    if (!good) {
        w.text = r < 0 ? e.text : lacks;
        w.text_de = r < 0 ? NULL : lacks_de;
    }
    tell_check(d, "grants", good, w);
}

/* Whoever may make tables and functions in there could have one of his own run while a dump is
 * made, with the keeper's rights. */
static void check_execute(struct doctor *d)
{
    struct err e = {0};
    bool may = false;
    const struct backup_settings *s = &d->run->s;
    _cleanup_free_ char *beside = doctor_grants_beside(s, d->version);
    _cleanup_free_ char *name = sql_name_quoted(config_str(s->config, "database", NULL, "name"));
    _cleanup_free_ char *fix = xasprintf("%s; REVOKE ALL PRIVILEGES ON %s.* FROM '%s'@'%s'", beside,
        name, s->target.user, doctor_grants_host(s));
    int r = doctor_grants_execute(d->server, s, &may, &e);
    if (r < 0)
        tell_check(d, "execute", false, (struct words){e.text, NULL, NULL, NULL});
    else if (may)
        found(d, DOCTOR_FOUND_WARNING, "execute",
            "the admin account may run functions of the practice's database during a backup, also what somebody has put there for that: its rights there belong into a role that only a restore takes",
            "das Konto der Sicherung darf während einer Sicherung Funktionen der Praxis-Datenbank ausführen, auch was jemand dafür hingelegt hat: Seine Rechte dort gehören in eine Rolle, die nur eine Rücksicherung annimmt",
            fix, NULL);
    else
        found(d, DOCTOR_FOUND_GOOD, "execute",
            "a backup runs no function of the practice's database",
            "eine Sicherung führt keine Funktion der Praxis-Datenbank aus", NULL, NULL);
}

static void check_mysql(struct doctor *d)
{
    const char *version = server_version(d->server);
    _cleanup_free_ char *text = xasprintf(
        "this is MySQL %s, not MariaDB: backups by SQL dump only", version);
    _cleanup_free_ char *text_de = xasprintf(
        "das ist MySQL %s, nicht MariaDB: Sicherungen nur als SQL-Dump", version);
    tell_check(d, "product", !d->run->s.physical,
        (struct words){
            text, text_de, "set method = dump in [backup]", "method = dump in [backup] setzen"});
}

static void check_server(struct doctor *d)
{
    struct err e = {0};
    const struct backup_settings *s = &d->run->s;
    bool mysql = d->version && dialect_version_is_mysql(d->version);
    _cleanup_free_ char *statement = grant_statement(d);
    _cleanup_free_ char *fix = xasprintf("CREATE USER IF NOT EXISTS '%s'@'%s' %s; %s",
        s->target.user, doctor_grants_host(s),
        s->password ? "IDENTIFIED BY '<the password in password_file>'"
        : mysql     ? "IDENTIFIED WITH auth_socket"
                    : "IDENTIFIED VIA unix_socket",
        statement);
    if (server_connect(&s->target, "elexgate-doctor", &d->server, &e) < 0) {
        tell_check(d, "server", false, (struct words){e.text, NULL, fix, NULL});
        return;
    }
    const char *product = server_is_mysql(d->server) ? "MySQL" : "MariaDB";
    _cleanup_free_ char *text = xasprintf("the admin account %s can log in to %s %s",
        s->target.user, product, server_version(d->server));
    _cleanup_free_ char *text_de = xasprintf("das Konto %s kann sich bei %s %s anmelden",
        s->target.user, product, server_version(d->server));
    tell_check(d, "server", true, (struct words){.text = text, .text_de = text_de});
    if (mysql)
        check_mysql(d);
    check_grants(d);
    check_execute(d);
}

/* Another name than the practice's has nothing to back up, and dumps and checks of an empty name
 * are good. elexis-oob called it elexisoob. */
static void check_database(struct doctor *d)
{
    struct err e = {0};
    char *others = NULL;
    uint64_t there = 0;
    const char *name = config_str(d->run->s.config, "database", NULL, "name");
    if (!d->server)
        return;
    _cleanup_free_ char *quoted = server_quote_text(d->server, name);
    int r = server_u64(d->server, &there, &e,
        "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME=%s OR (@@lower_case_table_names<>0 AND LOWER(SCHEMA_NAME)=LOWER(%s))",
        quoted, quoted);
    if (r == 0 && !there)
        r = server_text(d->server, &others, &e,
            "SELECT COALESCE(GROUP_CONCAT(SCHEMA_NAME SEPARATOR ', '),'-') FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT IN ('mysql','information_schema','performance_schema','sys')");
    char *text = others
                     ? xasprintf("there is no database %s on the server; it has: %s", name, others)
                     : xasprintf("the database %s is there", name);
    char *text_de = others ? xasprintf("auf dem Server gibt es keine Datenbank %s, sondern: %s",
                                 name, others)
                           : xasprintf("die Datenbank %s ist da", name);
    free(others);
    tell_check(d, "database", r == 0 && there,
        (struct words){r < 0 ? e.text : text, r < 0 ? NULL : text_de,
            "set name in [database] (DBNAME in containers) to the one that Elexis uses",
            "name in [database] (in Containern DBNAME) auf die setzen, die Elexis benutzt"});
    free(text);
    free(text_de);
}

static void check_layout(struct doctor *d)
{
    if (!d->server || !d->run->s.physical || server_is_mysql(d->server))
        return;
    struct err e = {0};
    struct layout l = {0};
    int r = layout_read(d->server, config_str(d->run->s.config, "backup", NULL, "datadir"), &l, &e);
    const char *folder = r == 0 ? l.datadir : "";
    _cleanup_free_ char *text = xasprintf("the data directory %s can be copied whole", folder);
    _cleanup_free_ char *text_de = xasprintf(
        "das Datenverzeichnis %s lässt sich als Ganzes kopieren", folder);
    tell_check(d, "layout", r == 0,
        (struct words){r == 0 ? text : e.text, r == 0 ? text_de : NULL,
            "set method = dump in [backup], or move the files into the data directory",
            "method = dump in [backup] setzen, oder die Dateien ins Datenverzeichnis bringen"});
    layout_clear(&l);
}

/* Old damage that nobody looks at: no backup can heal it, and no older one may be left one day. */
static void check_tables(struct doctor *d)
{
    json_t *broken = NULL;
    if (!d->server || broken_tables_find(d->server, &broken, NULL) < 0)
        return;
    const char *database = config_str(d->run->s.config, "database", NULL, "name");
    json_t *ours = broken_tables_ours(broken, database);
    _cleanup_free_ char *words = broken_tables_words(broken);
    _cleanup_free_ char *text = xasprintf("the server cannot open these tables: %s", words);
    _cleanup_free_ char *text_de = xasprintf(
        "der Server kann diese Tabellen nicht öffnen: %s", words);
    static const char *const fix =
        "REPAIR TABLE, or DROP TABLE if nobody misses it; else take it out of an older backup: elexgate restore --into DIR --serve SOCKET";
    static const char *const fix_de =
        "REPAIR TABLE, oder DROP TABLE, wenn sie niemandem fehlt; sonst aus einer älteren Sicherung holen: elexgate restore --into ORDNER --serve SOCKET";
    if (json_object_size(broken) == 0)
        tell_check(d, "tables", true,
            (struct words){"the server can open every table", "der Server kann jede Tabelle öffnen",
                NULL, NULL});
    else if (json_object_size(ours) > 0)
        tell_check(d, "tables", false, (struct words){text, text_de, fix, fix_de});
    else
        warn(d, "tables", false, text, text_de, fix, fix_de);
    json_decref(broken);
    json_decref(ours);
}

/* The disk that is meant, or its empty mount point. */
static bool check_medium(struct doctor *d)
{
    char id[MEDIUM_ID_LEN], german[500];
    struct err e = {0};
    const char *folder = d->run->s.folder;
    int r = medium_look(d->run->trust.folder, folder, id, &e);
    bool good = r == 0 || r == MEDIUM_FRESH;
    medium_words_de(r, folder, german, sizeof german);
    _cleanup_free_ char *text =
        r == 0 ? xasprintf("the backup medium in %s is the right one", folder)
               : xasprintf(
                     "%s is not marked as a backup medium yet; the first backup does that", folder);
    _cleanup_free_ char *text_de =
        r == 0 ? xasprintf("das Sicherungsmedium in %s ist das richtige", folder)
               : xasprintf(
                     "%s ist noch nicht als Sicherungsmedium markiert; das tut die erste Sicherung",
                     folder);
    tell_check(d, "medium", good,
        (struct words){good ? text : e.text,
            good      ? text_de
            : *german ? german
                      : NULL,
            "connect and mount the disk, or `elexgate backup-folder init`",
            "die Platte anschliessen und einhängen, oder `elexgate backup-folder init`"});
    return good;
}

/* What lies there and is not ours, and what is ours and does not lie there. */
static void check_seal(struct doctor *d)
{
    struct store_list l = {0};
    struct err e = {0};
    size_t strangers = 0, missing = 0;
    const struct ledger *ledger = &d->run->trust.ledger;
    int r = trust_load_key(&d->run->trust, &e);
    tell_check(d, "seal", r >= 0,
        (struct words){r < 0 ? e.text : "the key that seals the backups is in order",
            r < 0 ? NULL : "der Schlüssel, der die Sicherungen versiegelt, ist in Ordnung",
            "put it right, or bring it back with `elexgate backup-key import`",
            "in Ordnung bringen, oder mit `elexgate backup-key import` zurückholen"});
    if (ledger->problem[0])
        warn(d, "ledger", false, ledger->problem, ledger->problem,
            "the next backup mends it; then `elexgate backups`, and adopt what is yours",
            "die nächste Sicherung flickt es; dann `elexgate backups`, und mit adopt übernehmen, was Ihres ist");
    if (store_read(d->run->s.folder, NULL, &d->run->trust, &l, NULL) < 0)
        return;
    for (size_t i = 0; i < l.count; i++) {
        strangers += !standing_good(l.items[i].standing);
        missing += l.items[i].gone || l.items[i].standing == STANDING_REPLACED;
    }
    store_list_clear(&l);
    _cleanup_free_ char *of = xasprintf("%zu of the archives are not sealed by us", strangers),
                        *von = xasprintf(
                            "%zu der Archive sind nicht von uns versiegelt", strangers),
                        *gone = xasprintf(
                            "%zu archives that this machine made are gone or exchanged", missing),
                        *weg = xasprintf("%zu Archive, die diese Maschine gemacht hat, sind weg "
                                         "oder ausgetauscht",
                            missing);
    if (strangers)
        warn(d, "foreign", false, of, von,
            "`elexgate backups` shows them; `elexgate backups adopt RUN` takes over what is yours",
            "`elexgate backups` zeigt sie; `elexgate backups adopt LAUF` übernimmt, was Ihres ist");
    if (missing)
        warn(d, "missing", false, gone, weg,
            "find out who did that; `elexgate backups delete RUN` says that you know",
            "herausfinden, wer das war; `elexgate backups delete LAUF` sagt, dass Sie es wissen");
}

static void check_space(struct doctor *d)
{
    const char *types[68] = {0};
    size_t n = 0;
    if (d->run->s.physical)
        types[n++] = d->run->s.physical_type;
    if (d->run->s.dump)
        types[n++] = d->run->s.dump_type;
    const char *name;
    for (size_t i = 0; n < 66 && (name = config_section(d->run->s.config, "data", i)); i++)
        types[n++] = name;
    struct err e = {0};
    struct space_plan plan = {0};
    int r = space_check(d->run, types, &plan, &e);
    unsigned long long needed = plan.needed >> 20, have = plan.free >> 20;
    _cleanup_free_ char *text = xasprintf(
        "the next backup needs about %llu MB in %s, %llu MB are free", needed, d->run->s.folder,
        have);
    _cleanup_free_ char *text_de = xasprintf(
        "die nächste Sicherung braucht etwa %llu MB in %s, frei sind %llu MB", needed,
        d->run->s.folder, have);
    if (r != 0 && r != EXIT_NO_SPACE) {
        tell_check(d, "space", false, (struct words){e.text, NULL, NULL, NULL});
        return;
    }
    tell_check(d, "space", r == 0,
        (struct words){r == 0 ? text : e.text, r == 0 ? text_de : NULL,
            "make room, keep fewer generations, or set another [archive] folder",
            "Platz schaffen, weniger behalten oder einen anderen Ordner setzen ([archive] folder)"});
}

static void check_proxy(struct doctor *d)
{
    const char *socket = d->run->s.proxy_socket;
    if (!socket)
        return;
    struct err e = {0};
    json_t *request = json_pack("{ss}", "cmd", "status"), *answer = NULL;
    int r = control_call(socket, 3000, request, &answer, &e);
    json_decref(request);
    tell_check(d, "proxy", r == 0,
        (struct words){r == 0 ? "the proxy answers" : e.text, r == 0 ? "der Proxy antwortet" : NULL,
            "start elexgate-proxy, or set ask_proxy = no in [backup] if clients do not come through it",
            "elexgate-proxy starten, oder ask_proxy = no in [backup] setzen, wenn die Clients nicht durch ihn kommen"});
    json_decref(answer);
}

static void check_hook(struct doctor *d, const char *event)
{
    const char *program = config_str(d->run->s.config, "hooks", NULL, event);
    if (!program)
        return;
    struct stat st;
    bool runs = access(program, X_OK) == 0;
    bool safe = stat(program, &st) == 0 && (st.st_uid == 0 || st.st_uid == geteuid()) &&
                !(st.st_mode & (S_IWGRP | S_IWOTH));
    _cleanup_free_ char *text = xasprintf("%s: %s%s", event, program,
        !runs   ? " cannot be executed"
        : !safe ? " can be changed by others than root"
                : "");
    _cleanup_free_ char *text_de = xasprintf("%s: %s%s", event, program,
        !runs   ? " lässt sich nicht ausführen"
        : !safe ? " kann von anderen als root geändert werden"
                : "");
    tell_check(d, "hook", runs && safe,
        (struct words){text, text_de,
            "chown root and chmod 700: it runs as the keeper; or take it out of [hooks]",
            "chown root und chmod 700: es läuft als Keeper; oder aus [hooks] nehmen"});
}

static void check_program(struct doctor *d, const char *section, const char *key)
{
    const char *program = config_str(d->run->s.config, section, NULL, key);
    _cleanup_free_ char *path = process_find(program);
    bool good = path != NULL;
    _cleanup_free_ char *text = xasprintf("%s is %s", program, good ? "there" : "not installed");
    _cleanup_free_ char *text_de = xasprintf(
        "%s ist %s", program, good ? "da" : "nicht installiert");
    tell_check(d, "program", good,
        (struct words){text, text_de, "install it, or give its full path in the configuration",
            "installieren, oder den ganzen Pfad in der Konfiguration angeben"});
}

int job_doctor(struct run *r, int argc, char **argv, struct err *e)
{
    (void)argc;
    (void)argv;
    struct doctor d = {.run = r, .version = dialect_greeting(&r->s.target)};
    _cleanup_free_ char *statement = grant_statement(&d),
                        *beside = doctor_grants_beside(&r->s, d.version);
    run_event(json_pack("{sssssosb}", "event", "grant", "statement", statement, "beside",
        json_text(beside), "mysql", d.version && dialect_version_is_mysql(d.version)));
    check_server(&d);
    check_database(&d);
    check_layout(&d);
    check_tables(&d);
    if (check_medium(&d))
        check_space(&d);
    check_seal(&d);
    d.bad += !doctor_scratch(r);
    check_proxy(&d);
    check_bypass(&d);
    if (d.server)
        doctor_series(r, d.server, found, &d);
    if (d.server)
        doctor_binlog(d.server, r->s.config, found, &d);
    if (d.server && r->s.proxy_socket)
        doctor_gate(d.server, r->s.config, r->s.proxy_socket, found, &d);
    check_program(&d, "backup", "dump_program");
    check_program(&d, "drill", "server_program");
    static const char *const hooks[] = {
        "before_backup", "after_backup", "before_restore", "after_restore"};
    for (size_t i = 0; i < sizeof hooks / sizeof hooks[0]; i++)
        check_hook(&d, hooks[i]);
    server_close(d.server);
    free(d.version);
    if (d.bad == 0)
        return 0;
    err_set(e, EINVAL, "%u things are not as a backup needs them", d.bad);
    return EXIT_FAILED;
}
