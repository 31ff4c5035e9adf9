#include "proxy/wire/login_plugin.h"

#include <string.h>

#define ANY (-1)

static const struct {
    const char *name;
    int fits[2]; /* lengths */
    size_t farewell;
} plugins[] = {
    [LOGIN_PLUGIN_OTHER] = {"", {ANY, ANY}, 0},
    [LOGIN_PLUGIN_NATIVE] = {"mysql_native_password", {0, 20}, 0}, /* SHA-1 */
    /* An empty packet is for MySQL one that could not be read, 0x02 the question for its key, and
     * anything else over TCP a password that is encrypted. */
    [LOGIN_PLUGIN_SHA2] = {"caching_sha2_password", {ANY, ANY}, 1},
    [LOGIN_PLUGIN_ED25519] = {"client_ed25519", {64, 64}, LOGIN_FAREWELL_MAX},
    /* Its first answer is empty, and any other is refused uncounted. A wrong proof behind it is
     * counted whatever its length, as directly. */
    [LOGIN_PLUGIN_PARSEC] = {"parsec", {ANY, ANY}, 1},
};
#define N_PLUGINS (sizeof plugins / sizeof plugins[0])

enum login_plugin login_plugin_of(const char *name, size_t n)
{
    for (size_t i = 1; i < N_PLUGINS; i++)
        if (strlen(plugins[i].name) == n && memcmp(plugins[i].name, name, n) == 0)
            return (enum login_plugin)i;
    return LOGIN_PLUGIN_OTHER;
}

bool login_plugin_fits(enum login_plugin p, size_t n)
{
    const int *fits = plugins[p].fits;
    return fits[0] == ANY || n == (size_t)fits[0] || n == (size_t)fits[1];
}

size_t login_plugin_farewell(enum login_plugin p)
{
    return plugins[p].farewell;
}
