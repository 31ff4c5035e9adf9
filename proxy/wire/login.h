/*
 * The client's part of the login: SSLRequest and HandshakeResponse41, and COM_CHANGE_USER, which
 * carries the same fields. Source: MariaDB knowledge base, "Connection", "COM_CHANGE_USER".
 */
#ifndef ELEXGATE_PROXY_WIRE_LOGIN_H
#define ELEXGATE_PROXY_WIRE_LOGIN_H

#include "proxy/wire/packet.h"

/* Larger than any real one: the attributes alone may have 64 KiB. */
#ifndef LOGIN_PACKET_MAX /* smaller where it is to be reached: elexgate-proxy-small */
#define LOGIN_PACKET_MAX (128u * 1024u)
#endif
#define SSL_REQUEST_LENGTH 32u
/* What is kept of it: longer names are cut, attributes that do not fit are left out. */
#define LOGIN_TEXT_MAX       512u
#define LOGIN_ATTRIBUTES_MAX 4096u

/* The first 32 bytes of both packets. */
struct login_head {
    uint64_t caps; /* with the extended ones when CAP_MYSQL is absent */
    uint32_t max_packet;
    uint8_t charset;
};
/* Outcomes: 0 = a HandshakeResponse, 1 = an SSLRequest (32 bytes and CAP_SSL). -EPROTO: neither;
 * the message says what it looks like (HTTP request, TLS ClientHello, protocol older than 4.1,
 * ...). */
int login_first(const uint8_t *payload, size_t n, struct login_head *out, struct err *e) MUSTCHECK;
/* What the first bytes on a connection look like when they are no MySQL packet, for the log: "an
 * HTTP request", "a TLS ClientHello without SSLRequest", "an SSH banner", or NULL. */
const char *login_foreign(const uint8_t *bytes, size_t n);

/* Who logs in. Strings are malloc'ed copies, never NULL; login_names_free frees and clears. */
struct login_names {
    char *user, *database, *plugin;
    char *program;    /* attribute program_name, or what says most about the client: _client_name */
    char *attributes; /* all attributes, "key\0value\0key\0value\0" */
    size_t attributes_len;
};
void login_names_free(struct login_names *n);
/* payload of a HandshakeResponse41. caps: those that count, i.e. the SSLRequest's where there was
 * one. */
int login_parse(const uint8_t *payload, size_t n, uint64_t caps, struct login_names *out,
    struct err *e) MUSTCHECK;
/* The same payload: -EPROTO for what a server is sure to answer with an error that it counts
 * against the address (max_connect_errors): passwords of before 4.1, a proof of no length of its
 * plugin, attributes that do not fit. Tried on MariaDB 10.11 and 11.8. */
int login_check(const uint8_t *payload, size_t n, uint64_t caps, struct err *e) MUSTCHECK;
/* payload of a COM_CHANGE_USER, command byte included. */
int login_parse_change_user(const uint8_t *payload, size_t n, uint64_t caps,
    struct login_names *out, struct err *e) MUSTCHECK;

/* Makes the HandshakeResponse fit for a plaintext server, in place: capabilities (and the extended
 * ones) become those of the SSLRequest, since a server takes them from there, less CAP_SSL and the
 * compression bits. For a plaintext login pass the response's own head. */
int login_rewrite(
    uint8_t *payload, size_t n, const struct login_head *counts, struct err *e) MUSTCHECK;

/* A whole packet that logs nobody in, number 1: a server refuses it and, other than a connection
 * that breaks off, does not count that against our address (max_connect_errors). */
#define LOGIN_NOBODY_LEN 78u
void login_nobody(uint8_t packet[static LOGIN_NOBODY_LEN]);

/* What a packet from the server means during the login (also after COM_CHANGE_USER). */
enum login_reply { LOGIN_OK, LOGIN_ERROR, LOGIN_SWITCH, LOGIN_MORE };
enum login_reply login_classify(const uint8_t *payload, size_t n);
/* caching_sha2_password's "the fast path worked" (0x01 0x03): the server's OK follows unasked. */
bool login_goes_on(const uint8_t *payload, size_t n);
/* Status flags of the OK packet that ends a login. false if malformed. */
bool login_ok_status(const uint8_t *payload, size_t n, uint16_t *status);

#endif
