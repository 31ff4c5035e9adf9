/*
 * Mail through the system's sendmail, whichever program plays it (postfix, msmtp, nullmailer ...).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/file.h"
#include "common/process.h"
#include "notify/mail.h"
#include "notify/privileges.h"

#define WORDS_MAX 300

/* What it said, for the error; one line. */
static void said(int fd, char buf[static WORDS_MAX])
{
    ssize_t n = pread(fd, buf, WORDS_MAX - 1, 0);
    buf[n > 0 ? n : 0] = '\0';
    for (char *p = buf; *p; p++)
        if ((unsigned char)*p < ' ')
            *p = ' ';
}

static int run(const struct config *c, const char *const *argv, int in, struct err *e)
{
    char words[WORDS_MAX];
    struct err how = {0};
    _cleanup_fd_ int out = memfd_create("sendmail-output", MFD_CLOEXEC);
    struct process p = {0};
    struct process_options o = {.argv = argv, .in = in, .out = out, .err = out};
    int r = privileges_drop(c, e);
    if (r == 0)
        r = process_start(&o, &p, e);
    if (r != 0)
        return r;
    int late = process_wait(&p, (int)config_int(c, "notify", NULL, "timeout"), NULL, NULL);
    process_end(&p, 0);
    if (late != 0)
        return err_set(e, ETIMEDOUT, "%s did not end in time", argv[0]);
    said(out, words);
    return process_good(&p) ? 0
                            : err_set(e, EIO, "%s %s: %s", argv[0], process_how(&p, &how), words);
}

int sendmail_send(const struct config *c, const struct mail *m, struct err *e)
{
    const char *argv[MAIL_RECIPIENTS_MAX + 6] = {
        config_str(c, "notify", NULL, "sendmail"), "-i", "-f", m->from, "--"};
    for (size_t i = 0, n = 5; m->to[i]; i++)
        argv[n++] = m->to[i];
    _cleanup_fd_ int in = memfd_create("mail", MFD_CLOEXEC);
    int r = in < 0 ? err_sys(e, errno, "memfd") : fd_write_all(in, m->text, m->len, e);
    if (r < 0)
        return r;
    (void)lseek(in, 0, SEEK_SET);
    return run(c, argv, in, e);
}
