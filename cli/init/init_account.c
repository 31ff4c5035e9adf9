#include "cli/init/init.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "cli/job_stream.h"
#include "common/error_phrase.h"
#include "common/file.h"
#include "common/process.h"
#include "common/said.h"
#include "common/json_get.h"
#include "common/sql_name.h"

#define PASSWORD_LEN 32
#define HIDDEN       "********"

/* Letters and digits only: 32 of them are 190 bits, and no program stumbles over them. */
static char *new_password(void)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    char *p = xcalloc(1, PASSWORD_LEN + 1);
    for (size_t i = 0; i < PASSWORD_LEN;) {
        unsigned char byte;
        CHECK(getrandom(&byte, 1, 0) == 1);
        if (byte < 4 * (sizeof letters - 1)) /* each letter as likely as any other */
            p[i++] = letters[byte % (sizeof letters - 1)];
    }
    return p;
}

struct statements {
    char *grant;
    char *beside; /* for SQL that is restored, where nobody but the set-up is root on the server */
    bool mysql;
};

static void keep_statements(void *ctx, const json_t *line)
{
    struct statements *out = ctx;
    if (strcmp(json_get_text(line, "event"), "grant") != 0 || out->grant)
        return;
    out->grant = xstrdup(json_get_str(line, "statement"));
    out->beside = xstrdup(json_get_str(line, "beside"));
    out->mysql = json_get_true(line, "mysql");
}

/* The doctor says which privileges the keeper needs; it is asked with the configuration that is
 * about to be written. */
static void ask_doctor(struct init *in, struct statements *out)
{
    static const char *const args[] = {"doctor", NULL};
    char folder[] = "/tmp/elexgate-init-XXXXXX";
    if (!mkdtemp(folder))
        return;
    _cleanup_free_ char *path = xasprintf("%s/elexgate.ini", folder);
    _cleanup_free_ char *secret = xasprintf("%s/password", folder);
    _cleanup_free_ char *text = xasprintf(
        "[admin]\nuser = %s\npassword_file = %s\n[database]\nname = %s\n%s%s\n[backup]\nask_proxy = no\n[binlog]\narchive = %s\n",
        in->user, secret, in->database,
        *in->socket ? "socket = " : "host = ", *in->socket ? in->socket : in->db_host,
        in->binlog ? "yes" : "no");
    if (file_publish(path, text, strlen(text), 0600, NULL) == 0 &&
        file_publish(secret, in->password, strlen(in->password), 0600, NULL) == 0) {
        struct cli cli = {.config_path = path, .lang = in->cli->lang};
        int code = job_stream_run(&cli, args, keep_statements, out);
        (void)code; /* the account is not there yet: only the statements count */
    }
    (void)unlink(secret);
    (void)unlink(path);
    (void)rmdir(folder);
}

int init_account_prepare(struct init *in)
{
    struct err e = {0};
    int r = access(in->secret_path, F_OK) == 0 ? secret_read(in->secret_path, &in->password, &e)
                                               : 0;
    if (r < 0)
        return cli_fail(in->cli, EXIT_FAILED, &e);
    if (!in->password) {
        in->password = new_password();
        in->new_password = true;
    }
    struct statements told = {0};
    ask_doctor(in, &told);
    _cleanup_free_ char *grant = told.grant, *beside = told.beside;
    const char *account = grant ? strstr(grant, " TO ") : NULL;
    if (!account)
        return cli_failf(in->cli, EXIT_FAILED,
            tr(in->cli, "elexgate-job does not say which privileges the keeper needs"));
    account += strlen(" TO ");
    _cleanup_free_ char *password = sql_name_text(in->password);
    in->mysql = told.mysql;
    if (in->mysql && in->binlog)
        return cli_failf(in->cli, EXIT_REFUSED,
            tr(in->cli,
                "this server is MySQL, whose binary log is not archived (only MariaDB's); set it up without --binlog"));
    in->sql = xasprintf("CREATE USER IF NOT EXISTS %s IDENTIFIED BY %s;\n"
                        "ALTER USER %s IDENTIFIED BY %s;\n%s;\n%s%s",
        account, password, account, password, grant, in->account_only && beside ? beside : "",
        in->account_only ? ";\n" : "");
    return EXIT_GOOD;
}

