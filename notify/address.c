#include "notify/address.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

/* Addresses by number only: what a name stands for is the resolver's word. */
static bool is_local(const char *host)
{
    struct in_addr four;
    if (strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
        return true;
    return inet_pton(AF_INET, host, &four) == 1 && ntohl(four.s_addr) >> 24 == IN_LOOPBACKNET;
}

static char *part(CURLU *u, CURLUPart what)
{
    char *s = NULL;
    return curl_url_get(u, what, &s, 0) == CURLUE_OK ? s : NULL;
}

int address_parse(const char *url, struct address *out, struct err *e)
{
    CURLU *u = curl_url();
    CHECK(u);
    CURLUcode r = curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME);
    struct address a = {.scheme = part(u, CURLUPART_SCHEME), .host = part(u, CURLUPART_HOST)};
    char *user = part(u, CURLUPART_USER), *password = part(u, CURLUPART_PASSWORD);
    a.secret = user || password;
    curl_free(user);
    curl_free(password);
    curl_url_cleanup(u);
    if (r != CURLUE_OK || !a.scheme || !a.host) {
        address_clear(&a);
        return err_set(e, EINVAL, "that is no URL as SCHEME://HOST%s%s", r == CURLUE_OK ? "" : ": ",
            r == CURLUE_OK ? "" : curl_url_strerror(r));
    }
    a.local = is_local(a.host);
    *out = a;
    return 0;
}

void address_clear(struct address *a)
{
    curl_free(a->scheme);
    curl_free(a->host);
    *a = (struct address){0};
}
