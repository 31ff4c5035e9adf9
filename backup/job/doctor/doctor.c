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
#include <unistd.h>
#include "backup/archive/medium.h"
#include "backup/job/trial/broken_tables.h"
#include "backup/job/doctor/doctor.h"
#include "backup/job/doctor/doctor_grants.h"
#include "backup/job/method/layout.h"
#include "backup/job/space.h"
#include "common/exit_codes.h"
#include "common/json_lines.h"
#include "common/process.h"
#include "common/sql_name.h"
#include "backup/server/dialect.h"
#include "link/control.h"
#include "common/error_phrase.h"

void doctor_found(
    struct doctor *d, enum doctor_finding how, const char *name, json_t *text, json_t *fix)
{
    static const char *const levels[] = {"ok", "warning", NULL};
    bool good = how == DOCTOR_FOUND_GOOD;
    json_t *event = json_pack("{s:s, s:s, s:b, s:s*}", "event", "check", "name", name, "good", good,
        "level", levels[how]);
    phrase_put(event, "text", text);
    if (good)
        json_decref(fix);
    else
        phrase_put(event, "fix", fix);
    d->bad += how == DOCTOR_FOUND_BAD;
    run_event(event);
}

static void tell_check(struct doctor *d, const char *name, bool good, json_t *text, json_t *fix)
{
    doctor_found(d, good ? DOCTOR_FOUND_GOOD : DOCTOR_FOUND_BAD, name, text, fix);
}

static void warn(struct doctor *d, const char *name, json_t *text, json_t *fix)
{
    doctor_found(d, DOCTOR_FOUND_WARNING, name, text, fix);
}

bool doctor_is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0 ||
           strcmp(address, "localhost") == 0;
}

const struct store_item *doctor_newest(const struct store_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->items[i].complete && standing_ours(l->items[i].standing))
            return &l->items[i];
    return NULL;
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
    tell_check(d, "grants", good,
        r < 0  ? error_phrase_json(&e)
        : good ? phrase_of(N_("the admin account has the privileges it needs"))
               : phrase("the admin account lacks %s", missing),
        phrase("%s", statement));
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
        tell_check(d, "execute", false, error_phrase_json(&e), NULL);
    else if (may)
        warn(d, "execute",
            phrase_of(N_(
                "the admin account may run functions of the practice's database during a backup, also what somebody has put there for that: its rights there belong into a role that only a restore takes")),
            phrase("%s", fix));
    else
        tell_check(d, "execute", true,
            phrase_of(N_("a backup runs no function of the practice's database")), NULL);
}

static void check_mysql(struct doctor *d)
{
    const char *version = server_version(d->server);
    tell_check(d, "product", !d->run->s.physical,
        phrase("this is MySQL %s, not MariaDB: backups by SQL dump only", version),
        phrase_of(N_("set method = dump in [backup]")));
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
        tell_check(d, "server", false, error_phrase_json(&e), phrase("%s", fix));
        return;
    }
    const char *product = server_is_mysql(d->server) ? "MySQL" : "MariaDB";
    tell_check(d, "server", true,
        phrase("the admin account %s can log in to %s %s", s->target.user, product,
            server_version(d->server)),
        NULL);
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
    _cleanup_free_ char *others = NULL;
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
    tell_check(d, "database", r == 0 && there,
        r < 0    ? error_phrase_json(&e)
        : others ? phrase("there is no database %s on the server; it has: %s", name, others)
                 : phrase("the database %s is there", name),
        phrase_of(N_("set name in [database] (DBNAME in containers) to the one that Elexis uses")));
}

static void check_layout(struct doctor *d)
{
    if (!d->server || !d->run->s.physical || server_is_mysql(d->server))
        return;
    struct err e = {0};
    struct layout l = {0};
    int r = layout_read(d->server, config_str(d->run->s.config, "backup", NULL, "datadir"), &l, &e);
    if (r == 0)
        r = layout_tables(d->server, &l, &e);
    tell_check(d, "layout", r == 0,
        r == 0 ? phrase("the data directory %s can be copied whole", l.datadir)
               : error_phrase_json(&e),
        phrase_of(N_("set method = dump in [backup], or move the files into the data directory")));
    layout_clear(&l);
}

