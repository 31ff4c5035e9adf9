/* Which database server, and as whom: what the settings say and backup/server/ connects to. */
#ifndef ELEXGATE_BACKUP_RULES_SERVER_TARGET_H
#define ELEXGATE_BACKUP_RULES_SERVER_TARGET_H

struct definers;
struct sandbox;

struct server_target {
    const char *host;
    unsigned port;
    const char *socket; /* used instead of host and port when not NULL */
    const char *user;
    const char *password; /* NULL: none (unix_socket authentication) */
    unsigned connect_timeout_ms;
    /* For an import as an account that may name nobody but itself as a definer: whom the text named
     * is noted here (definers.h). NULL: definers stay as they stand in the text. */
    struct definers *definers;
    /* For an import into a database of another name: statements that only choose, make or drop the
     * database of this name are left out, and so is the name before a table's. NULL: none. */
    const char *also_called;
    /* For an import into a server on trial: where the program runs that reads the text and talks to
     * the server. NULL: in one that sees nothing but this server (import.h). */
    const struct sandbox *sandbox;
};

#endif
