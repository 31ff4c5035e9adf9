#include "proxy/wire/probe_dialogue.h"

#include <stdio.h>
#include <string.h>
#include "common/utf8.h"
#include "proxy/wire/greeting.h"
#include "proxy/wire/login.h"

#define NATIVE    "mysql_native_password"
#define UTF8MB4   45
#define COM_QUERY 3

/* One row, one column, "READ_ONLY=OFF WSREP_ON=OFF WSREP_READY=ON": what a server lacks is left
 * out, where asking for the variable by its name would be an error. */
static const char question[] =
    "SELECT GROUP_CONCAT(N,'=',V SEPARATOR ' ') FROM (SELECT VARIABLE_NAME N, VARIABLE_VALUE V FROM information_schema.GLOBAL_VARIABLES WHERE VARIABLE_NAME IN ('READ_ONLY','WSREP_ON') UNION ALL SELECT VARIABLE_NAME, VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME='WSREP_READY') T";

void probe_dialogue_init(struct probe_dialogue *d, const char *user,
    void (*prove)(void *ctx, const uint8_t scramble[20], uint8_t proof[20]), void *ctx)
{
    *d = (struct probe_dialogue){.user = user, .prove = prove, .ctx = ctx};
}

static enum probe_step trouble(struct probe_dialogue *d, enum probe_step step, const char *text)
{
    utf8_copy(d->trouble, sizeof d->trouble, text);
    return step;
}

static enum probe_step error_of(
    struct probe_dialogue *d, const uint8_t *p, size_t n, enum probe_step step)
{
    uint16_t code;
    if (!error_payload(p, n, &code, d->trouble, sizeof d->trouble))
        return trouble(d, PROBE_FAILED, "its error packet is malformed");
    return step;
}

static void send_packet(struct probe_dialogue *d, uint8_t seq, const void *payload, size_t n)
{
    /* The callers': a name of at most 128 bytes with its proof, a proof, a constant question. */
    CHECK(n + PACKET_HEADER <= sizeof d->out);
    packet_header(d->out, (uint32_t)n, seq);
    if (n > 0)
        memcpy(d->out + PACKET_HEADER, payload, n);
    d->out_len = PACKET_HEADER + n;
}

static enum probe_step on_greeting(struct probe_dialogue *d, const uint8_t *p, size_t n)
{
    struct greeting g;
    struct err e;
    if (n > 0 && p[0] == 0xff) /* too many connections, host blocked */
        return error_of(d, p, n, PROBE_FAILED);
    if (greeting_parse(p, n, &g, &e) < 0)
        return trouble(d, PROBE_FAILED, e.text);
    if (!d->user) {
        login_nobody(d->out);
        d->out_len = LOGIN_NOBODY_LEN;
        return PROBE_DONE;
    }
    if (strlen(d->user) > 128)
        return trouble(d, PROBE_REFUSED, "the account's name is too long");
    uint8_t payload[256] = {0}, *at = payload;
    const uint32_t caps = (uint32_t)(CAP_MYSQL | CAP_PROTOCOL_41 | CAP_SECURE_CONNECTION |
                                     CAP_PLUGIN_AUTH);
    for (int i = 0; i < 4; i++)
        *at++ = (uint8_t)(caps >> (8 * i));
    at += 2;
    *at++ = 1; /* packets up to 64 KiB */
    *at++ = 0;
    *at++ = UTF8MB4;
    at += 23;
    at = (uint8_t *)stpcpy((char *)at, d->user) + 1;
    *at++ = 20;
    d->prove(d->ctx, g.scramble, at);
    at += 20;
    at = (uint8_t *)stpcpy((char *)at, NATIVE) + 1;
    send_packet(d, 1, payload, (size_t)(at - payload));
    d->phase = PROBE_LOGIN;
    return PROBE_SEND;
}

/* The account may have another method than the server's default. */
static enum probe_step on_switch(struct probe_dialogue *d, uint8_t seq, const uint8_t *p, size_t n)
{
    struct cursor c = cursor_make(p + 1, n - 1);
    size_t len;
    const char *plugin = cursor_string(&c, &len);
    const uint8_t *scramble = cursor_bytes(&c, 20);
    uint8_t proof[20];
    if (!plugin || strcmp(plugin, NATIVE) != 0) {
        send_packet(d, (uint8_t)(seq + 1), NULL, 0);
        return trouble(d, PROBE_REFUSED,
            "the probe's account must log in by mysql_native_password (IDENTIFIED BY)");
    }
    if (!scramble)
        return trouble(d, PROBE_FAILED, "its request for another login method is malformed");
    d->prove(d->ctx, scramble, proof);
    send_packet(d, (uint8_t)(seq + 1), proof, sizeof proof);
    return PROBE_SEND;
}

