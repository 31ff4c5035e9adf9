#include "common/notify_check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/utf8.h"

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

static bool wrong(struct notify_trouble *t, const char *text, const char *text_de)
{
    utf8_copy(t->text, sizeof t->text, text);
    utf8_copy(t->text_de, sizeof t->text_de, text_de);
    return false;
}

static bool no_address(struct notify_trouble *t, const char *key, const char *value)
{
    _cleanup_free_ char *en = xasprintf(
        "nobody will be told by mail: [notify] %s: \"%s\" is no address; several are separated by commas",
        key, value);
    _cleanup_free_ char *de = xasprintf(
        "Per Mail erfährt niemand etwas: [notify] %s: «%s» ist keine Adresse; mehrere werden mit Kommas getrennt",
        key, value);
    return wrong(t, en, de);
}

static bool file_trouble(struct notify_trouble *t, const char *what, const char *path, int mode)
{
    if (access(path, mode) == 0)
        return true;
    int why = errno;
    _cleanup_free_ char *en = xasprintf(
        "nobody will be told by this way: [notify] %s %s cannot be %s (%s)", what, path,
        mode == X_OK ? "run; install a mail program, as msmtp-mta, or set smtp" : "read",
        strerror(why));
    _cleanup_free_ char *de = xasprintf(
        "Auf diesem Weg erfährt niemand etwas: [notify] %s %s lässt sich nicht %s (%s)", what, path,
        mode == X_OK ? "ausführen; ein Mailprogramm wie msmtp-mta installieren oder smtp setzen"
                     : "lesen",
        strerror(why));
    return wrong(t, en, de);
}

static bool scheme_trouble(
    struct notify_trouble *t, const char *key, const char *url, const char *a, const char *b)
{
    if (strncasecmp(url, a, strlen(a)) == 0 || strncasecmp(url, b, strlen(b)) == 0)
        return true;
    _cleanup_free_ char *en = xasprintf(
        "nobody will be told by this way: [notify] %s = %s begins neither with %s nor with %s", key,
        url, a, b);
    _cleanup_free_ char *de = xasprintf(
        "Auf diesem Weg erfährt niemand etwas: [notify] %s = %s beginnt weder mit %s noch mit %s",
        key, url, a, b);
    return wrong(t, en, de);
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
        if (!notify_address_good(*to))
            return no_address(t, "mail_to", *to);
    if (from && !notify_address_good(from))
        return no_address(t, "mail_from", from);
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
    bool good =
        t.nobody
            ? wrong(&t,
                  "nobody is told when a backup fails or the certificate ends: set [notify] mail_to or webhook, then try it with elexgate notify --test",
                  "Niemand erfährt, wenn eine Sicherung misslingt oder das Zertifikat abläuft: [notify] mail_to oder webhook setzen, dann mit elexgate notify --test ausprobieren")
            : mail_good(c, &t) && webhook_good(c, &t);
    if (!good)
        *out = t;
    return good;
}
