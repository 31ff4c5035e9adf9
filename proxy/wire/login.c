#include "proxy/wire/login.h"

#include <errno.h>
#include <string.h>
#include "proxy/wire/login_plugin.h"

/* Offsets in the first 32 bytes. */
enum { AT_CAPS = 0, AT_MAX_PACKET = 4, AT_CHARSET = 8, AT_CAPS_EXTENDED = 28, HEAD_LENGTH = 32 };

/* ---- the first packet ---- */

static void write_u32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static struct login_head head_read(const uint8_t *payload)
{
    struct cursor c = cursor_make(payload, HEAD_LENGTH);
    struct login_head h = {.caps = cursor_u32(&c)};
    h.max_packet = cursor_u32(&c);
    h.charset = cursor_u8(&c);
    cursor_bytes(&c, AT_CAPS_EXTENDED - AT_CHARSET - 1);
    if (!(h.caps & CAP_MYSQL))
        h.caps |= (uint64_t)cursor_u32(&c) << 32;
    return h;
}

int login_first(const uint8_t *payload, size_t n, struct login_head *out, struct err *e)
{
    struct cursor c = cursor_make(payload, n);
    uint64_t caps = cursor_u16(&c);
    if (c.bad)
        return err_set(e, EPROTO, "the login packet is too short (%zu bytes)", n);
    if (!(caps & CAP_PROTOCOL_41)) {
        const char *what = login_foreign(payload, n);
        if (what)
            return err_set(e, EPROTO, "the login packet is %s", what);
        return err_set(
            e, EPROTO, "the client speaks a protocol older than 4.1, or no MySQL at all");
    }
    if (n < HEAD_LENGTH)
        return err_set(e, EPROTO, "the login packet is too short (%zu bytes)", n);
    *out = head_read(payload);
    return n == SSL_REQUEST_LENGTH && (caps & CAP_SSL) ? 1 : 0;
}

