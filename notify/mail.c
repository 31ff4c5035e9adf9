/*
 * A message as a mail: RFC 5322 and 2047; the body in each language of [notify] languages.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/notify_check.h"
#include "common/utf8.h"
#include "notify/mail.h"
#include "notify/message.h"

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
    utf8_format(date, sizeof date, "%s, %02d %s %d %02d:%02d:%02d +0000", days[tm.tm_wday],
        tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
    fprintf(f, "From: Elexgate <%s>\nTo: ", from);
    for (size_t i = 0; to[i]; i++)
        fprintf(f, "%s%s", i ? ",\n " : "", to[i]);
    fputs("\nSubject: ", f);
    write_encoded(f, m->letters[0].subject);
    fprintf(f,
        "\nDate: %s\nMessage-ID: <%lld.%d@%s>\nAuto-Submitted: auto-generated\n"
        "X-Elexgate-Event: %s\nX-Elexgate-State: %s\nMIME-Version: 1.0\n"
        "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n",
        date, (long long)clock_wall_ms(), (int)getpid(), m->host, m->event, m->state);
    for (size_t i = 0; i < m->letter_count; i++)
        fprintf(f, "%s%s\n\n%s", i ? "\n-----\n\n" : "", m->letters[i].subject, m->letters[i].body);
}

static int check_addresses(const char *from, const char *const *to, struct err *e)
{
    if (!notify_address_good(from))
        return err_set(e, EINVAL, "[notify] mail_from: \"%s\" is no address", from);
    for (size_t i = 0; to[i]; i++) {
        if (i == MAIL_RECIPIENTS_MAX)
            return err_set(
                e, EINVAL, "[notify] mail_to: more than %d addresses", MAIL_RECIPIENTS_MAX);
        if (!notify_address_good(to[i]))
            return err_set(e, EINVAL, "[notify] mail_to: \"%s\" is no address", to[i]);
    }
    return 0;
}

int mail_send(const struct config *c, const struct message *m, struct err *e)
{
    const char *const *to = config_list(c, "notify", NULL, "mail_to");
    if (!*to)
        return 1;
    const char *set = config_str(c, "notify", NULL, "mail_from");
    _cleanup_free_ char *from = set ? xstrdup(set) : xasprintf("elexgate@%s", m->host);
    int r = check_addresses(from, to, e);
    if (r < 0)
        return r;
    _cleanup_free_ char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    CHECK(f);
    write_mail(f, from, to, m);
    CHECK(fclose(f) == 0);
    struct mail mail = {from, to, text, len};
    const char *smtp = config_str(c, "notify", NULL, "smtp");
    return smtp && *smtp ? smtp_send(c, &mail, e) : sendmail_send(c, &mail, e);
}
