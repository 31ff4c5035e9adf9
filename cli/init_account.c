#include "cli/init.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/job_stream.h"
#include "common/file.h"

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

static char *quoted(const char *s)
{
    char *out = xmalloc(2 * strlen(s) + 3), *p = out;
    *p++ = '\'';
    for (; *s; s++) {
        if (*s == '\'' || *s == '\\')
            *p++ = '\\';
        *p++ = *s;
    }
    *p++ = '\'';
    *p = '\0';
    return out;
}

static void keep_statement(void *ctx, const json_t *line)
{
    char **out = ctx;
    const char *event = json_string_value(json_object_get(line, "event"));
    const char *statement = json_string_value(json_object_get(line, "statement"));
    if (event && strcmp(event, "grant") == 0 && statement && !*out)
        *out = xstrdup(statement);
}

/* The doctor says which privileges the keeper needs; it is asked with the configuration that is
 * about to be written. */
static char *grant_statement(struct init *in)
{
    static const char *const args[] = {"doctor", NULL};
    char folder[] = "/tmp/elexgate-init-XXXXXX";
    char *statement = NULL;
    if (!mkdtemp(folder))
        return NULL;
    _cleanup_free_ char *path = xasprintf("%s/elexgate.ini", folder);
    _cleanup_free_ char *secret = xasprintf("%s/password", folder);
    _cleanup_free_ char *text = xasprintf("[admin]\nuser = %s\npassword_file = %s\n%s%s%s%s",
        in->user, secret, *in->socket ? "[database]\nsocket = " : "[database]\nhost = ",
        *in->socket ? in->socket : in->db_host, "\n[backup]\nask_proxy = no\n", "");
    if (file_publish(path, text, strlen(text), 0600, NULL) == 0 &&
        file_publish(secret, in->password, strlen(in->password), 0600, NULL) == 0) {
        struct cli cli = {.config_path = path, .german = in->cli->german};
        int code = job_stream_run(&cli, args, keep_statement, &statement);
        (void)code; /* the account is not there yet: only the statement counts */
    }
    (void)unlink(secret);
    (void)unlink(path);
    (void)rmdir(folder);
    return statement;
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
    _cleanup_free_ char *grant = grant_statement(in);
    const char *account = grant ? strstr(grant, " TO ") : NULL;
    if (!account)
        return cli_failf(in->cli, EXIT_FAILED,
            tr(in->cli, "elexgate-job does not say which privileges the keeper needs",
                "elexgate-job sagt nicht, welche Rechte der Keeper braucht"));
    account += strlen(" TO ");
    _cleanup_free_ char *password = quoted(in->password);
    in->sql = xasprintf("CREATE USER IF NOT EXISTS %s IDENTIFIED BY %s;\n"
                        "ALTER USER %s IDENTIFIED BY %s;\n%s;\n",
        account, password, account, password, grant);
    return EXIT_GOOD;
}

char *init_account_shown(const struct init *in)
{
    _cleanup_free_ char *password = quoted(in->password);
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

static _Noreturn void become_client(const struct init *in, int input)
{
    _cleanup_free_ char *socket = xasprintf("--socket=%s", in->socket);
    const char *argv[] = {"mariadb", "--batch", "--protocol=socket", socket, NULL};
    if (!*in->socket)
        argv[2] = NULL;
    dup2(input, STDIN_FILENO);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    fprintf(stderr, "elexgate: mariadb: %s\n", strerror(errno));
    _exit(127);
}

/* Through a pipe: the password is in no list of processes. */
int init_account_grant(struct init *in)
{
    int fds[2], status = 0;
    struct err e = {0};
    if (pipe2(fds, O_CLOEXEC) < 0)
        return cli_failf(in->cli, EXIT_FAILED, "pipe: %s", strerror(errno));
    signal(SIGPIPE, SIG_IGN);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        become_client(in, fds[0]);
    close(fds[0]);
    int r = pid < 0 ? -errno : fd_write_all(fds[1], in->sql, strlen(in->sql), &e);
    close(fds[1]);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (r == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return EXIT_GOOD;
    return cli_failf(in->cli, EXIT_FAILED,
        tr(in->cli,
            "the server did not take the keeper's account; as an administrator of the database, "
            "give these statements, with the password from %s",
            "der Server nahm das Konto des Keepers nicht an; als Verwalter der Datenbank diese "
            "Befehle geben, mit dem Passwort aus %s"),
        in->secret_path);
}