char *init_account_shown(const struct init *in)
{
    _cleanup_free_ char *password = sql_name_text(in->password);
    char *out = xstrdup("");
    const char *rest = in->sql, *hit;
    while ((hit = strstr(rest, password))) {
        char *longer = xasprintf("%s%.*s'" HIDDEN "'", out, (int)(hit - rest), rest);
        free(out);
        out = longer;
        rest = hit + strlen(password);
    }
    char *whole = xasprintf("%s%s", out, rest);
    free(out);
    return whole;
}

int init_account_write(struct init *in)
{
    struct err e = {0};
    _cleanup_free_ char *line = xasprintf("%s\n", in->password);
    if (in->new_password && file_publish(in->secret_path, line, strlen(line), 0600, &e) < 0)
        return cli_fail(in->cli, EXIT_FAILED, &e);
    return EXIT_GOOD;
}

/* The password goes by the environment and the statements by a file in memory: a command line can
 * be read by everybody. */
static int run_client(
    const struct init *in, const char *password, int input, int output, struct err *e)
{
    const char *way = in->login_way ? in->login_way : in->socket;
    bool socket = *way == '/';
    _cleanup_free_ char *place = xasprintf(
        "--%s=%s", socket ? "socket" : "host", socket ? way : in->db_host);
    _cleanup_free_ char *port = xasprintf("--port=%s", in->db_port);
    _cleanup_free_ char *user = xasprintf("--user=%s", in->login ? in->login : "root");
    _cleanup_free_ char *secret = password ? xasprintf("MYSQL_PWD=%s", password) : NULL;
    const char *argv[8] = {"mariadb", "--batch", "--connect-timeout=5", NULL};
    size_t n = 3;
    if (in->login)
        argv[n++] = user;
    if (socket || in->account_only || in->login) {
        argv[n++] = place;
        argv[n++] = socket ? "--protocol=socket" : "--protocol=tcp";
        argv[n++] = socket ? NULL : port;
    }
    struct process_options o = {.argv = argv,
        .environment = (const char *const[]){secret, NULL},
        .in = input,
        .out = output,
        .err = output};
    int r = fd_write_all(input, in->sql, strlen(in->sql), e);
    if (r < 0)
        return r;
    (void)lseek(input, 0, SEEK_SET);
    return process_run(&o, -1, NULL, NULL, e);
}

/* The client quotes the statement that failed, with the password in it: only what common/said.h
 * lets through is shown. EXIT_UNREACHABLE where nobody answered. */
static int read_failure(int output, struct err *words)
{
    char text[4096];
    unsigned number = 0;
    ssize_t n = pread(output, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    (void)said_of_program(text, words);
    const char *error = strstr(text, "ERROR ");
    if (error && sscanf(error, "ERROR %u", &number) == 1 && number >= 2002 && number <= 2013)
        return EXIT_UNREACHABLE;
    return EXIT_FAILED;
}

int init_account_grant(struct init *in)
{
    struct err e = {0};
    struct err words = {0};
    char *password = NULL;
    _cleanup_fd_ int output = memfd_create("mariadb-output", MFD_CLOEXEC);
    _cleanup_fd_ int input = memfd_create("mariadb-input", MFD_CLOEXEC);
    int r = in->login_file ? secret_read(in->login_file, &password, &e) : 0;
    if (r == 0)
        r = run_client(in, password, input, output, &e);
    secret_free(password);
    if (r < 0)
        return cli_fail(in->cli, EXIT_FAILED, &e);
    int code = r == 0 ? EXIT_GOOD : read_failure(output, &words);
    if (code == EXIT_GOOD)
        return code;
    _cleanup_free_ char *said = error_phrase_words(in->cli->lang, &words);
    return cli_failf(in->cli, in->account_only ? code : EXIT_FAILED,
        tr(in->cli,
            "the server did not take the keeper's account: %s; as an administrator of the database, give these statements, with the password from %s"),
        said, in->secret_path);
}
