/*
 * elexgate init: from an installed package to a working gate.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/args.h"
#include "cli/commands.h"
#include "cli/init/init.h"
#include "cli/job_stream.h"
#include "cli/output.h"
#include "common/file.h"
#include "common/utf8.h"
#include "common/json_get.h"

/* What was given on the command line; NULL: to be asked. */
struct given {
    const char *port, *database, *socket, *db_host, *db_port, *folder, *schedule, *user;
    char names[INIT_TEXT];
};

static int take_host(void *ctx, const char *name, const char *value)
{
    struct given *g = ctx;
    size_t n = strlen(g->names);
    (void)name;
    utf8_format(g->names + n, sizeof g->names - n, "%s%s", n ? " " : "", value);
    return EXIT_GOOD;
}

static int take_options(struct init *in, struct given *g, int argc, char **argv)
{
    const struct args_option options[] = {{"--host=", .take = take_host, .ctx = g},
        {"--port=", &g->port}, {"--database=", &g->database}, {"--database-socket=", &g->socket},
        {"--database-host=", &g->db_host}, {"--database-port=", &g->db_port},
        {"--backup-folder=", &g->folder}, {"--schedule=", &g->schedule}, {"--user=", &g->user},
        {"--login=", &in->login}, {"--login-password-file=", &in->login_file},
        {"--login-socket=", &in->login_way}, {"--account-only", .flag = &in->account_only},
        {"--binlog", .flag = &in->binlog}, {"--yes", .flag = &in->yes},
        {"--dry-run", .flag = &in->dry_run}, {"--force", .flag = &in->force},
        {"--no-grants", .flag = &in->no_grants}, {"--no-certificate", .flag = &in->no_certificate},
        {0}};
    return args_parse(in->cli, argc, argv, options, 0, 0, NULL);
}

/* One question; what stands in value is the answer to an empty line. false: nobody answers. */
static bool ask(const struct init *in, const char *given, const char *question, char *value)
{
    if (given)
        snprintf(value, INIT_TEXT, "%s", given);
    if (given || in->yes)
        return true;
    char line[INIT_TEXT];
    printf("%s [%s]: ", question, value);
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin))
        return false;
    line[strcspn(line, "\r\n")] = '\0';
    if (*line)
        snprintf(value, INIT_TEXT, "%s", line);
    return true;
}

static bool ask_database(struct init *in, const struct given *g)
{
    struct cli *cli = in->cli;
    if (g->db_host)
        *in->socket = '\0';
    else if (!ask(in, g->socket,
                 tr(cli, "Unix socket of the MariaDB server (- for a server elsewhere)"),
                 in->socket))
        return false;
    if (strcmp(in->socket, "-") == 0)
        *in->socket = '\0';
    if (!*in->socket && (!ask(in, g->db_host, tr(cli, "Its host"), in->db_host) ||
                            !ask(in, g->db_port, tr(cli, "Its port"), in->db_port)))
        return false;
    return ask(in, g->database, tr(cli, "Name of the Elexis database"), in->database);
}

static int ask_all(struct init *in, const struct given *g)
{
    struct cli *cli = in->cli;
    bool good = ask_database(in, g) &&
                ask(in, *g->names ? g->names : NULL,
                    tr(cli, "Names and addresses that workstations use for this machine"),
                    in->names) &&
                ask(in, g->port, tr(cli, "Port for the workstations"), in->port) &&
                ask(in, g->folder, tr(cli, "Folder for backups"), in->folder) &&
                ask(in, g->schedule,
                    tr(cli, "When a backup is due (minute hour day month weekday)"),
                    in->schedule) &&
                ask(in, g->user, tr(cli, "The keeper's account on the server"), in->user);
    return good ? EXIT_GOOD
                : cli_failf(cli, EXIT_FAILED,
                      tr(cli, "nobody answers; with --yes the proposals are taken"));
}

static bool has_certificate(struct init *in, struct err *e, int *r)
{
    struct config *c = NULL;
    *r = config_parse(in->new_text, in->new_len, in->path, &c, e);
    bool has = *r == 0 && access(config_str(c, "tls", NULL, "certificate"), F_OK) == 0;
    config_free(c);
    return has;
}

static bool needs_certificate(struct init *in)
{
    struct err e = {0};
    int r;
    return !in->no_certificate && !has_certificate(in, &e, &r);
}

