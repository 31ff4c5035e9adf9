/*
 * The bench's own MySQL client: just enough of the protocol to log in with mysql_native_password
 * and to read text results, over plaintext, over TLS from the first byte (for terminators that know
 * nothing of MySQL) or over the protocol's own STARTTLS. One and the same client measures every
 * peer, so that what differs between two rows is the peer.
 *
 * Sockets block. Whatever goes wrong ends the program with a message: a measurement with an error
 * in it is none.
 */
#ifndef ELEXGATE_BENCH_CLIENT_H
#define ELEXGATE_BENCH_CLIENT_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bench/address.h"

enum mode { MODE_PLAIN, MODE_RAW_TLS, MODE_STARTTLS };

struct target {
    struct address address;
    enum mode mode;
    const char *user, *password, *database;
    SSL_CTX *tls;        /* NULL for MODE_PLAIN */
    bool resume;         /* offer the newest ticket */
    SSL_SESSION *ticket; /* newest one got; owned by the target */
};

/* Sets target->tls: TLS 1.3 with one cipher and one group, the server's certificate checked against
 * the CA in ca_file. */
void target_tls(struct target *t, const char *ca_file);
void target_free(struct target *t);

struct client {
    int fd;
    SSL *ssl;
    uint8_t sequence; /* of the next packet that we expect or send */
    uint8_t *in;
    size_t start, end; /* unread bytes in `in` */
};

void client_open(struct client *c, struct target *t); /* connected and logged in */
void client_close(struct client *c);                  /* COM_QUIT, TLS close, close */
bool client_resumed(const struct client *c);

void client_query(struct client *c, const char *sql); /* sends COM_QUERY; returns at once */

/* What a result with one column held. */
struct result {
    uint64_t rows, bytes; /* bytes of the column's values */
    char first[9];        /* the first value's first 8 bytes, then NUL */
    uint64_t last_len;    /* length of the last value */
};

/* Reads the whole result of the last query. An ERR from the server ends the program. */
struct result client_result(struct client *c);

#endif
