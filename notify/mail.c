/*
 * Mail through the system's sendmail, whichever program plays it (postfix, msmtp, nullmailer ...).
 * RFC 5322 and 2047; the body in German and in English.
 */
#include "notify/message.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/file.h"

#define RECIPIENTS_MAX 20
#define SAID_MAX       300

/* An address goes into a header and onto a command line. */
static bool good_address(const char *a)
{
    if (!*a || *a == '-' || strlen(a) > 254)
        return false;
    for (; *a; a++)
        if ((unsigned char)*a <= ' ' || *a == 0x7f || strchr("<>,;:\"\\()", *a))
            return false;
    return true;
}

/* RFC 2047: words of at most 75 characters, each with whole UTF-8 characters. */
static void write_encoded(FILE *f, const char *s)
{
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = (const unsigned char *)s;
    bool first = true;
    while (*p) {
        size_t n = strlen((const char *)p);
        if (n > 42)
            for (n = 42; (p[n] & 0xc0) == 0x80; n--)
                ;
        fputs(first ? "=?UTF-8?B?" : "\n =?UTF-8?B?", f);
        for (size_t i = 0; i < n; i += 3) {
            unsigned v = (unsigned)p[i] << 16 | (i + 1 < n ? (unsigned)p[i + 1] << 8 : 0) |
                         (i + 2 < n ? p[i + 2] : 0);
            fprintf(f, "%c%c%c%c", base64[v >> 18], base64[v >> 12 & 63],
                i + 1 < n ? base64[v >> 6 & 63] : '=', i + 2 < n ? base64[v & 63] : '=');
        }
        fputs("?=", f);
        p += n;
        first = false;
    }
}

static void write_mail(FILE *f, const char *from, const char *const *to, const struct message *m)
{
    char date[64];
    time_t now = time(NULL);
    struct tm tm;
    /* not strftime's %a %b: those follow the locale, RFC 5322 does not */
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    CHECK(gmtime_r(&now, &tm));
    snprintf(date, sizeof date, "%s, %02d %s %d %02d:%02d:%02d +0000", days[tm.tm_wday], tm.tm_mday,
        months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
    fprintf(f, "From: Elexgate <%s>\nTo: ", from);
    for (size_t i = 0; to[i]; i++)
        fprintf(f, "%s%s", i ? ",\n " : "", to[i]);
    fputs("\nSubject: ", f);
    write_encoded(f, m->subject_de);
    fprintf(f,
        "\nDate: %s\nMessage-ID: <%lld.%d@%s>\nAuto-Submitted: auto-generated\n"
        "X-Elexgate-Event: %s\nX-Elexgate-State: %s\nMIME-Version: 1.0\n"
        "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n",
        date, (long long)clock_wall_ms(), (int)getpid(), m->host, m->event, m->state);
    fprintf(f, "%s\n\n%s\n-----\n\n%s\n\n%s", m->subject_de, m->body_de, m->subject, m->body);
}

static _Noreturn void become(const char *program, const char *const *argv, int in, int out)
{
    signal(SIGPIPE, SIG_DFL);
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    execv(program, (char *const *)(uintptr_t)argv);
    dprintf(STDERR_FILENO, "%s", strerror(errno));
    _exit(127);
}

/* Waits; past its time it is ended. */
static int wait_for(pid_t pid, int64_t limit_ms)
{
    int status = 0;
    uint64_t until = clock_mono_ms() + (uint64_t)limit_ms;
    for (;;) {
        pid_t r = waitpid(pid, &status, WNOHANG);
        if (r == pid)
            return status;
        if (r < 0 && errno != EINTR)
            return -1;
        if (clock_mono_ms() >= until) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            return -1;
        }
        usleep(20000);
    }
}

/* What it said, for the error; one line. */
static void said(int fd, char buf[static SAID_MAX])
{
    ssize_t n = pread(fd, buf, SAID_MAX - 1, 0);
    buf[n > 0 ? n : 0] = '\0';
    for (char *p = buf; *p; p++)
        if ((unsigned char)*p < ' ')
            *p = ' ';
}

static int run_sendmail(const struct config *c, const char *const *argv, int in, struct err *e)
{
    char words[SAID_MAX];
    int out = memfd_create("sendmail-output", MFD_CLOEXEC);
    CHECK(out >= 0);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        become(argv[0], argv, in, out);
    int status = pid < 0 ? -1 : wait_for(pid, config_int(c, "notify", NULL, "timeout"));
    said(out, words);
    close(out);
    if (status == -1)
        return err_set(e, ETIMEDOUT, "%s did not end in time", argv[0]);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    return err_set(e, EIO, "%s failed (%d): %s", argv[0],
        WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), words);
}

int mail_send(const struct config *c, const struct message *m, struct err *e)
{
    const char *const *to = config_list(c, "notify", NULL, "mail_to");
    const char *argv[RECIPIENTS_MAX + 8] = {config_str(c, "notify", NULL, "sendmail"), "-i"};
    size_t n = 2;
    if (!*to)
        return 1;
    const char *set = config_str(c, "notify", NULL, "mail_from");
    _cleanup_free_ char *from = set ? xstrdup(set) : xasprintf("elexgate@%s", m->host);
    if (!good_address(from))
        return err_set(e, EINVAL, "[notify] mail_from: \"%s\" is no address", from);
    argv[n++] = "-f";
    argv[n++] = from;
    argv[n++] = "--";
    for (size_t i = 0; to[i]; i++) {
        if (i == RECIPIENTS_MAX)
            return err_set(e, EINVAL, "[notify] mail_to: more than %d addresses", RECIPIENTS_MAX);
        if (!good_address(to[i]))
            return err_set(e, EINVAL, "[notify] mail_to: \"%s\" is no address", to[i]);
        argv[n++] = to[i];
    }
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    CHECK(f);
    write_mail(f, from, to, m);
    CHECK(fclose(f) == 0);
    int in = memfd_create("mail", MFD_CLOEXEC);
    int r = in < 0 ? err_sys(e, errno, "memfd") : fd_write_all(in, text, len, e);
    free(text);
    if (r == 0) {
        (void)lseek(in, 0, SEEK_SET);
        r = run_sendmail(c, argv, in, e);
    }
    if (in >= 0)
        close(in);
    return r;
}