/* elexgate cert init --host NAME --ip ADDRESS ... */
static int make_certificate(struct init *in)
{
    const char *argv[40] = {"cert", "init"};
    int n = 2;
    struct in6_addr any;
    if (!needs_certificate(in))
        return EXIT_GOOD;
    _cleanup_free_ char *names = xstrdup(in->names);
    char *save = NULL;
    for (char *p = strtok_r(names, " ,", &save); p && n < 37; p = strtok_r(NULL, " ,", &save)) {
        bool ip = inet_pton(AF_INET, p, &any) == 1 || inet_pton(AF_INET6, p, &any) == 1;
        argv[n++] = ip ? "--ip" : "--host";
        argv[n++] = p;
    }
    argv[n++] = "--no-reload";
    struct cli cli = {.config_path = in->path, .lang = in->cli->lang, .command = &cmd_cert};
    int code = cmd_cert.run(&cli, n, (char **)(uintptr_t)argv);
    config_free(cli.config);
    return code;
}

static void show_plan(const struct init *in)
{
    struct cli *cli = in->cli;
    _cleanup_free_ char *sql = init_account_shown(in);
    printf(tr(cli, "--- %s\n%s\n--- Statements for the server\n%s"), in->path, in->new_text, sql);
    printf(tr(cli, "--- Certificate for: %s\n--- Password: %s\n"), in->names, in->secret_path);
}

static void say_next(const struct init *in)
{
    printf(tr(in->cli,
               "\nWhat comes next:\n"
               "  elexgate doctor                       is everything as it should be?\n"
               "  systemctl enable --now elexgate-proxy.socket elexgate-proxy elexgate-keeper \\\n"
               "      elexgate-console elexgate-cert-renew.timer\n"
               "  elexgate cert export --for jdbc       files and steps for the workstations\n"
               "  elexgate backup --now                 a first backup, then: elexgate drill\n"
               "Workstations connect to port %s; close the server's own port to the network.\n"),
        in->port);
    if (in->mysql)
        printf(tr(in->cli,
            "The server is MySQL: its backups are SQL dumps, which drills prove where mysqld is installed.\n"));
    else if (in->binlog)
        printf(
            tr(in->cli,
                "For any second of the day: put %s into the server's configuration (/etc/mysql/mariadb.conf.d/60-elexgate-binlog.cnf), restart it, then elexgate doctor and elexgate backup --now.\n"),
            ELEXGATE_DATADIR "/binlog.cnf");
    else
        printf(tr(in->cli,
            "elexgate init --force --binlog archives the server's binary log, too: any second of the day then comes back.\n"));
}

/* The proxy cannot run yet; everything else that the job looks at must be good by now. */
static void show_check(void *ctx, const json_t *line)
{
    struct cli *cli = ctx;
    const char *event = json_get_text(line, "event");
    const char *name = json_get_text(line, "name");
    const char *level = json_get_text(line, "level");
    if (strcmp(event, "check") != 0 || strcmp(name, "proxy") == 0 ||
        (strcmp(level, "warning") == 0))
        return;
    bool good = json_get_true(line, "good");
    _cleanup_free_ char *text = output_words(cli->lang, line, "text");
    printf("%-7s %s\n", good ? "ok" : tr(cli, "BAD"), text);
}

static void check_result(const struct init *in)
{
    static const char *const args[] = {"doctor", NULL};
    struct cli cli = {.config_path = in->path, .lang = in->cli->lang};
    printf(tr(in->cli, "\nLooked at:\n"));
    int code = job_stream_run(&cli, args, show_check, &cli);
    (void)code; /* the lines say it; elexgate doctor says it again, with what to do */
}

static int carry_out(struct init *in)
{
    struct err e = {0};
    int code = init_config_write(in);
    if (code == EXIT_GOOD)
        code = init_account_write(in);
    if (code == EXIT_GOOD && file_mkdirs(in->folder, 0711, &e) < 0)
        code = cli_fail(in->cli, EXIT_FAILED, &e);
    if (code == EXIT_GOOD)
        code = make_certificate(in);
    if (code != EXIT_GOOD) { /* all or nothing: the server has not been told of anything yet */
        init_config_undo(in);
        if (in->new_password)
            unlink(in->secret_path);
        return code;
    }
    if (!in->no_grants)
        code = init_account_grant(in);
    if (code != EXIT_GOOD || in->no_grants) {
        _cleanup_free_ char *sql = init_account_shown(in);
        printf("%s", sql);
    }
    if (code == EXIT_GOOD && !in->no_grants)
        check_result(in);
    if (code == EXIT_GOOD)
        say_next(in);
    return code;
}

