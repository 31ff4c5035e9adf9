/*
 * Mail by SMTP (libcurl): smtps://, or smtp:// with STARTTLS. The server's certificate is checked,
 * against the system's roots or [notify] smtp_ca. To this machine itself nothing is encrypted, and
 * with smtp_starttls = no nothing is either; then no password goes out.
 */
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/config.h"
#include "common/utf8.h"
#include "notify/address.h"
#include "notify/mail.h"
#include "notify/privileges.h"

#define SAID_MAX 160

struct transfer {
    char *text; /* lines end with CRLF */
    size_t len, at;
    char asked[300]; /* the recipient that the server was asked about last; "" = another question */
    char refused[600];   /* "a@b.example: 550 no such user; ..." */
    char said[SAID_MAX]; /* the last refusal of anything */
};

static char *with_crlf(const char *text, size_t len, size_t *out_len)
{
    char *out = xmalloc(2 * len + 1), *p = out;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\r')
            continue;
        if (text[i] == '\n')
            *p++ = '\r';
        *p++ = text[i];
    }
    *out_len = (size_t)(p - out);
    return out;
}

static size_t on_read(char *to, size_t size, size_t n, void *ctx)
{
    struct transfer *t = ctx;
    size_t take = size * n < t->len - t->at ? size * n : t->len - t->at;
    memcpy(to, t->text + t->at, take);
    t->at += take;
    return take;
}

/* One line, for people: no control characters. */
static void copy_line(char *to, size_t size, const char *data, size_t n)
{
    size_t i = 0;
    for (; i < n && i < size - 1 && data[i] != '\r' && data[i] != '\n'; i++)
        to[i] = (unsigned char)data[i] < ' ' ? ' ' : data[i];
    to[i] = '\0';
}

/* libcurl goes on as long as one recipient is taken, and does not tell which ones were not. Here
 * the questions and answers come by. */
static int on_dialogue(CURL *curl, curl_infotype type, char *data, size_t n, void *ctx)
{
    static const char rcpt[] = "RCPT TO:";
    struct transfer *t = ctx;
    (void)curl;
    if (type == CURLINFO_HEADER_OUT) {
        bool about = n > sizeof rcpt && strncmp(data, rcpt, sizeof rcpt - 1) == 0;
        copy_line(t->asked, sizeof t->asked, about ? data + sizeof rcpt - 1 : "",
            about ? n - sizeof rcpt + 1 : 0);
    } else if (type == CURLINFO_HEADER_IN && n > 3 && (data[0] == '4' || data[0] == '5')) {
        copy_line(t->said, sizeof t->said, data, n);
        size_t used = strlen(t->refused);
        if (*t->asked)
            utf8_format(t->refused + used, sizeof t->refused - used, "%s%s: %s", used ? "; " : "",
                t->asked, t->said);
    }
    return 0;
}

static struct curl_slist *recipients(const struct mail *m)
{
    struct curl_slist *list = NULL;
    for (size_t i = 0; m->to[i]; i++) {
        list = curl_slist_append(list, m->to[i]);
        CHECK(list);
    }
    return list;
}

static int failure(CURLcode r, const struct transfer *t, const char *words, struct err *e)
{
    if (r == CURLE_LOGIN_DENIED)
        return err_set(e, EACCES,
            "the mail server does not take the user and the password ([notify] smtp_user, smtp_password_file): %s",
            t->said);
    if (r == CURLE_PEER_FAILED_VERIFICATION)
        return err_set(e, EIO,
            "the mail server's certificate cannot be trusted: %s. [notify] smtp has to name it as its certificate does; smtp_ca takes the file of a CA of your own",
            words);
    if (r == CURLE_USE_SSL_FAILED)
        return err_set(e, EIO,
            "the mail server offers no STARTTLS; use smtps://, or smtp_starttls = no without a password");
    return err_set(e, EIO, "the mail server did not take the message: %s%s%s", words,
        *t->refused ? "; " : "", t->refused);
}

