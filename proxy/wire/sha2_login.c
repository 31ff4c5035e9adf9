#include "proxy/wire/sha2_login.h"

#include <string.h>

#define MORE       0x01 /* AuthMoreData's first byte */
#define FULL       0x04 /* then: send the password itself */
#define KEY_BEGINS "-----BEGIN"

void sha2_login_begin(
    struct sha2_login *l, const char *plugin, const uint8_t scramble[static SHA2_SCRAMBLE_LEN])
{
    *l = (struct sha2_login){0};
    if (login_plugin_of(plugin, strlen(plugin)) == LOGIN_PLUGIN_SHA2)
        l->plugin = LOGIN_PLUGIN_SHA2;
    memcpy(l->scramble, scramble, SHA2_SCRAMBLE_LEN);
}

/* Another plugin, with a scramble of its own: name, NUL, 20 bytes, usually another NUL. */
static void switched(struct sha2_login *l, const uint8_t *payload, size_t n)
{
    struct cursor c = cursor_make(payload, n);
    size_t len = 0;
    (void)cursor_u8(&c);
    const char *name = cursor_string(&c, &len);
    l->plugin = name ? login_plugin_of(name, len) : LOGIN_PLUGIN_OTHER;
    const uint8_t *scramble = cursor_bytes(&c, SHA2_SCRAMBLE_LEN);
    if (l->plugin == LOGIN_PLUGIN_SHA2 && scramble)
        memcpy(l->scramble, scramble, SHA2_SCRAMBLE_LEN);
}

void sha2_login_on_server(struct sha2_login *l, const uint8_t *payload, size_t n)
{
    if (l->step != SHA2_NONE)
        return;
    switch (login_classify(payload, n)) {
    case LOGIN_SWITCH:
        switched(l, payload, n);
        break;
    case LOGIN_MORE:
        if (l->plugin == LOGIN_PLUGIN_SHA2 && n == 2 && payload[0] == MORE && payload[1] == FULL)
            l->step = SHA2_PASSWORD;
        break;
    default:
        break;
    }
}

const char *sha2_login_key(const uint8_t *payload, size_t n, size_t *len)
{
    if (n < sizeof KEY_BEGINS || payload[0] != MORE ||
        memcmp(payload + 1, KEY_BEGINS, sizeof KEY_BEGINS - 1) != 0)
        return NULL;
    *len = n - 1;
    return (const char *)payload + 1;
}
