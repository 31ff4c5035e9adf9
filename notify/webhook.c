/*
 * A webhook: one HTTP POST of a JSON object; anything but 2xx is a failure, redirects are not
 * followed. Chat systems that want another form take it through a relay of their own.
 */
#include "notify/message.h"

#include <curl/curl.h>
#include <errno.h>
#include <string.h>

#include "notify/address.h"
#include "notify/privileges.h"

/* The first language, and each of them for itself. */
static char *payload(const struct message *m)
{
    json_t *letters = json_array();
    json_t *o = json_pack("{s:s, s:s, s:s, s:s}", "event", m->event, "state", m->state, "host",
        m->host, "since", m->since);
    for (size_t i = 0; i < m->letter_count; i++) {
        const struct letter *l = &m->letters[i];
        _cleanup_free_ char *text = xasprintf("%s\n\n%s", l->subject, l->body);
        json_t *said = json_pack("{s:s, s:s, s:s, s:s}", "language", lang_code(l->lang), "subject",
            l->subject, "detail", l->detail, "text", text);
        if (i == 0)
            (void)json_object_update(o, said);
        (void)json_array_append_new(letters, said);
    }
    (void)json_object_set_new(o, "letters", letters);
    char *line = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    CHECK(line); /* UTF-8: parts of a JSON text, and the machine's own name */
    return line;
}

static size_t discard(char *data, size_t size, size_t n, void *ctx)
{
    (void)data, (void)ctx;
    return size * n;
}

static struct curl_slist *headers(const char *token)
{
    struct curl_slist *list = curl_slist_append(NULL, "Content-Type: application/json");
    if (token) {
        _cleanup_free_ char *line = xasprintf("Authorization: Bearer %s", token);
        list = curl_slist_append(list, line);
    }
    CHECK(list);
    return list;
}

static int post(
    CURL *curl, const char *url, const char *token, const char *body, long limit_ms, struct err *e)
{
    char words[CURL_ERROR_SIZE] = "";
    long status = 0;
    struct curl_slist *list = headers(token);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, limit_ms);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "elexgate/" ELEXGATE_VERSION);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, discard);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, words);
    CURLcode r = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(list);
    if (r != CURLE_OK)
        return err_set(
            e, EIO, "the webhook did not answer: %s", *words ? words : curl_easy_strerror(r));
    if (status < 200 || status > 299)
        return err_set(e, EIO, "the webhook answered with %ld", status);
    return 0;
}

static int read_token(const char *url, const char *file, char **token, struct err *e)
{
    struct address to = {0};
    int r = address_parse(url, &to, e);
    if (r < 0)
        return r;
    bool in_the_clear = strcmp(to.scheme, "https") != 0 && !to.local;
    address_clear(&to);
    if (in_the_clear)
        return err_set(e, EPERM, "[notify] webhook: the token goes out over https only");
    return secret_read(file, token, e);
}

int webhook_send(const struct config *c, const struct message *m, struct err *e)
{
    const char *url = config_str(c, "notify", NULL, "webhook");
    const char *file = config_str(c, "notify", NULL, "webhook_token_file");
    char *token = NULL;
    if (!url || !*url)
        return 1;
    int r = file ? read_token(url, file, &token, e) : 0;
    if (r == 0)
        r = privileges_drop(c, e);
    if (r < 0) {
        secret_free(token);
        return r;
    }
    CURL *curl = curl_global_init(CURL_GLOBAL_DEFAULT) == 0 ? curl_easy_init() : NULL;
    CHECK(curl);
    _cleanup_free_ char *body = payload(m);
    r = post(curl, url, token, body, (long)config_int(c, "notify", NULL, "timeout"), e);
    curl_easy_cleanup(curl);
    curl_global_cleanup();
    secret_free(token);
    return r;
}