/* Old damage that nobody looks at: no backup can heal it, and no older one may be left one day. */
static void check_tables(struct doctor *d)
{
    json_t *broken = NULL;
    if (!d->server || broken_tables_find(d->server, &broken, NULL) < 0)
        return;
    const char *database = config_str(d->run->s.config, "database", NULL, "name");
    _cleanup_json_ json_t *ours = broken_tables_ours(broken, database);
    _cleanup_free_ char *words = broken_tables_words(broken);
    static const char *const fix = N_(
        "REPAIR TABLE, or DROP TABLE if nobody misses it; else take it out of an older backup: elexgate restore --into DIR --serve SOCKET");
    if (json_object_size(broken) == 0)
        tell_check(d, "tables", true, phrase_of(N_("the server can open every table")), NULL);
    else if (json_object_size(ours) > 0)
        tell_check(d, "tables", false, phrase("the server cannot open these tables: %s", words),
            phrase_of(fix));
    else
        warn(d, "tables", phrase("the server cannot open these tables: %s", words), phrase_of(fix));
    json_decref(broken);
}

/* The disk that is meant, or its empty mount point. */
static bool check_medium(struct doctor *d)
{
    char id[MEDIUM_ID_LEN];
    struct err e = {0};
    const char *folder = d->run->s.folder;
    int r = medium_look(d->run->trust.folder, folder, id, &e);
    bool good = r == 0 || r == MEDIUM_FRESH;
    tell_check(d, "medium", good,
        !good ? error_phrase_json(&e)
        : r == 0
            ? phrase("the backup medium in %s is the right one", folder)
            : phrase("%s is not marked as a backup medium yet; the first backup does that", folder),
        phrase_of(N_("connect and mount the disk, or `elexgate backup-folder init`")));
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
        r < 0 ? error_phrase_json(&e) : phrase_of(N_("the key that seals the backups is in order")),
        phrase_of(N_("put it right, or bring it back with `elexgate backup-key import`")));
    if (ledger->problem.code)
        warn(d, "ledger", error_phrase_json(&ledger->problem),
            phrase_of(
                N_("the next backup mends it; then `elexgate backups`, and adopt what is yours")));
    if (store_read(d->run->s.folder, NULL, &d->run->trust, &l, NULL) < 0)
        return;
    for (size_t i = 0; i < l.count; i++) {
        strangers += !standing_good(l.items[i].standing);
        missing += l.items[i].gone || l.items[i].standing == STANDING_REPLACED;
    }
    store_list_clear(&l);
    if (strangers)
        warn(d, "foreign", phrase("%zu of the archives are not sealed by us", strangers),
            phrase_of(N_(
                "`elexgate backups` shows them; `elexgate backups adopt RUN` takes over what is yours")));
    if (missing)
        warn(d, "missing",
            phrase("%zu archives that this machine made are gone or exchanged", missing),
            phrase_of(
                N_("find out who did that; `elexgate backups delete RUN` says that you know")));
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
    _cleanup_free_ char *needed = phrase_bytes_carried(plan.needed),
                        *have = phrase_bytes_carried(plan.free);
    if (r != 0 && r != EXIT_NO_SPACE) {
        tell_check(d, "space", false, error_phrase_json(&e), NULL);
        return;
    }
    tell_check(d, "space", r == 0,
        r == 0 ? phrase("the next backup needs about %s in %s, %s are free", needed,
                     d->run->s.folder, have)
               : error_phrase_json(&e),
        phrase_of(N_("make room, keep fewer generations, or set another [archive] folder")));
}

static void check_proxy(struct doctor *d)
{
    const char *socket = d->run->s.proxy_socket;
    if (!socket)
        return;
    struct err e = {0};
    _cleanup_json_ json_t *answer = control_status(socket, 3000, &e);
    tell_check(d, "proxy", answer != NULL,
        answer ? phrase_of(N_("the proxy answers")) : error_phrase_json(&e),
        phrase_of(N_(
            "start elexgate-proxy, or set ask_proxy = no in [backup] if clients do not come through it")));
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
    tell_check(d, "hook", runs && safe,
        !runs   ? phrase("%s: %s cannot be executed", event, program)
        : !safe ? phrase("%s: %s can be changed by others than root", event, program)
                : phrase("%s: %s", event, program),
        phrase_of(
            N_("chown root and chmod 700: it runs as the keeper; or take it out of [hooks]")));
}

static void check_program(struct doctor *d, const char *section, const char *key)
{
    const char *program = config_str(d->run->s.config, section, NULL, key);
    _cleanup_free_ char *path = process_find(program);
    bool good = path != NULL;
    tell_check(d, "program", good,
        good ? phrase("%s is there", program) : phrase("%s is not installed", program),
        phrase_of(N_("install it, or give its full path in the configuration")));
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
    doctor_scratch(&d);
    check_proxy(&d);
    if (d.server) {
        doctor_bypass(&d);
        doctor_series(&d);
        doctor_binlog(&d);
        doctor_gate(&d);
    }
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
    return err_outcome(e, EXIT_FAILED, EINVAL, "%u things are not as a backup needs them", d.bad);
}
