#include "common/notify_check.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/lang.h"

#define ADDRESS_MAX 254

bool notify_address_good(const char *a)
{
    if (!*a || *a == '-' || strlen(a) > ADDRESS_MAX)
        return false;
    for (; *a; a++)
        if ((unsigned char)*a <= ' ' || *a == 0x7f || strchr("<>,;:\"\\()", *a))
            return false;
    return true;
}

static bool file_trouble(struct notify_trouble *t, const char *what, const char *path, int mode)
{
    if (access(path, mode) == 0)
        return true;
    (void)err_sys(&t->why, errno,
        mode == X_OK
            ? N_("nobody will be told by this way: [notify] %s %s cannot be run; install a mail program, as msmtp-mta, or set smtp")
            : N_("nobody will be told by this way: [notify] %s %s cannot be read"),
        what, path);
    return false;
}

static bool address_trouble(struct notify_trouble *t, const char *key, const char *value)
{
    if (notify_address_good(value))
        return true;
    (void)err_set(&t->why, EINVAL,
        N_("nobody will be told by mail: [notify] %s: \"%s\" is no address; several are separated by commas"),
        key, value);
    return false;
}

static bool scheme_trouble(
    struct notify_trouble *t, const char *key, const char *url, const char *a, const char *b)
{
    if (strncasecmp(url, a, strlen(a)) == 0 || strncasecmp(url, b, strlen(b)) == 0)
        return true;
    (void)err_set(&t->why, EINVAL,
        N_("nobody will be told by this way: [notify] %s = %s begins neither with %s nor with %s"),
        key, url, a, b);
    return false;
}

static bool mail_good(const struct config *c, struct notify_trouble *t)
{
    const char *const *to = config_list(c, "notify", NULL, "mail_to");
    const char *from = config_str(c, "notify", NULL, "mail_from");
    const char *smtp = config_str(c, "notify", NULL, "smtp");
    const char *password = config_str(c, "notify", NULL, "smtp_password_file");
    if (!*to)
        return true;
    for (; *to; to++)
        if (!address_trouble(t, "mail_to", *to))
            return false;
    if (from && !address_trouble(t, "mail_from", from))
        return false;
    if (!smtp || !*smtp)
        return file_trouble(t, "sendmail", config_str(c, "notify", NULL, "sendmail"), X_OK);
    return scheme_trouble(t, "smtp", smtp, "smtp://", "smtps://") &&
           (!password || file_trouble(t, "smtp_password_file", password, R_OK));
}

static bool webhook_good(const struct config *c, struct notify_trouble *t)
{
    const char *url = config_str(c, "notify", NULL, "webhook");
    const char *token = config_str(c, "notify", NULL, "webhook_token_file");
    return !url || !*url ||
           (scheme_trouble(t, "webhook", url, "http://", "https://") &&
               (!token || file_trouble(t, "webhook_token_file", token, R_OK)));
}

bool notify_check(const struct config *c, struct notify_trouble *out)
{
    const char *url = config_str(c, "notify", NULL, "webhook");
    struct notify_trouble t = {
        .nobody = !*config_list(c, "notify", NULL, "mail_to") && (!url || !*url)};
    if (t.nobody)
        (void)err_set(&t.why, ENOENT,
            N_("nobody is told when a backup fails or the certificate ends: set [notify] mail_to or webhook, then try it with elexgate notify --test"));
    bool good = !t.nobody && mail_good(c, &t) && webhook_good(c, &t);
    if (!good)
        *out = t;
    return good;
}
