#include "proxy/wire/greeting.h"

#include <errno.h>
#include <string.h>
#include "common/utf8.h"

#define MARIADB_PREFIX "5.5.5-" /* in front of MariaDB's version up to 10.x, for old replicas */
#define ELEXIS_PREFIX  "5.6.51-"

/* Offsets from the byte behind the version's NUL. */
enum {
    AT_THREAD = 0,
    AT_SCRAMBLE = 4,
    AT_CAPS_LOW = 13,
    AT_CHARSET = 15,
    AT_STATUS = 16,
    AT_CAPS_HIGH = 18,
    AT_SCRAMBLE_LENGTH = 20,
    AT_CAPS_EXTENDED = 27,
    AT_SCRAMBLE_REST = 31,
};

static uint64_t caps_read(const uint8_t *fixed)
{
    struct cursor low = cursor_make(fixed + AT_CAPS_LOW, 2);
    struct cursor high = cursor_make(fixed + AT_CAPS_HIGH, 2);
    struct cursor extended = cursor_make(fixed + AT_CAPS_EXTENDED, 4);
    uint64_t caps = cursor_u16(&low) | (uint64_t)cursor_u16(&high) << 16;
    if (!(caps & CAP_MYSQL))
        caps |= (uint64_t)cursor_u32(&extended) << 32;
    return caps;
}

/* Only the lower 32 bits: what a greeting is changed in lies there. */
static void caps_write(uint8_t *fixed, uint64_t caps)
{
    fixed[AT_CAPS_LOW] = (uint8_t)caps;
    fixed[AT_CAPS_LOW + 1] = (uint8_t)(caps >> 8);
    fixed[AT_CAPS_HIGH] = (uint8_t)(caps >> 16);
    fixed[AT_CAPS_HIGH + 1] = (uint8_t)(caps >> 24);
}

static int no_greeting(const uint8_t *payload, size_t n, struct err *e)
{
    uint16_t code;
    char text[256];
    if (error_payload(payload, n, &code, text, sizeof text))
        return err_set(e, EPROTO, "the server refuses the connection: error %u, %s", code, text);
    if (n == 0)
        return err_set(e, EPROTO, "the server's greeting is empty");
    return err_set(e, EPROTO, "not a MariaDB greeting: protocol %u instead of 10", payload[0]);
}

/* The part behind the two halves of the fixed fields: rest of the scramble, plugin name. */
static int parse_auth(const uint8_t *fixed, const uint8_t *end, struct greeting *g, struct err *e)
{
    struct cursor c = cursor_make(
        fixed + AT_SCRAMBLE_REST, (size_t)(end - fixed) - AT_SCRAMBLE_REST);
    uint8_t total = fixed[AT_SCRAMBLE_LENGTH];
    size_t rest = total > 8 + 13 ? (size_t)total - 8 : 13;

    memcpy(g->scramble, fixed + AT_SCRAMBLE, 8);
    const uint8_t *second = cursor_bytes(&c, rest);
    if (!second)
        return err_set(e, EPROTO, "the server's greeting ends inside the scramble");
    memcpy(g->scramble + 8, second, 12);

    g->plugin[0] = '\0';
    if (g->caps & CAP_PLUGIN_AUTH) {
        size_t len = strnlen((const char *)c.p, cursor_left(&c)); /* old servers forget the NUL */
        if (len >= sizeof g->plugin)
            return err_set(e, EPROTO, "the server's greeting names a plugin of %zu bytes", len);
        memcpy(g->plugin, c.p, len);
        g->plugin[len] = '\0';
    }
    return 0;
}

