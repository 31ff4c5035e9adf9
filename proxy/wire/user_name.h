/*
 * Whether a server would take the name in a login for this account's. It strips quotes from around
 * a name (parse_client_handshake_packet), converts it from the client's character set, and cuts it
 * where that does not work; so the text that a client sends is not yet the name.
 */
#ifndef ELEXGATE_PROXY_WIRE_USER_NAME_H
#define ELEXGATE_PROXY_WIRE_USER_NAME_H

#include <stdint.h>

/* A character set that is not known: at a change of user a client may have set any. */
#define USER_NAME_CHARSET_ANY 0u

enum user_name_match {
    USER_NAME_OTHER,
    USER_NAME_SAME,    /* perhaps only to a server that cares less: blanks, case, quotes */
    USER_NAME_UNCLEAR, /* what the server makes of it cannot be told from here */
};

/* name: as sent. charset: the number of its collation, as in the login. account: UTF-8. */
enum user_name_match user_name_match(const char *name, uint8_t charset, const char *account);

#endif