static enum probe_step on_login(struct probe_dialogue *d, uint8_t seq, const uint8_t *p, size_t n)
{
    switch (n > 0 ? login_classify(p, n) : LOGIN_MORE) {
    case LOGIN_OK: {
        uint8_t payload[sizeof question];
        payload[0] = COM_QUERY;
        memcpy(payload + 1, question, sizeof question - 1);
        send_packet(d, 0, payload, sizeof payload);
        d->phase = PROBE_ANSWER;
        return PROBE_SEND;
    }
    case LOGIN_ERROR:
        return error_of(d, p, n, PROBE_REFUSED);
    case LOGIN_SWITCH:
        return on_switch(d, seq, p, n);
    case LOGIN_MORE:
    default:
        send_packet(d, (uint8_t)(seq + 1), NULL, 0);
        return trouble(d, PROBE_REFUSED, "the login needs more than mysql_native_password");
    }
}

static bool says(const char *row, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = row; (at = strstr(at, word)); at += n)
        if ((at == row || at[-1] == ' ') && (at[n] == 0 || at[n] == ' '))
            return true;
    return false;
}

static enum probe_step on_row(struct probe_dialogue *d, const uint8_t *p, size_t n)
{
    char row[256];
    struct cursor c = cursor_make(p, n);
    uint64_t len = cursor_lenenc(&c);
    const uint8_t *text = len < sizeof row ? cursor_bytes(&c, (size_t)len) : NULL;
    if (c.bad || !text)
        return trouble(d, PROBE_FAILED, "its answer is malformed");
    memcpy(row, text, (size_t)len);
    row[len] = 0;
    d->asked = true;
    d->read_only = !says(row, "READ_ONLY=OFF") && !says(row, "READ_ONLY=0");
    d->galera = says(row, "WSREP_ON=ON");
    d->galera_ready = says(row, "WSREP_READY=ON");
    return PROBE_DONE;
}

/* Number of columns, the column, EOF, the row. */
static enum probe_step on_answer(struct probe_dialogue *d, const uint8_t *p, size_t n)
{
    if (n > 0 && p[0] == 0xff)
        return error_of(d, p, n, PROBE_REFUSED);
    switch (d->packets++) {
    case 0:
        return n == 1 && p[0] == 1 ? PROBE_WAIT
                                   : trouble(d, PROBE_FAILED, "its answer is not one column");
    case 1:
        return PROBE_WAIT;
    case 2:
        return n > 0 && n < 9 && p[0] == 0xfe ? PROBE_WAIT
                                              : trouble(d, PROBE_FAILED, "its answer is malformed");
    default:
        return on_row(d, p, n);
    }
}

static enum probe_step take_data(struct probe_dialogue *d, const void *data, size_t n)
{
    if (n > sizeof d->in - d->in_len)
        return trouble(d, PROBE_FAILED, "it sends more than a database would");
    if (n > 0)
        memcpy(d->in + d->in_len, data, n);
    d->in_len += n;
    d->out_len = 0;
    enum probe_step step = PROBE_WAIT;
    while (step == PROBE_WAIT && d->in_len >= PACKET_HEADER) {
        size_t len = packet_length(d->in), whole = PACKET_HEADER + len;
        if (whole > sizeof d->in)
            return trouble(d, PROBE_FAILED, "a packet's length is absurd");
        if (d->in_len < whole)
            break;
        const uint8_t *p = d->in + PACKET_HEADER;
        step = d->phase == PROBE_GREETING ? on_greeting(d, p, len)
               : d->phase == PROBE_LOGIN  ? on_login(d, d->in[3], p, len)
                                          : on_answer(d, p, len);
        memmove(d->in, d->in + whole, d->in_len - whole);
        d->in_len -= whole;
    }
    return step;
}

enum probe_step probe_dialogue_feed(struct probe_dialogue *d, const void *data, size_t n)
{
    enum probe_step step = take_data(d, data, n);
    if (step != PROBE_FAILED && step != PROBE_REFUSED)
        return step;
    if (!d->trouble[0])
        (void)trouble(d, step, "it refuses, and says nothing");
    for (char *c = d->trouble; *c; c++) /* goes into JSON and onto a terminal */
        if (*c < ' ' || *c > '~')
            *c = '?';
    return step;
}