int greeting_parse(const uint8_t *payload, size_t n, struct greeting *out, struct err *e)
{
    if (n == 0 || payload[0] != 10)
        return no_greeting(payload, n, e);

    struct cursor c = cursor_make(payload + 1, n - 1);
    size_t len;
    const char *version = cursor_string(&c, &len);
    if (!version || len >= sizeof out->version)
        return err_set(e, EPROTO, "the server's greeting has no proper version");
    const uint8_t *fixed = cursor_bytes(&c, AT_SCRAMBLE_REST);
    if (!fixed)
        return err_set(e, EPROTO, "the server's greeting is too short (%zu bytes)", n);

    struct greeting g = {.caps = caps_read(fixed), .charset = fixed[AT_CHARSET]};
    if (!(g.caps & CAP_PROTOCOL_41) || !(g.caps & CAP_SECURE_CONNECTION))
        return err_set(
            e, EPROTO, "the server (%s) speaks a protocol older than 4.1", UTF8_SHORT(version, 64));
    struct cursor thread = cursor_make(fixed + AT_THREAD, 4);
    struct cursor status = cursor_make(fixed + AT_STATUS, 2);
    g.thread_id = cursor_u32(&thread);
    g.status = cursor_u16(&status);
    memcpy(g.version, version, len + 1);
    int r = parse_auth(fixed, payload + n, &g, e);
    if (r < 0)
        return r;
    *out = g;
    return 0;
}

/* MySQL's own, and what descends from it. Its drivers know what each of its versions can do; told
 * an older one, they ask for variables that it has lost. */
static bool is_mysql(const struct greeting *g)
{
    return (g->caps & CAP_MYSQL) && !strstr(g->version, "MariaDB");
}

static int announced_version(const struct greeting *g, const char *announce,
    char out[static GREETING_VERSION_MAX], struct err *e)
{
    const char *prefix = "", *text = announce;
    if (!announce || strcmp(announce, "server") == 0 ||
        (strcmp(announce, "elexis") == 0 && is_mysql(g))) {
        text = g->version;
    } else if (strcmp(announce, "elexis") == 0) {
        size_t skip = strlen(MARIADB_PREFIX);
        prefix = ELEXIS_PREFIX;
        text = strncmp(g->version, MARIADB_PREFIX, skip) == 0 ? g->version + skip : g->version;
    }
    if (strlen(prefix) + strlen(text) >= GREETING_VERSION_MAX)
        return err_set(e, EINVAL, "the announced version is too long: %s...", UTF8_SHORT(text, 64));
    strcpy(out, prefix);
    strcat(out, text);
    return 0;
}

int greeting_rewrite(const uint8_t *packet, size_t n, const struct greeting_change *change,
    uint8_t out[static GREETING_MAX], size_t *out_len, struct err *e)
{
    if (n < PACKET_HEADER || n - PACKET_HEADER != packet_length(packet))
        return err_set(e, EPROTO, "the server's greeting is not one whole packet");

    const uint8_t *payload = packet + PACKET_HEADER;
    size_t payload_len = n - PACKET_HEADER;
    struct greeting g;
    int r = greeting_parse(payload, payload_len, &g, e);
    if (r < 0)
        return r;
    char version[GREETING_VERSION_MAX];
    r = announced_version(&g, change->announce, version, e);
    if (r < 0)
        return r;

    size_t head = 1 + strlen(g.version) + 1; /* protocol, version, NUL */
    size_t rest = payload_len - head;
    size_t new_head = 1 + strlen(version) + 1;
    if (PACKET_HEADER + new_head + rest > GREETING_MAX)
        return err_set(e, EPROTO, "the server's greeting is too long (%zu bytes)", payload_len);

    packet_header(out, (uint32_t)(new_head + rest), packet[3]);
    out[PACKET_HEADER] = payload[0];
    memcpy(out + PACKET_HEADER + 1, version, strlen(version) + 1);
    memcpy(out + PACKET_HEADER + new_head, payload + head, rest);

    uint64_t caps = g.caps & ~(CAP_COMPRESS | CAP_ZSTD | CAP_SSL);
    if (change->offer_tls)
        caps |= CAP_SSL;
    caps_write(out + PACKET_HEADER + new_head, caps);
    *out_len = PACKET_HEADER + new_head + rest;
    return 0;
}