const char *login_foreign(const uint8_t *bytes, size_t n)
{
    static const struct {
        const char *start;
        uint8_t len;
        const char *what;
    } known[] = {
        {"\x16\x03", 2, "a TLS ClientHello without SSLRequest"},
        {"GET ", 4, "an HTTP request"},
        {"POST ", 5, "an HTTP request"},
        {"PUT ", 4, "an HTTP request"},
        {"HEAD ", 5, "an HTTP request"},
        {"OPTIONS ", 8, "an HTTP request"},
        {"CONNECT ", 8, "an HTTP request"},
        {"DELETE ", 7, "an HTTP request"},
        {"PRI * HTTP/2", 12, "an HTTP/2 request"},
        {"SSH-", 4, "an SSH banner"},
        {"PROXY ", 6, "a PROXY protocol header"},
        {"\r\n\r\n\0\r\nQUIT\n", 12, "a PROXY protocol header"},
        {"\0\0\0\x08\x04\xd2\x16\x2f", 8, "a PostgreSQL SSLRequest"},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (n >= known[i].len && memcmp(bytes, known[i].start, known[i].len) == 0)
            return known[i].what;
    return NULL;
}

int login_rewrite(uint8_t *payload, size_t n, const struct login_head *counts, struct err *e)
{
    if (n < HEAD_LENGTH)
        return err_set(e, EPROTO, "the login packet is too short (%zu bytes)", n);
    uint64_t caps = counts->caps & ~(CAP_SSL | CAP_COMPRESS | CAP_ZSTD);
    write_u32(payload + AT_CAPS, (uint32_t)caps);
    if (!(caps & CAP_MYSQL))
        write_u32(payload + AT_CAPS_EXTENDED, (uint32_t)(caps >> 32));
    return 0;
}

/* ---- who logs in ---- */

/* A bounded copy; NUL bytes inside, which only a hostile client sends, become spaces. */
static char *copy(const void *text, size_t len, size_t max)
{
    if (len > max)
        len = max;
    char *s = xmalloc(len + 1);
    for (size_t i = 0; i < len; i++) {
        char ch = ((const char *)text)[i];
        s[i] = ch ? ch : ' ';
    }
    s[len] = '\0';
    return s;
}

/* A string that ends with NUL or, in the last field, with the packet: some clients save the NUL. */
static const char *last_string(struct cursor *c, size_t *len)
{
    const char *at = (const char *)c->p;
    *len = strnlen(at, cursor_left(c));
    cursor_bytes(c, *len < cursor_left(c) ? *len + 1 : *len);
    return at;
}

struct text {
    const uint8_t *p;
    size_t len;
};

static struct text lenenc_text(struct cursor *c)
{
    uint64_t len = cursor_lenenc(c);
    if (len > cursor_left(c))
        c->bad = true;
    return (struct text){cursor_bytes(c, (size_t)len), (size_t)len};
}

static bool text_is(struct text t, const char *s)
{
    return t.len == strlen(s) && memcmp(t.p, s, t.len) == 0;
}

/* Attributes are for people: what is malformed or too much is left out, the login goes on. */
static void parse_attributes(struct cursor *c, struct login_names *out)
{
    struct text program = {0}, client = {0}, version = {0};
    uint64_t total = cursor_lenenc(c);
    if (c->bad)
        return;
    if (total > cursor_left(c))
        total = cursor_left(c);
    struct cursor a = cursor_make(c->p, (size_t)total);

    out->attributes = xmalloc(
        total < LOGIN_ATTRIBUTES_MAX ? (size_t)total + 1 : LOGIN_ATTRIBUTES_MAX);
    while (cursor_left(&a) > 0) {
        struct text key = lenenc_text(&a);
        struct text value = lenenc_text(&a);
        if (a.bad)
            break;
        if (text_is(key, "program_name"))
            program = value;
        else if (text_is(key, "_client_name"))
            client = value;
        else if (text_is(key, "_client_version"))
            version = value;
        /* Each length took a byte at least, so that two NULs always fit where the lengths stood. */
        if (key.len + value.len + 2 > LOGIN_ATTRIBUTES_MAX - out->attributes_len)
            continue;
        const struct text both[] = {key, value};
        for (size_t t = 0; t < 2; t++) {
            for (size_t i = 0; i < both[t].len; i++)
                out->attributes[out->attributes_len++] = (char)(both[t].p[i] ? both[t].p[i] : ' ');
            out->attributes[out->attributes_len++] = '\0';
        }
    }

    if (program.len > 0) {
        out->program = copy(program.p, program.len, LOGIN_TEXT_MAX);
    } else if (client.len > 0) {
        _cleanup_free_ char *name = copy(client.p, client.len, LOGIN_TEXT_MAX);
        _cleanup_free_ char *number = copy(
            version.len ? version.p : client.p, version.len, LOGIN_TEXT_MAX);
        out->program = version.len > 0 ? xasprintf("%s %s", name, number) : xstrdup(name);
    }
}

static void fill_missing(struct login_names *n)
{
    char **all[] = {&n->user, &n->database, &n->plugin, &n->program, &n->attributes};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (!*all[i])
            *all[i] = xstrdup("");
}

void login_names_free(struct login_names *n)
{
    free(n->user);
    free(n->database);
    free(n->plugin);
    free(n->program);
    free(n->attributes);
    *n = (struct login_names){0};
}

/* What both packets end in. */
static void take_rest(struct cursor *c, uint64_t caps, struct login_names *names)
{
    size_t len;
    if (caps & CAP_PLUGIN_AUTH) {
        const char *plugin = last_string(c, &len);
        names->plugin = copy(plugin, len, LOGIN_TEXT_MAX);
    }
    if (caps & CAP_CONNECT_ATTRS && cursor_left(c) > 0)
        parse_attributes(c, names);
    fill_missing(names);
}

/* user, answer to the scramble */
static void skip_auth(struct cursor *c, uint64_t caps, bool lenenc)
{
    size_t len;
    if (lenenc && (caps & CAP_AUTH_LENENC))
        lenenc_text(c);
    else if (caps & CAP_SECURE_CONNECTION)
        cursor_bytes(c, cursor_u8(c));
    else
        cursor_string(c, &len);
}

int login_parse(
    const uint8_t *payload, size_t n, uint64_t caps, struct login_names *out, struct err *e)
{
    struct cursor c = cursor_make(payload, n);
    size_t user_len, len;
    cursor_bytes(&c, HEAD_LENGTH);
    const char *user = cursor_string(&c, &user_len);
    if (c.bad)
        return err_set(e, EPROTO, "the login packet ends inside the user name");
    skip_auth(&c, caps, true);
    if (c.bad)
        return err_set(e, EPROTO, "the login packet ends inside the password's proof");

    struct login_names names = {.user = copy(user, user_len, LOGIN_TEXT_MAX)};
    if (caps & CAP_CONNECT_WITH_DB) {
        const char *database = last_string(&c, &len);
        names.database = copy(database, len, LOGIN_TEXT_MAX);
    }
    take_rest(&c, caps, &names);
    *out = names;
    return 0;
}

static int check_attributes(struct cursor *c, struct err *e)
{
    uint64_t total = cursor_lenenc(c);
    if (c->bad || total > cursor_left(c) || total > 65535)
        return err_set(
            e, EPROTO, "the login's attributes are missing, longer than the packet or than 64 KiB");
    return 0;
}

int login_check(const uint8_t *payload, size_t n, uint64_t caps, struct err *e)
{
    struct cursor c = cursor_make(payload, n);
    size_t len;
    cursor_bytes(&c, HEAD_LENGTH);
    cursor_string(&c, &len);
    if (!(caps & CAP_SECURE_CONNECTION))
        return err_set(e, EPROTO, "the client knows only passwords as before MySQL 4.1");
    size_t proof = caps & CAP_AUTH_LENENC ? (size_t)cursor_lenenc(&c) : cursor_u8(&c);
    cursor_bytes(&c, proof);
    if (c.bad)
        return err_set(e, EPROTO, "the login packet ends inside the password's proof");
    if (caps & CAP_CONNECT_WITH_DB)
        last_string(&c, &len);
    struct text plugin = {(const uint8_t *)"mysql_native_password", 21};
    if (caps & CAP_PLUGIN_AUTH)
        plugin.p = (const uint8_t *)last_string(&c, &plugin.len);
    if (text_is(plugin, "mysql_old_password"))
        return err_set(e, EPROTO, "the client knows only passwords as before MySQL 4.1");
    if (text_is(plugin, "mysql_native_password") && !login_plugin_fits(LOGIN_PLUGIN_NATIVE, proof))
        return err_set(e, EPROTO, "a proof of %zu bytes is none of mysql_native_password", proof);
    return caps & CAP_CONNECT_ATTRS ? check_attributes(&c, e) : 0;
}

int login_parse_change_user(
    const uint8_t *payload, size_t n, uint64_t caps, struct login_names *out, struct err *e)
{
    struct cursor c = cursor_make(payload, n);
    size_t user_len, len;
    cursor_u8(&c); /* the command */
    const char *user = cursor_string(&c, &user_len);
    if (c.bad)
        return err_set(e, EPROTO, "the change of user ends inside the user name");
    skip_auth(&c, caps, false);
    if (c.bad)
        return err_set(e, EPROTO, "the change of user ends inside the password's proof");

    struct login_names names = {.user = copy(user, user_len, LOGIN_TEXT_MAX)};
    const char *database = last_string(&c, &len);
    names.database = copy(database, len, LOGIN_TEXT_MAX);
    if (cursor_left(&c) >= 2)
        cursor_u16(&c); /* character set */
    take_rest(&c, caps, &names);
    *out = names;
    return 0;
}

/* ---- the server's part ---- */

void login_nobody(uint8_t packet[static LOGIN_NOBODY_LEN])
{
    /* No account of anybody; were there one without a password, nothing would be said to it. */
    static const char user[] = "elexgate: no login", plugin[] = "mysql_native_password";
    _Static_assert(
        PACKET_HEADER + SSL_REQUEST_LENGTH + sizeof user + 1 + sizeof plugin == LOGIN_NOBODY_LEN,
        "its parts");
    const uint32_t caps = CAP_PROTOCOL_41 | CAP_SECURE_CONNECTION | CAP_PLUGIN_AUTH;
    uint8_t *p = packet + PACKET_HEADER;
    memset(packet, 0, LOGIN_NOBODY_LEN);
    packet_header(packet, LOGIN_NOBODY_LEN - PACKET_HEADER, 1);
    for (unsigned i = 0; i < 4; i++)
        p[i] = (uint8_t)(caps >> (8 * i));
    p[6] = 1;  /* packets up to 64 KiB */
    p[8] = 45; /* utf8mb4 */
    p += SSL_REQUEST_LENGTH;
    memcpy(p, user, sizeof user);
    p += sizeof user + 1; /* and a password of no bytes */
    memcpy(p, plugin, sizeof plugin);
}

enum login_reply login_classify(const uint8_t *payload, size_t n)
{
    if (n == 0)
        return LOGIN_MORE;
    switch (payload[0]) {
    case 0x00:
        return LOGIN_OK;
    case 0xff:
        return LOGIN_ERROR;
    case 0xfe:
        return LOGIN_SWITCH;
    default: /* 0x01 by rule; MariaDB sends a plugin's data bare where its first byte is
                unmistakable */
        return LOGIN_MORE;
    }
}

bool login_goes_on(const uint8_t *payload, size_t n)
{
    return n == 2 && payload[0] == 0x01 && payload[1] == 0x03;
}

bool login_ok_status(const uint8_t *payload, size_t n, uint16_t *status)
{
    struct cursor c = cursor_make(payload, n);
    uint8_t first = cursor_u8(&c);
    cursor_lenenc(&c); /* affected rows */
    cursor_lenenc(&c); /* insert id */
    uint16_t flags = cursor_u16(&c);
    if (c.bad || first != 0x00)
        return false;
    *status = flags;
    return true;
}
