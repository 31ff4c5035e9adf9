/*
 * Who wrote what the binary log has: the gate knows at which seconds each workstation was writing
 * (proxy/writers.h), and over which of the server's connections.
 */
#ifndef ELEXGATE_BACKUP_SERVER_WRITERS_H
#define ELEXGATE_BACKUP_SERVER_WRITERS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/error.h"

struct writers;
/* What the gate knows of these seconds; never NULL. socket: NULL, or one where nobody answers: it
 * knows nothing, and that is noted in writers_problem. */
struct writers *writers_ask(const char *socket, int64_t from, int64_t to) MUSTCHECK;
const struct err *writers_problem(const struct writers *w); /* NULL = it was asked */
void writers_drop(struct writers *w);                       /* NULL allowed */

#define WRITERS_FOUND_MAX 4
struct writers_found {
    const char *names[WRITERS_FOUND_MAX]; /* "192.168.1.5", or with the admin's name for it in
                                             brackets; valid as long as the writers are */
    size_t n;                             /* 0 = nobody; more than one: each of them may have */
    bool more;                            /* others as well */
    bool by_thread;                       /* by the connection's number, else by time alone */
};
/* thread: 0 = not known; when: the second that the server has noted. */
struct writers_found writers_find(const struct writers *w, uint32_t thread, int64_t when);
/* One more name of the same writers, if it is not there yet. */
void writers_add(struct writers_found *f, const char *name);
/* ["192.168.1.5 (Empfang)", ..] */
json_t *writers_found_json(const struct writers_found *f) MUSTCHECK;

#endif