static int transfer(CURL *curl, const struct config *c, const struct mail *m, struct err *e)
{
    char words[CURL_ERROR_SIZE] = "";
    struct transfer t = {0};
    struct curl_slist *to = recipients(m);
    t.text = with_crlf(m->text, m->len, &t.len);
    curl_easy_setopt(curl, CURLOPT_MAIL_FROM, m->from);
    curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, to);
    /* the new name came with 8.2.0, and both have the same number */
    curl_easy_setopt(curl, CURLOPT_MAIL_RCPT_ALLLOWFAILS, 1L);
    curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(curl, CURLOPT_READDATA, &t);
    curl_easy_setopt(curl, CURLOPT_VERBOSE, 1L);
    curl_easy_setopt(curl, CURLOPT_DEBUGFUNCTION, on_dialogue);
    curl_easy_setopt(curl, CURLOPT_DEBUGDATA, &t);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)config_int(c, "notify", NULL, "timeout"));
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, words);
    CURLcode r = curl_easy_perform(curl);
    curl_slist_free_all(to);
    free(t.text);
    if (r != CURLE_OK)
        return failure(r, &t, *words ? words : curl_easy_strerror(r), e);
    if (*t.refused)
        (void)err_set(e, EIO, "but not to all: %s", t.refused);
    return 0;
}

/* How much of the way is encrypted. */
static int set_tls(CURL *curl, const struct config *c, bool password, struct err *e)
{
    const char *url = config_str(c, "notify", NULL, "smtp");
    const char *ca = config_str(c, "notify", NULL, "smtp_ca");
    struct address a = {0};
    int r = address_parse(url, &a, e);
    if (r < 0)
        return r;
    bool implicit = strcmp(a.scheme, "smtps") == 0, known = implicit || !strcmp(a.scheme, "smtp");
    bool plain = !implicit && (a.local || !config_bool(c, "notify", NULL, "smtp_starttls"));
    bool exposed = password && plain && !a.local, secret = a.secret;
    address_clear(&a);
    if (!known)
        return err_set(e, EINVAL,
            "[notify] smtp: smtps://HOST[:PORT] or smtp://HOST[:PORT], not \"%s\"",
            secret ? "..." : url);
    if (secret)
        return err_set(e, EINVAL,
            "[notify] smtp: user and password do not stand in the URL; set smtp_user and smtp_password_file");
    if (exposed)
        return err_set(e, EPERM,
            "[notify] smtp_starttls = no would send the password in the clear; use smtps://, or remove smtp_user");
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(curl, CURLOPT_USE_SSL, (long)(plain ? CURLUSESSL_NONE : CURLUSESSL_ALL));
    if (ca)
        curl_easy_setopt(curl, CURLOPT_CAINFO, ca);
    return 0;
}

static int set_login(CURL *curl, const char *user, const char *file, struct err *e)
{
    char *password = NULL;
    if (!user && !file)
        return 0;
    if (!user || !file)
        return err_set(e, EINVAL, "[notify] smtp_user and smtp_password_file belong together");
    int r = secret_read(file, &password, e);
    if (r < 0)
        return r;
    curl_easy_setopt(curl, CURLOPT_USERNAME, user);
    curl_easy_setopt(curl, CURLOPT_PASSWORD, password);
    secret_free(password);
    return 0;
}

int smtp_send(const struct config *c, const struct mail *m, struct err *e)
{
    const char *user = config_str(c, "notify", NULL, "smtp_user");
    const char *file = config_str(c, "notify", NULL, "smtp_password_file");
    CURL *curl = curl_global_init(CURL_GLOBAL_DEFAULT) == 0 ? curl_easy_init() : NULL;
    CHECK(curl);
    int r = set_tls(curl, c, user || file, e);
    if (r == 0)
        r = set_login(curl, user, file, e);
    if (r == 0)
        r = privileges_drop(c, e);
    if (r == 0)
        r = transfer(curl, c, m, e);
    curl_easy_cleanup(curl);
    curl_global_cleanup();
    return r;
}
