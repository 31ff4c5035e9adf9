/*
 * Which database users a client certificate may log in as: a text file, a line for each
 * certificate.
 *
 *   # name in the certificate (CN) = database users
 *   empfang-1        = elexis
 *   Labor Anna Meier = elexis, labor
 *   buchhaltung      = *             any user
 *   *                = elexis        every other certificate that the CA has issued
 *
 * Names are compared exactly, with upper and lower case. Spaces around names and users do not
 * count. A name may stand once. Pure: text in, answers out.
 */
#ifndef ELEXGATE_CERTS_CLIENT_MAP_H
#define ELEXGATE_CERTS_CLIENT_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include "common/error.h"

struct client_map; /* immutable */

/* Errors name the file, the line and what is wrong with it. name stands in messages. */
int client_map_parse(const char *text, size_t len, const char *name, struct client_map **out,
    struct err *e) MUSTCHECK;
int client_map_load(const char *path, struct client_map **out, struct err *e) MUSTCHECK;
void client_map_free(struct client_map *m); /* NULL allowed */

size_t client_map_size(const struct client_map *m);

enum client_map_answer {
    CLIENT_MAP_ALLOWED,
    CLIENT_MAP_UNKNOWN,    /* the certificate's name is not in the map */
    CLIENT_MAP_OTHER_USER, /* it is, but not with this user */
};
enum client_map_answer client_map_check(
    const struct client_map *m, const char *certificate, const char *user);

#endif