/* For containers: the configuration and the certificate are made elsewhere. */
static int only_account(struct init *in)
{
    int code = init_account_prepare(in);
    if (code == EXIT_GOOD && in->dry_run) {
        _cleanup_free_ char *sql = init_account_shown(in);
        printf("%s", sql);
        return EXIT_GOOD;
    }
    if (code == EXIT_GOOD)
        code = init_account_write(in);
    return code == EXIT_GOOD ? init_account_grant(in) : code;
}

static bool confirmed(struct init *in)
{
    char answer[INIT_TEXT] = "";
    if (in->yes)
        return true;
    show_plan(in);
    return ask(in, NULL, tr(in->cli, "Do it? (yes/no)"), answer) &&
           (strcmp(answer, "yes") == 0 || strcmp(answer, "ja") == 0 || strcmp(answer, "y") == 0 ||
               strcmp(answer, "j") == 0);
}

static void init_free(struct init *in)
{
    free(in->old_text);
    free(in->new_text);
    free(in->secret_path);
    secret_free(in->password);
    secret_free(in->sql);
}

static int run_init(struct cli *cli, int argc, char **argv)
{
    struct init in = {
        .cli = cli, .path = cli->config_path ? cli->config_path : CONFIG_DEFAULT_PATH};
    struct given given = {0};
    int code = take_options(&in, &given, argc, argv);
    if (code == EXIT_GOOD)
        code = init_config_begin(&in);
    if (code == EXIT_GOOD && in.account_only) {
        code = only_account(&in);
        init_free(&in);
        return code;
    }
    if (code == EXIT_GOOD)
        code = ask_all(&in, &given);
    if (code == EXIT_GOOD)
        code = init_account_prepare(&in);
    if (code == EXIT_GOOD)
        code = init_config_make(&in);
    if (code == EXIT_GOOD && needs_certificate(&in))
        code = init_names_check(&in);
    if (code == EXIT_GOOD && in.dry_run)
        show_plan(&in);
    else if (code == EXIT_GOOD)
        code = confirmed(&in) ? carry_out(&in) : EXIT_CANCELLED;
    init_free(&in);
    return code;
}

const struct command cmd_init = {
    "init",
    "[--yes] [--dry-run] [--force] [OPTIONS]",
    N_("set it up: configuration, certificate, the keeper's account"),
    run_init,
    (const struct help_line[]){
        {NULL,
            N_("Asks what it needs to know, with proposals; what is given as an option is not asked.")},
        {"--host NAME",
            N_("how workstations reach this machine: names and addresses, each with a --host of its own")},
        {"--port N", N_("port for them (3312)")},
        {"--database-socket FILE", N_("the MariaDB server on this machine")},
        {"--database-host HOST", N_("the MariaDB server on another machine")},
        {"--database-port N", N_("its port")},
        {"--database NAME", N_("the Elexis database (elexis)")},
        {"--backup-folder DIR", N_("where archives go")},
        {"--schedule \"15 3 * * *\"", N_("when a backup is due")},
        {"--user NAME", N_("the keeper's account on the server (elexgate)")},
        {"--login NAME", N_("who makes that account (root, by unix_socket)")},
        {"--login-password-file FILE", N_("file with the password for that")},
        {"--login-socket FILE", N_("unix socket for that")},
        {"--binlog",
            N_("archive the server's binary log as well, so that any second of the day can be brought back; it says what the server needs")},
        {"--account-only", N_("make the account and nothing else, ask nothing")},
        {"--yes", N_("take the proposals, ask nothing")},
        {"--dry-run", N_("show what would be done, and do nothing")},
        {"--force",
            N_("change what the configuration says if need be; the old one is kept as FILE~")},
        {"--no-grants", N_("print the statements for the server instead of giving them")},
        {"--no-certificate", N_("make none: a bought one follows (elexgate cert install)")},
        {0},
    },
};
