/*
 * Finds every COM_CHANGE_USER in what a client sends, so that the relay can ask whether this user
 * may come in before the server gets the packet's end.
 *
 * It follows packet headers and nothing else: the dialogue's view of what a packet means depends on
 * answers, so a client could try to confuse it; this one cannot be confused. A command has sequence
 * number 0 (servers insist on it), so any packet with number 0 and the command byte counts. Data of
 * LOAD DATA LOCAL that looks the same, one packet in 256 and then a control character in front,
 * is taken for a change of user as well: careful, not exact.
 */
#ifndef ELEXGATE_PROXY_WIRE_USER_GUARD_H
#define ELEXGATE_PROXY_WIRE_USER_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proxy/wire/login.h"

struct user_guard;

/* caps: as for dialogue_init. */
struct user_guard *user_guard_new(uint64_t caps) MUSTCHECK;
void user_guard_free(struct user_guard *g); /* NULL allowed */

/* Before each feed: whether the dialogue, as far as it has read, is in the data of a LOAD DATA
 * LOCAL. Behind the empty packet that ends them in the same bytes it is not, which only the guard
 * sees. */
void user_guard_set_file(struct user_guard *g, bool file);
/* What was just refused may be data. */
bool user_guard_in_file(const struct user_guard *g);

/* Bytes from the client, in order and in any pieces. 0: nothing more in them. 1: a change of user
 * ends at *taken, *out says to whom (the caller's; login_names_free); go on behind it. -EPROTO: one
 * that cannot be read; who feeds on behind *taken passes it over. */
int user_guard_feed(struct user_guard *g, const uint8_t *p, size_t n, size_t *taken,
    struct login_names *out, struct err *e) MUSTCHECK;

#endif
