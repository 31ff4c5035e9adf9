/*
 * The server's greeting (initial handshake packet, protocol 10): parsed, and rewritten for a
 * client. Source: MariaDB knowledge base, "Connection", "Initial handshake packet".
 */
#ifndef ELEXGATE_PROXY_WIRE_GREETING_H
#define ELEXGATE_PROXY_WIRE_GREETING_H

#include "proxy/wire/packet.h"

#define GREETING_MAX         1024 /* whole packet; real ones have about 100 bytes */
#define GREETING_VERSION_MAX 128

struct greeting {
    char version[GREETING_VERSION_MAX]; /* as sent, e.g. "5.5.5-10.11.19-MariaDB-0+deb12u1" */
    uint32_t thread_id;
    uint64_t caps; /* with MariaDB's extended ones in the upper half when CAP_MYSQL is absent */
    uint16_t status;
    uint8_t charset;
    uint8_t scramble[20]; /* both parts, without the final NUL */
    char plugin[64];      /* empty if the server names none */
};

/* payload: without the packet header. -EPROTO with a message on anything that is no greeting. */
int greeting_parse(const uint8_t *payload, size_t n, struct greeting *out, struct err *e) MUSTCHECK;

/* What the client is to be told. */
struct greeting_change {
    bool offer_tls;       /* sets or clears CLIENT_SSL */
    const char *announce; /* NULL or "server": as it came; "elexis": MariaDB's as 5.6.51-<version
                             without 5.5.5->, MySQL's as it came; other: this text */
};
/* Rewrites a whole packet (header included, one packet) and always clears the compression bits.
 * Leaves thread id, scramble and everything unknown as they are. *out_len <= GREETING_MAX. */
int greeting_rewrite(const uint8_t *packet, size_t n, const struct greeting_change *change,
    uint8_t out[static GREETING_MAX], size_t *out_len, struct err *e) MUSTCHECK;

#endif
